"""Segments by raw columns, what sets errors apart, and the worst rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from specweave.metrics.base import parse_metric_ref
from specweave.problems.regression import Regression
from specweave.stages.segments import band_columns, find_error_columns, measure_segments, worst_rows
from specweave.tables.kinds import infer_kinds


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 400
    return pd.DataFrame(
        {
            "id": [f"c{i:05d}" for i in range(n)],
            "region": rng.choice(["north", "south"], n),
            "rare": np.where(np.arange(n) < 5, "odd", "usual"),
            "size": np.where(np.arange(n) % 10 == 0, np.nan, rng.gamma(2, 10, n)),
            "target": rng.normal(size=n),
        }
    )


def bands_of(frame: pd.DataFrame) -> dict[str, pd.Series]:
    return band_columns(frame, infer_kinds(frame, target="target"), without=["target"])


def test_numbers_are_cut_at_quartiles_and_missing_values_are_a_group(frame: pd.DataFrame) -> None:
    bands = bands_of(frame)
    assert set(bands) == {"region", "rare", "size"}  # neither the key nor the target
    counts = bands["size"].value_counts()
    assert len(counts) == 5 and counts["(missing)"] == 40
    assert set(counts.drop("(missing)")) == {90}


def test_the_worst_segment_comes_first_and_small_ones_are_not_judged(frame: pd.DataFrame) -> None:
    rng = np.random.default_rng(1)
    noise = np.where(frame["region"] == "north", 5.0, 1.0) * rng.normal(size=len(frame))
    outcome = pd.DataFrame({"row": range(400), "truth": noise, "prediction": 0.0})
    found = measure_segments(Regression(), parse_metric_ref("rmse"), outcome, {}, bands_of(frame))
    worst = found["worst"][0]
    assert (worst["column"], worst["value"]) == ("region", "north")
    assert worst["apart"] and worst["low"] > found["overall"]
    assert found["too_small"] == 1  # five odd rows
    assert not any(s["value"] == "odd" for s in found["worst"])
    assert found["worst"] == sorted(found["worst"], key=lambda s: -s["metric"])


def test_only_columns_that_set_errors_apart_are_named(frame: pd.DataFrame) -> None:
    rng = np.random.default_rng(11)
    loss = rng.exponential(1, 400) * np.where(frame["region"] == "north", 3, 1)
    found = find_error_columns(loss, bands_of(frame))
    assert [f["column"] for f in found] == ["region"]
    assert found[0]["worst_value"] == "north"
    assert found[0]["worst_loss"] > found[0]["mean_loss"]
    assert 0 < found[0]["explained"] < 1


def test_even_errors_name_no_column(frame: pd.DataFrame) -> None:
    assert find_error_columns(np.random.default_rng(5).exponential(1, 400), bands_of(frame)) == []
    assert find_error_columns(np.ones(400), bands_of(frame)) == []


def test_the_worst_rows_carry_their_raw_values(frame: pd.DataFrame) -> None:
    outcome = pd.DataFrame({"row": [7, 0, 3], "truth": [1.0, 2.0, 3.0], "prediction": [1.0, 9.0, 4.0]})
    rows = worst_rows(outcome, [0.0, 49.0, 1.0], frame, shown=2)
    assert [r["row"] for r in rows] == [0, 3]
    assert rows[0]["values"]["id"] == "c00000"
    assert rows[0]["values"]["size"] is None  # missing, not NaN
    assert rows[0]["predicted"] == {"truth": 2.0, "prediction": 9.0}
