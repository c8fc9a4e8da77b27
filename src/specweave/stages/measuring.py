"""Metrics with their intervals, and one model measured against another.

Reads: outcome tables. Writes: nothing. Never: gives a comparison without saying how sure it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from specweave.errors import DataError
from specweave.metrics.base import MetricDef, MetricRef, find_metric
from specweave.problems.base import Problem
from specweave.records import Metric
from specweave.stages.numbers import readable
from specweave.statistics.bootstrap import bootstrap_interval, paired_bootstrap
from specweave.statistics.calibration import wilson_interval


class Relative(msgspec.Struct, frozen=True, kw_only=True):
    """How one model does against a bar that another one sets.

    Attributes
    ----------
    metric : str
        Key of the metric.
    ours, theirs : float
        Both measured on the same rows.
    bar : float
        What `ours` must reach.
    margin, low, high : float
        Distance to the bar with its interval; above 0 is better than the bar, whichever direction the
        metric has.
    gain : float or None
        How much better than the other, in the criterion's own terms: 0.27 is "27 % better", for ``x``
        3.4 is "3.4 times"; None where the other is at the floor and no ratio exists.
    p_value : float
        Two-sided, that the margin is 0.
    n : int
        Independent units.
    rule : str
        How the bar was set, in words.
    method : str
        How the interval was made.
    """

    metric: str
    ours: float
    theirs: float
    bar: float
    margin: float
    low: float
    high: float
    gain: float | None
    p_value: float
    n: int
    rule: str
    method: str


def measure_with_interval(
    problem: Problem,
    ref: MetricRef,
    outcome: Any,
    decision: Mapping[str, Any],
    units: Any = None,
    *,
    level: float = 0.95,
    n_resamples: int = 500,
    seed: int = 0,
) -> Metric:
    """Measure one metric of an outcome table, with its bootstrap interval where one can be given.

    Parameters
    ----------
    problem : Problem
    ref : MetricRef
    outcome : DataFrame, shape (n_rows, ...)
        All of a holdout, or the rows of one segment.
    decision : mapping
        What `problem.decide` learned on validation folds.
    units : ndarray, shape (n_rows,), optional
        ``problem.units(dataset, outcome)``: what is independent; rows by default.
    level : float
    n_resamples : int
    seed : int

    Returns
    -------
    Metric
        `low` and `high` are None where resampling gives no interval; `method` then says why.

    Raises
    ------
    DataError
        If the metric is not defined on these rows.
    """
    value = problem.measure(ref, outcome, decision)
    definition = find_metric(ref.name)
    low: float | None = None
    high: float | None = None
    try:
        if not definition.resampled:
            raise DataError("no interval: a resample holds fewer distinct things than the whole")
        low, high, method = bootstrap_interval(
            lambda rows: problem.measure(ref, rows, decision),
            outcome, units, level=level, n_resamples=n_resamples, seed=seed,
        )  # fmt: skip
        # Of a magnitude near nothing (bias) every resample may be larger than what was measured.
        low, high = min(low, value), max(high, value)
        counted = problem.counted(ref, outcome, decision) if low == high and units is None else None
        if counted:  # all right or all wrong: resamples cannot vary, further rows can
            low, high = wilson_interval(*counted, level=level)
            method = "Wilson score interval: no resample varied"
    except DataError as error:
        method = error.what
    return Metric(
        name=ref.key,
        value=value,
        higher_is_better=definition.higher_is_better,
        unit=definition.unit,
        low=low,
        high=high,
        level=level,
        n=len(outcome) if units is None else len(np.unique(np.asarray(units))),
        method=method,
    )


def compare_relative(
    problem: Problem,
    ref: MetricRef,
    outcome_ours: Any,
    outcome_theirs: Any,
    decision_ours: Mapping[str, Any],
    decision_theirs: Mapping[str, Any],
    units_ours: Any = None,
    units_theirs: Any = None,
    *,
    amount: float = 0.0,
    unit: str = "%",
    level: float = 0.95,
    n_resamples: int = 500,
    seed: int = 0,
) -> Relative:
    """Measure "better than the other by 20 %" or "by 3x" on the same rows, with a paired interval.

    Parameters
    ----------
    outcome_ours, outcome_theirs : DataFrame
        Predictions of the same rows.
    decision_ours, decision_theirs : mapping
    units_ours, units_theirs : ndarray, optional
        Independent units of either; rows by default.
    amount : float
        0.2 for "by 20 %", 3 for "by 3x", 0 for plainly better.
    unit : {"%", "x"}
    level, n_resamples, seed
        As :func:`measure_with_interval`.

    Notes
    -----
    Where more is better, the bar is ``floor + factor * (theirs - floor)``: a ROC AUC of 0.70 is 0.20
    above chance, and 20 % better is 0.74. Where less is better it is ``theirs * (1 - amount)``, or
    ``theirs / factor`` for "x". A bar beyond the best possible value would ask for the impossible; then
    the same share of what is missing to the best must be made up instead.

    Raises
    ------
    DataError
        If the two do not cover the same rows, or the metric is not defined on them.
    """
    definition = find_metric(ref.name)
    theirs = problem.measure(ref, outcome_theirs, decision_theirs)
    ours = problem.measure(ref, outcome_ours, decision_ours)
    bar, rule = relative_bar(definition, theirs, amount, unit)
    result = paired_bootstrap(
        lambda rows: problem.measure(ref, rows, decision_ours),
        outcome_ours,
        outcome_theirs,
        units_ours,
        units_theirs,
        measure_b=lambda rows: problem.measure(ref, rows, decision_theirs),
        combine=lambda a, b: _margin(definition, a, relative_bar(definition, b, amount, unit)[0]),
        level=level,
        n_resamples=n_resamples,
        seed=seed,
    )
    return Relative(
        metric=ref.key,
        ours=ours,
        theirs=theirs,
        bar=bar,
        margin=result.difference,
        low=result.low,
        high=result.high,
        gain=_gain(definition, ours, theirs, unit),
        p_value=result.p_value,
        n=result.n,
        rule=rule,
        method=result.method,
    )


def relative_bar(metric: MetricDef, theirs: float, amount: float = 0.0, unit: str = "%") -> tuple[float, str]:
    """Return (what must be reached to be better than `theirs` by that much, the rule in words)."""
    factor = 1.0 + amount if unit == "%" else max(amount, 1.0)
    said = f"{amount:.0%}" if unit == "%" else f"{amount:g}x"
    if not metric.higher_is_better:
        share = 1.0 - amount if unit == "%" else 1.0 / factor
        return theirs * share, f"{metric.label} at most {share:.3g} times {readable(theirs)}"
    above = max(0.0, theirs - metric.floor)
    bar = metric.floor + factor * above
    floor = f" above the {metric.floor:g} of chance" if metric.floor else ""
    rule = f"{metric.label} {said} better than {readable(theirs)}{floor}"
    if metric.best is not None and bar > metric.best:
        bar = metric.best - (metric.best - theirs) / factor
        rule = f"{metric.label} {said} nearer to {metric.best:g} than {readable(theirs)}, since {rule} is impossible"
    return max(bar, theirs), rule


def _margin(metric: MetricDef, ours: float, bar: float) -> float:
    return ours - bar if metric.higher_is_better else bar - ours


def _gain(metric: MetricDef, ours: float, theirs: float, unit: str) -> float | None:
    ahead, other = ours - metric.floor, theirs - metric.floor
    if metric.higher_is_better:
        if other <= 1e-9:
            return None
        return ahead / other - 1 if unit == "%" else ahead / other
    if unit == "%":
        return 1 - ours / theirs if theirs else None
    return theirs / ours if ours else None
