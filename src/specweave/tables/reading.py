"""A table file of any common format as one clean frame, with notes on what was mended.

Reads: CSV/TSV (plain or .gz), Parquet, Feather, JSON lines, Excel. Writes: nothing.
Never: changes a value without a note, lets a reader's own error reach the user.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import io
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as parquet

from specweave.errors import DataError, MissingExtraError, did_you_mean
from specweave.tables.delimited import parse_delimited
from specweave.tables.values import is_text_like

_JSON = (".jsonl", ".ndjson", ".json")
_EXCEL = (".xlsx", ".xlsm")


@dataclass(frozen=True)
class TableRead:
    """A table with where it came from.

    Attributes
    ----------
    frame : pandas.DataFrame of shape (rows, columns)
        A fresh ``RangeIndex``; numbers, booleans, dates (Parquet, Excel) and stripped text.
    path : Path
        As given.
    bytes : int
        Size of the file as it lies on disk.
    sha256 : str
        Of those bytes.
    rows : int
    encoding, separator : str
        Of delimited text, else "".
    notes : list of str
        What was noticed or mended on the way in.
    """

    frame: pd.DataFrame
    path: Path
    bytes: int
    sha256: str
    rows: int
    encoding: str = ""
    separator: str = ""
    notes: list[str] = field(default_factory=list)


def read_table(path: str | Path, *, nrows: int | None = None) -> TableRead:
    """Read a table, deciding the format by the file's ending.

    Empty and blank cells and the words NA, NaN, null, N/A and ? are missing; "None" and "No" stay text.
    Whole columns of numbers become numbers unless leading zeros or more than 15 digits say "key".

    Parameters
    ----------
    path : str or Path
    nrows : int, optional
        Keep the first rows only; `bytes` and `sha256` still speak of the whole file.

    Raises
    ------
    DataError
        If the file is missing, unreadable, empty, header-only, ragged, or repeats a column name.
    MissingExtraError
        If it is an Excel file and openpyxl is not installed.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "t.csv")
    >>> _ = file.write_text("id;price\\n007;1,5\\n008;\\n")
    >>> read = read_table(file)
    >>> read.separator, read.frame["price"].tolist()[0], read.frame["id"].tolist()
    (';', 1.5, ['007', '008'])
    """
    path = Path(path)
    data = _bytes_of(path)
    size, digest = len(data), hashlib.sha256(data).hexdigest()
    if not data:
        raise DataError("the file is empty", where=path, hint="export the table again, with its header row")
    name = path.name.lower()
    if name.endswith(".gz") or data.startswith(b"\x1f\x8b"):
        data = _unzip(data, path)
        name = name.removesuffix(".gz")
    encoding = separator = ""
    notes: list[str] = []
    suffix = Path(name).suffix
    if suffix in (".parquet", ".pq", ".feather", ".arrow"):
        frame = _read_arrow(data, suffix, path)
    elif suffix in _JSON:
        frame = _read_json(data, path)
    elif suffix in _EXCEL:
        frame = _read_excel(data, path)
    else:
        parsed = parse_delimited(
            data, where=path, separator="\t" if suffix in (".tsv", ".tab") else None, nrows=nrows
        )
        frame, encoding, separator, notes = parsed
    if suffix in (".parquet", ".pq", ".feather", ".arrow", *_JSON, *_EXCEL):
        frame = _checked(frame, path, notes)
    if nrows is not None:
        frame = frame.iloc[:nrows]
    frame = frame.reset_index(drop=True)
    return TableRead(frame, path, size, digest, len(frame), encoding, separator, notes)


def check_target(frame: pd.DataFrame, target: str) -> None:
    """Raise unless the frame has the target column.

    Raises
    ------
    DataError
        With the nearest column names.
    """
    if target not in frame.columns:
        names = [str(name) for name in frame.columns]
        raise DataError(f"the data has no column '{target}' to predict", hint=did_you_mean(target, names))


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        beside = sorted(p.name for p in path.parent.iterdir() if p.is_file()) if path.parent.is_dir() else []
        hint = did_you_mean(path.name, beside) if beside else "check the path; it is relative to this folder"
        raise DataError("no such data file", where=path, hint=hint) from error
    except IsADirectoryError as error:
        raise DataError(
            "this is a folder, not a data file", where=path, hint="name one file in it"
        ) from error
    except OSError as error:
        raise DataError(f"cannot read the data file: {error.strerror or error}", where=path) from error


def _unzip(data: bytes, path: Path) -> bytes:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"the .gz file is damaged: {error}", where=path, hint="copy or download it again"
        ) from error


def _read_arrow(data: bytes, suffix: str, path: Path) -> pd.DataFrame:
    try:
        if suffix in (".parquet", ".pq"):
            table = parquet.read_table(io.BytesIO(data))
        else:
            table = feather.read_table(io.BytesIO(data))
        return table.to_pandas()  # type: ignore[no-any-return]
    except (pa.ArrowException, OSError, ValueError) as error:
        kind = "Parquet" if suffix in (".parquet", ".pq") else "Feather"
        raise DataError(
            f"not a readable {kind} file: {error}", where=path, hint="export the table again"
        ) from error


def _read_json(data: bytes, path: Path) -> pd.DataFrame:
    stripped = data.lstrip()
    lines = not stripped.startswith(b"[")
    try:
        text = data.decode("utf-8-sig")
        frame = pd.read_json(
            io.StringIO(text), lines=lines, orient="records", dtype=False, convert_dates=False
        )
    except ValueError as error:
        kind = "JSON lines" if lines else "JSON"
        raise DataError(
            f"not readable as {kind}: {error}", where=path, hint="write one JSON object per line"
        ) from error
    return frame


def _read_excel(data: bytes, path: Path) -> pd.DataFrame:
    if importlib.util.find_spec("openpyxl") is None:
        raise MissingExtraError.for_package("openpyxl", "excel", "reading Excel files")
    try:
        raw = pd.read_excel(
            io.BytesIO(data), header=None, engine="openpyxl", keep_default_na=False, na_values=[""]
        )
    except Exception as error:  # openpyxl raises what zipfile, xml and its own readers raise
        raise DataError(f"not a readable Excel file: {error}", where=path) from error
    if raw.empty:
        raise DataError("the first sheet is empty", where=path)
    names = [str(v).strip() if pd.notna(v) else f"column_{at + 1}" for at, v in enumerate(raw.iloc[0])]
    frame = raw.iloc[1:].reset_index(drop=True)
    frame.columns = pd.Index(names, dtype=object)
    return frame.infer_objects() if frame.columns.is_unique else frame


def _checked(frame: pd.DataFrame, path: Path, notes: list[str]) -> pd.DataFrame:
    """Hold tables from typed formats to the rules of delimited text."""
    if not isinstance(frame.index, pd.RangeIndex):
        if any(name is not None for name in frame.index.names):
            frame = frame.reset_index()
            notes.append("the stored index was made a column")
        else:
            notes.append("the stored row index was dropped")
    names = [str(name).strip() for name in frame.columns]
    for at, name in enumerate(names):
        if name in names[:at]:
            raise DataError(
                f"column name '{name}' is used twice (columns {names.index(name) + 1} and {at + 1})",
                where=path,
                hint="rename one of them",
            )
    if not names:
        raise DataError("the file has no columns", where=path)
    if frame.empty:
        raise DataError("the file has columns but no rows", where=path, hint="export the table again")
    frame = frame.set_axis(pd.Index(names, dtype=object), axis=1)
    return frame.assign(**{name: _stripped(frame[name]) for name in names if is_text_like(frame[name])})


def _stripped(column: pd.Series[Any]) -> pd.Series[Any]:
    """Strip text cells; blank ones are missing. Numbers and lists among them stay."""

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            return value.strip() or np.nan
        return np.nan if value is None else value

    cleaned = pd.Series([clean(v) for v in column], index=column.index, dtype=object)
    return cleaned if column.dtype == object else cleaned.astype(column.dtype)
