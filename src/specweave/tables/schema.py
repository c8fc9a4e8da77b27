"""The contract of a table: what later rows must look like, and how to bring raw ones there.

Reads: frames, ``data/schema.yaml``. Writes: ``data/schema.yaml``.
Never: refuses a level or range only because it is new.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from specweave.errors import DataError, did_you_mean, nearest
from specweave.files.store import load_record, save_record
from specweave.records import Finding, Severity
from specweave.tables.dates import to_instants
from specweave.tables.kinds import ColumnKind
from specweave.tables.values import Codes, is_text_like, levels_of, missing_mask, to_booleans, to_numbers

KIND = "table-schema"
SCHEMA = 1
_MAX_LEVELS = 50
_SHOWN = 10
_OPTIONAL = ("identifier", "constant", "empty")

Rows = pd.DataFrame | Sequence[Mapping[str, Any]] | Mapping[str, Any]


def make_schema(
    frame: pd.DataFrame,
    kinds: Mapping[str, ColumnKind],
    target: str | None = None,
    *,
    optional: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the schema of a table as it is now.

    Parameters
    ----------
    frame : pandas.DataFrame of shape (n_rows, n_columns)
    kinds : mapping of str to ColumnKind
    target : str, optional
        Never required of later rows.
    optional : sequence of str
        Further columns that later rows may lack (those left out of training).

    Returns
    -------
    dict
        ``kind, schema, rows, target, columns``; per column in order ``kind, dtype`` (integer, number,
        boolean, text, date), ``required, nullable`` and, where they apply, ``values`` (up to 50 levels),
        ``min, max, format, placeholders`` (words that stood for a missing number).
    """
    columns = {}
    for name, kind in kinds.items():
        if name in frame.columns:
            needed = name != target and kind.kind not in _OPTIONAL and name not in optional
            columns[name] = _column(frame[name], kind, needed)
    return {"kind": KIND, "schema": SCHEMA, "rows": len(frame), "target": target, "columns": columns}


class ColumnShape(TypedDict):
    """One column of a schema."""

    kind: str
    dtype: str
    required: bool
    nullable: NotRequired[bool]


class SchemaShape(TypedDict):
    """What rows must look like."""

    columns: dict[str, ColumnShape]


def save_schema(path: Path, schema: Mapping[str, Any]) -> Path:
    """Write the schema as YAML (or JSON, by the name's ending)."""
    return save_record(path, KIND, SCHEMA, schema)


def load_schema(path: Path) -> dict[str, Any]:
    """Read a schema.

    Raises
    ------
    StorageError
        If the file is missing, no schema, or newer than this specweave.
    """
    return load_record(path, KIND, SCHEMA, shape=SchemaShape)


def _column(column: pd.Series[Any], kind: ColumnKind, required: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "kind": kind.kind,
        "dtype": _dtype(column),
        "required": required,
        "nullable": bool(missing_mask(column).any()),
    }
    if kind.format:
        entry["format"] = kind.format
    if kind.kind == "numeric":
        values, coerced = to_numbers(column)
        finite = values[np.isfinite(values)]
        entry["nullable"] = bool(len(finite) < len(values))
        if len(finite):
            whole = entry["dtype"] == "integer"
            entry["min"], entry["max"] = (int(v) if whole else float(v) for v in (finite.min(), finite.max()))
        if coerced:
            codes, levels = levels_of(column)
            strays = sorted({levels[code] for code in codes[np.isnan(values) & (codes >= 0)]})
            entry["placeholders"] = strays[:_MAX_LEVELS]
    elif kind.kind == "datetime":
        instants = to_instants(column, kind.format)
        present = instants[~np.isnat(instants)]
        if len(present):
            entry["min"], entry["max"] = str(present.min()), str(present.max())
    elif kind.kind in ("category", "boolean", "constant"):
        levels = levels_of(column)[1]
        if len(levels) <= _MAX_LEVELS:
            entry["values"] = sorted(levels)
    return entry


