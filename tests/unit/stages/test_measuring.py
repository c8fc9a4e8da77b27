"""Metrics with intervals, and one model against a bar that another sets."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from specweave.errors import DataError
from specweave.metrics.base import find_metric, parse_metric_ref
from specweave.problems.classification import Classification
from specweave.problems.regression import Regression
from specweave.stages.measuring import compare_relative, measure_with_interval, relative_bar

YES = {"positive": "Yes", "threshold": 0.5}


def scores(noise: float, n: int = 400, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    truth = np.random.default_rng(99).random(n) < 0.3
    p = 1 / (1 + np.exp(-(2.0 * truth - 1 + noise * rng.normal(size=n))))
    return pd.DataFrame(
        {"row": np.arange(n), "truth": np.where(truth, "Yes", "No"), "p:No": 1 - p, "p:Yes": p}
    )


def test_a_metric_comes_with_direction_interval_and_how_it_was_made() -> None:
    metric = measure_with_interval(
        Classification(), parse_metric_ref("auc"), scores(1.0), YES, n_resamples=100
    )
    assert metric.name == "roc_auc" and metric.higher_is_better and metric.n == 400
    assert metric.low is not None and metric.high is not None
    assert 0.5 < metric.low < metric.value < metric.high < 1.0
    assert metric.method == "percentile bootstrap, 100 resamples of rows"


def test_units_are_counted_instead_of_rows() -> None:
    outcome = pd.DataFrame({"truth": np.arange(40.0), "prediction": np.arange(40.0) + 1})
    metric = measure_with_interval(
        Regression(), parse_metric_ref("mae"), outcome, {}, np.arange(40) // 4, n_resamples=50
    )
    assert metric.n == 10 and not metric.higher_is_better
    assert "10 groups" in metric.method


def test_an_interval_holds_what_was_measured_also_of_a_magnitude_near_nothing() -> None:
    error = np.r_[np.ones(50), -np.ones(50)]  # every resample's |mean| is larger than the 0 of the whole
    outcome = pd.DataFrame({"truth": np.zeros(100), "prediction": error})
    metric = measure_with_interval(Regression(), parse_metric_ref("bias"), outcome, {}, n_resamples=50)
    assert metric.value == 0.0 and metric.low == 0.0 and metric.high is not None and metric.high > 0.1


def test_a_value_without_an_interval_says_why() -> None:
    outcome = pd.DataFrame({"truth": [1.0], "prediction": [2.0]})
    metric = measure_with_interval(Regression(), parse_metric_ref("mae"), outcome, {})
    assert (metric.value, metric.low, metric.high) == (1.0, None, None)
    assert metric.method == "no interval from 1 independent unit"


def test_an_undefined_metric_is_refused_not_measured() -> None:
    outcome = scores(1.0).query("truth == 'No'")
    with pytest.raises(DataError, match="ROC AUC is not defined"):
        measure_with_interval(Classification(), parse_metric_ref("auc"), outcome, YES)


def test_twenty_percent_better_is_counted_above_chance() -> None:
    bar, rule = relative_bar(find_metric("roc_auc"), 0.70, 0.2, "%")
    assert bar == pytest.approx(0.74)
    assert "above the 0.5 of chance" in rule
    assert relative_bar(find_metric("average_precision"), 0.2, 3, "x")[0] == pytest.approx(0.6)
    assert relative_bar(find_metric("rmse"), 100.0, 0.2, "%")[0] == pytest.approx(80.0)
    assert relative_bar(find_metric("rmse"), 90.0, 3, "x")[0] == pytest.approx(30.0)
    assert relative_bar(find_metric("rmse"), 90.0)[0] == pytest.approx(90.0)


def test_an_impossible_bar_becomes_a_share_of_what_is_missing() -> None:
    bar, rule = relative_bar(find_metric("accuracy"), 0.9, 0.2, "%")
    assert bar == pytest.approx(1 - 0.1 / 1.2)
    assert "impossible" in rule


def test_a_baseline_below_chance_sets_no_lower_bar_than_chance() -> None:
    assert relative_bar(find_metric("roc_auc"), 0.45, 0.2, "%")[0] == pytest.approx(0.5)


def test_a_clearly_better_model_clears_the_bar_and_an_equal_one_does_not() -> None:
    ours, baseline = scores(0.7, seed=1), scores(4.0, seed=2)
    problem, ref = Classification(), parse_metric_ref("auc")
    won = compare_relative(problem, ref, ours, baseline, YES, YES, amount=0.2, n_resamples=200)
    assert won.low > 0 and won.ours > won.bar > won.theirs
    assert won.gain is not None and won.gain > 0.2
    assert won.margin == pytest.approx(won.ours - won.bar)
    same = compare_relative(problem, ref, ours, ours, YES, YES, amount=0.2, n_resamples=50)
    assert same.high < 0 and same.gain == pytest.approx(0.0)


def test_margins_point_the_same_way_where_less_is_better() -> None:
    rng = np.random.default_rng(3)
    truth = rng.normal(100, 20, 300)
    good = pd.DataFrame({"row": range(300), "truth": truth, "prediction": truth + rng.normal(0, 2, 300)})
    bad = good.assign(prediction=truth + rng.normal(0, 9, 300))
    result = compare_relative(Regression(), parse_metric_ref("rmse"), good, bad, {}, {}, amount=3, unit="x")
    assert result.low > 0 and result.gain is not None and result.gain > 3


def test_a_rival_at_chance_leaves_no_ratio() -> None:
    constant = scores(1.0).assign(**{"p:Yes": 0.5, "p:No": 0.5})
    result = compare_relative(
        Classification(), parse_metric_ref("auc"), scores(1.0), constant, YES, YES, amount=3, unit="x",
        n_resamples=50,
    )  # fmt: skip
    assert result.gain is None and result.bar == pytest.approx(0.5) and result.low > 0
