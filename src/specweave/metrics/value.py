"""The names of what is measured of predicted values of customers, beside the errors of ``regression.py``.

Reads: outcome tables (``truth``, ``prediction``). Writes: nothing.
Never: imports numpy before something is measured, hides an undefined value behind a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from specweave.metrics.base import MetricDef, MetricRef


def _measure(outcome: Any, ref: MetricRef, decision: Mapping[str, Any]) -> float:
    from specweave.metrics.value_measures import measure

    return measure(outcome, ref, decision)


METRICS = (
    MetricDef(
        "total_error",
        "Total error",
        ("total bias", "total spend bias", "aggregate error", "error of the total"),
        higher_is_better=False,
        best=0.0,
        percent=True,
        measure=_measure,
        description="|sum of predictions / sum of truths - 1|; not defined where the truths sum to 0 or less.",
    ),
    MetricDef(
        "value_captured",
        "Value captured",
        ("value capture", "spend captured", "revenue captured", "top share"),
        best=1.0,
        percent=True,
        measure=_measure,
        description="Share of all value that belongs to the K % of customers with the highest predictions "
        "(value captured@K, 10 by default); equal predictions share alike.",
    ),
    MetricDef(
        "gini",
        "Normalised Gini",
        ("gini", "gini coefficient", "normalized gini"),
        best=1.0,
        measure=_measure,
        description="Area between the gains curve of the predicted order and the diagonal, over that of the true "
        "order; 0 is a random order.",
    ),
)
