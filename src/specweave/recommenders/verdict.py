"""What to think of recommended lists: tables, doubts, and how much harder a test by time is.

Reads: outcome tables, interactions. Writes: nothing. Never: fits anything on held-out interactions.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from specweave.metrics.ranking_measures import per_user
from specweave.recommenders.base import Context, item_counts
from specweave.recommenders.interactions import Interactions
from specweave.recommenders.linear import EDLAE
from specweave.recommenders.model import best_of
from specweave.recommenders.outcome import list_length
from specweave.recommenders.pictures import history_bands
from specweave.recommenders.protocols import Protocol, split_interactions
from specweave.records import Finding

_WHERE = "reports/evaluation.json"
_HEAD = 4
_FEW_COLD = 0.1
_MOST_USERS = 5000
_MOST_ITEMS = 4000


def list_tables(outcome: pd.DataFrame) -> list[dict[str, Any]]:
    """Return quality by list length and by length of history, as the parts of a table each."""
    most = list_length(outcome)
    rows = []
    for k in sorted({1, 3, 5, most}):
        if k <= most:
            values = {n: per_user(outcome, n, k) for n in ("precision", "recall", "ndcg", "hit_rate")}
            rows.append((k, *(float(np.nanmean(v)) for v in values.values())))
    bands, names = history_bands(outcome["n_history"].to_numpy())
    ndcg, precision = per_user(outcome, "ndcg"), per_user(outcome, "precision")
    by_history = [
        (
            name,
            int(np.sum(bands == b)),
            float(np.nanmean(precision[bands == b])),
            float(np.nanmean(ndcg[bands == b])),
        )
        for b, name in enumerate(names)
        if np.any((bands == b) & ~np.isnan(ndcg))
    ]
    return [
        {"title": "By list length", "columns": ("K", "Precision@K", "Recall@K", "NDCG@K", "Hit rate@K"),
         "rows": tuple(rows), "note": "Means over users; a user without a hit counts as 0."},
        {"title": "By length of history", "rows": tuple(by_history),
         "columns": ("interactions known", "users", f"Precision@{most}", f"NDCG@{most}"),
         "note": "0 are users of whom nothing was known: they get what is popular."},
    ]  # fmt: skip


def told_lists(outcome: pd.DataFrame) -> pd.DataFrame:
    """Return what a reader is told of each list: the user, what was known, to be found and found, and its head."""
    hits = outcome[[c for c in outcome.columns if c.startswith("hit:")]].to_numpy()
    listed = outcome["titles" if "titles" in outcome else "items"].map(json.loads)
    heads = [", ".join(items[:_HEAD]) + (" ..." if len(items) > _HEAD else "") for items in listed]
    return pd.DataFrame({
        "row": outcome["row"], "user": outcome["user"], "interactions known": outcome["n_history"],
        "to be found": outcome["n_relevant"], "found": hits.sum(axis=1), "recommended": heads,
    })  # fmt: skip


def check_lists(outcome: pd.DataFrame, n_items: int) -> list[Finding]:
    """Return doubts about recommended lists.

    Returns
    -------
    list of Finding
        SW331 users without a history · SW332 few items are ever recommended · SW333 lists that are not full.
    """
    found = []
    cold = float(outcome["cold"].mean()) if len(outcome) else 0.0
    if cold > 0.05:
        found.append(
            Finding(
                code="SW331", severity="warning" if cold > 0.2 else "info", where=_WHERE, evidence={"share": cold},
                message=f"{cold:.0%} of the tested users had no history: they got what is popular",
                advice="ask newcomers for a few items they like, or bring user attributes",
            )
        )  # fmt: skip
    items = outcome[[c for c in outcome.columns if c.startswith("item:")]].to_numpy()
    shown = len(np.unique(items[items >= 0])) / max(1, n_items)
    if shown < 0.1 and len(outcome) * items.shape[1] > 2 * n_items:
        found.append(
            Finding(
                code="SW332", severity="info", where=_WHERE, evidence={"coverage": shown},
                message=f"only {shown:.1%} of the catalogue is ever recommended",
                advice="if the long tail matters, demand it in spec.md: Coverage@10 > 0.2",
            )
        )  # fmt: skip
    short = float(np.mean((items < 0).any(axis=1))) if len(items) else 0.0
    if short > 0:
        found.append(
            Finding(
                code="SW333", severity="info", where=_WHERE, evidence={"share": short},
                message=f"{short:.1%} of the lists are not full: too few items are left that the user has not had",
                advice="ask for shorter lists: recommend.k in plan.md",
            )
        )  # fmt: skip
    return found


def check_time_split(outcome: pd.DataFrame, data: Interactions) -> list[Finding]:
    """Say how much lower numbers are when the future is held out than under a random split, and why (SW334).

    Nothing is said where they are not lower and nearly every tested user has a history. The comparison uses only interactions from before the holdout: an EDLAE learns from three quarters of
    each user's and is tested on the rest.
    """
    if data.time is None or not len(outcome):
        return []
    before = np.flatnonzero(data.time < data.time[outcome["row"].to_numpy()].min())
    measured = _random_split_score(data, before, list_length(outcome))
    k = list_length(outcome)
    ndcg, precision = (float(np.nanmean(per_user(outcome, n))) for n in ("ndcg", "precision"))
    cold = float(outcome["cold"].mean())
    if measured is not None and measured[0] <= ndcg and cold < _FEW_COLD:
        return []
    warm = outcome[~outcome["cold"].to_numpy(dtype=bool)]
    known = "" if warm.empty else f", of users with a history {_pair(warm)}"
    told = f"tested on the future, Precision@{k} and NDCG@{k} are {precision:.3f} and {ndcg:.3f}{known}"
    why = f"{cold:.0%} of the tested users had no history, and " if cold else ""
    why += "what people take changes with time"
    evidence: dict[str, Any] = {"ndcg": ndcg, "precision": precision, "cold": cold}
    if not warm.empty:
        evidence["ndcg_with_history"] = float(np.nanmean(per_user(warm, "ndcg")))
    if measured is not None:
        evidence["random_split_ndcg"] = measured[0]
        told += f"; a random split of the same past shows {measured[1]:.3f} and {measured[0]:.3f}"
    message = f"{told}: {why}"
    return [
        Finding(code="SW334", severity="warning", where=_WHERE, message=message, evidence=evidence,
                advice="believe the numbers of the future: they are what a launch would see")
    ]  # fmt: skip


def _pair(outcome: pd.DataFrame) -> str:
    precision, ndcg = (float(np.nanmean(per_user(outcome, n))) for n in ("precision", "ndcg"))
    return f"{precision:.3f} and {ndcg:.3f}"


def _random_split_score(data: Interactions, before: np.ndarray, k: int) -> tuple[float, float] | None:
    """Return (NDCG, precision) of an EDLAE under a random split of past interactions, or None if too few."""
    rows = before[data.positive[before]]
    users = np.unique(data.user[rows])
    if len(users) > _MOST_USERS:
        kept = users[np.linspace(0, len(users) - 1, _MOST_USERS).astype(int)]
        rows = rows[np.isin(data.user[rows], kept)]
    if len(rows) < 200 or data.n_items > _MOST_ITEMS:
        return None
    learn, hidden, _ = split_interactions(Protocol("random"), data.user[rows], None, folds=1, seed=0)
    history, truth = data.matrix(rows[learn]), data.matrix(rows[hidden])
    tested = np.flatnonzero(np.diff(truth.indptr))
    empty = np.array([], dtype=np.int64)
    model = EDLAE().fit(history, Context(empty, empty))
    scores = model.scores(history[tested], tested)
    scores[:, item_counts(history) == 0] = -np.inf
    past: sp.csr_matrix = history[tested]
    scores[np.repeat(np.arange(len(tested)), np.diff(past.indptr)), past.indices] = -np.inf
    items, _ = best_of(scores, k)
    asked = np.asarray(truth[tested].toarray()) > 0
    hits = np.take_along_axis(asked, np.maximum(items, 0), axis=1) & (items >= 0)
    table = pd.DataFrame({f"hit:{r + 1}": hits[:, r] for r in range(hits.shape[1])})
    table["n_relevant"] = asked.sum(axis=1)
    return float(np.nanmean(per_user(table, "ndcg"))), float(np.nanmean(per_user(table, "precision")))
