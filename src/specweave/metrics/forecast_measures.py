"""The formulas behind ``forecast.py``, on outcome tables of forecasts.

Reads: outcome tables. Writes: nothing. Never: returns a number where the metric is not defined.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from specweave.errors import DataError
from specweave.metrics.base import MetricRef

Array = np.ndarray[Any, np.dtype[np.float64]]
_LEVEL = 95


def measure(outcome: Any, ref: MetricRef, decision: Mapping[str, Any]) -> float:
    """Return one metric of forecasts.

    Parameters
    ----------
    outcome : DataFrame, shape (n_rows, ...)
        ``truth``, ``prediction``; ``scale`` for MASE and OWA, ``naive2`` for OWA, ``lo80``, ``hi80`` ... for
        the coverage of intervals. Rows weigh alike, so series count by their steps.
    ref : MetricRef
        The cut-off of the coverage is the interval's level in percent, 95 by default.
    decision : mapping
        Not needed: intervals stand in the outcome.

    Raises
    ------
    DataError
        If there are no rows, a column is missing, or the metric is not defined on them.
    """
    if ref.at is not None or (ref.k is not None and ref.name != "interval_coverage"):
        raise DataError(f"{ref.label} is not defined for forecasts", hint=f"ask for {ref.name} alone")
    if len(outcome) == 0:
        raise DataError(f"{ref.label} of no rows is not defined")
    return float(_FORMULAS[ref.name](outcome, ref))


def _column(outcome: Any, name: str, ref: MetricRef) -> Array:
    if name not in outcome.columns:
        raise DataError(
            f"{ref.label} needs the column '{name}' of forecasts", hint="evaluate the experiment again"
        )
    return np.asarray(outcome[name], dtype=np.float64)


def _scaled(outcome: Any, prediction: str, ref: MetricRef) -> float:
    scale = _column(outcome, "scale", ref)
    error = np.abs(_column(outcome, "truth", ref) - _column(outcome, prediction, ref))
    usable = np.isfinite(scale) & (scale > 0)
    if not usable.any():
        raise DataError(
            f"{ref.label} is not defined: the seasonal naive forecast makes no error in any series' past "
            "(the series are constant)",
            hint="use MAE",
        )
    if not np.isfinite(error[usable]).all():
        raise DataError(f"{ref.label}: a truth or prediction is missing or infinite")
    return float(np.mean(error[usable] / scale[usable]))


def _mase(outcome: Any, ref: MetricRef) -> float:
    return _scaled(outcome, "prediction", ref)


def _smape(outcome: Any, prediction: str, ref: MetricRef) -> float:
    truth, told = _column(outcome, "truth", ref), _column(outcome, prediction, ref)
    size = np.abs(truth) + np.abs(told)
    ratio = np.divide(2 * np.abs(truth - told), size, out=np.zeros_like(size), where=size > 0)
    if not np.isfinite(ratio).all():
        raise DataError(f"{ref.label}: a truth or prediction is missing or infinite")
    return float(np.mean(ratio))


def _owa(outcome: Any, ref: MetricRef) -> float:
    parts = []
    for name, ours, theirs in (
        ("sMAPE", _smape(outcome, "prediction", ref), _smape(outcome, "naive2", ref)),
        ("MASE", _scaled(outcome, "prediction", ref), _scaled(outcome, "naive2", ref)),
    ):
        if theirs == 0:
            raise DataError(f"OWA is not defined: the {name} of Naive2 is 0 on these rows", hint="use MASE")
        parts.append(ours / theirs)
    return float(np.mean(parts))


def _coverage(outcome: Any, ref: MetricRef) -> float:
    level = ref.k or _LEVEL
    low, high = _column(outcome, f"lo{level}", ref), _column(outcome, f"hi{level}", ref)
    truth = _column(outcome, "truth", ref)
    there = np.isfinite(low) & np.isfinite(high)
    if not there.any():
        raise DataError(f"{ref.label} is not defined: no row has an interval")
    return float(np.mean((truth[there] >= low[there]) & (truth[there] <= high[there])))


_FORMULAS: dict[str, Callable[[Any, MetricRef], float]] = {
    "mase": _mase,
    "owa": _owa,
    "interval_coverage": _coverage,
}
