"""Regression metrics against scikit-learn and against numbers worked by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from specweave.metrics.base import parse_metric_ref
from specweave.metrics.regression_measures import measure


def value(name: str, frame: pd.DataFrame) -> float:
    return measure(frame, parse_metric_ref(name), {})


@pytest.mark.parametrize("seed", range(3))
def test_regression_metrics_agree_with_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.gamma(2.0, 50.0, 250) + 1
    p = np.abs(y + rng.normal(3, 20, 250))
    frame = pd.DataFrame({"truth": y, "prediction": p})
    expected = {
        "RMSE": sk.root_mean_squared_error(y, p),
        "MAE": sk.mean_absolute_error(y, p),
        "R²": sk.r2_score(y, p),
        "R2": sk.r2_score(y, p),
        "MAPE": sk.mean_absolute_percentage_error(y, p),
        "median absolute error": sk.median_absolute_error(y, p),
        "max error": sk.max_error(y, p),
        "RMSLE": sk.root_mean_squared_log_error(y, p),
        "explained variance": sk.explained_variance_score(y, p),
    }
    for name, number in expected.items():
        assert value(name, frame) == pytest.approx(number), name


def test_hand_worked_numbers_of_four_rows() -> None:
    frame = pd.DataFrame({"truth": [1.0, 2.0, 4.0, 5.0], "prediction": [2.0, 2.0, 3.0, 7.0]})
    # Errors +1, 0, -1, +2.
    assert value("mae", frame) == pytest.approx(1.0)
    assert value("rmse", frame) == pytest.approx(np.sqrt(6 / 4))
    assert value("bias", frame) == pytest.approx(0.5)
    assert value("r2", frame) == pytest.approx(1 - 6 / 10)
    assert value("mape", frame) == pytest.approx((1 + 0 + 0.25 + 0.4) / 4)
    assert value("smape", frame) == pytest.approx((2 / 3 + 0 + 2 / 7 + 4 / 12) / 4)
    assert value("median ae", frame) == pytest.approx(1.0)
    assert value("max error", frame) == pytest.approx(2.0)
