"""Delimited text (CSV, TSV) as a frame: encoding, separator, header, missing words, numbers.

Reads: bytes and the cells in them. Writes: nothing. Never: turns 007 into 7 or the text "None" into a gap.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from specweave.errors import DataError
from specweave.tables.values import MISSING_WORDS, parse_number

SEPARATORS = (",", ";", "\t", "|")
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_LEADING_ZERO = r"^[+-]?0[0-9]+$"
_LONG_DIGITS = r"^[+-]?[0-9]{16,}$"
_SPACED = r"0-9.,'\s\x{00a0}\x{202f}"
_NUMBER_WITH_MARKS = rf"^[$€£¥]?\s?[+-]?[{_SPACED}]*[0-9][{_SPACED}]*(?:[eE][+-]?[0-9]+)?\s?[$€£¥%]?$"


class Delimited(NamedTuple):
    """A parsed text table and how it was written."""

    frame: pd.DataFrame
    encoding: str
    separator: str
    notes: list[str]


def parse_delimited(
    data: bytes, *, where: Path, separator: str | None = None, nrows: int | None = None
) -> Delimited:
    """Parse the bytes of a delimited text file.

    Parameters
    ----------
    data : bytes
    where : Path
        For messages.
    separator : str, optional
        Sniffed from the first lines where not given.
    nrows : int, optional
        Parse the first rows only.

    Raises
    ------
    DataError
        If the file is empty, has a header only, repeats a column name, or has ragged rows.
    """
    text, encoding, notes = _decode(data, where)
    if not text.strip():
        raise DataError("the file is empty", where=where, hint="export the table again, with its header row")
    separator = separator or _sniff(text)
    header, start = _header(text, separator, where)
    names, unnamed = _named(header, where, notes)
    if nrows is not None:
        text = _first_rows(text, nrows + 1)
    table = _parse_cells(text, separator, names, where)
    if not table.num_rows:
        raise DataError(
            "the file has a header but no rows",
            where=f"{where}:{start}",
            hint="export the table again, or point 'Training data' of spec.md at another file",
        )
    frame = _typed_frame(table, separator, notes)
    frame = _without_index(frame, unnamed, notes)
    if len(header) > 3 and all(parse_number(n) is not None for n in header) and any("." in n for n in header):
        notes.append("the first line holds only numbers: check that the file has a header row")
    return Delimited(frame, encoding, separator, notes)


def _decode(data: bytes, where: Path) -> tuple[str, str, list[str]]:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16"), "utf-16", ["read as UTF-16"]
    if b"\x00" in data[:65536]:
        raise DataError(
            "this is not a text table (it holds zero bytes)",
            where=where,
            hint="save it as CSV, or give a Parquet, Feather, JSON lines or Excel file its own ending",
        )
    if data.startswith(codecs.BOM_UTF8):
        encoding, notes = "utf-8-sig", ["byte order mark removed"]
    else:
        encoding, notes = "utf-8", []
    try:
        return data.decode(encoding), encoding, notes
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        try:
            text, encoding = data.decode("cp1252"), "cp1252"
        except UnicodeDecodeError:
            text, encoding = data.decode("latin-1"), "latin-1"
        return text, encoding, [f"not UTF-8 (line {line}): read as {encoding}"]


def _records(text: str, separator: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator)


def _sniff(text: str) -> str:
    """Return the separator that splits the header and the first rows into the same number (>1) of cells."""
    head = text[:200_000]
    cut = len(head) < len(text)
    best, best_score = ",", (0.0, 0)
    for separator in SEPARATORS:
        rows = []
        try:
            for row in itertools.islice(_records(head, separator), 60):
                if row:
                    rows.append(len(row))
        except csv.Error:
            continue
        if cut and len(rows) > 2 and len(rows) < 60:
            rows.pop()
        if not rows or rows[0] < 2:
            continue
        agree = sum(n == rows[0] for n in rows) / len(rows)
        if (agree, rows[0]) > best_score:
            best, best_score = separator, (agree, rows[0])
    return best


def _header(text: str, separator: str, where: Path) -> tuple[list[str], int]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        for row in reader:
            if row:
                return [cell.strip() for cell in row], reader.line_num
    except csv.Error as error:
        raise DataError(f"cannot read the header: {error}", where=f"{where}:{reader.line_num}") from error
    raise DataError("the file is empty", where=where)


def _named(header: list[str], where: Path, notes: list[str]) -> tuple[list[str], list[int]]:
    """Return usable column names and the positions that had none."""
    first: dict[str, int] = {}
    for at, name in enumerate(header):
        if name and name in first:
            raise DataError(
                f"column name '{name}' is used twice (columns {first[name] + 1} and {at + 1})",
                where=f"{where}:1",
                hint=f"rename one of them in the header, for example '{name}_2'",
            )
        if name:
            first[name] = at
    unnamed = [at for at, name in enumerate(header) if not name or re.fullmatch(r"Unnamed: \d+", name)]
    names = list(header)
    for at in unnamed:
        name = f"column_{at + 1}"
        while name in first:
            name += "_"
        first[name] = at
        names[at] = name
    return names, unnamed


def _first_rows(text: str, records: int) -> str:
    """Return the text of the first records (a quoted cell may span lines)."""
    lines = io.StringIO(text, newline="")
    kept: list[str] = []
    done, open_quotes = 0, False
    for line in lines:
        kept.append(line)
        open_quotes ^= line.count('"') % 2 == 1
        if not open_quotes and line.strip("\r\n"):
            done += 1
            if done == records:
                break
    return "".join(kept)


def _parse_cells(text: str, separator: str, names: list[str], where: Path) -> pa.Table:
    """Return every cell as text."""
    body = (text if text.endswith("\n") else text + "\n").encode("utf-8", errors="replace")
    block = max(1 << 22, 64 * len(names))
    while True:
        try:
            return _parse_block(body, separator, names, block)
        except pa.ArrowInvalid as error:
            if "straddl" in str(error) and block < len(body):
                block = min(8 * block, len(body) + 1)  # a row longer than a block
                continue
            _raise_ragged(text, separator, len(names), where)
            if "Empty CSV" in str(error):
                return pa.table({name: pa.array([], pa.string()) for name in names})
            raise DataError(f"cannot read the rows: {error}", where=where) from error


def _parse_block(body: bytes, separator: str, names: list[str], block: int) -> pa.Table:
    # The header row is skipped by position and the names are ours: pyarrow refuses an empty name.
    return pacsv.read_csv(
        io.BytesIO(body),
        read_options=pacsv.ReadOptions(column_names=names, skip_rows_after_names=1, block_size=block),
        parse_options=pacsv.ParseOptions(delimiter=separator, newlines_in_values=b'"' in body),
        convert_options=pacsv.ConvertOptions(
            column_types={name: pa.string() for name in names}, strings_can_be_null=False, check_utf8=False
        ),
    )


def _raise_ragged(text: str, separator: str, width: int, where: Path) -> None:
    """Raise for the first row whose number of cells differs from the header's."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    wrong: list[tuple[int, int]] = []
    try:
        for row in reader:
            if row and len(row) != width:
                wrong.append((reader.line_num, len(row)))
    except csv.Error as error:
        raise DataError(f"cannot read this row: {error}", where=f"{where}:{reader.line_num}") from error
    if wrong:
        line, cells = wrong[0]
        more = f" ({len(wrong)} rows in all)" if len(wrong) > 1 else ""
        raise DataError(
            f"this row has {cells} cells, the header has {width}{more}",
            where=f"{where}:{line}",
            hint=f"quote cells that hold a {_NAMES[separator]}, or remove the row",
        )


