from __future__ import annotations

import gzip
import hashlib
import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from specweave.errors import DataError, MissingExtraError
from specweave.tables.reading import check_target, read_table


def write(folder: Path, text: str | bytes, name: str = "data.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_plain_csv_reads_with_its_bytes_hash_and_rows(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b,c\n1,x,1.5\n2,y,\n")
    read = read_table(path)
    assert read.path == path
    assert read.bytes == path.stat().st_size
    assert read.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (read.rows, read.encoding, read.separator, read.notes) == (2, "utf-8", ",", [])
    assert read.frame["a"].dtype == np.int64
    assert read.frame["c"].tolist()[0] == 1.5 and np.isnan(read.frame["c"].tolist()[1])


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found_even_where_text_holds_other_separators(
    tmp_path: Path, separator: str
) -> None:
    rows = [["name", "note", "n"], ["a", '"x, y; z | w"', "1"], ["b", '"p, q"', "2"]]
    read = read_table(write(tmp_path, "\n".join(separator.join(r) for r in rows) + "\n"))
    assert read.separator == separator
    assert read.frame["note"].tolist() == ["x, y; z | w", "p, q"]
    assert read.frame["n"].tolist() == [1, 2]


def test_a_decimal_comma_is_read_as_such_with_a_note(tmp_path: Path) -> None:
    read = read_table(write(tmp_path, "price;weight;n\n1,5;1.234,75;1,000\n2,25;2,5;2,000\n"))
    assert read.frame["price"].tolist() == [1.5, 2.25]
    assert read.frame["weight"].tolist() == [1234.75, 2.5]
    assert read.frame["n"].tolist() == [1.0, 2.0]
    assert any("decimal comma" in note for note in read.notes)


def test_thousands_and_currency_marks_are_read_as_numbers_with_a_note(tmp_path: Path) -> None:
    read = read_table(write(tmp_path, 'pay,share\n"$1,234.50",12%\n"$99",3.5%\n'))
    assert read.frame["pay"].tolist() == [1234.5, 99.0]
    assert read.frame["share"].tolist() == [12.0, 3.5]
    assert any("pay, share" in note for note in read.notes)


def test_a_byte_order_mark_and_carriage_returns_leave_no_trace(tmp_path: Path) -> None:
    read = read_table(write(tmp_path, b"\xef\xbb\xbfa,b\r\n1,x\r\n2,y\r\n"))
    assert read.frame.columns.tolist() == ["a", "b"]
    assert read.frame["b"].tolist() == ["x", "y"]
    assert read.encoding == "utf-8-sig"
    assert read.notes == ["byte order mark removed"]


@pytest.mark.parametrize(("encoding", "name"), [("cp1252", "cp1252"), ("utf-16", "utf-16")])
def test_other_encodings_are_read_with_a_note(tmp_path: Path, encoding: str, name: str) -> None:
    read = read_table(write(tmp_path, "city,n\nZürich,1\nMálaga – Süd,2\n".encode(encoding)))
    assert read.frame["city"].tolist() == ["Zürich", "Málaga – Süd"]
    assert read.encoding == name
    assert any(name.upper() in note.upper() for note in read.notes)


def test_bytes_that_cp1252_does_not_know_are_read_as_latin_1(tmp_path: Path) -> None:
    assert read_table(write(tmp_path, b"a,b\nx\x81\xe9,1\n")).encoding == "latin-1"


def test_missing_words_are_missing_and_none_and_no_are_levels(tmp_path: Path) -> None:
    text = "veneer,flag,n\nNone,No,1\nNA,Yes,?\nStone,No service,null\n , NaN,4\n"
    frame = read_table(write(tmp_path, text)).frame
    assert frame["veneer"].tolist()[0] == "None"
    assert frame["veneer"].isna().tolist() == [False, True, False, True]
    assert frame["flag"].tolist()[:3] == ["No", "Yes", "No service"]
    assert frame["n"].dtype == np.float64
    assert frame["n"].isna().tolist() == [False, True, True, False]


def test_blank_cells_among_numbers_are_missing_with_a_note(tmp_path: Path) -> None:
    read = read_table(write(tmp_path, "total,x\n1.5,a\n ,b\n2.5,c\n"))
    assert read.frame["total"].dtype == np.float64
    assert "1 blank cells of total count as missing" in read.notes


def test_leading_zeros_and_long_keys_stay_text(tmp_path: Path) -> None:
    text = "zip,card,n\n01234,12345678901234567890,10\n99999,12345678901234567891,20\n"
    frame = read_table(write(tmp_path, text)).frame
    assert frame["zip"].tolist() == ["01234", "99999"]
    assert frame["card"].tolist()[1] == "12345678901234567891"
    assert frame["n"].tolist() == [10, 20]


def test_infinities_are_kept_as_numbers(tmp_path: Path) -> None:
    frame = read_table(write(tmp_path, "a\n1\ninf\n-inf\n")).frame
    assert frame["a"].tolist() == [1.0, np.inf, -np.inf]


def test_mixed_columns_stay_text_until_their_kind_is_known(tmp_path: Path) -> None:
    frame = read_table(write(tmp_path, "a\n1\n2\nunknown\n")).frame
    assert frame["a"].tolist() == ["1", "2", "unknown"]


def test_true_and_false_become_booleans(tmp_path: Path) -> None:
    assert read_table(write(tmp_path, "a\nTrue\nFalse\n")).frame["a"].tolist() == [True, False]


