"""All metrics that predictions allow: those of the library, on whatever a model predicts.

Reads: nothing. Writes: nothing. Never: reports a score that the predictions do not carry.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from specweave.errors import DataError
from specweave.metrics import classification, regression
from specweave.metrics.base import MetricDef, MetricRef

# What hard decisions cannot tell, and what scores without a scale cannot.
_OF_SCORES = frozenset(["roc_auc", "average_precision", "lift"])
_OF_PROBABILITIES = frozenset(["log_loss", "brier", "expected_calibration_error"])


def label_metrics(
    truth: Any,
    labels: Sequence[Any],
    *,
    proba: Any = None,
    score: Any = None,
    predicted: Any = None,
) -> dict[str, float]:
    """Measure predictions of a label.

    Parameters
    ----------
    truth : array-like, shape (n_rows,)
    labels : sequence, length n_classes
        In the order of `proba`'s columns; of two, the second is the positive one.
    proba : array-like, shape (n_rows, n_classes), optional
    score : array-like, shape (n_rows,), optional
        Where there are no probabilities of two classes: any score, positive above 0.
    predicted : array-like, shape (n_rows,), optional
        Decisions, where there is neither.

    Returns
    -------
    dict
        Every metric that is defined on these rows and carried by what was given.

    Raises
    ------
    DataError
        If none of the three is given.
    """
    names = [str(label) for label in labels]
    left_out: frozenset[str] = frozenset()
    if proba is None and score is not None and len(names) == 2:
        positive = 1.0 / (1.0 + np.exp(-np.clip(np.asarray(score, dtype=float), -500, 500)))
        proba, left_out = np.column_stack([1 - positive, positive]), _OF_PROBABILITIES
    if proba is None:
        if predicted is None:
            raise DataError("nothing to measure: no probabilities, scores or decisions were given")
        proba = np.asarray(
            _positions(predicted, labels)[:, None] == np.arange(len(names))[None, :], dtype=float
        )
        left_out = _OF_PROBABILITIES | _OF_SCORES
    table = pd.DataFrame(np.asarray(proba, dtype=float), columns=[f"p:{name}" for name in names])
    table.insert(0, "truth", _texts(truth, labels))
    return _measure(classification.METRICS, table, left_out)


def number_metrics(truth: Any, prediction: Any) -> dict[str, float]:
    """Measure predictions of a number; both array-like of shape (n_rows,)."""
    table = pd.DataFrame(
        {
            "truth": np.asarray(truth, dtype=float).ravel(),
            "prediction": np.asarray(prediction, dtype=float).ravel(),
        }
    )
    return _measure(regression.METRICS, table, frozenset())


def _measure(metrics: Sequence[MetricDef], table: pd.DataFrame, left_out: frozenset[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for metric in metrics:
        if metric.measure is None or metric.name in left_out:
            continue
        try:
            value = metric.measure(table, MetricRef(metric.name), {})
        except DataError:
            continue  # not defined on these rows: one class only, a true value of 0 for MAPE, ...
        if np.isfinite(value):
            found[metric.name] = float(value)
    return found


def _positions(values: Any, labels: Sequence[Any]) -> np.ndarray[Any, Any]:
    where = {label: index for index, label in enumerate(np.asarray(labels).tolist())}
    return np.array([where.get(value, -1) for value in np.asarray(values).ravel().tolist()])


def _texts(truth: Any, labels: Sequence[Any]) -> list[str]:
    # 1, 1.0 and True are one label, whatever their spelling: the model's own spelling counts.
    spelling = {
        label: str(original) for label, original in zip(np.asarray(labels).tolist(), labels, strict=True)
    }
    return [spelling.get(value, str(value)) for value in np.asarray(truth).ravel().tolist()]