def _typed_frame(table: pa.Table, separator: str, notes: list[str]) -> pd.DataFrame:
    columns: dict[str, Any] = {}
    trimmed, marked = [], []
    words = pa.array(sorted(MISSING_WORDS))
    waiting: dict[str, pa.Array] = {}
    for name in table.column_names:
        raw = table.column(name).combine_chunks()
        cells = pc.utf8_trim_whitespace(raw)
        gaps = pc.is_in(pc.utf8_lower(cells), value_set=words)
        shorter = pc.not_equal(pc.binary_length(raw), pc.binary_length(cells))
        if pc.any(shorter).as_py():
            if pc.any(pc.and_not(shorter, gaps)).as_py():
                trimmed.append(name)
            blanks = pc.sum(pc.and_(shorter, pc.equal(cells, ""))).as_py()
            if blanks:
                notes.append(f"{blanks} blank cells of {name} count as missing")
        asked = pc.sum(pc.equal(cells, "?")).as_py()
        if asked:
            notes.append(f"{asked} cells '?' of {name} count as missing")
        cells = pc.if_else(gaps, pa.scalar(None, pa.string()), cells)
        values = _plain_values(cells)
        columns[name] = values
        if values is None:
            waiting[name] = cells
    decimal_comma = separator != "," and _writes_decimal_comma(waiting.values())
    for name, cells in waiting.items():
        numbers = _marked_numbers(cells, decimal_comma)
        if numbers is not None:
            marked.append(name)
        columns[name] = _text_values(cells) if numbers is None else numbers
    if marked:
        what = "a decimal comma" if decimal_comma else "thousands separators, currency or percent signs"
        notes.append(f"numbers written with {what}: {_few(marked)}")
    if trimmed:
        notes.append(f"spaces around cells removed: {_few(trimmed)}")
    return pd.DataFrame(columns, columns=table.column_names, copy=False)


