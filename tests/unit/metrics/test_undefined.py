"""Metrics that are not defined say why instead of returning a number."""

from __future__ import annotations

import pandas as pd
import pytest

from specweave.errors import DataError
from specweave.metrics.base import find_metric, parse_metric_ref
from specweave.metrics.classification_measures import measure as measure_classes
from specweave.metrics.regression_measures import measure as measure_numbers

DECISION = {"positive": "Yes", "threshold": 0.5}


def outcome(truth: list[str], score: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"truth": truth, "p:No": [1 - s for s in score], "p:Yes": score})


@pytest.mark.parametrize(
    "name", ["roc_auc", "average_precision", "recall", "f1", "mcc", "kappa", "balanced_accuracy", "lift"]
)
def test_one_class_only_is_refused_by_name(name: str) -> None:
    frame = outcome(["No", "No", "No"], [0.1, 0.6, 0.2])
    with pytest.raises(DataError, match=r"class 'No'|positive class 'Yes'"):
        measure_classes(frame, parse_metric_ref(name), DECISION)


def test_no_rows_are_refused() -> None:
    with pytest.raises(DataError, match="no rows"):
        measure_classes(outcome([], []), parse_metric_ref("accuracy"), DECISION)
    with pytest.raises(DataError, match="no rows"):
        measure_numbers(pd.DataFrame({"truth": [], "prediction": []}), parse_metric_ref("rmse"), {})


def test_more_than_all_rows_cannot_be_the_highest() -> None:
    with pytest.raises(DataError, match="no 5 highest scores among 2 rows"):
        measure_classes(outcome(["Yes", "No"], [0.9, 0.1]), parse_metric_ref("precision@5"), DECISION)


def test_a_metric_without_a_threshold_takes_no_bound() -> None:
    with pytest.raises(DataError, match="ROC AUC is not a matter of the threshold"):
        measure_classes(outcome(["Yes", "No"], [0.9, 0.1]), parse_metric_ref("auc@precision=0.5"), DECISION)


def test_precision_of_nothing_called_positive_is_zero() -> None:
    frame = outcome(["Yes", "No"], [0.2, 0.1])
    assert measure_classes(frame, parse_metric_ref("precision"), DECISION) == 0.0


def test_recall_at_an_unreachable_precision_is_zero() -> None:
    frame = outcome(["No", "Yes", "No"], [0.9, 0.5, 0.1])
    assert measure_classes(frame, parse_metric_ref("recall@precision=0.9"), DECISION) == 0.0


def test_a_missing_probability_is_refused() -> None:
    with pytest.raises(DataError, match="missing or infinite"):
        measure_classes(outcome(["Yes", "No"], [float("nan"), 0.1]), parse_metric_ref("auc"), DECISION)


def test_a_label_never_predicted_counts_as_an_error() -> None:
    frame = pd.DataFrame(
        {"truth": ["a", "b", "c", "z"], "p:a": [0.8, 0.1, 0.1, 0.5], "p:b": [0.1, 0.8, 0.1, 0.3],
         "p:c": [0.1, 0.1, 0.8, 0.2]}
    )  # fmt: skip
    assert measure_classes(frame, parse_metric_ref("accuracy"), {"positive": None}) == 0.75


def test_percentage_errors_of_zero_truths_are_refused() -> None:
    frame = pd.DataFrame({"truth": [0.0, 1.0], "prediction": [1.0, 1.0]})
    with pytest.raises(DataError, match="1 of 2 truths are 0"):
        measure_numbers(frame, parse_metric_ref("mape"), {})


def test_r2_of_a_constant_truth_is_refused() -> None:
    frame = pd.DataFrame({"truth": [2.0, 2.0], "prediction": [1.0, 2.0]})
    with pytest.raises(DataError, match="every truth is the same"):
        measure_numbers(frame, parse_metric_ref("r2"), {})


@pytest.mark.parametrize(
    ("spelling", "name"),
    [("ROC-AUC", "roc_auc"), ("AUPRC", "average_precision"), ("AP", "average_precision"), ("R²", "r2"),
     ("Sensitivity", "recall"), ("logloss", "log_loss"), ("ECE", "expected_calibration_error"),
     ("Matthews", "mcc"), ("F1-score", "f1"), ("rmse", "rmse"), ("Root mean squared error", "rmse")],
)  # fmt: skip
def test_people_may_spell_a_metric_their_way(spelling: str, name: str) -> None:
    assert find_metric(spelling).name == name
