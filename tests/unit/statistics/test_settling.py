"""How many more rows an inconclusive criterion needs."""

from __future__ import annotations

import pytest

from specweave.statistics.settling import rows_to_settle


def test_half_the_width_takes_four_times_the_rows() -> None:
    # The lower half is 0.04 wide and must shrink to 0.02: four times the rows, three times more.
    assert rows_to_settle(0.84, 0.80, 0.88, 0.82, 1000) == 3000


def test_only_the_half_towards_the_bar_counts() -> None:
    assert rows_to_settle(0.84, 0.80, 0.85, 0.845, 1000) == 3000
    assert rows_to_settle(0.84, 0.79, 0.85, 0.845, 1000) == 3000


def test_a_settled_interval_needs_nothing() -> None:
    assert rows_to_settle(0.9, 0.85, 0.95, 0.8, 100) == 0


@pytest.mark.parametrize("value", [0.8, float("nan")])
def test_an_estimate_on_the_bar_is_never_settled(value: float) -> None:
    assert rows_to_settle(value, 0.7, 0.9, 0.8, 100) is None