def _plain_values(cells: pa.Array) -> Any:
    """Return the cells as int64, float64 or bool where every one is such, else None."""
    present = cells.drop_null()
    if not len(present):
        return np.full(len(cells), np.nan)
    first = present[0].as_py()
    if first in ("True", "False", "true", "false", "TRUE", "FALSE"):
        if not cells.null_count and set(pc.unique(pc.utf8_lower(cells)).to_pylist()) <= {"true", "false"}:
            return pc.equal(pc.utf8_lower(cells), "true").to_numpy(zero_copy_only=False)
        return None
    if first[0] not in "0123456789+-.nNiI":
        return None
    if pc.any(pc.match_substring_regex(present, _LEADING_ZERO)).as_py():
        return None
    try:
        whole = pc.cast(cells, pa.int64())
        if not whole.null_count:
            return whole.to_numpy()
        if pc.any(pc.match_substring_regex(present, _LONG_DIGITS)).as_py():
            return None  # a float would lose digits of a long key
        return whole.to_pandas().to_numpy(dtype=np.float64)
    except pa.ArrowInvalid:
        pass
    if pc.any(pc.match_substring_regex(present, _LONG_DIGITS)).as_py():
        return None
    try:
        return pc.cast(cells, pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return None


def _writes_decimal_comma(columns: Any) -> bool:
    """Return whether some column's commas can only be decimal ones."""
    return any(
        pc.any(
            pc.match_substring_regex(cells, r"^[+-]?[0-9.]*,([0-9]{1,2}|[0-9]{4,})$|^[+-]?0,[0-9]+$")
        ).as_py()
        and _all_numbers(cells)
        for cells in columns
    )


def _all_numbers(cells: pa.Array) -> bool:
    return bool(pc.all(pc.match_substring_regex(cells.drop_null(), _NUMBER_WITH_MARKS)).as_py())


def _marked_numbers(cells: pa.Array, decimal_comma: bool) -> Any:
    """Return floats where every cell is a number with a comma, thousands, currency or percent mark."""
    present = cells.drop_null()
    if not len(present) or not _all_numbers(present):
        return None
    if pc.any(pc.match_substring_regex(present, _LEADING_ZERO)).as_py():
        return None
    if pc.any(pc.match_substring_regex(present, _LONG_DIGITS)).as_py():
        return None
    encoded = cells.dictionary_encode()
    parsed = [parse_number(text, decimal_comma=decimal_comma) for text in encoded.dictionary.to_pylist()]
    if any(number is None for number in parsed):
        return None
    table = np.asarray([*parsed, np.nan], dtype=np.float64)
    codes = encoded.indices.fill_null(len(parsed)).to_numpy()
    return table[codes]


def _text_values(cells: pa.Array) -> Any:
    series = cells.to_pandas()
    return series.where(series.notna(), np.nan) if series.dtype == object else series


def _without_index(frame: pd.DataFrame, unnamed: list[int], notes: list[str]) -> pd.DataFrame:
    """Drop an unnamed row index and unnamed empty columns; tell what the others are called now."""
    drop, kept = [], []
    for at in unnamed:
        name = frame.columns[at]
        column = frame[name]
        if column.isna().all():
            drop.append(name)
            notes.append(f"column {at + 1} has neither name nor values: dropped")
        elif at == 0 and column.is_unique and column.dtype.kind in "iO" and len(frame.columns) > 1:
            drop.append(name)
            notes.append("the unnamed first column is a row index: dropped")
        else:
            kept.append(name)
    if kept:
        notes.append(f"columns without a name are called {_few(kept)}")
    return frame.drop(columns=drop) if drop else frame


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
