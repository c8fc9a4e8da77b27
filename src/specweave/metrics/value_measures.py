"""The formulas behind ``value.py``, on plain arrays: totals, and how much of all value an order finds.

Reads: outcome tables. Writes: nothing. Never: returns a number where the metric is not defined.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from specweave.errors import DataError
from specweave.metrics.base import MetricRef

Array = np.ndarray[Any, np.dtype[np.float64]]


def measure(outcome: Any, ref: MetricRef, decision: Mapping[str, Any]) -> float:
    """Return one metric of predicted values.

    Parameters
    ----------
    outcome : DataFrame, shape (n_rows, ...)
        Columns ``truth`` and ``prediction``, finite numbers.
    ref : MetricRef
        ``k`` is a percentage of the customers.
    decision : mapping
        Not needed.

    Raises
    ------
    DataError
        If the truths sum to nothing, or the metric takes no K.
    """
    truth = np.asarray(outcome["truth"], dtype=float)
    prediction = np.asarray(outcome["prediction"], dtype=float)
    if ref.at is not None or (ref.k is not None and ref.name != "value_captured"):
        raise DataError(f"{ref.label} is not defined for numbers", hint=f"ask for {ref.name} alone")
    if ref.k is not None and not 0 < ref.k <= 100:
        raise DataError(f"{ref.label}: K is a percentage of the customers", hint="write 1 to 100")
    if not float(truth.sum()) > 0:
        raise DataError(f"{ref.label} is not defined: the truths sum to {truth.sum():g}")
    if ref.name == "total_error":
        return float(abs(prediction.sum() / truth.sum() - 1))
    if ref.name == "value_captured":
        return share_found(truth, prediction, (ref.k or 10) / 100)
    best = _area(truth, truth)
    if best <= 0:
        raise DataError(f"{ref.label} is not defined: every truth is the same")
    return _area(truth, prediction) / best


def gains(truth: Array, prediction: Array) -> tuple[Array, Array]:
    """Return (share of customers, share of all value they hold), highest predictions first, from (0, 0).

    Customers of equal predictions share their value alike, so that their order in the table says nothing.
    """
    order = np.argsort(-prediction, kind="stable")
    ranked, held = prediction[order], truth[order]
    last = np.flatnonzero(np.append(np.diff(ranked) != 0, True))
    value = np.cumsum(held)[last] / truth.sum()
    return np.append(0.0, (last + 1) / len(truth)), np.append(0.0, value)


def share_found(truth: Array, prediction: Array, share: float) -> float:
    """Return the share of all value that this share of customers holds, highest predictions first."""
    return float(np.interp(share, *gains(truth, prediction)))


def _area(truth: Array, prediction: Array) -> float:
    x, y = gains(truth, prediction)
    return float(np.trapezoid(y, x) - 0.5)
