"""A single row is read in a quicker way than many; both ways must agree."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from specweave.tables.values import levels_of, to_numbers

CELLS = [
    "x",
    " x ",
    "NA",
    "",
    "20",
    20,
    20.0,
    1.5,
    True,
    None,
    np.nan,
    pd.NaT,
    "1,234",
    pd.Timestamp("2024-05-01"),
]


@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_one_cell_reads_as_it_does_among_others(cell: object) -> None:
    alone, among = pd.Series([cell], dtype=object), pd.Series([cell, cell], dtype=object)
    codes, levels = levels_of(alone)
    many_codes, many_levels = levels_of(among)
    assert codes.tolist() == many_codes[:1].tolist() and levels == many_levels
    np.testing.assert_array_equal(to_numbers(alone)[0], to_numbers(among)[0][:1])
    assert to_numbers(alone)[1] * 2 == to_numbers(among)[1]


def test_one_cell_of_a_category_reads_alike() -> None:
    column = pd.Series(["b", "a"], dtype="category")
    assert levels_of(column.iloc[[1]])[1] == ["a"]
