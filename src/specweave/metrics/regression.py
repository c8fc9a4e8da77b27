"""The names of what is measured of a regressor; the formulas are in ``regression_measures.py``.

Reads: outcome tables (``truth``, ``prediction``). Writes: nothing.
Never: imports numpy before something is measured, hides an undefined value behind a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from specweave.metrics.base import MetricDef, MetricRef


def _measure(outcome: Any, ref: MetricRef, decision: Mapping[str, Any]) -> float:
    from specweave.metrics.regression_measures import measure

    return measure(outcome, ref, decision)


METRICS = (
    MetricDef(
        "rmse",
        "RMSE",
        ("root mean squared error", "root mean square error", "rmsd"),
        higher_is_better=False,
        best=0.0,
        measure=_measure,
        description="Square root of the mean squared error, in the target's unit.",
    ),
    MetricDef(
        "mae",
        "MAE",
        ("mean absolute error", "mean abs error"),
        higher_is_better=False,
        best=0.0,
        measure=_measure,
        description="Mean absolute error, in the target's unit.",
    ),
    MetricDef(
        "r2",
        "R²",
        ("r squared", "r2 score", "coefficient of determination"),
        best=1.0,
        measure=_measure,
        description="1 - residual sum of squares / total sum of squares; below 0 is worse than the mean.",
    ),
    MetricDef(
        "mape",
        "MAPE",
        ("mean absolute percentage error", "mean absolute percent error"),
        higher_is_better=False,
        best=0.0,
        percent=True,
        measure=_measure,
        description="Mean of |error| / |truth|, a fraction (0.1 is 10 %); not defined where a truth is 0.",
    ),
    MetricDef(
        "smape",
        "sMAPE",
        ("symmetric mape", "symmetric mean absolute percentage error"),
        higher_is_better=False,
        best=0.0,
        percent=True,
        measure=_measure,
        description="Mean of 2 |error| / (|truth| + |prediction|), a fraction from 0 to 2; 0/0 counts as 0.",
    ),
    MetricDef(
        "median_ae",
        "Median absolute error",
        ("medae", "median ae", "median absolute deviation of errors"),
        higher_is_better=False,
        best=0.0,
        measure=_measure,
        description="Median absolute error, in the target's unit.",
    ),
    MetricDef(
        "max_error",
        "Max error",
        ("maximum error", "worst error"),
        higher_is_better=False,
        best=0.0,
        measure=_measure,
        description="Largest absolute error, in the target's unit.",
    ),
    MetricDef(
        "rmsle",
        "RMSLE",
        ("root mean squared log error", "root mean squared logarithmic error"),
        higher_is_better=False,
        best=0.0,
        measure=_measure,
        description="RMSE of log(1 + value); not defined where a truth or prediction is -1 or less.",
    ),
    MetricDef(
        "bias",
        "Bias",
        ("absolute mean error", "systematic error"),
        higher_is_better=False,
        best=0.0,
        measure=_measure,
        description="Absolute value of the mean of prediction - truth, in the target's unit.",
    ),
    MetricDef(
        "explained_variance",
        "Explained variance",
        ("evs", "explained variance score"),
        best=1.0,
        measure=_measure,
        description="1 - variance of the errors / variance of the truth.",
    ),
)