def _dtype(column: pd.Series[Any]) -> str:
    if is_text_like(column):
        return "text"
    dtype = column.dtype
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return "date"
    if pd.api.types.is_bool_dtype(dtype):
        return "boolean"
    return "integer" if pd.api.types.is_integer_dtype(dtype) else "number"


# -- checking ----------------------------------------------------------------------------------------


def check_rows(schema: Mapping[str, Any], rows: Rows) -> list[Finding]:
    """Return where rows depart from the schema, gravest first.

    Parameters
    ----------
    schema : mapping
    rows : pandas.DataFrame, list of mappings, or one mapping
        Raw, of any dtypes.

    Returns
    -------
    list of Finding
        SW221 missing column (error) · SW222 column not in the schema (info) · SW223 value of another type
        (error) · SW224 level not seen before (warning) · SW225 outside the range seen (warning) · SW226
        missing where training had none (warning). ``where`` is the column; ``evidence["rows"]`` are the
        first rows, counted from 1.
    """
    frame = _frame_of(rows)
    columns: Mapping[str, Any] = schema["columns"]
    found: list[Finding] = []
    for name, entry in columns.items():
        if name in frame.columns:
            found += _check_column(name, frame[name], entry, is_target=name == schema.get("target"))
        elif entry["required"]:
            close = nearest(name, [str(c) for c in frame.columns if c not in columns])
            found.append(
                Finding(
                    code="SW221",
                    severity="error",
                    message=f"the column '{name}' is missing",
                    where=name,
                    evidence={"nearest": close},
                    advice=f"rename '{close[0]}' to '{name}'" if close else f"add the column '{name}'",
                )
            )
    for extra in frame.columns:
        if extra not in columns:
            found.append(
                Finding(
                    code="SW222",
                    severity="info",
                    message=f"the column '{extra}' was not in the training data",
                    where=str(extra),
                    advice="it is ignored",
                )
            )
    order = {"error": 0, "warning": 1, "info": 2}
    return sorted(found, key=lambda f: (order[f.severity], f.code))


def _check_column(
    name: str, column: pd.Series[Any], entry: Mapping[str, Any], *, is_target: bool
) -> list[Finding]:
    gaps = missing_mask(column)
    if entry["kind"] == "numeric":
        gaps = gaps | np.isinf(to_numbers(column)[0])  # as the features see it
    found = []
    wrong = _wrong_type(column, entry) & ~gaps
    if wrong.any():
        noun = {"numeric": "number", "datetime": "date", "boolean": "yes or no"}[entry["kind"]]
        shaped = f" in the format {entry['format']}" if entry.get("format") else ""
        found.append(
            _found("SW223", "error", f"is no {noun}{shaped}", name, column, wrong, "correct these cells")
        )
    if not entry["nullable"] and gaps.any() and not is_target and entry["kind"] not in _OPTIONAL:
        what = "is missing, which training data never was"
        found.append(_found("SW226", "warning", what, name, column, gaps, "it is filled as in training"))
    if entry["kind"] == "category" and "values" in entry:
        known = set(entry["values"])
        codes, levels = levels_of(column)
        new = _pick(codes, [level not in known for level in levels])
        if new.any():
            what = "is a level that training data did not have"
            found.append(_found("SW224", "warning", what, name, column, new, "it is treated as a rare level"))
    if entry["kind"] == "numeric" and "min" in entry:
        values, _ = to_numbers(column)
        most = entry.get("max", np.inf)
        outside = ((values < entry["min"]) | (values > most)) & np.isfinite(values)
        if outside.any():
            what = f"lies outside {entry['min']:g} to {most:g}, the range of the training data"
            advice = "check the unit; predictions out there are extrapolation"
            if "max" not in entry:
                what, advice = f"is below {entry['min']:g}", f"write {entry['min']:g} or more"
            found.append(_found("SW225", "warning", what, name, column, outside, advice))
    return found


def _pick(codes: Codes, flags: list[bool]) -> npt.NDArray[np.bool_]:
    return np.asarray([*flags, False], dtype=bool)[codes]


