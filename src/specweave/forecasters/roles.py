"""What a request and a table say of a forecast: time, series, horizon, columns known ahead.

Reads: requests and frames. Writes: nothing. Never: takes a column for known ahead because it would help.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from specweave.tables.values import to_numbers

if TYPE_CHECKING:
    from specweave.tables.kinds import ColumnKind

_NUMBERS = {"a": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
            "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "eighteen": 18, "twenty": 20}  # fmt: skip
_COUNT = r"(?P<n>\d+|" + "|".join(_NUMBERS) + ")"
_UNIT = r"(?P<unit>minute|hour|business day|working day|day|week|month|quarter|year|step|period)s?"
_HORIZON = re.compile(
    rf"\b(?:next|coming|following|upcoming|horizon(?: of)?|ahead)\s+{_COUNT}?\s*{_UNIT}\b", re.I
)
_AHEAD = re.compile(
    rf"\b{_COUNT}[ -]{_UNIT}[ -](?:ahead|out|in advance|into the future|horizon|forecast|outlook)\b", re.I
)
# "forecast sales for 6 weeks", "forecast 6 weeks of sales": only where a forecast is asked for.
_FOR = re.compile(rf"\b(?:for|over|forecast|predict)\s+(?:the\s+)?{_COUNT}\s+{_UNIT}\b", re.I)
_TIME_NAMES = (
    "ds",
    "date",
    "datetime",
    "timestamp",
    "time",
    "week",
    "month",
    "day",
    "period",
    "quarter",
    "year",
    "step",
)
_PARTS = (
    "month",
    "quarter",
    "week",
    "mon",
    "qtr",
    "monat",
    "quartal",
    "woche",
    "mes",
    "mois",
    "day",
    "dayofyear",
)
_SERIES_NAMES = ("unique_id", "series", "series_id", "item_id", "store", "id")
# Facts that a calendar or a plan fixes before the day comes.
_KNOWN = re.compile(
    r"holiday|weekend|weekday|calendar|event|promo|campaign|planned|schedul|open|school|season", re.I
)
# Steps of a frequency in one unit of a request: "next 2 weeks" of daily data are 14 steps.
_STEPS: dict[str, dict[str, float]] = {
    "D": {"day": 1, "week": 7, "month": 30, "quarter": 91, "year": 365},
    "B": {"day": 1, "week": 5, "month": 21, "quarter": 65, "year": 261},
    "W": {"week": 1, "month": 52 / 12, "quarter": 13, "year": 52},
    "MS": {"month": 1, "quarter": 3, "year": 12}, "QS": {"month": 1 / 3, "quarter": 1, "year": 4}, "YS": {"month": 1 / 12, "quarter": 1 / 4, "year": 1},
}  # fmt: skip
_MINUTES = {"minute": 1, "hour": 60, "day": 1440, "week": 10080, "month": 43200}
_USUAL = {"h": 48, "D": 14, "B": 10, "W": 12, "MS": 12, "QS": 4, "YS": 3, "min": 60, "15min": 96, "30min": 48}


def asks_for_future(request: str) -> bool:
    """Return whether a request asks how something goes on in time.

    Examples
    --------
    >>> asks_for_future("Forecast weekly sales for next 12 weeks"), asks_for_future("predict house prices")
    (True, False)
    """
    text = request.casefold()
    return bool("forecast" in text or "time series" in text or _HORIZON.search(text) or _AHEAD.search(text))


def without_horizon(request: str) -> str:
    """Return a request without what it says of the time ahead.

    Examples
    --------
    >>> without_horizon("forecast sunspots for the next 10 years")
    'forecast sunspots for the  '
    """
    return _FOR.sub(" ", _AHEAD.sub(" ", _HORIZON.sub(" ", request)))


def find_horizon(request: str, frequency: str) -> tuple[int, str]:
    """Return (steps, why) of the horizon that a request asks for, in steps of a frequency.

    Examples
    --------
    >>> find_horizon("Forecast weekly sales for next 12 weeks", "W-FRI")[0], find_horizon("the next quarter", "D")[0]
    (12, 91)
    """
    base = frequency.partition("-")[0].replace("E", "S")
    match = _HORIZON.search(request) or _AHEAD.search(request) or _FOR.search(request)
    usual = _USUAL.get(base, 12)
    if not match:
        return usual, f"the request names no horizon; {usual} steps are usual at this frequency"
    word = (match["n"] or "1").casefold()
    n, asked = _NUMBERS.get(word) or int(word), match[0].strip()
    unit = match["unit"].casefold().removeprefix("business ").removeprefix("working ")
    per = 1.0 if unit in ("step", "period") or base == "step" else _steps_per(unit, frequency, base)
    if per is not None and n * per >= 1:
        return round(n * per), f"the request asks for '{asked}'"
    return usual, f"'{asked}' of the request is no whole step of {frequency} data; {usual} steps are usual"


def _steps_per(unit: str, frequency: str, base: str) -> float | None:
    """Return the steps of a frequency in one unit of time, or None where it tells none."""
    if base in _STEPS:
        return _STEPS[base].get(unit)
    step = re.fullmatch(r"(\d*) ?(min|h|minute|hour|day)s?", frequency)
    if step is None or unit not in _MINUTES:
        return None
    size = {"min": 1, "h": 60, "minute": 1, "hour": 60, "day": 1440}[step[2]] * int(step[1] or 1)
    return _MINUTES[unit] / size


def find_time(
    frame: pd.DataFrame, kinds: Mapping[str, ColumnKind], target: str | None
) -> tuple[str, str] | None:
    """Return (column, reason) of the time, or None: the one date column, or one of steps so named."""
    dates = [c for c, k in kinds.items() if k.kind == "datetime" and c != target]
    if len(dates) == 1:
        return dates[0], f"'{dates[0]}' is the only date column"
    named = _named(dates or list(map(str, frame.columns)), _TIME_NAMES)
    for name in named:
        values = to_numbers(frame[name])[0] if name not in dates else None
        if name in dates or (
            values is not None and np.isfinite(values).all() and np.all(values == np.round(values))
        ):
            return name, f"'{name}' holds the {'dates' if name in dates else 'steps'}"
    return (dates[0], f"'{dates[0]}' is the first of {len(dates)} date columns") if dates else None


def find_split_time(frame: pd.DataFrame, kinds: Mapping[str, ColumnKind]) -> tuple[str, str] | None:
    """Return the columns of year and month (quarter, week) where only both together tell the time, else None."""
    if any(k.kind == "datetime" for k in kinds.values()):
        return None
    year = _named(list(map(str, frame.columns)), ("year", "jahr", "yr", "ano", "annee", "anio"))
    part = _named(list(map(str, frame.columns)), _PARTS)
    if not year or not part or not frame[year[0]].duplicated().any():
        return None
    return year[0], part[0]


def find_series(
    frame: pd.DataFrame, kinds: Mapping[str, ColumnKind], time: str, target: str | None
) -> tuple[list[str], str]:
    """Return (columns that name a series, reason): none where every stamp stands once."""
    if not frame[time].duplicated().any():
        return _single(frame, time, target)
    usual = _named(list(map(str, frame.columns)), _SERIES_NAMES)
    options = [c for c in usual if c not in (time, target)]
    options += [
        str(c)
        for c, k in kinds.items()
        if c not in (time, target, *options)
        and (k.kind in ("category", "identifier", "text", "boolean") or _code(frame[c]))
    ]
    sized = sorted(options, key=lambda c: (c not in usual, frame[c].nunique()))
    for c in sized:
        if not frame.duplicated([c, time]).any():
            return [c], f"with '{c}' every stamp stands once: {frame[c].nunique()} series"
    for i, a in enumerate(sized[:8]):
        for b in sized[i + 1 : 8]:
            if not frame.duplicated([a, b, time]).any():
                return [a, b], f"with '{a}' and '{b}' every stamp stands once"
    return [], "stamps stand more than once, and no column tells them apart"


def _single(frame: pd.DataFrame, time: str, target: str | None) -> tuple[list[str], str]:
    same = [c for c in _named(list(map(str, frame.columns)), _SERIES_NAMES[:3]) if c not in (time, target)]
    return (same[:1], "") if same else ([], "every stamp stands once: one series")


def _named(columns: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return the columns that bear one of the wanted names, in the order of these."""
    by_name = {c.casefold(): c for c in columns}
    return [by_name[name] for name in wanted if name in by_name]


def _code(column: pd.Series[Any]) -> bool:
    values, strays = to_numbers(column)
    return (
        not strays
        and bool(np.all(values == np.round(values)))
        and column.nunique() <= max(50, len(column) // 20)
    )


def find_known_ahead(
    frame: pd.DataFrame, kinds: Mapping[str, ColumnKind], without: Sequence[str]
) -> tuple[list[str], dict[str, str]]:
    """Return (columns taken for known ahead, the others with the reason why they are not used)."""
    known: list[str] = []
    others: dict[str, str] = {}
    for name, kind in kinds.items():
        if name in without:
            continue
        if kind.kind not in ("numeric", "boolean", "category"):
            others[name] = kind.reason or kind.kind
        elif kind.kind == "category" and to_numbers(frame[name])[1]:
            others[name] = "text; only numbers and flags are used"
        elif _KNOWN.search(name):
            known.append(name)
        else:
            others[name] = "not known when the forecast is made; name it under 'Known ahead' if it is"
    return known, others
