"""A table written as text in any dialect reads back equal."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from specweave.tables.reading import read_table
from specweave.tables.values import MISSING_WORDS, parse_number

_LETTERS = st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp", "Cf"))
_LATIN = st.characters(codec="cp1252", exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp", "Cf"))


def _is_word(text: str) -> bool:
    """A cell that can only be text: not empty, blank-edged, missing, true, false or a number."""
    plain = text.strip()
    return (
        plain == text
        and plain.lower() not in MISSING_WORDS | {"true", "false"}
        and parse_number(plain) is None
        and parse_number(plain, decimal_comma=True) is None
    )


@st.composite
def tables(draw: st.DrawFn, letters: st.SearchStrategy[str] = _LETTERS) -> pd.DataFrame:
    rows = draw(st.integers(1, 8))
    names = draw(
        st.lists(
            st.text(letters, min_size=1, max_size=8).filter(_is_word), min_size=2, max_size=5, unique=True
        )
    )
    cell = st.text(st.one_of(letters, st.sampled_from(' ,;|\t"\n')), min_size=1, max_size=12).filter(_is_word)
    kinds = {
        "text": st.one_of(cell, st.just("None"), st.just("No"), st.none()),
        "whole": st.integers(-(2**62), 2**62),
        "real": st.floats(allow_nan=True, allow_infinity=True),
        "truth": st.booleans(),
        "code": st.integers(0, 9999).map(lambda n: f"0{n:04d}"),
    }
    columns = {}
    for at, name in enumerate(names):
        # The last column is never missing, so that no record is an empty line.
        kind = "whole" if at == len(names) - 1 else draw(st.sampled_from(sorted(kinds)))
        values = draw(st.lists(kinds[kind], min_size=rows, max_size=rows))
        columns[name] = pd.Series(values, dtype=object if kind in ("text", "code") else None)
    return pd.DataFrame(columns)


def _written(frame: pd.DataFrame, separator: str, newline: str, quoting: int) -> str:
    stream = io.StringIO(newline="")
    frame.to_csv(stream, sep=separator, index=False, lineterminator=newline, quoting=quoting)
    return stream.getvalue()


def _assert_same(read: pd.DataFrame, frame: pd.DataFrame) -> None:
    assert read.columns.tolist() == frame.columns.tolist()
    for name in frame:
        gaps = frame[name].isna().to_numpy()
        assert read[name].isna().tolist() == gaps.tolist(), name
        left, right = read[name].to_numpy()[~gaps], frame[name].to_numpy()[~gaps]
        assert left.tolist() == right.tolist(), name


@settings(max_examples=120, deadline=None)
@given(
    tables(),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC, csv.QUOTE_ALL]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_a_written_table_reads_back_equal(
    frame: pd.DataFrame, separator: str, newline: str, quoting: int, encoding: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.csv")
        path.write_bytes(_written(frame, separator, newline, quoting).encode(encoding))
        read = read_table(path)
    assert read.separator == separator
    assert read.encoding == encoding
    _assert_same(read.frame, frame)


@settings(max_examples=40, deadline=None)
@given(tables(_LATIN))
def test_western_text_without_utf_8_reads_back_equal(frame: pd.DataFrame) -> None:
    data = _written(frame, ";", "\n", csv.QUOTE_MINIMAL).encode("cp1252")
    try:
        data.decode("utf-8")
        return  # it happens to be UTF-8 as well, and is then read as that
    except UnicodeDecodeError:
        pass
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.csv")
        path.write_bytes(data)
        read = read_table(path)
    assert read.encoding == "cp1252"
    _assert_same(read.frame, frame)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e9, 1e9).map(lambda v: round(v, 4)), min_size=2, max_size=10))
def test_numbers_with_a_decimal_comma_read_back_equal(values: list[float]) -> None:
    values = [*values, 0.25]  # one value whose comma cannot be a thousands separator
    text = "x;n\n" + "".join(f"{v!r};1\n".replace(".", ",") for v in values)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.csv")
        path.write_text(text)
        read = read_table(path)
    assert np.array_equal(read.frame["x"].to_numpy(), np.asarray(values))