def _wrong_type(column: pd.Series[Any], entry: Mapping[str, Any]) -> npt.NDArray[np.bool_]:
    """Return True where a cell cannot be read as its kind (missing cells may be True too)."""
    kind = entry["kind"]
    if kind == "numeric":
        wrong = np.isnan(to_numbers(column)[0])
        known = set(entry.get("placeholders") or ())
        if known and wrong.any():
            codes, levels = levels_of(column)
            wrong &= ~_pick(codes, [level in known for level in levels])
        return wrong
    if kind == "boolean":
        wrong = np.isnan(to_booleans(column))
        codes, levels = levels_of(column)
        return wrong & ~_pick(codes, [level in set(entry.get("values") or ()) for level in levels])
    if kind == "datetime":
        return np.asarray(np.isnat(to_instants(column, entry.get("format", ""))), dtype=bool)
    return np.zeros(len(column), dtype=bool)


def _found(
    code: str,
    severity: Severity,
    what: str,
    name: str,
    column: pd.Series[Any],
    hit: npt.NDArray[np.bool_],
    advice: str,
) -> Finding:
    at = np.flatnonzero(hit)
    values = list(dict.fromkeys(str(v) for v in column.iloc[at[:1000]]))[:5]
    rows = [int(row) + 1 for row in at[:_SHOWN]]
    place = f"row {rows[0]}" if len(at) == 1 else f"{len(at)} rows, the first {rows[0]}"
    return Finding(
        code=code,
        severity=severity,
        message=f"'{values[0]}' {what} ({place})",
        where=name,
        evidence={"count": len(at), "rows": rows, "values": values},
        advice=advice,
    )


# -- coercing ----------------------------------------------------------------------------------------


def coerce(rows: Rows, schema: Mapping[str, Any]) -> pd.DataFrame:
    """Return raw rows in the columns, order and types that training saw.

    Parameters
    ----------
    rows : pandas.DataFrame, list of mappings, or one mapping
        Any dtypes, all strings included.
    schema : mapping

    Returns
    -------
    pandas.DataFrame of shape (n_rows, n_columns)
        Cells that cannot be read as their type are missing; columns that may be lacking and are, too. The
        target is kept where given, columns unknown to the schema are not.

    Raises
    ------
    DataError
        If a required column is missing.
    """
    frame = _frame_of(rows)
    made: dict[str, Any] = {}
    for name, entry in schema["columns"].items():
        if name in frame.columns:
            made[name] = _coerced(frame[name], entry)
        elif entry["required"]:
            raise DataError(
                f"the column '{name}' is missing", hint=did_you_mean(name, [str(c) for c in frame.columns])
            )
        elif name != schema.get("target"):
            made[name] = np.full(len(frame), np.nan)
    return pd.DataFrame(made, index=frame.index)


def _coerced(column: pd.Series[Any], entry: Mapping[str, Any]) -> Any:
    dtype = entry["dtype"]
    if dtype in ("integer", "number"):
        values, _ = to_numbers(column)
        safe = (
            np.isfinite(values).all()
            and np.all(np.abs(values) < 2**53)
            and np.all(values == np.floor(values))
        )
        return values.astype(np.int64) if dtype == "integer" and safe else values
    if dtype == "boolean":
        truth = to_booleans(column)
        return truth.astype(bool) if not np.isnan(truth).any() else truth
    if dtype == "date":
        return to_instants(column, entry.get("format", ""))
    codes, levels = levels_of(column)
    return np.asarray([*levels, np.nan], dtype=object)[codes]


def _frame_of(rows: Rows) -> pd.DataFrame:
    if isinstance(rows, pd.DataFrame):
        return rows
    listed = [rows] if isinstance(rows, Mapping) else list(rows)
    if not all(isinstance(row, Mapping) for row in listed):
        raise DataError(
            "rows must be objects of column: value", hint='for example {"tenure": 12, "Contract": "One year"}'
        )
    names = list(dict.fromkeys(str(name) for row in listed for name in row))
    return pd.DataFrame({name: pd.Series([row.get(name) for row in listed], dtype=object) for name in names})
