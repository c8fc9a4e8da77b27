"""What each column is: a number, yes/no, category, text, date, key, or nothing.

Reads: a frame. Writes: nothing. Never: needs the problem type; calls a measurement a key for being unique.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import msgspec
import numpy as np
import pandas as pd

from specweave.errors import DataError
from specweave.tables.dates import find_date_format, find_number_date
from specweave.tables.values import (
    FALSE_WORDS,
    TRUE_WORDS,
    Floats,
    is_text_like,
    levels_of,
    missing_mask,
    parse_number,
    to_numbers,
)

Kind = Literal["numeric", "boolean", "category", "text", "datetime", "identifier", "constant", "empty"]
KINDS: tuple[str, ...] = get_args(Kind)

_SAMPLE = 100_000
_NUMBER_SHARE = 0.95
_KEY_TOKENS = {
    "id",
    "ids",
    "uuid",
    "guid",
    "key",
    "pk",
    "pid",
    "uid",
    "ssn",
    "vin",
    "isbn",
    "index",
    "idx",
    "rowid",
}
# These words name a key only where every row has its own value.
_WEAK_KEY_TOKENS = {
    "number",
    "no",
    "nr",
    "num",
    "ref",
    "reference",
    "record",
    "order",
    "account",
    "row",
    "email",
}
_KEY_NAMES = {"rownames", "rownum", "rownumber", "rowindex", "instant", "serial", "unnamed"}
_CODE_TOKENS = {"code", "zip", "zipcode", "postcode", "postal", "class", "subclass", "type", "category"}
_TIME_TOKENS = {
    "year",
    "date",
    "day",
    "week",
    "month",
    "quarter",
    "time",
    "hour",
    "step",
    "t",
    "ds",
    "minute",
}
_TIME_NAME_TOKENS = {
    "timestamp",
    "unix",
    "epoch",
    "date",
    "datetime",
    "ts",
    "time",
    "yearmonth",
    "yyyymm",
    "month",
    "period",
}


class ColumnKind(msgspec.Struct, frozen=True, kw_only=True):
    """What one column is and why.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    reason : str
        In words, for documents.
    format : str
        Of dates: a strptime format, ``ISO8601``, ``unix-s`` or ``unix-ms``; "" for native dates.
    note : str
        A doubt worth showing, such as an ambiguous day and month.
    """

    kind: Kind
    reason: str = ""
    format: str = ""
    note: str = ""


def as_kind(value: ColumnKind | str | Mapping[str, Any]) -> ColumnKind:
    """Return a kind given as the object, its name, or a mapping with ``kind`` and ``format``.

    Raises
    ------
    DataError
        If it is no known kind.
    """
    if isinstance(value, ColumnKind):
        return value
    fields: dict[str, Any] = {"kind": value} if isinstance(value, str) else dict(value)
    if fields.get("kind") not in KINDS:
        raise DataError(f"'{fields.get('kind')}' is no kind of column", hint=f"use one of {', '.join(KINDS)}")
    known = {key: str(fields[key] or "") for key in ("reason", "format", "note") if key in fields}
    return ColumnKind(kind=fields["kind"], **known)


def infer_kinds(
    frame: pd.DataFrame,
    *,
    target: str | None = None,
    identifiers: Sequence[str] = (),
    time: str | None = None,
) -> dict[str, ColumnKind]:
    """Return the kind of every column, in the frame's order.

    Parameters
    ----------
    frame : pandas.DataFrame of shape (n_rows, n_columns)
        Columns above 100,000 rows are judged by evenly spaced rows, uniqueness by all.
    target : str, optional
        Judged by its values only, never taken for an identifier.
    identifiers : sequence of str
        Columns that are keys because the user says so.
    time : str, optional
        The time column; Unix times and steps are believed here.
    """
    return {
        str(name): _kind_of(str(name), frame[name], name == target, name in set(identifiers), name == time)
        for name in frame.columns
    }


def _kind_of(name: str, column: pd.Series[Any], is_target: bool, is_key: bool, is_time: bool) -> ColumnKind:
    sample = column
    if len(column) > _SAMPLE:
        sample = column.iloc[np.linspace(0, len(column) - 1, _SAMPLE).astype(np.int64)]
    if is_key:
        return ColumnKind(kind="identifier", reason="declared as identifier")
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iufb":
        return _number_kind(name, column, to_numbers(sample)[0], is_target, is_time)
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return _date_column(column)
    if not is_text_like(column):  # nullable numbers and booleans, durations
        return _number_kind(name, column, to_numbers(sample)[0], is_target, is_time)
    return _text_kind(name, column, sample, is_target, is_time)


def _date_column(column: pd.Series[Any]) -> ColumnKind:
    present = column.dropna()
    if not len(present):
        return ColumnKind(kind="empty", reason="no value in any row")
    if len(present) == len(column) and (present == present.iloc[0]).all():
        return ColumnKind(kind="constant", reason=f"always {present.iloc[0]}")
    return ColumnKind(kind="datetime", reason="stored as dates")


def _number_kind(
    name: str, column: pd.Series[Any], values: Floats, is_target: bool, is_time: bool, said: str = ""
) -> ColumnKind:
    """Return the kind of a column whose sampled values are these numbers."""
    present = values[~np.isnan(values)]
    if not len(present):
        if len(values) == len(column) or missing_mask(column).all():
            return ColumnKind(kind="empty", reason="no value in any row")
        return ColumnKind(kind="numeric", reason="numbers, almost all missing")
    low, high = float(present.min()), float(present.max())
    if low == high:
        if len(present) == len(values) and _is_constant(column):
            return ColumnKind(kind="constant", reason=f"always {low:g}")
        if len(values) == len(column):
            return ColumnKind(kind="numeric", reason=said or f"{low:g} or missing")
    if low == 0 and high == 1 and np.all((present == 0) | (present == 1)):
        return ColumnKind(kind="boolean", reason="only 0 and 1")
    whole = np.isfinite(low) and np.isfinite(high) and bool(np.all(present == np.floor(present)))
    if not whole:
        return ColumnKind(kind="numeric", reason=said or "numbers")
    tokens = _tokens(name)
    date = find_number_date(present, is_time or bool(_TIME_NAME_TOKENS & set(tokens)))
    if date and not (is_target and date.format.startswith("unix")):
        return ColumnKind(
            kind="datetime", reason=f"whole numbers that are dates ({date.format})", format=date.format
        )
    if is_time:
        return ColumnKind(kind="numeric", reason="declared as time, holds plain steps")
    if is_target:
        return ColumnKind(kind="numeric", reason=said or "whole numbers")
    return _whole_kind(name, tokens, column, present, said)


def _is_constant(column: pd.Series[Any]) -> bool:
    return column.nunique(dropna=False) == 1


def _whole_kind(
    name: str, tokens: list[str], column: pd.Series[Any], present: Floats, said: str
) -> ColumnKind:
    distinct = len(np.unique(present))
    share = distinct / len(present)
    strong, weak = _names_key(name, tokens)
    if share > 0.999 and len(present) >= 5:
        run = present.max() - present.min() + 1 == len(present) and len(present) == len(column)
        if (strong or weak) and column.dropna().is_unique:
            return ColumnKind(kind="identifier", reason="named like a key, every row has its own value")
        if run and len(present) >= 20 and not set(tokens) & _TIME_TOKENS:
            return ColumnKind(kind="identifier", reason="counts the rows")
    if strong and distinct > 2:
        if share >= 0.2 and distinct > 100:
            return ColumnKind(kind="identifier", reason=f"named like a key, {distinct} values")
        return ColumnKind(kind="category", reason="named like a key, values repeat")
    if set(tokens[-1:]) & _CODE_TOKENS and 2 < distinct <= 100 and share < 0.5:
        return ColumnKind(kind="category", reason="whole numbers named like a code")
    return ColumnKind(kind="numeric", reason=said or "whole numbers")


def _tokens(name: str) -> list[str]:
    """Split ``customerID``, ``order_no`` and ``MS.SubClass`` into lower-case words."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return [word.lower() for word in re.split(r"[^A-Za-z0-9]+", spaced) if word]


