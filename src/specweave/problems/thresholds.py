"""Where a score becomes an alarm: the threshold that a plan asks for, and what it can honestly promise.

Reads: out-of-fold scores and truths. Writes: nothing. Never: looks at the holdout.

A threshold that reached a precision on the rows it was chosen on misses it on half of all later batches.
With ``confidence`` in the plan it is therefore chosen by the lower bound of its precision (Clopper & Pearson
1934), at a level that rehearsals on random parts of the rows show to be high enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import beta

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
_REHEARSALS = 60
_STEPS = (0.6, 0.3, 0.15, 0.07, 0.03, 0.01, 3e-3, 1e-3, 1e-4)


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

    def surety(self, precision: float) -> np.ndarray:
        """Return the level at which the Clopper-Pearson lower bound reaches a precision, shape (n_points,)."""
        false = self.alarms - self.hits
        return np.where(self.hits > 0, beta.sf(precision, np.maximum(self.hits, 1), false + 1), 0.0)

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
    seed: int = 0,
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
    seed : int
        Of the rehearsals.

    Raises
    ------
    SpecError
        If `confidence` is out of range.
    """
    if not 0.5 <= confidence < 1:
        raise SpecError(f"threshold.confidence: {confidence:g} is out of range", hint="write for example 0.9")
    points = OperatingPoints.of(score, hit).thinned()
    rehearsals = rehearse(score, hit, batch, seed)
    wanted = f"precision {'>' if strict else '>='} {precision:g}"
    kept, allowed = 0.0, np.ones(len(points.alarms), dtype=bool)
    for bar in [precision, *(v for v in _LOWER if v < precision)]:
        strength = points.surety(bar)
        level = surety_to_ask(
            rehearsals, goal, bar, strict=strict and bar == precision, confidence=confidence
        )
        if level is not None and strength.max() >= level:
            kept, allowed = bar, strength >= level
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


@dataclass(frozen=True)
class Rehearsal:
    """Thresholds of a random part of the rows, and what each of them did on the rest.

    Attributes
    ----------
    points : OperatingPoints
    alarms, hits : ndarray of int, shape (n_points,)
        On the rest.
    """

    points: OperatingPoints
    alarms: np.ndarray
    hits: np.ndarray


def rehearse(score: np.ndarray, hit: np.ndarray, batch: int, seed: int) -> list[Rehearsal]:
    """Part the rows at random, in the proportion of a batch to all that is scored, sixty times."""
    rng = np.random.default_rng(seed)
    n = len(score)
    apart = min(max(1, round(n * batch / (n + batch))), n // 2)
    found = []
    for _ in range(_REHEARSALS):
        order = rng.permutation(n)
        check, learn = order[:apart], order[apart:]
        points = OperatingPoints.of(score[learn], hit[learn]).thinned()
        rank = check[np.argsort(-score[check], kind="stable")]
        alarms = np.searchsorted(-score[rank], -points.thresholds, side="right")
        found.append(Rehearsal(points, alarms, np.r_[0, np.cumsum(hit[rank])][alarms]))
    return found


def surety_to_ask(
    rehearsals: Sequence[Rehearsal], goal: str, precision: float, *, strict: bool, confidence: float
) -> float | None:
    """Return the surety to ask of a threshold so that the *chosen* one keeps its promise, or None if none does.

    The best of many thresholds looks better than it is, and a batch is a small sample. So the choice is
    rehearsed at rising levels until enough of the rehearsals keep the precision on the rest.
    """
    sureties = [r.points.surety(precision) for r in rehearsals]
    for level in (confidence, *(1 - (1 - confidence) * step for step in _STEPS)):
        kept = alarmed = 0
        for rehearsal, surety in zip(rehearsals, sureties, strict=True):
            allowed = surety >= level
            if not allowed.any():
                continue
            at = rehearsal.points.best(goal, allowed)
            alarms, hits = int(rehearsal.alarms[at]), int(rehearsal.hits[at])
            alarmed += 1
            kept += alarms == 0 or (
                hits > precision * alarms if strict else hits >= precision * alarms - 1e-9
            )
        # Half the failures allowed are left to what no rehearsal shows: the model is fitted again on more rows.
        if alarmed >= len(rehearsals) / 2 and kept >= (1 + confidence) / 2 * alarmed:
            return float(level)
    return None


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
