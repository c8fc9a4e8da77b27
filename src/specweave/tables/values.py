"""One column as numbers, levels or yes/no, whatever type its cells arrived in.

Reads: pandas Series. Writes: nothing. Never: raises for a value it does not understand; it counts it.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

# Compared after stripping and lower-casing. The word "None" is absent on purpose: it is a level people use.
MISSING_WORDS = frozenset(
    {"", "na", "n/a", "n.a.", "nan", "-nan", "+nan", "null", "<na>", "#n/a", "#na", "nat", "?", "#null!"}
)
TRUE_WORDS = frozenset({"yes", "true", "t", "y", "on", "1", "1.0"})
FALSE_WORDS = frozenset({"no", "false", "f", "n", "off", "0", "0.0"})

_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:[,' \u00a0\u202f]\d{3})+(?:\.\d+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:\.\d{3})+)?,\d+(?:[eE][+-]?\d+)?")
_CURRENCY = "$€£¥%"


def is_missing_word(text: str) -> bool:
    """Return whether a cell's text stands for "no value" (empty, blank, NA, NaN, null, ?)."""
    return text.strip().lower() in MISSING_WORDS


def is_text_like(series: pd.Series[Any]) -> bool:
    """Return whether the cells are Python objects or strings rather than numbers, dates or booleans."""
    dtype = series.dtype
    return bool(
        pd.api.types.is_object_dtype(dtype)
        or isinstance(dtype, pd.CategoricalDtype)
        or pd.api.types.is_string_dtype(dtype)
    )


def level_text(value: Any) -> str | None:
    """Return the one spelling of a category level, None where missing (``20.0`` and ``20`` are ``"20"``)."""
    if isinstance(value, str):
        text = value.strip()
        return None if text.lower() in MISSING_WORDS else text
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        if math.isnan(value):
            return None
        return str(int(value)) if math.isfinite(value) and value == int(value) else repr(float(value))
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return level_text(str(value))


def levels_of(series: pd.Series[Any]) -> tuple[Codes, list[str]]:
    """Return the column as codes into its distinct levels, in order of appearance.

    Parameters
    ----------
    series : pandas.Series of shape (n_rows,)
        Any dtype; text is stripped, words such as ``NA`` and ``?`` count as missing.

    Returns
    -------
    tuple of (ndarray of int64, list of str)
        Codes, -1 where missing, and the text of each level.
    """
    raw_codes, uniques = _factorize(series)
    position: dict[str, int] = {}
    recode = np.empty(len(uniques) + 1, dtype=np.int64)
    for at, value in enumerate(uniques):
        text = level_text(value)
        recode[at] = -1 if text is None else position.setdefault(text, len(position))
    recode[-1] = -1  # a raw code of -1 lands here
    return recode[raw_codes], list(position)


def _factorize(series: pd.Series[Any]) -> tuple[Codes, list[Any]]:
    if len(series) == 1:  # one request to a service: looking at its cell is far quicker
        return np.zeros(1, dtype=np.int64), [series.iloc[0]]
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(object)
    try:
        codes, uniques = pd.factorize(series, use_na_sentinel=True)
    except TypeError:  # lists or dicts as cells cannot be hashed
        codes, uniques = pd.factorize(series.map(str, na_action="ignore"), use_na_sentinel=True)
    return np.asarray(codes, dtype=np.int64), list(uniques)


def parse_number(text: str, *, decimal_comma: bool = False) -> float | None:
    """Return the number a person meant by `text`, or None.

    Understands plain and scientific notation, thousands separators, a decimal comma, and one leading
    or trailing currency or percent sign (``12%`` is 12).

    Parameters
    ----------
    text : str
    decimal_comma : bool
        How to read ``1,234``: 1.234 where true, 1234 where false.
    """
    text = text.strip()
    for sign in _CURRENCY:
        text = text.removeprefix(sign).removesuffix(sign)
    text = text.strip()
    if not text or "_" in text or text.lower() in MISSING_WORDS:
        return None
    if not decimal_comma and _THOUSANDS.fullmatch(text):
        text = re.sub(r"[,' \u00a0\u202f]", "", text)
    elif _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(".", "").replace(",", ".")
    try:
        return float(text)
    except ValueError:
        return None


def to_numbers(series: pd.Series[Any], *, decimal_comma: bool = False) -> tuple[Floats, int]:
    """Return the column as floats and how many cells held something that is no number.

    Parameters
    ----------
    series : pandas.Series of shape (n_rows,)

    Returns
    -------
    tuple of (ndarray of float64, int)
        NaN where missing or not a number; infinities are kept.
    """
    dtype = series.dtype
    if not is_text_like(series):
        if pd.api.types.is_timedelta64_dtype(dtype):
            return series.dt.total_seconds().to_numpy(dtype=np.float64), 0
        if pd.api.types.is_datetime64_any_dtype(dtype):
            days = series.to_numpy(dtype="datetime64[us]").astype("datetime64[us]")
            seconds = days.astype(np.int64) / 1e6
            return np.where(np.isnat(days), np.nan, seconds), 0
        if isinstance(dtype, np.dtype) and dtype.kind in "fiub":
            return series.to_numpy().astype(np.float64), 0
        return series.to_numpy(dtype=np.float64, na_value=np.nan), 0
    codes, levels = levels_of(series)
    # pandas.to_numeric is off by a last digit for some texts; float() reads back what was written.
    parsed = np.asarray([_level_number(level, decimal_comma) for level in levels], dtype=np.float64)
    values = np.append(parsed, np.nan)[codes]
    return values, int(np.sum(np.isnan(values) & (codes >= 0)))


def _level_number(level: str, decimal_comma: bool) -> float:
    try:
        return float(level) if "_" not in level else np.nan
    except ValueError:
        if level in ("True", "False"):
            return float(level == "True")
        number = parse_number(level, decimal_comma=decimal_comma)
        return np.nan if number is None else number


def to_booleans(series: pd.Series[Any]) -> Floats:
    """Return the column as 1.0 (yes, true, 1), 0.0 (no, false, 0) or NaN (missing or anything else)."""
    if not is_text_like(series):
        values, _ = to_numbers(series)
        return np.where((values == 0) | (values == 1), values, np.nan)
    codes, levels = levels_of(series)
    words = [level.lower() for level in levels]
    table = [1.0 if w in TRUE_WORDS else 0.0 if w in FALSE_WORDS else np.nan for w in words]
    return np.asarray([*table, np.nan], dtype=np.float64)[codes]


def missing_mask(series: pd.Series[Any]) -> npt.NDArray[np.bool_]:
    """Return True where a cell holds no value, blank strings and words such as ``NA`` included."""
    if is_text_like(series):
        return levels_of(series)[0] < 0
    return series.isna().to_numpy(dtype=bool)
