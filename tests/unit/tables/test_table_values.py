from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from specweave.tables.values import level_text, levels_of, missing_mask, parse_number, to_booleans, to_numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [(" a ", "a"), ("None", "None"), ("NA", None), ("?", None), (" ", None), (None, None),
     (float("nan"), None), (20.0, "20"), (20, "20"), (0.5, "0.5"), (True, "True"), (np.bool_(False), "False"),
     (pd.NaT, None), (pd.NA, None), (float("inf"), "inf")],
)  # fmt: skip
def test_a_level_has_one_spelling(value: object, text: str | None) -> None:
    assert level_text(value) == text


def test_levels_merge_spellings_and_keep_order_of_appearance() -> None:
    codes, levels = levels_of(pd.Series(["b ", "b", None, "a", "?"], dtype=object))
    assert levels == ["b", "a"]
    assert codes.tolist() == [0, 0, -1, 1, -1]


def test_levels_of_cells_that_cannot_be_hashed_are_their_text() -> None:
    codes, levels = levels_of(pd.Series([["x"], ["x"], None]))
    assert (codes.tolist(), levels) == ([0, 0, -1], ["['x']"])


@pytest.mark.parametrize(
    ("text", "number"),
    [("12", 12), ("1e3", 1000), ("1,234", 1234), ("1,234,567.5", 1234567.5), ("1,5", 1.5), ("$12", 12),
     ("7 %", 7), ("1 234", 1234), ("abc", None), ("1_000", None), ("", None), ("nan", None), ("-3.5", -3.5)],
)  # fmt: skip
def test_numbers_are_read_as_people_write_them(text: str, number: float | None) -> None:
    assert parse_number(text) == number


def test_text_gives_back_the_very_number_that_was_written() -> None:
    numbers = np.random.default_rng(0).normal(50, 10, 2000)
    assert to_numbers(pd.Series(numbers).astype(str))[0].tolist() == numbers.tolist()


def test_a_decimal_comma_can_be_demanded() -> None:
    assert parse_number("1,234", decimal_comma=True) == 1.234
    assert parse_number("1.234,5", decimal_comma=True) == 1234.5


def test_text_that_is_no_number_is_counted_not_raised() -> None:
    values, coerced = to_numbers(pd.Series(["1", "2.5", "many", None, " "], dtype=object))
    assert coerced == 1
    assert values.tolist()[:2] == [1.0, 2.5] and np.isnan(values[2:]).all()


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1, 2, None], dtype="Int64"),
        pd.Series([1.0, 2.0, np.nan]),
        pd.Series(["1", "2", None], dtype="string"),
        pd.Series(["1", "2", None], dtype="category"),
        pd.Series([1, "2", None], dtype=object),
    ],
)
def test_numbers_come_out_alike_from_any_dtype(column: pd.Series) -> None:
    values, coerced = to_numbers(column)
    assert values.tolist()[:2] == [1.0, 2.0] and np.isnan(values[2]) and coerced == 0
    assert missing_mask(column).tolist() == [False, False, True]


def test_durations_are_seconds_and_dates_are_epoch_seconds() -> None:
    assert to_numbers(pd.Series(pd.to_timedelta(["1min", None])))[0].tolist()[0] == 60.0
    values, _ = to_numbers(pd.Series(pd.to_datetime(["1970-01-02", None])))
    assert values[0] == 86400.0 and np.isnan(values[1])


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["Yes", "no", "maybe", None]),
        pd.Series([1, 0, 3, None]),
        pd.Series([True, False, "x", None]),
    ],
)
def test_yes_and_no_come_out_alike(column: pd.Series) -> None:
    values = to_booleans(column)
    assert values.tolist()[:2] == [1.0, 0.0] and np.isnan(values[2:]).all()
