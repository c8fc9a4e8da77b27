"""Formulas for ranked lists: each a mean over users, so that users can be resampled.

Reads: outcome tables. Writes: nothing. Never: loops over users.

Sources: the definitions of Microsoft Recommenders (precision@k = hits / k, recall@k = hits / relevant, binary
gain in NDCG), checked against hand-worked lists in ``tests/oracles``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from specweave.errors import DataError
from specweave.metrics.base import MetricRef

Floats = np.ndarray[Any, np.dtype[np.float64]]


def measure(outcome: Any, ref: MetricRef, decision: Mapping[str, Any]) -> float:
    """Return one metric of an outcome table.

    Raises
    ------
    DataError
        If the lists are shorter than K, or no user has anything to find.
    """
    if ref.name not in _MEASURES:
        raise DataError(f"{ref.name} is not defined for ranked lists", hint=f"one of: {', '.join(_MEASURES)}")
    if ref.at is not None:
        raise DataError(f"{ref.key}: lists have no threshold", hint=f"write {ref.name}@10")
    held = _held(outcome)
    k = held if ref.k is None else ref.k
    catalogue = int(outcome["n_items"].iloc[0]) if len(outcome) else 0
    if k > held and held < catalogue:
        raise DataError(
            f"the lists hold {held} items, {ref.key} needs {k}",
            hint=f"write under recommend in plan.md: k: {k}",
        )
    return float(_MEASURES[ref.name](outcome, k))


def per_user(outcome: Any, name: str, k: int | None = None) -> Floats:
    """Return one value per user; NaN for users with nothing to find.

    Parameters
    ----------
    name : {"precision", "recall", "f1", "ndcg", "map", "mrr", "hit_rate"}
    k : int, optional
        All ranks by default.
    """
    k = k or _held(outcome)
    hits = _columns(outcome, "hit:", k)
    relevant = outcome["n_relevant"].to_numpy(dtype=np.float64)
    values = _PER_USER[name](hits, relevant, k)
    return np.where(relevant > 0, values, np.nan)


def _held(outcome: Any) -> int:
    return sum(1 for c in outcome.columns if c.startswith("hit:"))


def _columns(outcome: Any, prefix: str, k: int) -> Floats:
    names = [f"{prefix}{r}" for r in range(1, min(k, _held(outcome)) + 1)]
    return np.asarray(outcome[names].to_numpy(dtype=np.float64))


def _precision(hits: Floats, relevant: Floats, k: int) -> Floats:
    return np.asarray(hits.sum(axis=1) / k)


def _recall(hits: Floats, relevant: Floats, k: int) -> Floats:
    return np.asarray(hits.sum(axis=1) / np.maximum(relevant, 1))


def _f1(hits: Floats, relevant: Floats, k: int) -> Floats:
    return np.asarray(2 * hits.sum(axis=1) / (k + relevant))


def _ndcg(hits: Floats, relevant: Floats, k: int) -> Floats:
    discount = 1 / np.log2(np.arange(2, k + 2))
    best = np.r_[0.0, np.cumsum(discount)][np.minimum(relevant, k).astype(int)]
    return np.asarray((hits * discount[: hits.shape[1]]).sum(axis=1) / np.where(best > 0, best, 1.0))


def _map(hits: Floats, relevant: Floats, k: int) -> Floats:
    at_hit = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    return np.asarray((at_hit * hits).sum(axis=1) / np.maximum(np.minimum(relevant, k), 1))


def _mrr(hits: Floats, relevant: Floats, k: int) -> Floats:
    first = hits.argmax(axis=1)
    return np.where(hits.any(axis=1), 1.0 / (first + 1), 0.0)


def _hit_rate(hits: Floats, relevant: Floats, k: int) -> Floats:
    return np.asarray(hits.any(axis=1), dtype=np.float64)


_PER_USER: dict[str, Callable[[Floats, Floats, int], Floats]] = {
    "precision": _precision, "recall": _recall, "f1": _f1, "ndcg": _ndcg, "map": _map, "mrr": _mrr,
    "hit_rate": _hit_rate,
}  # fmt: skip


def _mean_of(name: str) -> Callable[[Any, int], float]:
    def mean(outcome: Any, k: int) -> float:
        values = per_user(outcome, name, k)
        known = values[~np.isnan(values)]
        if known.size == 0:
            raise DataError("no user has anything left to find")
        return float(known.mean())

    return mean


def _coverage(outcome: Any, k: int) -> float:
    items = _columns(outcome, "item:", k)
    shown = np.unique(items[items >= 0])
    return len(shown) / max(1, int(outcome["n_items"].iloc[0])) if len(outcome) else 0.0


def _diversity(outcome: Any, k: int) -> float:
    items, likeness = _columns(outcome, "item:", k), _columns(outcome, "likeness:", k)
    length = (items >= 0).sum(axis=1)
    pairs = length * (length - 1) / 2
    if not (pairs > 0).any():
        raise DataError("no list holds two items")
    values = 1 - likeness.sum(axis=1)[pairs > 0] / pairs[pairs > 0]
    return float(values.mean())


def _novelty(outcome: Any, k: int) -> float:
    bits = _columns(outcome, "novelty:", k)
    there = np.isfinite(bits)
    length = there.sum(axis=1)
    if not (length > 0).any():
        raise DataError("no list holds an item")
    sums = np.where(there, bits, 0.0).sum(axis=1)
    return float((sums[length > 0] / length[length > 0]).mean())


_MEASURES: dict[str, Callable[[Any, int], float]] = {
    **{name: _mean_of(name) for name in _PER_USER},
    "coverage": _coverage, "diversity": _diversity, "novelty": _novelty,
}  # fmt: skip
