"""Metrics of predicted values of customers against hand-worked numbers and scikit-learn's area."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from specweave.errors import DataError
from specweave.metrics.base import find_metric, parse_metric_ref


def measured(name: str, truth: list[float], prediction: list[float]) -> float:
    ref = parse_metric_ref(name)
    measure = find_metric(ref.name).measure
    assert measure is not None
    return measure(pd.DataFrame({"truth": truth, "prediction": prediction}), ref, {})


TRUTH = [0.0, 0, 0, 0, 0, 10, 20, 0, 30, 40]
GUESS = [1.0, 1, 1, 1, 1, 9, 8, 7, 50, 20]


def test_totals_and_shares_are_those_worked_by_hand() -> None:
    assert measured("total error", TRUTH, GUESS) == pytest.approx(0.01)
    # The best tenth by prediction is the customer of 30; the best fifth holds 30 + 40 of 100.
    assert measured("Value captured@10", TRUTH, GUESS) == pytest.approx(0.3)
    assert measured("Value captured@20", TRUTH, GUESS) == pytest.approx(0.7)
    assert measured("value captured", TRUTH, TRUTH) == pytest.approx(0.4)


def test_equal_predictions_find_what_chance_finds() -> None:
    assert measured("Value captured@20", TRUTH, [5.0] * 10) == pytest.approx(0.2)
    assert measured("gini", TRUTH, [5.0] * 10) == pytest.approx(0)
    assert measured("gini", TRUTH, TRUTH) == pytest.approx(1)
    assert measured("gini", TRUTH, [-v for v in TRUTH]) == pytest.approx(-1)


def test_the_gini_of_yes_and_no_is_twice_the_area_under_the_curve_minus_one() -> None:
    rng = np.random.default_rng(0)
    truth = (rng.random(300) < 0.3).astype(float)
    guess = np.round(truth + rng.normal(0, 1, 300), 1)
    assert measured("Normalised Gini", list(truth), list(guess)) == pytest.approx(
        2 * roc_auc_score(truth, guess) - 1
    )


def test_what_is_not_defined_says_why() -> None:
    with pytest.raises(DataError, match="the truths sum to 0"):
        measured("total error", [0, 0], [1, 2])
    with pytest.raises(DataError, match="percentage of the customers"):
        measured("value captured@200", TRUTH, GUESS)
    with pytest.raises(DataError, match="every truth is the same"):
        measured("gini", [2, 2], [1, 2])
