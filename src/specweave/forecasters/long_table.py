"""Series in long form as users keep them: which column is what, and every row's place on one grid.

Reads: frames. Writes: nothing. Never: guesses past a duplicate stamp, an unreadable date or mixed steps.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from specweave.errors import DataError
from specweave.forecasters.decomposition import find_season
from specweave.forecasters.frequency import Frequency, infer_frequency, parse_frequency, show_stamp
from specweave.records import Finding
from specweave.tables.dates import render_dates, to_instants
from specweave.tables.kinds import infer_kinds
from specweave.tables.values import is_text_like, level_text, to_numbers

if TYPE_CHECKING:
    from specweave.tables.kinds import ColumnKind

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

ONE = "series"  # the id where there is no series column
_OFFSET = re.compile(r"(?:Z|[+-]\d{2}:?\d{2})$")
_CLOCKS = (
    "the clocks are set back then, and that hour stands twice: write stamps with their offset (02:00:00+01:00) "
    "or in UTC, or average the two rows"
)
_DAY = 86_400_000_000
_IRREGULAR = 0.15  # spread of the steps, as a share of their mean; months have 0.03


@dataclass
class LongTable:
    """Rows sorted by series and time, with their places.

    Attributes
    ----------
    frame : DataFrame, shape (n_rows, n_columns)
        The user's columns; index 0..n_rows-1. Rows without a target at a series' end are in `future`.
    ids : ndarray of str, shape (n_rows,)
    steps : ndarray of int, shape (n_rows,)
    y : ndarray, shape (n_rows,)
    frequency : Frequency
    stamps : Stamps
        How the time column is written.
    future : DataFrame
        Rows after the last known target of their series.
    notes : list of str
    findings : list of Finding
    """

    frame: pd.DataFrame
    ids: Any
    steps: Ints
    y: Floats
    frequency: Frequency
    stamps: Stamps
    future: pd.DataFrame
    notes: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True)
class Stamps:
    """How a time column is written: ``numbers``, or dates in a format; and whether offsets are local time."""

    form: str = ""
    zone: str = ""

    def read(self, column: pd.Series[Any]) -> Any:
        """Return the stamps of a column: datetime64, or numbers; NaT or NaN where unreadable."""
        if self.form == "numbers":
            return to_numbers(column)[0]
        if self.zone == "local" and isinstance(column.dtype, pd.DatetimeTZDtype):
            column = column.dt.tz_localize(None)
        elif self.zone == "local" and is_text_like(column):
            column = column.astype("object").map(
                lambda v: _OFFSET.sub("", v.strip()) if isinstance(v, str) else v
            )
        return to_instants(column, self.form)

    def write(self, stamps: Any) -> list[Any]:
        """Return stamps as the column writes them."""
        if self.form == "numbers":
            return [int(v) for v in stamps]
        shown = pd.DatetimeIndex(stamps)
        if self.form in ("unix-s", "unix-ms"):
            unit = 1_000_000 if self.form == "unix-s" else 1_000
            return [int(v) for v in shown.to_numpy().astype("datetime64[us]").astype(np.int64) // unit]
        # What was read with an offset is kept in UTC, and says so.
        mark = "+00:00" if "%z" in self.form or self.zone == "utc" else ""
        if self.form and self.form not in ("ISO8601", "mixed"):
            return [v + mark for v in render_dates(shown, self.form)]
        return [v.isoformat(" ") + mark if mark else show_stamp(v) for v in shown]


def read_long(
    frame: pd.DataFrame,
    *,
    time: str,
    target: str,
    series: Sequence[str] = (),
    frequency: str | None = None,
    season: int | None = None,
    where: Mapping[str, str] | None = None,
) -> LongTable:
    """Sort a table of series and place its rows on a grid.

    Parameters
    ----------
    frame : DataFrame
    time, target : str
        Columns.
    series : sequence of str
        Columns that together name a series.
    frequency : str, optional
        As a person writes it; inferred, and checked against it where given.
    season : int, optional
        Steps of the season; the frequency's natural one, or a measured one for plain steps.
    where : mapping, optional
        ``file:line`` of "time", "series", "frequency" for messages.

    Raises
    ------
    DataError
        If stamps are missing, stand twice, or follow no one step; if the target is no number, or nowhere.
    """
    where = dict(where or {})
    stamps, instants, notes = _stamps(frame, time, where.get("time"))
    ids = series_ids(frame, series)
    y, strays = to_numbers(frame[target])
    if strays or not np.isfinite(y).any():
        row = int(np.flatnonzero(~np.isfinite(y) & frame[target].notna().to_numpy())[0]) if strays else 0
        raise DataError(
            f"'{target}' is no quantity: data row {row + 1} holds {frame[target].iloc[row]!r}",
            where=where.get("target"), hint="name a column of numbers as Target",
        )  # fmt: skip
    y = np.where(np.isfinite(y), y, np.nan)
    order = np.lexsort((instants, ids))
    frame = frame.iloc[order].reset_index(drop=True)
    ids, instants, y = ids[order], instants[order], y[order]
    findings: list[Finding] = []
    keep = _without_duplicates(frame, ids, instants, y, series, time, where.get("series"), findings)
    frame, ids, instants, y = frame[keep].reset_index(drop=True), ids[keep], instants[keep], y[keep]
    try:
        found = infer_frequency(*_grouped(ids, instants))
    except DataError as error:
        raise DataError(error.what, where=where.get("time"), hint=error.hint) from error
    found = _as_named(found, frequency, where.get("frequency"))
    steps = found.steps(instants)
    table = LongTable(frame, ids, steps, y, found, stamps, frame.iloc[:0], notes, findings)
    _cut_future(table, target)
    if season is not None:
        table.frequency = _with_season(found, season)
    elif found.season == 1 and found.unit == "step":
        m, strength = find_season(_values(table))
        table.frequency = _with_season(found, m)
        if m > 1:
            notes.append(
                f"the steps repeat every {m} (autocorrelation of changes {strength:.2f}): taken as the season"
            )
    table.findings += check_series(table)
    return table


def series_ids(frame: pd.DataFrame, series: Sequence[str]) -> Any:
    """Return the id of each row's series: the columns' values joined by " / "."""
    if not series:
        return np.full(len(frame), ONE, dtype=object).astype(str)
    parts = [frame[c].map(lambda v: level_text(v) or "(missing)").astype(str) for c in series]
    joined = parts[0]
    for part in parts[1:]:
        joined = joined + " / " + part
    return joined.to_numpy().astype(str)


def _stamps(frame: pd.DataFrame, time: str, where: str | None) -> tuple[Stamps, Any, list[str]]:
    kind: ColumnKind = infer_kinds(frame[[time]], time=time)[time]
    column = frame[time]
    notes: list[str] = []
    empty = column.isna()
    if empty.any():
        raise DataError(
            f"the time column '{time}' is empty in {int(empty.sum())} rows, first in data row {int(np.argmax(empty)) + 1}",
            where=where, hint="fill in or remove these rows",
        )  # fmt: skip
    if kind.kind != "datetime":
        values, strays = to_numbers(column)
        if strays or not np.isfinite(values).all():
            raise DataError(
                f"'{time}' is no time: {column.iloc[0]!r} is neither a date nor a step number",
                where=where, hint="write dates as 2024-05-31, or whole step numbers, in one format",
            )  # fmt: skip
        return Stamps("numbers"), values, notes
    stamps = Stamps(kind.format)
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        stamps, note = _aware(column)
        notes.append(note)
    elif is_text_like(column):
        offsets = {m[0] for v in column.astype(str).unique() if (m := _OFFSET.search(v.strip())) and ":" in v}
        if offsets:
            stamps, note = _zoned(column, kind.format, offsets)
            notes.append(note)
    instants = stamps.read(column)
    unread = np.isnat(instants)
    if unread.any():
        row = int(np.argmax(unread))
        raise DataError(
            f"'{time}' cannot be read as a date in {int(unread.sum())} rows, first in data row {row + 1} "
            f"({column.iloc[row]!r})", where=where, hint="write all dates in one format",
        )  # fmt: skip
    if kind.note.startswith("ambiguous"):
        stamps, instants, note = _disambiguated(column, stamps, instants, kind.note)
        notes.append(f"'{time}': {note}")
    return stamps, instants, notes


def _aware(column: pd.Series[Any]) -> tuple[Stamps, str]:
    """Take stamps of a time zone as local days where they all have one clock there; else as UTC."""
    local = Stamps("", "local")
    if len(np.unique(local.read(column).astype("datetime64[us]").astype(np.int64) % _DAY)) == 1:
        return local, f"the time zone ({column.dt.tz}) is dropped: stamps are local days"
    return Stamps("", "utc"), f"stamps of the time zone {column.dt.tz} are read as UTC"


def _zoned(column: pd.Series[Any], form: str, offsets: set[str]) -> tuple[Stamps, str]:
    """Take stamps of days or longer as local time, so that a change of the clocks moves nothing; else as UTC."""
    local = Stamps(form.replace("%z", ""), "local")
    clocks = local.read(column).astype("datetime64[us]").astype(np.int64) % _DAY
    if len(offsets) > 1 and len(np.unique(clocks)) == 1:
        return local, f"time zone offsets ({', '.join(sorted(offsets))}) are dropped: stamps are local days"
    return Stamps(form), f"stamps with offsets ({', '.join(sorted(offsets))}) are read as UTC"


def _disambiguated(
    column: pd.Series[Any], stamps: Stamps, instants: Any, note: str
) -> tuple[Stamps, Any, str]:
    """Read day and month the other way round where only that gives regular steps."""
    swapped = stamps.form.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m")
    other = Stamps(swapped, stamps.zone)
    read = other.read(column)
    if np.isnat(read).any():
        return stamps, instants, note
    first, second = (_irregularity(np.unique(i)) for i in (instants, read))
    if first > _IRREGULAR > second:
        return (
            other, read, f"no value tells day from month; read as {swapped}, since only so the steps are regular",
        )  # fmt: skip
    return stamps, instants, note


def _irregularity(stamps: Any) -> float:
    gaps = np.diff(stamps.astype("datetime64[D]").astype(np.int64))
    return float(np.std(gaps) / max(np.mean(gaps), 1e-9)) if len(gaps) else 0.0


def _grouped(ids: Any, instants: Any) -> tuple[list[Any], list[str]]:
    starts = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]])
    groups = [np.unique(part) for part in np.split(instants, starts[1:])]
    return groups, [str(ids[s]) for s in starts]


def _values(table: LongTable) -> list[Floats]:
    starts = np.flatnonzero(np.r_[True, table.ids[1:] != table.ids[:-1]])
    return [part[np.isfinite(part)] for part in np.split(table.y, starts[1:])]


def _clocks_set_back(instants: Any) -> bool:
    """Return whether stamps that stand twice lie where the clocks are set back: early on a Sunday of autumn."""
    if np.asarray(instants).dtype.kind != "M":
        return False
    stamps = pd.DatetimeIndex(instants)
    return bool(
        ((stamps.dayofweek == 6) & (stamps.hour < 4) & np.isin(stamps.month, (3, 4, 10, 11))).all()
        and len(np.unique(stamps.normalize())) <= 2 * len(np.unique(stamps.year))
    )


def _without_duplicates(
    frame: pd.DataFrame, ids: Any, instants: Any, y: Floats, series: Sequence[str], time: str,
    where: str | None, findings: list[Finding],
) -> Any:  # fmt: skip
    """Return which rows to keep; rows that repeat another one wholly go, others of one stamp are refused."""
    same = np.r_[False, (ids[1:] == ids[:-1]) & (instants[1:] == instants[:-1])]
    if not same.any():
        return np.ones(len(ids), dtype=bool)
    repeated = frame.duplicated().to_numpy()
    clash = same & ~repeated
    if clash.any():
        row = int(np.argmax(clash))
        of = f" of series '{ids[row]}'" if series else ""
        column = _telling_column(frame, [*series, time])
        hint = (
            _CLOCKS
            if _clocks_set_back(instants[clash])
            else (
                f"'{column}' tells these rows apart: write in spec.md: - Series column: {', '.join([*series, column])}"
                if column
                else "sum or average the rows of one stamp first, or name the series' column in spec.md"
            )
        )
        raise DataError(
            f"{int(clash.sum())} stamps stand twice with different rows, first {show_stamp(instants[row])}{of}",
            where=where, hint=hint,
        )  # fmt: skip
    findings.append(
        Finding(
            code="SW251", severity="warning", where=time,
            message=f"{int(same.sum())} rows repeat another row of the same stamp and are left out",
            evidence={"rows": int(same.sum())}, advice="remove them from the data if they are errors",
        )
    )  # fmt: skip
    return ~same


def _telling_column(frame: pd.DataFrame, keys: Sequence[str]) -> str | None:
    """Return the column that, with `keys`, makes rows unique; the one with the fewest values."""
    found = [
        (frame[c].nunique(), str(c))
        for c in frame.columns
        if c not in keys and frame[c].nunique() < len(frame) / 3 and not frame.duplicated([*keys, c]).any()
    ]
    return min(found)[1] if found else None


def _as_named(found: Frequency, named: str | None, where: str | None) -> Frequency:
    """Return the inferred frequency with the season of the named one; refuse one that is not the data's."""
    if not named:
        return found
    base, season = parse_frequency(named, where)
    own = found.name.partition("-")[0].replace("E", "S")
    if found.unit == "step":
        return _with_season(found, season) if base != "step" else found
    if base != own and not (base == "D" and own == "B"):
        raise DataError(
            f"the stamps are {found.name}, not {named}", where=where,
            hint=f"write - Frequency: {found.name}, or aggregate the data first",
        )  # fmt: skip
    return found


