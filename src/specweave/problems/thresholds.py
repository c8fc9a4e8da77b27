"""Where a score becomes an alarm: the threshold that a plan asks for, and what it can honestly promise.

Reads: out-of-fold scores and truths. Writes: nothing. Never: looks at the holdout.

A threshold that reached a precision on the rows it was chosen on misses it on half of all later batches.
With ``confidence`` in the plan it is therefore chosen by how many right and false alarms a further batch will
raise: where new rows are like the known ones, both counts above a known row follow a negative binomial whatever
the scores' distribution (Gumbel & von Schelling 1950, "exceedances").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import betainc
from scipy.stats import beta, nbinom

from specweave.errors import SpecError

if TYPE_CHECKING:
    from specweave.increments.plan import Plan

_LOWER = (
    0.99,
    0.98,
    0.97,
    0.95,
    0.92,
    0.9,
    0.85,
    0.8,
    0.75,
    0.7,
    0.65,
    0.6,
    0.5,
    0.4,
    0.3,
    0.2,
    0.1,
    0.05,
    0.02,
    0.01,
)
_POINTS = 160  # thresholds looked at: more would only be more chances to be lucky
_GRID = (np.arange(40) + 0.5) / 40  # quantiles of the right alarms in a batch


@dataclass(frozen=True)
class ThresholdChoice:
    """A threshold, the rule behind it in words, and the promise it carries where one was asked for."""

    threshold: float
    rule: str
    promise: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OperatingPoints:
    """What each threshold would have done on the rows at hand, from the strictest on.

    Attributes
    ----------
    thresholds : ndarray, shape (n_points,)
        Midway between neighbouring scores.
    alarms, hits : ndarray of int, shape (n_points,)
        Rows called positive, and how many of them are.
    n_rows, n_positive : int
    """

    thresholds: np.ndarray
    alarms: np.ndarray
    hits: np.ndarray
    n_rows: int
    n_positive: int

    @property
    def precision(self) -> np.ndarray:
        """Share of alarms that are right."""
        return np.asarray(self.hits / self.alarms)

    @property
    def recall(self) -> np.ndarray:
        """Share of positives that are found."""
        return np.asarray(self.hits / max(1, self.n_positive))

    @property
    def f1(self) -> np.ndarray:
        """Harmonic mean of both."""
        return np.asarray(2 * self.hits / (self.alarms + max(1, self.n_positive)))

    def chance(self, precision: float, batch: int, *, strict: bool) -> np.ndarray:
        """Return how likely a further batch keeps a precision at each threshold, shape (n_points,).

        Parameters
        ----------
        precision : float
        batch : int
            Rows of the batch, drawn like the known ones.
        strict : bool
            Whether the precision must be exceeded; then also a batch without alarms does not keep it.

        Notes
        -----
        Of rows above the ``f+1``-th highest negative, each new one comes before that row is reached with
        probability ``batch / (n + batch)``: the false alarms of the batch are NB(f + 1, n / (n + batch)), also
        where the threshold was pushed down until the next false alarm. Right alarms are NB(hits, same).
        """
        share = self.n_rows / (self.n_rows + batch)
        room = self._right(share) * (1 - precision) / precision
        room = np.ceil(room - 1e-9) - 1 if strict else np.floor(room + 1e-9)
        # The distribution function of NB(f + 1, share), which scipy's own is many times slower at.
        kept = betainc((self.alarms - self.hits + 1)[None, :], np.maximum(room, 0) + 1, share)
        return np.where(self.hits > 0, np.where(room < 0, 0.0, kept).mean(axis=0), 0.0)

    def _right(self, share: float) -> np.ndarray:
        """Return quantiles of the right alarms in a batch, shape (n_quantiles, n_points); every bar asks for them."""
        if share not in self._kept_right:
            self._kept_right[share] = nbinom.ppf(_GRID[:, None], np.maximum(self.hits, 1)[None, :], share)
        return self._kept_right[share]

    @cached_property
    def _kept_right(self) -> dict[float, np.ndarray]:
        return {}

    def best(self, goal: str, allowed: np.ndarray) -> int:
        """Return the allowed point with the most `goal`; of equals the one better in the other quantities."""
        order = np.lexsort((self.precision, self.recall, getattr(self, goal), allowed))
        return int(order[-1])

    @classmethod
    def of(cls, score: np.ndarray, hit: np.ndarray) -> OperatingPoints:
        """Count at every distinct score.

        Parameters
        ----------
        score : ndarray, shape (n_rows,)
        hit : ndarray of bool, shape (n_rows,)
        """
        order = np.argsort(-score, kind="stable")
        ranked, hits = score[order], np.cumsum(hit[order])
        last = np.flatnonzero(np.r_[np.diff(ranked) != 0, True])
        below = np.r_[ranked[last[1:]], max(0.0, 2 * ranked[-1] - 1)] if len(last) > 1 else np.array([0.0])
        return cls((ranked[last] + below) / 2, last + 1, hits[last], len(score), int(hit.sum()))

    def thinned(self) -> OperatingPoints:
        """Keep at most 160 thresholds, evenly spaced in the logarithm of their alarms."""
        if len(self.alarms) <= _POINTS:
            return self
        steps = np.geomspace(1, self.alarms[-1], _POINTS)
        keep = np.unique(np.minimum(np.searchsorted(self.alarms, steps), len(self.alarms) - 1))
        return OperatingPoints(
            self.thresholds[keep], self.alarms[keep], self.hits[keep], self.n_rows, self.n_positive
        )


def choose_threshold(
    score: np.ndarray,
    hit: np.ndarray,
    plan: Plan,
    *,
    costs: tuple[float, float] | None = None,
    batch: int | None = None,
) -> ThresholdChoice:
    """Return the threshold that the plan asks for, from validation scores.

    Parameters
    ----------
    score : ndarray, shape (n_rows,)
        Probability of the positive label, out of fold.
    hit : ndarray of bool, shape (n_rows,)
    costs : tuple of float, optional
        Cost of a false alarm and of a miss, where the spec gives them: they go before the plan's rule.
    batch : int, optional
        Rows for which a promise with ``confidence`` is made; as many as were scored by default.

    Raises
    ------
    SpecError
        If the plan's ``threshold`` cannot be read.
    """
    points = OperatingPoints.of(np.asarray(score, dtype=float), np.asarray(hit, dtype=bool))
    planned = plan.get("threshold.cost")
    if costs is None and isinstance(planned, Mapping):
        costs = (float(planned.get("false_positive", 1)), float(planned.get("false_negative", 1)))
    if costs is not None:
        return cheapest(points, *costs)
    if plan.get("threshold") is None:
        return ThresholdChoice(0.5, "0.5: the plan sets no rule")
    goal = str(plan.get("threshold.maximise", "f1")).casefold()
    if goal not in ("recall", "precision", "f1"):
        raise SpecError(f"threshold.maximise: '{goal}' is not known", where=plan.at("threshold.maximise"),
                        hint="write recall, precision or f1")  # fmt: skip
    bound = _bound(plan)
    if bound is None:
        return ThresholdChoice(*_best(points, goal, np.ones(len(points.alarms), dtype=bool), ""))
    name, value, strict, text = bound
    confidence = plan.get("threshold.confidence")
    if confidence is not None and name == "precision":
        return promised(
            np.asarray(score, dtype=float), np.asarray(hit, dtype=bool), goal, value,
            strict=strict, confidence=float(confidence), batch=batch or points.n_rows,
        )  # fmt: skip
    bounded = points.precision if name == "precision" else points.recall
    allowed = bounded > value if strict else bounded >= value
    if not allowed.any():
        at = int(np.argmax(bounded))
        rule = f"no threshold gives {text} on validation folds; this one comes nearest ({bounded[at]:.3f})"
        return ThresholdChoice(float(points.thresholds[at]), rule)
    return ThresholdChoice(*_best(points, goal, allowed, f" with {text}"))


def cheapest(points: OperatingPoints, false_alarm: float, miss: float) -> ThresholdChoice:
    """Return the threshold of lowest cost; never alarming is one of the choices."""
    cost = false_alarm * (points.alarms - points.hits) + miss * (points.n_positive - points.hits)
    at = int(np.argmin(cost))
    silent = miss * points.n_positive
    threshold = float(points.thresholds[at])
    least = float(cost[at])
    if silent < least:
        threshold, least = 1.0 + 1e-9, silent
    rule = f"lowest cost: {false_alarm:g} per false alarm, {miss:g} per miss"
    promise = {
        "cost_of_false_alarm": false_alarm,
        "cost_of_miss": miss,
        "alarms_per_thousand": 1000 * float(points.alarms[at]) / points.n_rows if threshold <= 1 else 0.0,
        "cost_per_thousand": 1000 * least / points.n_rows,
        "cost_per_thousand_without_alarms": 1000 * silent / points.n_rows,
    }
    return ThresholdChoice(threshold, rule, promise)


def promised(
    score: np.ndarray,
    hit: np.ndarray,
    goal: str,
    precision: float,
    *,
    strict: bool,
    confidence: float,
    batch: int,
) -> ThresholdChoice:
    """Return the threshold that keeps a precision in `confidence` of batches, or the precision that can be kept.

    Parameters
    ----------
    score, hit : ndarray, shape (n_rows,)
    goal : str
        ``recall``, ``precision`` or ``f1``: what is most wanted among the thresholds that keep it.
    strict : bool
        Whether the precision must be exceeded, not only reached.
    confidence : float
        Between 0.5 and 1.
    batch : int
        Rows of a batch.

    Raises
    ------
    SpecError
        If `confidence` is out of range.
    """
    if not 0.5 <= confidence < 1:
        raise SpecError(f"threshold.confidence: {confidence:g} is out of range", hint="write for example 0.9")
    points = OperatingPoints.of(score, hit).thinned()
    wanted = f"precision {'>' if strict else '>='} {precision:g}"
    # Half the failures allowed are left to the choice among models and thresholds, and to the last fit.
    asked = (1 + confidence) / 2
    # A lower precision is promised where it first can be, so on the luckiest of all thresholds: half of that half.
    lowered = (1 + asked) / 2
    kept, allowed = 0.0, np.ones(len(points.alarms), dtype=bool)
    for bar in [precision, *(v for v in _LOWER if v < precision)]:
        chance = points.chance(bar, batch, strict=strict and bar == precision)
        needed = asked if bar == precision else lowered
        if chance.max() >= needed:
            kept, allowed = bar, chance >= needed
            break
    if kept == precision:
        rule = (
            f"most {goal} with {wanted} in {confidence:.0%} of batches of {batch} rows, on validation folds"
        )
    else:
        rule = f"no threshold can promise {wanted} in {confidence:.0%} of batches of {batch} rows; " + (
            f"precision >= {kept:g} is promised instead" if kept else "no precision can be promised"
        )
    at = points.best(goal if kept else "f1", allowed)
    alarms, hits = int(points.alarms[at]), int(points.hits[at])
    low, high = clopper_pearson(hits, alarms, confidence)
    promise = {
        "metric": "precision", "wanted": precision, "promised": kept, "kept_as_wanted": kept == precision,
        "confidence": confidence, "batch_rows": batch, "observed": hits / alarms, "low": low, "high": high,
        "alarms_per_thousand": 1000 * alarms / points.n_rows, "recall": float(points.recall[at]),
    }  # fmt: skip
    return ThresholdChoice(float(points.thresholds[at]), rule, promise)


def clopper_pearson(hits: int, n: int, confidence: float) -> tuple[float, float]:
    """Return the two one-sided bounds of a share, each at `confidence` (Clopper & Pearson 1934)."""
    low = float(beta.ppf(1 - confidence, hits, n - hits + 1)) if hits else 0.0
    high = float(beta.ppf(confidence, hits + 1, n - hits)) if hits < n else 1.0
    return low, high


def _bound(plan: Plan) -> tuple[str, float, bool, str] | None:
    demand = plan.get("threshold.subject_to")
    if not demand:
        return None
    from specweave.increments.criteria import parse_criterion

    where = plan.at("threshold.subject_to")
    wanted = parse_criterion(str(demand), where=where)
    name = wanted.metric.name if wanted.metric else ""
    if name not in ("precision", "recall"):
        raise SpecError(
            f"'{demand}' cannot bound a threshold",
            where=where,
            hint="write precision >= 0.9 or recall >= 0.9",
        )
    return name, wanted.value, wanted.op == ">", str(demand)


def _best(points: OperatingPoints, goal: str, allowed: np.ndarray, bound: str) -> tuple[float, str]:
    at = points.best(goal, allowed)
    return float(points.thresholds[at]), f"most {goal}{bound}, on validation folds"