def test_an_unnamed_row_index_is_dropped_with_a_note(tmp_path: Path) -> None:
    read = read_table(write(tmp_path, ",a\n541,x\n12,y\n7,z\n"))
    assert read.frame.columns.tolist() == ["a"]
    assert read.notes == ["the unnamed first column is a row index: dropped"]


def test_an_unnamed_column_of_values_gets_a_name_and_an_empty_one_goes(tmp_path: Path) -> None:
    read = read_table(write(tmp_path, "a,,\nx,1,\ny,1,\n"))
    assert read.frame.columns.tolist() == ["a", "column_2"]
    assert any("column_2" in note for note in read.notes)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "the file is empty"),
        ("  \n\n", "the file is empty"),
        ("a,b\n", "the file has a header but no rows"),
        ("a,b", "the file has a header but no rows"),
        ("a,b,a\n1,2,3\n", "column name 'a' is used twice (columns 1 and 3)"),
        (b"a,b\x00\n1,2\n", "this is not a text table (it holds zero bytes)"),
    ],
)
def test_unusable_files_give_one_clear_error(tmp_path: Path, text: str | bytes, what: str) -> None:
    with pytest.raises(DataError) as caught:
        read_table(write(tmp_path, text))
    assert caught.value.what == what
    assert "data.csv" in str(caught.value.where)
    assert caught.value.hint


@pytest.mark.parametrize("bad", ["3,4,5", "3"])
def test_a_ragged_row_is_named_by_its_line(tmp_path: Path, bad: str) -> None:
    path = write(tmp_path, f'a,b\n"two\nlines",2\n{bad}\n5,6\n')
    with pytest.raises(DataError) as caught:
        read_table(path)
    assert caught.value.where == f"{path}:4"
    assert "the header has 2" in caught.value.what


def test_a_missing_file_offers_the_nearest_name(tmp_path: Path) -> None:
    write(tmp_path, "a\n1\n", "churn.csv")
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / "chrun.csv")
    assert caught.value.hint == "did you mean churn.csv?"
    with pytest.raises(DataError, match="this is a folder"):
        read_table(tmp_path)


def test_gzipped_text_reads_and_a_damaged_one_says_so(tmp_path: Path) -> None:
    packed = gzip.compress(b"a\tb\n1\tx\n")
    assert read_table(write(tmp_path, packed, "d.tsv.gz")).frame["b"].tolist() == ["x"]
    with pytest.raises(DataError, match="damaged"):
        read_table(write(tmp_path, packed[:-6], "e.tsv.gz"))


def test_parquet_feather_and_json_lines_read_alike(tmp_path: Path) -> None:
    frame = pd.DataFrame({"n": [1, 2, 3], "zip": ["01", "02", " "], "x": [1.5, np.nan, 2.0]})
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_feather(tmp_path / "t.feather")
    frame.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    for name in ("t.parquet", "t.feather", "t.jsonl"):
        read = read_table(tmp_path / name)
        assert read.rows == 3
        assert read.frame["zip"].tolist()[:2] == ["01", "02"], name
        assert read.frame["zip"].isna().tolist() == [False, False, True], name
        assert read.frame["x"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize("name", ["t.parquet", "t.feather", "t.jsonl"])
def test_a_file_that_is_not_what_its_name_says_gives_a_data_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="not"):
        read_table(write(tmp_path, b"this is no such file", name))


def test_excel_needs_its_package_or_reads(tmp_path: Path) -> None:
    if importlib.util.find_spec("openpyxl") is None:
        with pytest.raises(MissingExtraError) as caught:
            read_table(write(tmp_path, b"PK", "t.xlsx"))
        assert "specweave-ml[excel]" in str(caught.value.hint)
        return
    pd.DataFrame({"a": [1, 2], "b": ["x", "None"]}).to_excel(tmp_path / "t.xlsx", index=False)
    frame = read_table(tmp_path / "t.xlsx").frame
    assert frame["a"].tolist() == [1, 2] and frame["b"].tolist() == ["x", "None"]


def test_the_first_rows_can_be_read_alone(tmp_path: Path) -> None:
    path = write(tmp_path, 'a,b\n"x\ny",1\nz,2\nw,3\n')
    read = read_table(path, nrows=2)
    assert read.frame["a"].tolist() == ["x\ny", "z"]
    assert read.rows == 2 and read.bytes == path.stat().st_size


def test_ten_thousand_columns_read(tmp_path: Path) -> None:
    names = ",".join(f"c{at}" for at in range(10_000))
    row = ",".join(str(at) for at in range(10_000))
    frame = read_table(write(tmp_path, f"{names}\n{row}\n{row}\n")).frame
    assert frame.shape == (2, 10_000)


def test_a_missing_target_offers_the_nearest_columns() -> None:
    frame = pd.DataFrame({"Churn": [1], "tenure": [2]})
    check_target(frame, "Churn")
    with pytest.raises(DataError) as caught:
        check_target(frame, "churned")
    assert caught.value.hint == "did you mean Churn?"


def test_a_row_longer_than_the_reading_block_reads(tmp_path: Path) -> None:
    long = "x" * 9_000_000
    frame = read_table(write(tmp_path, f'a,b\n"{long}",1\ny,2\n')).frame
    assert [len(v) for v in frame["a"]] == [9_000_000, 1]