def _names_key(name: str, tokens: list[str]) -> tuple[bool, bool]:
    """Return whether the name says key for certain, and whether it says so if values are unique."""
    joined = "".join(tokens)
    strong = bool(tokens) and (tokens[-1] in _KEY_TOKENS or joined in _KEY_NAMES)
    weak = bool(tokens) and (tokens[-1] in _WEAK_KEY_TOKENS or tokens[0] in _KEY_TOKENS)
    return strong, weak


def _text_kind(
    name: str, column: pd.Series[Any], sample: pd.Series[Any], is_target: bool, is_time: bool
) -> ColumnKind:
    codes, levels = levels_of(sample)
    present = codes[codes >= 0]
    if not len(present):
        if missing_mask(column).all():
            return ColumnKind(kind="empty", reason="no value in any row")
        return ColumnKind(kind="category", reason="text, almost all missing")
    if (
        len(levels) == 1
        and len(present) == len(codes)
        and (len(sample) == len(column) or _is_constant(column))
    ):
        return ColumnKind(kind="constant", reason=f"always '{levels[0]}'")
    words = {level.lower() for level in levels}
    if words <= TRUE_WORDS | FALSE_WORDS and len(words) == 2 and words & TRUE_WORDS and words & FALSE_WORDS:
        return ColumnKind(kind="boolean", reason=f"only {' and '.join(sorted(levels))}")
    numbers = _numbers_in(levels)
    numeric_rows = np.isin(present, np.flatnonzero(~np.isnan(numbers)))
    zeros = any(re.fullmatch(r"0\d+", level) for level in levels)
    if numeric_rows.mean() >= _NUMBER_SHARE and not zeros:
        return _numbers_as_text(name, column, codes, numbers, int((~numeric_rows).sum()), is_target, is_time)
    date = find_date_format(levels)
    if date:
        return ColumnKind(
            kind="datetime", reason=f"text that is dates ({date.format})", format=date.format, note=date.note
        )
    if is_target:
        return ColumnKind(kind="category", reason=f"{len(levels)} levels")
    return _words_kind(name, column, levels, len(present))


