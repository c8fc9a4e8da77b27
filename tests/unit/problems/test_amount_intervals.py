"""Intervals of amounts: they hold what they say where errors grow with the amount, and everywhere alike."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from specweave.problems.amount_intervals import half_widths, inside, interval_tables, learn_interval


def growing(seed: int, n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Return truths and predictions whose errors grow with the prediction."""
    rng = np.random.default_rng(seed)
    told = rng.gamma(1.0, 50.0, n)
    return told + rng.normal(size=n) * (1 + 0.5 * told), told


def test_the_interval_holds_for_small_and_for_large_predictions_alike() -> None:
    interval = learn_interval(*growing(1))
    truth, told = growing(2)
    held = inside(pd.DataFrame({"truth": truth, "prediction": told}), interval)
    for low, high in ((0, 10), (10, 35), (35, 80), (80, 1e9)):
        assert 0.84 < held[(told >= low) & (told < high)].mean() < 0.96
    # One width for all would have held nearly every small one and far fewer of the large ones.
    one = {"half_width": interval["half_width"]}
    plain = inside(pd.DataFrame({"truth": truth, "prediction": told}), one)
    assert plain[told < 10].mean() > 0.99 > 0.8 > plain[told > 80].mean()


def test_few_rows_get_one_width_and_predictions_that_are_all_alike_too() -> None:
    truth, told = growing(3, 150)
    assert "bands" not in learn_interval(truth, told)
    assert "bands" not in learn_interval(growing(3)[0], np.full(4000, 5.0))


def test_the_table_names_each_band_and_the_whole() -> None:
    truth, told = growing(4)
    interval = learn_interval(truth, told)
    (table,) = interval_tables(pd.DataFrame({"truth": truth, "prediction": told}), interval)
    assert len(table.rows) == 6 and table.rows[0][0].startswith("below ") and table.rows[-1][0] == "all"
    assert sum(row[1] for row in table.rows[:-1]) == 4000
    assert interval["words"].endswith("by the size of the prediction")


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=700))
def test_at_least_the_level_of_what_it_was_learned_from_lies_inside(pairs: list[tuple[float, float]]) -> None:
    truth, told = (np.array(part) for part in zip(*pairs, strict=True))
    interval = learn_interval(truth, told)
    assert inside(pd.DataFrame({"truth": truth, "prediction": told}), interval).mean() >= 0.9
    assert (half_widths(told, interval) >= 0).all()
