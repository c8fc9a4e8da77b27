"""What the service answers to users: lists of items, from a model or from stored outcomes.

Reads: fitted recommenders, outcome tables. Writes: nothing. Never: fills a list with items that are not there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from specweave.metrics import ranking_measures
from specweave.recommenders.interactions import as_labels
from specweave.recommenders.model import FittedRecommender
from specweave.recommenders.outcome import list_length


def answer_users(
    model: FittedRecommender, rows: pd.DataFrame, decision: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the best items for each user of `rows`; a column ``k`` asks for another length."""
    labels = as_labels(rows[model.labels["user"]])
    users = model.find_users(labels)
    asked = _asked_lengths(rows, int(decision.get("k", model.k)))
    items, scores = model.recommend(
        users, int(asked.max(initial=1)), exclude_seen=bool(decision.get("exclude_seen", True))
    )
    cold = model.cold(users).tolist()
    lengths = np.minimum((items >= 0).sum(axis=1), asked).tolist()
    names = np.where(items >= 0, model.items[np.maximum(items, 0)], "").tolist()
    shown = model.titles[np.maximum(items, 0)].tolist() if model.has_titles else None
    values = scores.astype(float).tolist()
    return [
        _answer(
            label, names[i][:n], values[i][:n], None if shown is None else shown[i][:n], cold[i], decision
        )
        for i, (label, n) in enumerate(zip(labels.tolist(), lengths, strict=True))
    ]


def stored_answers(outcome: pd.DataFrame, decision: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the answers that stored lists amount to."""
    scores = outcome[[c for c in outcome.columns if c.startswith("score:")]].to_numpy(dtype=float).tolist()
    titles = outcome["titles"].map(json.loads).tolist() if "titles" in outcome else None
    made = []
    for i, (user, listed, cold) in enumerate(
        zip(outcome["user"], outcome["items"], outcome["cold"].tolist(), strict=True)
    ):
        items = json.loads(listed)
        made.append(
            _answer(
                user, items, scores[i][: len(items)], None if titles is None else titles[i], cold, decision
            )
        )
    return made


def _asked_lengths(rows: pd.DataFrame, k: int) -> np.ndarray:
    if "k" not in rows.columns:
        return np.full(len(rows), k)
    asked = pd.to_numeric(rows["k"], errors="coerce").to_numpy(dtype=float)
    return np.where(np.isfinite(asked) & (asked >= 1), np.nan_to_num(asked, nan=k), k).astype(np.int64)


def _answer(
    user: str,
    items: list[str],
    scores: list[float],
    titles: list[str] | None,
    cold: bool,
    decision: Mapping[str, Any],
) -> dict[str, Any]:
    answer: dict[str, Any] = {"user": user, "prediction": items, "scores": scores}
    if titles is not None:
        answer["titles"] = [str(t) for t in titles]
    answer["cold_start"] = cold
    if cold:
        popular = decision.get("newcomers", "the most popular items")
        answer["note"] = f"nothing is known of this user: these are {popular}"
    return answer


def share_of_lists_with_hits(outcome: pd.DataFrame) -> dict[str, Any]:
    """Return what an online test of lists compares, as it was on held-out interactions."""
    k = list_length(outcome)
    values = ranking_measures.per_user(outcome, "hit_rate")
    rate = float(np.nanmean(values)) if len(values) else 0.0
    precision = ranking_measures.per_user(outcome, "precision")
    return {
        "metric": f"share of users who take something from their top {k} (Hit rate@{k})", "kind": "proportion",
        "baseline": rate, "unit": "user", "precision": float(np.nanmean(precision)),
    }  # fmt: skip
