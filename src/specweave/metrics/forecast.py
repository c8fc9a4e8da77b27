"""The names of what only forecasts are measured by; the formulas are in ``forecast_measures.py``.

Reads: outcome tables (``truth``, ``prediction``, ``scale``, ``naive2``, bounds). Writes: nothing.
Never: imports numpy before something is measured. Errors that regression has too are its family's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from specweave.metrics.base import MetricDef, MetricRef


def _measure(outcome: Any, ref: MetricRef, decision: Mapping[str, Any]) -> float:
    from specweave.metrics.forecast_measures import measure

    return measure(outcome, ref, decision)


METRICS = (
    MetricDef(
        "mase",
        "MASE",
        ("mean absolute scaled error",),
        higher_is_better=False,
        best=0.0,
        measure=_measure,
        description="Mean of |error| / the in-sample mean absolute error of the seasonal naive forecast of the "
        "series (Hyndman & Koehler 2006); below 1 is better than that.",
    ),
    MetricDef(
        "owa",
        "OWA",
        ("overall weighted average",),
        higher_is_better=False,
        best=0.0,
        measure=_measure,
        description="Mean of sMAPE and MASE, each divided by that of the Naive2 forecast (M4 competition); below 1 "
        "is better than Naive2.",
    ),
    MetricDef(
        "interval_coverage",
        "Interval coverage",
        ("prediction interval coverage", "picp", "coverage of intervals"),
        best=1.0,
        measure=_measure,
        description="Share of truths inside the prediction interval; the level in percent is its cut-off: "
        "Interval coverage@80.",
    ),
)
