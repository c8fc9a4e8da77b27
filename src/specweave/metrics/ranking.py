"""The names of what is measured of ranked lists; the formulas are in ``ranking_measures.py``.

Reads: outcome tables (one row per user). Writes: nothing.
Never: imports numpy before something is measured, drops a user who got no list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from specweave.metrics.base import MetricDef, MetricRef


def _measure(outcome: Any, ref: MetricRef, decision: Mapping[str, Any]) -> float:
    from specweave.metrics.ranking_measures import measure

    return measure(outcome, ref, decision)


# Precision@K, Recall@K and F1@K of lists share their names with classification; the problem type that makes
# lists measures them by the formulas of this family.
METRICS = (
    MetricDef(
        "ndcg",
        "NDCG",
        ("normalized discounted cumulative gain", "normalised discounted cumulative gain", "binary ndcg"),
        best=1.0,
        measure=_measure,
        description="Discounted hits over those of the best possible list, gain 1 per hit, discount "
        "1/log2(rank + 1) (Järvelin & Kekäläinen 2002); mean over users.",
    ),
    MetricDef(
        "map",
        "MAP",
        ("mean average precision",),
        best=1.0,
        measure=_measure,
        description="Precision at each hit, summed and divided by min(relevant items, K); mean over users.",
    ),
    MetricDef(
        "mrr",
        "MRR",
        ("mean reciprocal rank", "reciprocal rank"),
        best=1.0,
        measure=_measure,
        description="1 / rank of the first hit, 0 without one; mean over users.",
    ),
    MetricDef(
        "hit_rate",
        "Hit rate",
        ("hitrate", "hr", "hit ratio"),
        best=1.0,
        measure=_measure,
        description="Share of users with at least one hit in the list.",
    ),
    MetricDef(
        "coverage",
        "Coverage",
        ("catalog coverage", "catalogue coverage", "item coverage"),
        best=1.0,
        measure=_measure,
        resampled=False,
        description="Share of the catalogue that is recommended to anybody.",
    ),
    MetricDef(
        "diversity",
        "Diversity",
        ("intra-list diversity", "ild"),
        best=1.0,
        measure=_measure,
        description="1 minus the mean cosine of the pairs of items in a list, by who had them; mean over users.",
    ),
    MetricDef(
        "novelty",
        "Novelty",
        ("mean self-information", "self information"),
        unit="bits",
        measure=_measure,
        description="Mean of -log2(interactions of the item / all interactions) over the items of a list "
        "(Castells et al. 2011); mean over users.",
    ),
)
