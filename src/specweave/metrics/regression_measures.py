"""The formulas behind ``regression.py``, on plain arrays.

Reads: outcome tables. Writes: nothing. Never: returns a number where the metric is not defined.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from specweave.errors import DataError
from specweave.metrics.base import MetricRef

Array = np.ndarray[Any, np.dtype[np.float64]]


def measure(outcome: Any, ref: MetricRef, decision: Mapping[str, Any]) -> float:
    """Return one regression metric.

    Parameters
    ----------
    outcome : DataFrame, shape (n_rows, ...)
        Columns ``truth`` and ``prediction``, finite numbers.
    ref : MetricRef
    decision : mapping
        Not needed by regression metrics.

    Raises
    ------
    DataError
        If there are no rows, a value is missing or infinite, or the metric is not defined on them.
    """
    if ref.k is not None or ref.at is not None:
        raise DataError(f"{ref.label} is not defined for numbers", hint=f"ask for {ref.name} alone")
    truth = np.asarray(outcome["truth"], dtype=float)
    prediction = np.asarray(outcome["prediction"], dtype=float)
    if truth.size == 0:
        raise DataError(f"{ref.label} of no rows is not defined")
    if not (np.isfinite(truth).all() and np.isfinite(prediction).all()):
        raise DataError(f"{ref.label}: a truth or prediction is missing or infinite")
    return float(_FORMULAS[ref.name](truth, prediction))


def _rmse(truth: Array, prediction: Array) -> float:
    return float(np.sqrt(np.mean((prediction - truth) ** 2)))


def _mae(truth: Array, prediction: Array) -> float:
    return float(np.mean(np.abs(prediction - truth)))


def _r2(truth: Array, prediction: Array) -> float:
    total = float(np.sum((truth - truth.mean()) ** 2))
    if total == 0.0:
        raise DataError("R² is not defined: every truth is the same")
    return 1.0 - float(np.sum((prediction - truth) ** 2)) / total


def _mape(truth: Array, prediction: Array) -> float:
    zeros = int(np.sum(truth == 0))
    if zeros:
        raise DataError(f"MAPE is not defined: {zeros} of {truth.size} truths are 0", hint="use sMAPE or MAE")
    return float(np.mean(np.abs((prediction - truth) / truth)))


def _smape(truth: Array, prediction: Array) -> float:
    scale = np.abs(truth) + np.abs(prediction)
    ratio = np.divide(2 * np.abs(prediction - truth), scale, out=np.zeros_like(scale), where=scale > 0)
    return float(np.mean(ratio))


def _median_ae(truth: Array, prediction: Array) -> float:
    return float(np.median(np.abs(prediction - truth)))


def _max_error(truth: Array, prediction: Array) -> float:
    return float(np.max(np.abs(prediction - truth)))


def _rmsle(truth: Array, prediction: Array) -> float:
    if truth.min() <= -1 or prediction.min() <= -1:
        raise DataError("RMSLE is not defined: a truth or prediction is -1 or less", hint="use RMSE or MAE")
    return _rmse(np.log1p(truth), np.log1p(prediction))


def _bias(truth: Array, prediction: Array) -> float:
    return abs(float(np.mean(prediction - truth)))


def _explained_variance(truth: Array, prediction: Array) -> float:
    spread = float(np.var(truth))
    if spread == 0.0:
        raise DataError("Explained variance is not defined: every truth is the same")
    return 1.0 - float(np.var(truth - prediction)) / spread


_FORMULAS: dict[str, Callable[[Array, Array], float]] = {
    "rmse": _rmse,
    "mae": _mae,
    "r2": _r2,
    "mape": _mape,
    "smape": _smape,
    "median_ae": _median_ae,
    "max_error": _max_error,
    "rmsle": _rmsle,
    "bias": _bias,
    "explained_variance": _explained_variance,
}