def _numbers_in(levels: list[str]) -> Floats:
    """Return the number each level is, NaN for none; gives up early on a column of plain words."""
    head = [parse_number(level) for level in levels[:200]]
    # 200 distinct levels without a number can still sit in a mostly numeric column only if rare; not here.
    if len(levels) > 200 and sum(n is not None for n in head) < 20:
        return np.full(len(levels), np.nan)
    rest = [parse_number(level) for level in levels[200:]]
    return np.asarray([np.nan if n is None else n for n in [*head, *rest]], dtype=np.float64)


def _numbers_as_text(
    name: str,
    column: pd.Series[Any],
    codes: Any,
    numbers: Floats,
    strays: int,
    is_target: bool,
    is_time: bool,
) -> ColumnKind:
    date = find_date_format([f"{n:.0f}" for n in numbers if n == np.floor(n)]) if not strays else None
    if date and len(numbers) >= 10:
        return ColumnKind(kind="datetime", reason=f"text that is dates ({date.format})", format=date.format)
    if strays:
        return ColumnKind(kind="numeric", reason="numbers among which other text counts as missing")
    values = np.append(numbers, np.nan)[codes]
    if len(values) != len(column):
        return ColumnKind(kind="numeric", reason="numbers stored as text")
    return _number_kind(name, pd.Series(values), values, is_target, is_time, said="numbers stored as text")


def _words_kind(name: str, column: pd.Series[Any], levels: list[str], present: int) -> ColumnKind:
    distinct = len(levels)
    share = distinct / present
    strong, weak = _names_key(name, _tokens(name))
    seen = levels[:1000]
    spaces = float(np.mean([len(level.split()) for level in seen]))
    if share >= 0.98 and present >= 10 and spaces < 1.5:
        coded = np.mean([any(c.isdigit() for c in level) for level in seen]) >= 0.8
        if strong or weak or coded or distinct >= 50:
            return ColumnKind(kind="identifier", reason="text key, every row has its own value")
    if strong and (share >= 0.98 or (share >= 0.2 and distinct > 100)):
        return ColumnKind(kind="identifier", reason=f"named like a key, {distinct} values in {present} rows")
    long = float(np.mean([len(level) for level in seen]))
    if distinct > 20 and ((spaces >= 4 or long >= 50) and share > 0.1):
        return ColumnKind(kind="text", reason=f"free text of {spaces:.0f} words on average")
    if distinct > 50 and spaces >= 2 and share > 0.5:
        return ColumnKind(kind="text", reason="short free text, mostly different in every row")
    return ColumnKind(kind="category", reason=f"{distinct} levels")