def _with_season(frequency: Frequency, season: int) -> Frequency:
    return Frequency(
        frequency.unit, frequency.size, frequency.anchor, frequency.name, max(1, int(season)), frequency.clock
    )


def _cut_future(table: LongTable, target: str) -> None:
    """Move rows after each series' last known target to `future`."""
    known = np.isfinite(table.y)
    names, codes = np.unique(table.ids, return_inverse=True)
    last = np.full(len(names), np.iinfo(np.int64).min)
    np.maximum.at(last, codes[known], table.steps[known])
    later = table.steps > last[codes]
    if not later.any():
        return
    table.future = table.frame[later].reset_index(drop=True)
    kept = ~later
    table.frame = table.frame[kept].reset_index(drop=True)
    table.ids, table.steps, table.y = table.ids[kept], table.steps[kept], table.y[kept]
    table.notes.append(
        f"{int(later.sum())} rows after the last known '{target}' are the future: nothing is learned from them"
    )


def check_series(table: LongTable) -> list[Finding]:
    """Return doubts about series: gaps, shortness, constancy, values at or below zero, early ends.

    SW252 gaps · SW253 shorter than two seasons · SW254 constant · SW255 zero or negative values ·
    SW256 series that end early.
    """
    found: list[Finding] = []
    starts = np.flatnonzero(np.r_[True, table.ids[1:] != table.ids[:-1]])
    parts = [(str(table.ids[s]), st, y) for s, st, y in zip(
        starts, np.split(table.steps, starts[1:]), np.split(table.y, starts[1:]), strict=True)]  # fmt: skip
    gaps = {n: int(st[-1] - st[0] + 1 - np.isfinite(y).sum()) for n, st, y in parts}
    missing = {n: g for n, g in gaps.items() if g}
    season = table.frequency.season

    def say(
        code: str, severity: Any, names: Sequence[str], message: str, advice: str, **evidence: Any
    ) -> None:
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        found.append(Finding(code=code, severity=severity, message=f"{message}: {shown}" if len(parts) > 1 else message,
                             evidence={"series": list(names[:20]), **evidence}, advice=advice))  # fmt: skip

    if missing:
        total = sum(missing.values())
        share = total / (len(table.y) + total)
        say("SW252", "warning" if share > 0.01 else "info", list(missing),
            f"{total} steps ({share:.1%}) in {len(missing)} of {len(parts)} series have no value and are filled in",
            "they are interpolated; where no row means nothing was sold, write 'gaps: zero' in plan.md",
            steps=total)  # fmt: skip
    short = [n for n, _, y in parts if season > 1 and np.isfinite(y).sum() < 2 * season]
    if short:
        say("SW253", "warning", short, f"{len(short)} of {len(parts)} series are shorter than two seasons of {season} steps",
            "their season cannot be learned from themselves; they are forecast without one, and scaled by the "
            "naive forecast")  # fmt: skip
    constant = [n for n, _, y in parts if len(np.unique(y[np.isfinite(y)])) == 1]
    if constant:
        say("SW254", "warning", constant, f"{len(constant)} of {len(parts)} series never change",
            "they are forecast by their value, and left out of MASE, which divides by their changes")  # fmt: skip
    low = [n for n, _, y in parts if np.nanmin(y) <= 0]
    if low:
        values = table.y[np.isfinite(table.y)]
        say("SW255", "info", low, f"{int((values <= 0).sum())} values are zero or negative",
            "MAPE divides by the value and is not defined on them; MASE is used to choose")  # fmt: skip
    ends = np.array([st[-1] for _, st, _ in parts])
    early = [n for (n, _, _), e in zip(parts, ends, strict=True) if e < ends.max()]
    if early and np.mean(ends == ends.max()) >= 0.5:
        say("SW256", "info", early, f"{len(early)} of {len(parts)} series end before the others",
            "they are learned from, and not forecast on the holdout where they have ended before it")  # fmt: skip
    return found
