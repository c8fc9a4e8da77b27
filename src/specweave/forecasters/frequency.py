"""The step of a series: inferred from stamps, and the way from stamps to whole steps and back.

Reads: stamps. Writes: nothing. Never: lets an irregular series pass for a regular one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from specweave.errors import DataError, SpecError

Ints = npt.NDArray[np.int64]
Instants = npt.NDArray[np.datetime64]

_DAY = 86_400 * 1_000_000
_WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
# Microseconds of a step -> (pandas-like name, steps of the natural season).
_DELTAS: dict[int, tuple[str, int]] = {
    60_000_000: ("min", 60), 15 * 60_000_000: ("15min", 96), 30 * 60_000_000: ("30min", 48),
    3_600_000_000: ("h", 24), _DAY: ("D", 7), 7 * _DAY: ("W", 52),
}  # fmt: skip
_MONTHS = {1: ("MS", 12), 3: ("QS", 4), 12: ("YS", 1)}
_WORDS = {
    "minutely": "min", "min": "min", "hourly": "h", "h": "h", "hour": "h", "daily": "D", "d": "D", "day": "D",
    "weekly": "W", "w": "W", "week": "W", "monthly": "MS", "m": "MS", "ms": "MS", "me": "MS", "month": "MS",
    "quarterly": "QS", "q": "QS", "qs": "QS", "qe": "QS", "quarter": "QS", "yearly": "YS", "y": "YS", "ys": "YS",
    "annual": "YS", "annually": "YS", "a": "YS", "year": "YS", "business": "B", "businessdaily": "B", "b": "B",
    "step": "step", "steps": "step",
}  # fmt: skip
_SEASONS = {"min": 60, "h": 24, "D": 7, "B": 5, "W": 52, "MS": 12, "QS": 4, "YS": 1, "step": 1}


@dataclass(frozen=True)
class Frequency:
    """The step of a panel of series.

    Attributes
    ----------
    unit : {"step", "delta", "month", "business"}
    size : int
        Numbers per step for ``step``, microseconds for ``delta``, months for ``month``; 1 for ``business``.
    anchor : int
        What a stamp holds besides its step: the remainder for ``step``, microseconds after the epoch for
        ``delta``, the day of the month for ``month`` (-1 for its last one), microseconds of the day.
    name : str
        Pandas-like: ``W-FRI``, ``MS``, ``ME``, ``D``, ``h``, ``step``.
    season : int
        Steps of the natural season, 1 where there is none.
    clock : int
        Microseconds after midnight, for ``month`` and ``business``.
    """

    unit: str = "step"
    size: int = 1
    anchor: int = 0
    name: str = "step"
    season: int = 1
    clock: int = 0

    def steps(self, stamps: Any) -> Ints:
        """Return the step of each stamp, shape (n,).

        Parameters
        ----------
        stamps : ndarray of datetime64 or whole numbers, shape (n,)

        Raises
        ------
        DataError
            If a stamp lies off the grid; names it.
        """
        found, exact = self._place(stamps)
        if not exact.all():
            stray = np.asarray(stamps)[int(np.flatnonzero(~exact)[0])]
            raise DataError(f"{show_stamp(stray)} is no step of a {self.name} series")
        return found

    def on_grid(self, stamps: Any) -> npt.NDArray[np.bool_]:
        """Return whether each stamp lies on the grid, shape (n,)."""
        return self._place(stamps)[1]

    def stamps(self, steps: Any) -> Any:
        """Return the stamps of steps: datetime64[us], or whole numbers for ``step``."""
        steps = np.asarray(steps, dtype=np.int64)
        if self.unit == "step":
            return steps * self.size + self.anchor
        if self.unit == "delta":
            return (steps * self.size + self.anchor).astype("datetime64[us]")
        if self.unit == "business":
            days = np.busday_offset(np.datetime64("1970-01-01"), steps, roll="forward")
            return days.astype("datetime64[us]") + np.timedelta64(self.clock, "us")
        months = steps * self.size + self.anchor // 100
        day = self.anchor % 100
        first = months.astype("datetime64[M]")
        length = ((first + 1).astype("datetime64[D]") - first.astype("datetime64[D]")).astype(np.int64)
        place = length if day == 99 else np.minimum(day, length)
        days = first.astype("datetime64[D]") + (place - 1)
        return days.astype("datetime64[us]") + np.timedelta64(self.clock, "us")

    def _place(self, stamps: Any) -> tuple[Ints, npt.NDArray[np.bool_]]:
        if self.unit == "step":
            values = np.asarray(stamps, dtype=np.float64)
            steps = np.floor((values - self.anchor) / self.size + 1e-9).astype(np.int64)
            return steps, np.isclose(steps * self.size + self.anchor, values)
        instants = np.asarray(stamps).astype("datetime64[us]")
        if self.unit == "delta":
            micros = instants.astype(np.int64) - self.anchor
            steps = np.floor_divide(micros, self.size)
            return steps, steps * self.size == micros
        if self.unit == "business":
            days = instants.astype("datetime64[D]")
            steps = np.busday_count(np.datetime64("1970-01-01"), days).astype(np.int64)
            return steps, np.is_busday(days)
        months = instants.astype("datetime64[M]").astype(np.int64) - self.anchor // 100
        steps = np.floor_divide(months, self.size)
        exact = steps * self.size == months
        return steps, exact & (self.stamps(steps) == instants)

    def to_record(self) -> dict[str, Any]:
        """Return the frequency as a plain mapping."""
        return {
            "unit": self.unit, "size": self.size, "anchor": self.anchor, "name": self.name,
            "season": self.season, "clock": self.clock,
        }  # fmt: skip


def show_stamp(stamp: Any) -> str:
    """Return a stamp as people write it: no clock where it is midnight."""
    if isinstance(stamp, np.datetime64 | pd.Timestamp):
        text = str(pd.Timestamp(stamp))
        return text.removesuffix(" 00:00:00")
    return f"{float(stamp):g}"


def parse_frequency(text: str, where: str | None = None) -> tuple[str, int]:
    """Return (base name, natural season) of a frequency as a person writes it: ``weekly``, ``W-FRI``, ``MS``.

    Raises
    ------
    SpecError
        If it is none.
    """
    word = re.sub(r"[^a-z]", "", text.casefold().partition("-")[0].partition("(")[0])
    if word not in _WORDS:
        raise SpecError(
            f"'{text}' is no frequency", where=where,
            hint="write hourly, daily, business, weekly, monthly, quarterly, yearly or step; or remove the line",
        )  # fmt: skip
    name = _WORDS[word]
    return name, _SEASONS[name]


def infer_frequency(groups: Sequence[Any], labels: Sequence[str] | None = None) -> Frequency:
    """Return the one step that all series share.

    Parameters
    ----------
    groups : sequence of ndarray, shape (n_i,)
        The sorted distinct stamps of each series: datetime64, or whole numbers.
    labels : sequence of str, optional
        Names of the series, for messages.

    Raises
    ------
    DataError
        If the stamps follow no common step: mixed or irregular frequencies.

    Examples
    --------
    >>> import numpy as np
    >>> infer_frequency([np.arange("2020-01", "2021-01", dtype="datetime64[M]")]).name
    'MS'
    """
    labels = list(labels) if labels is not None else [f"series {i + 1}" for i in range(len(groups))]
    usable = [(g, label) for g, label in zip(groups, labels, strict=True) if len(g) > 1]
    if not usable:
        raise DataError("no series has two stamps: there is no step between them",
                        hint="name the series' column and the time column in spec.md")  # fmt: skip
    if np.asarray(usable[0][0]).dtype.kind != "M":
        return _infer_numbers([np.asarray(g, dtype=np.float64) for g, _ in usable])
    instants = [np.asarray(g).astype("datetime64[us]") for g, _ in usable]
    names = [label for _, label in usable]
    found = _infer_months(instants) or _infer_business(instants) or _infer_delta(instants, names)
    stray = [(i, g[~ok]) for i, g in enumerate(instants) if not (ok := found.on_grid(g)).all()]
    if stray:
        where, off = stray[0]
        raise DataError(
            f"the stamps are irregular: most follow {found.name} steps, but {show_stamp(off[0])} of "
            f"'{names[where]}' does not ({sum(len(s) for _, s in stray)} such stamps)",
            hint="bring all stamps to one grid (for weekly data the same weekday), or aggregate them first",
        )
    return found


def _infer_numbers(groups: Sequence[npt.NDArray[np.float64]]) -> Frequency:
    whole = all(np.all(g == np.round(g)) for g in groups)
    if not whole:
        raise DataError("the time column holds fractions, which are no steps",
                        hint="write dates, or whole step numbers")  # fmt: skip
    size = int(np.gcd.reduce(np.concatenate([np.diff(g).astype(np.int64) for g in groups])))
    anchor = int(groups[0][0]) % max(size, 1)
    same = all(np.all(g.astype(np.int64) % size == anchor) for g in groups)
    return Frequency("step", size, anchor) if same else Frequency("step", 1, 0)


def _infer_months(groups: Sequence[Instants]) -> Frequency | None:
    """Return months, quarters or years where stamps are at least 28 days apart on one day of the month."""
    every = np.concatenate(groups)
    gaps = np.concatenate([np.diff(g).astype(np.int64) for g in groups])
    if gaps.min() < 28 * _DAY:
        return None
    days = every.astype("datetime64[D]")
    firsts = every.astype("datetime64[M]")
    place = (days - firsts.astype("datetime64[D]")).astype(np.int64) + 1
    last = (firsts + 1).astype("datetime64[D]") - 1 == days
    if last.all():
        day = 99
    elif (place == place[0]).all() or (place == np.minimum(place.max(), _month_length(firsts))).all():
        day = int(place.max())
    else:
        return None
    months = [g.astype("datetime64[M]").astype(np.int64) for g in groups]
    size = int(np.gcd.reduce(np.concatenate([np.diff(m) for m in months])))
    size = next(s for s in (12, 3, 1) if size % s == 0)
    first = int(months[0][0])
    if any(((m - first) % size).any() for m in months):
        size = 1
    clock = int((every[0] - days[0].astype("datetime64[us]")).astype(np.int64))
    name, season = _MONTHS[size]
    name = name.replace("S", "E") if day == 99 else name
    return Frequency("month", size, (first % size) * 100 + day, name, season, clock)


def _month_length(firsts: Instants) -> Ints:
    starts = firsts.astype("datetime64[D]")
    return np.asarray(((firsts + 1).astype("datetime64[D]") - starts).astype(np.int64))


def _infer_business(groups: Sequence[Instants]) -> Frequency | None:
    """Return business days where stamps are days apart, none at a weekend, and most a day apart."""
    every = np.concatenate(groups)
    days = every.astype("datetime64[D]")
    clocks = (every - days.astype("datetime64[us]")).astype(np.int64)
    gaps = np.concatenate([np.diff(g.astype("datetime64[D]")).astype(np.int64) for g in groups])
    if len(np.unique(clocks)) > 1 or not np.is_busday(days).all() or len(every) < 8:
        return None
    if np.mean(gaps == 1) < 0.6 or gaps.min() < 1 or not (gaps == 3).any():
        return None
    return Frequency("business", 1, 0, "B", 5, int(clocks[0]))


def _infer_delta(groups: Sequence[Instants], names: Sequence[str]) -> Frequency:
    sizes = []
    for g in groups:
        values, counts = np.unique(np.diff(g).astype(np.int64), return_counts=True)
        sizes.append(int(values[np.argmax(counts)]))
    # Where steps differ, the most common one over all series is the frequency; the others must be multiples.
    values, counts = np.unique(sizes, return_counts=True)
    size = int(values[np.argmax(counts)])
    other = next((i for i, s in enumerate(sizes) if s % size), None)
    other = next((i for i, s in enumerate(sizes) if s != size), None) if other is None else other
    if other is not None and len(groups[other]) > 3:
        usual = sizes.index(size)
        raise DataError(
            f"mixed frequencies: '{names[usual]}' has a stamp every {_words(size)}, '{names[other]}' every "
            f"{_words(sizes[other])}",
            hint="bring all series to one frequency (aggregate the finer ones), or forecast them apart",
        )
    anchor = int(groups[sizes.index(size)][0].astype(np.int64)) % size
    name, season = _DELTAS.get(size, (_words(size), 1))
    if name == "W":
        name += "-" + _WEEKDAYS[int((groups[0][0].astype("datetime64[D]").astype(np.int64) + 3) % 7)]
    if season == 1 and size < _DAY and _DAY % size == 0:
        season = _DAY // size
    return Frequency("delta", size, anchor, name, season)


def _words(micros: int) -> str:
    for size, word in (
        (_DAY, "days"),
        (3_600_000_000, "hours"),
        (60_000_000, "minutes"),
        (1_000_000, "seconds"),
    ):
        if micros % size == 0:
            n = micros // size
            return f"{n} {word}" if n != 1 else word[:-1]
    return f"{micros} microseconds"
