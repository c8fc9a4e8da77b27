"""Intervals: their coverage, their units, what they do where a metric is not defined."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from specweave.errors import DataError
from specweave.metrics.base import parse_metric_ref
from specweave.metrics.classification_measures import measure
from specweave.statistics.bootstrap import (
    Resampler,
    bootstrap_interval,
    paired_bootstrap,
    resamples_for,
)


def mean_error(outcome: pd.DataFrame) -> float:
    return float(outcome["error"].mean())


def test_the_interval_of_a_mean_is_about_two_standard_errors_wide() -> None:
    errors = np.random.default_rng(1).normal(10, 3, 400)
    low, high, words = bootstrap_interval(mean_error, pd.DataFrame({"error": errors}), n_resamples=800)
    half = 1.96 * errors.std() / 20
    assert low == pytest.approx(errors.mean() - half, abs=0.08)
    assert high == pytest.approx(errors.mean() + half, abs=0.08)
    assert words == "percentile bootstrap, 800 resamples of rows"


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for trial in range(120):
        frame = pd.DataFrame({"error": rng.exponential(2.0, 80)})
        low, high, _ = bootstrap_interval(mean_error, frame, n_resamples=150, seed=trial)
        covered += low <= 2.0 <= high
    assert 0.86 <= covered / 120 <= 0.99


def test_the_same_seed_gives_the_same_interval_and_another_one_does_not() -> None:
    frame = pd.DataFrame({"error": np.arange(50.0)})
    assert bootstrap_interval(mean_error, frame, seed=3) == bootstrap_interval(mean_error, frame, seed=3)
    assert bootstrap_interval(mean_error, frame, seed=3) != bootstrap_interval(mean_error, frame, seed=4)


def test_rows_that_repeat_one_unit_do_not_narrow_the_interval() -> None:
    per_unit = np.random.default_rng(2).normal(0, 1, 40)
    frame = pd.DataFrame({"error": np.repeat(per_unit, 25)})
    users = np.repeat([f"u{i}" for i in range(40)], 25)
    low, high, words = bootstrap_interval(mean_error, frame, users)
    narrow_low, narrow_high, _ = bootstrap_interval(mean_error, frame)
    assert high - low > 3 * (narrow_high - narrow_low)
    assert "40 groups of rows" in words


def test_a_drawn_unit_brings_all_its_rows() -> None:
    units = np.array(["b", "a", "b", "c", "a"])
    sampler = Resampler(5, units)
    assert sorted(sampler.rows(np.array([1, 1, 2])).tolist()) == [0, 0, 2, 2, 3]
    assert sampler.rows(np.array([0, 0, 0])).tolist() == [1, 4, 1, 4, 1, 4]


def test_resamples_of_one_class_are_drawn_again() -> None:
    truth = ["Yes"] + ["No"] * 19
    score = np.linspace(0.9, 0.1, 20)
    frame = pd.DataFrame({"truth": truth, "p:No": 1 - score, "p:Yes": score})
    low, high, words = bootstrap_interval(
        lambda o: measure(o, parse_metric_ref("roc_auc"), {"positive": "Yes"}), frame, n_resamples=50
    )
    assert low == high == 1.0
    assert words.endswith("drawn again")


def test_a_metric_that_is_hardly_ever_defined_gets_no_interval() -> None:
    frame = pd.DataFrame({"truth": ["No"] * 5, "p:No": [0.5] * 5, "p:Yes": [0.5] * 5})
    with pytest.raises(DataError, match="no interval, since on most resamples: ROC AUC is not defined"):
        bootstrap_interval(
            lambda o: measure(o, parse_metric_ref("roc_auc"), {"positive": "Yes"}), frame, n_resamples=20
        )


def test_one_unit_gives_no_interval() -> None:
    with pytest.raises(DataError, match="no interval from 1 independent unit"):
        bootstrap_interval(mean_error, pd.DataFrame({"error": [1.0, 2.0]}), ["u", "u"])


def test_fewer_resamples_are_drawn_of_very_many_rows() -> None:
    assert resamples_for(50_000, 500) == 500
    assert resamples_for(50_001, 500) == 200
    assert resamples_for(10**6, 500) == 100
    assert resamples_for(10**6, 50) == 50


def test_pairing_sees_a_small_difference_that_separate_intervals_hide() -> None:
    rng = np.random.default_rng(8)
    hard = rng.normal(10, 5, 300)
    ours = pd.DataFrame({"row": np.arange(300), "error": hard})
    theirs = pd.DataFrame({"row": np.arange(300), "error": hard + rng.normal(0.3, 0.5, 300)})
    theirs = theirs.sample(frac=1, random_state=0)  # order must not matter: rows are matched
    result = paired_bootstrap(mean_error, ours, theirs)
    assert result.high < 0 and result.p_value < 0.01
    assert result.low < result.difference < result.high
    alone = bootstrap_interval(mean_error, ours)
    assert alone[0] < theirs["error"].mean() < alone[1]


def test_no_difference_gives_no_small_p_value() -> None:
    rng = np.random.default_rng(4)
    ours = pd.DataFrame({"error": rng.normal(0, 1, 200)})
    theirs = pd.DataFrame({"error": rng.normal(0, 1, 200)})
    result = paired_bootstrap(mean_error, ours, theirs)
    assert result.low < 0 < result.high and result.p_value > 0.05
    same = paired_bootstrap(mean_error, ours, ours)
    assert same.difference == 0 and same.p_value == 1.0


def test_predictions_of_other_rows_cannot_be_paired() -> None:
    a = pd.DataFrame({"row": [1, 2, 3], "error": [0.0, 1.0, 2.0]})
    b = pd.DataFrame({"row": [1, 2, 4], "error": [0.0, 1.0, 2.0]})
    with pytest.raises(DataError, match="different rows"):
        paired_bootstrap(mean_error, a, b)
    with pytest.raises(DataError, match="3 and 2 predicted rows"):
        paired_bootstrap(mean_error, a, b.head(2))


def test_units_pair_tables_of_different_length() -> None:
    a = pd.DataFrame({"error": [1.0, 1.0, 2.0, 2.0, 3.0]})
    b = pd.DataFrame({"error": [0.5, 1.5, 2.5]})
    result = paired_bootstrap(mean_error, a, b, ["u", "u", "v", "v", "w"], ["u", "v", "w"], n_resamples=50)
    assert result.n == 3
    assert result.difference == pytest.approx(1.8 - 1.5)
