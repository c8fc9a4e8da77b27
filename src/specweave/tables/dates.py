"""Dates as people write them: find the format once, from all values, then parse by it.

Reads: texts and Series. Writes: nothing. Never: guesses day or month cell by cell.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from specweave.tables.values import is_text_like, levels_of, to_numbers

Instants = npt.NDArray[np.datetime64]

_CLOCK = (
    r"(?P<clock>[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?"
    r"(?P<half> ?[AaPp][Mm])?(?P<zone>Z| ?[+-]\d{2}:?\d{2})?"
)
_YEAR_FIRST = re.compile(r"\d{4}(?P<sep>[-/.])\d{1,2}(?P=sep)\d{1,2}" + _CLOCK)
_YEAR_LAST = re.compile(r"(?P<a>\d{1,2})(?P<sep>[-/.])(?P<b>\d{1,2})(?P=sep)(?P<year>\d{4}|\d{2})" + _CLOCK)
_DAY_NAME = re.compile(r"\d{1,2}(?P<sep>[- /])(?P<month>[A-Za-z]{3,9})(?P=sep)(?P<year>\d{4}|\d{2})" + _CLOCK)
_NAME_DAY = re.compile(r"(?P<month>[A-Za-z]{3,9}) \d{1,2}(?P<comma>,?) (?P<year>\d{4})" + _CLOCK)
_YEAR_MONTH = re.compile(r"\d{4}(?P<sep>[-/.])(?:0[1-9]|1[0-2])")
_MONTH_YEAR = re.compile(r"(?:0?[1-9]|1[0-2])(?P<sep>[-/.])(?:19|20)\d{2}")
_NAME_YEAR = re.compile(r"(?P<month>[A-Za-z]{3,9})(?P<sep>[-/ ]|, ?)(?P<year>(?:19|20)\d{2})")
_NAME_SHORT = re.compile(r"(?P<month>[A-Za-z]{3})(?P<sep>[-/])\d{2}")
_YEAR_NAME = re.compile(r"(?:19|20)\d{2}(?P<sep>[-/ ])(?P<month>[A-Za-z]{3,9})")
_YEAR_QUARTER = re.compile(r"(?:19|20)\d{2}(?P<sep>[-/ ]?)(?P<q>[Qq])[1-4]")
_QUARTER_YEAR = re.compile(r"(?P<q>[Qq])[1-4](?P<sep>[-/ ]?)(?:19|20)\d{2}")
_WEEK = re.compile(r"(?:19|20)\d{2}(?P<sep>-?)[Ww](?:0[1-9]|[1-4]\d|5[0-3])(?P<day>-?[1-7])?")
_COMPACT = re.compile(r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_SHARE = 0.95


class DateFormat(NamedTuple):
    """How a column writes its dates: a strptime format, ``ISO8601``, ``unix-s`` or ``unix-ms``.

    Beyond strptime, ``%q`` is the quarter; quarters, months and ISO weeks are read as their first day.
    """

    format: str
    note: str = ""


def find_date_format(texts: Sequence[str]) -> DateFormat | None:
    """Return the format that at least 95 % of the texts follow, or None.

    Parameters
    ----------
    texts : sequence of str
        All distinct values: day or month first is decided by looking at every one of them.
    """
    if not texts or not (6 <= len(texts[0]) <= 40) or not any(c.isdigit() for c in texts[0]):
        return None
    for pattern, read in _SHAPES:
        matches = [m for text in texts if (m := pattern.fullmatch(text))]
        if len(matches) < max(_SHARE * len(texts), 1):
            continue
        found = read(matches)
        sample = list(texts[:2000])
        if np.mean(~np.isnat(parse_dates(sample, found.format))) >= _SHARE:
            return found
    return None


def _clock_format(matches: list[re.Match[str]]) -> str | None:
    """Return the strptime format of the clock part; None where the matches differ."""
    shapes = set()
    for m in matches:
        clock, half, zone = m["clock"] or "", m["half"], m["zone"]
        text = ""
        if clock:
            text = clock[0] + ("%I" if half else "%H") + ":%M" + (":%S" if clock.count(":") == 2 else "")
            text += ".%f" if "." in clock else ""
            text += ("" if half is None else " %p" if half.startswith(" ") else "%p") + ("%z" if zone else "")
        shapes.add(text)
    return shapes.pop() if len(shapes) == 1 else None


def _year_first(matches: list[re.Match[str]]) -> DateFormat:
    clock, sep = _clock_format(matches), matches[0]["sep"]
    if clock is None:
        return DateFormat("ISO8601" if sep == "-" else "mixed")
    return DateFormat(f"%Y{sep}%m{sep}%d{clock}")


def _year_last(matches: list[re.Match[str]]) -> DateFormat:
    sep = matches[0]["sep"]
    first = max(int(m["a"]) for m in matches)
    second = max(int(m["b"]) for m in matches)
    year = "%Y" if len(matches[0]["year"]) == 4 else "%y"
    clock = _clock_format(matches) or ""
    if first > 12 >= second:
        order, note = ("%d", "%m"), ""
    elif second > 12 >= first:
        order, note = ("%m", "%d"), ""
    else:
        day_first = sep != "/"
        order = ("%d", "%m") if day_first else ("%m", "%d")
        side = "day-first" if day_first else "month-first"
        note = f"ambiguous: no value tells day from month, read as {side}"
    return DateFormat(f"{order[0]}{sep}{order[1]}{sep}{year}{clock}", note)


def _month_name(match: re.Match[str]) -> str:
    return "%b" if len(match["month"]) == 3 else "%B"


def _day_name(matches: list[re.Match[str]]) -> DateFormat:
    sep, year = matches[0]["sep"], "%Y" if len(matches[0]["year"]) == 4 else "%y"
    longest = max(matches, key=lambda m: len(m["month"]))
    return DateFormat(f"%d{sep}{_month_name(longest)}{sep}{year}{_clock_format(matches) or ''}")


def _name_day(matches: list[re.Match[str]]) -> DateFormat:
    longest = max(matches, key=lambda m: len(m["month"]))
    return DateFormat(f"{_month_name(longest)} %d{matches[0]['comma']} %Y{_clock_format(matches) or ''}")


def _month_and_year(matches: list[re.Match[str]]) -> DateFormat:
    longest = max(matches, key=lambda m: len(m["month"]))
    year = "%Y" if "year" in longest.groupdict() else "%y"
    return DateFormat(f"{_month_name(longest)}{longest['sep']}{year}")


def _year_and_month(matches: list[re.Match[str]]) -> DateFormat:
    longest = max(matches, key=lambda m: len(m["month"]))
    return DateFormat(f"%Y{longest['sep']}{_month_name(longest)}")


def _week(matches: list[re.Match[str]]) -> DateFormat:
    day = matches[0]["day"]
    return DateFormat(f"%G{matches[0]['sep']}W%V" + ("" if day is None else "-%u" if day[0] == "-" else "%u"))


_SHAPES = (
    (_YEAR_FIRST, _year_first),
    (_YEAR_LAST, _year_last),
    (_DAY_NAME, _day_name),
    (_NAME_DAY, _name_day),
    (_YEAR_MONTH, lambda m: DateFormat(f"%Y{m[0]['sep']}%m")),
    (_MONTH_YEAR, lambda m: DateFormat(f"%m{m[0]['sep']}%Y")),
    (_NAME_YEAR, _month_and_year),
    (_NAME_SHORT, _month_and_year),
    (_YEAR_NAME, _year_and_month),
    (_YEAR_QUARTER, lambda m: DateFormat(f"%Y{m[0]['sep']}{m[0]['q']}%q")),
    (_QUARTER_YEAR, lambda m: DateFormat(f"{m[0]['q']}%q{m[0]['sep']}%Y")),
    (_WEEK, _week),
    (_COMPACT, lambda _: DateFormat("%Y%m%d")),
)


def _as_strptime(date_format: str, column: pd.Series[Any]) -> tuple[str, pd.Series[Any]]:
    """Return format and texts with quarters as their first month and weeks with their first day."""
    if "%q" in date_format:
        written = column.astype("string")
        quarter = written.str.extract(r"[Qq]([1-4])")[0].astype("Float64")
        year = written.str.extract(r"((?:19|20)\d{2})")[0]
        first = (quarter.fillna(1) * 3 - 2).astype("Int64").astype("string")
        texts = (year + "-" + first).where(quarter.notna() & year.notna(), written)
        return "%Y-%m", texts.astype(object)
    if "%V" in date_format and "%u" not in date_format:
        return f"{date_format}-%u", column.astype("string").str.upper().add("-1").astype(object)
    return date_format, column


def render_dates(stamps: Any, date_format: str) -> list[str]:
    """Return instants as a format writes them (without an offset).

    Examples
    --------
    >>> render_dates(["2024-05-01", "2024-08-01"], "%Y-Q%q")
    ['2024-Q2', '2024-Q3']
    """
    shown = pd.DatetimeIndex(stamps)
    date_format = date_format.replace("%z", "")
    if "%q" in date_format:
        return [str(v) for v in shown.to_period("Q").strftime(date_format.replace("%Y", "%F"))]
    return [str(v) for v in shown.strftime(date_format)]


def parse_dates(texts: Sequence[str], date_format: str) -> Instants:
    """Return the texts as instants in UTC, NaT where one does not fit the format.

    Parameters
    ----------
    texts : sequence of str, length n
    date_format : str
        As found by `find_date_format`; "" tries ISO 8601 and then whatever pandas can read.

    Returns
    -------
    ndarray of datetime64[us], shape (n,)
    """
    column = pd.Series(list(texts), dtype=object)
    date_format, column = _as_strptime(date_format, column)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas advises a format where "mixed" is meant
        found = pd.to_datetime(column, format=date_format or "mixed", errors="coerce", utc=True)
        if date_format not in ("", "mixed", "ISO8601"):
            # Later rows may come as ISO dates from a program although training held another format.
            left = found.isna() & column.str.match(r"\d{4}-\d{2}-\d{2}").fillna(False).astype(bool)
            if left.any():
                found[left] = pd.to_datetime(column[left], format="ISO8601", errors="coerce", utc=True)
    return _instants(found)


def _instants(column: pd.Series[Any]) -> Instants:
    if getattr(column.dtype, "tz", None) is not None:
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    return column.to_numpy().astype("datetime64[us]")


def to_instants(series: pd.Series[Any], date_format: str = "") -> Instants:
    """Return a column of dates in any dtype as instants.

    Parameters
    ----------
    series : pandas.Series of shape (n_rows,)
        Native dates, texts, ``YYYYMMDD`` integers or Unix times.
    date_format : str
        A strptime format, ``ISO8601``, ``unix-s``, ``unix-ms`` or "" for unknown.

    Returns
    -------
    ndarray of datetime64[us], shape (n_rows,)
        NaT where missing or unreadable.
    """
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        return _instants(series)
    if date_format in ("unix-s", "unix-ms"):
        values, _ = to_numbers(series)
        if not np.isnan(values).all() or not is_text_like(series):
            return instants_from_unix(values, date_format)
        date_format = ""
    codes, levels = levels_of(series)
    parsed = parse_dates(levels, date_format)
    return np.append(parsed, np.datetime64("NaT", "us"))[codes]


def instants_from_unix(values: npt.NDArray[np.float64], date_format: str) -> Instants:
    """Return Unix times in seconds or milliseconds as instants, NaT where not finite or absurd."""
    scale = 1e6 if date_format == "unix-s" else 1e3
    usable = np.isfinite(values) & (np.abs(values) * scale < 8e18)
    micros = np.where(usable, np.where(usable, values, 0) * scale, 0).astype(np.int64)
    instants = micros.astype("datetime64[us]")
    instants[~usable] = np.datetime64("NaT")
    return instants


def find_number_date(values: npt.NDArray[np.float64], named_as_time: bool) -> DateFormat | None:
    """Return the format where whole numbers are dates: ``YYYYMMDD``, or ``YYYYMM`` and Unix times where so named.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Finite whole numbers.
    named_as_time : bool
        Whether the column was declared or named a time; only then are Unix times believed.
    """
    if not len(values):
        return None
    low, high = float(values.min()), float(values.max())
    if low >= 19000101 and high <= 21001231:
        distinct = np.unique(values)
        month, day = (distinct // 100) % 100, distinct % 100
        fits = (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
        if fits.all() and (len(distinct) >= 10 or named_as_time):
            return DateFormat("%Y%m%d")
    if named_as_time and low >= 190001 and high <= 210012:
        months = np.unique(values) % 100
        if ((months >= 1) & (months <= 12)).all():
            return DateFormat("%Y%m")
    if named_as_time:
        if low >= 1e8 and high < 4.2e9:
            return DateFormat("unix-s")
        if low >= 1e11 and high < 4.2e12:
            return DateFormat("unix-ms")
    return None
