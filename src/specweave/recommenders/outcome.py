"""What came of recommendations: one row per user with the list, its hits, and what the list is like.

Reads: nothing. Writes: nothing. Never: leaves out a user who was to be served but got no list.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import scipy.sparse as sp

from specweave.recommenders.model import FittedRecommender


def make_outcome(
    model: FittedRecommender,
    users: np.ndarray,
    truth: sp.csr_matrix,
    rows: np.ndarray,
    k: int,
    *,
    exclude_seen: bool = True,
) -> pd.DataFrame:
    """Return the outcome table of recommendations against what users went on to do.

    Parameters
    ----------
    model : FittedRecommender
    users : ndarray of int, shape (n_rows,)
        Codes, one row each.
    truth : csr_matrix, shape (n_rows, n_items)
        Held-out hits.
    rows : ndarray of int, shape (n_rows,)
        What stands for each user in the data.
    k : int
        Length of the lists.
    exclude_seen : bool

    Returns
    -------
    DataFrame
        ``row``, ``user``, ``items`` (the list's labels as JSON), ``titles`` where items have them, ``n_relevant`` (held-out hits that a list
        could hold), ``n_history``, ``cold``, ``n_items`` (catalogue), and per rank r from 1: ``item:r`` (code,
        -1 for none), ``score:r``, ``hit:r``, ``novelty:r`` (bits), ``likeness:r`` (sum of cosines with the ranks above).

    Notes
    -----
    A held-out item that the model already learned from is no hit and not asked for: it is never
    recommended.
    """
    asked = _unseen(truth, model.seen, users)
    items, scores = model.recommend(users, k, exclude_seen=exclude_seen)
    k = items.shape[1]
    hits = _hits(items, asked)
    counts = model.counts
    bits = -np.log2(np.maximum(counts, 1.0) / max(1.0, counts.sum()))
    there = items >= 0
    safe = np.maximum(items, 0)
    likeness = _likeness(model.history, items)
    labels = model.items
    table: dict[str, object] = {
        "row": rows.astype(np.int64),
        "user": model.users[users].astype(str),
        "items": [json.dumps([str(labels[i]) for i in line if i >= 0]) for line in items],
        "n_relevant": np.diff(asked.indptr).astype(np.int32),
        "n_history": np.diff(model.history.indptr)[users].astype(np.int32),
        "cold": model.cold(users),
        "n_items": np.full(len(users), len(labels), dtype=np.int32),
    }
    if model.has_titles:
        titles = model.titles
        table["titles"] = [json.dumps([str(titles[i]) for i in line if i >= 0]) for line in items]
    for r in range(k):
        table[f"score:{r + 1}"] = scores[:, r].astype(np.float32)
    for r in range(k):
        table[f"item:{r + 1}"] = items[:, r].astype(np.int32)
    for r in range(k):
        table[f"hit:{r + 1}"] = hits[:, r].astype(np.int8)
    for r in range(k):
        table[f"novelty:{r + 1}"] = np.where(there, bits[safe], np.nan)[:, r].astype(np.float32)
    for r in range(k):
        table[f"likeness:{r + 1}"] = likeness[:, r].astype(np.float32)
    return pd.DataFrame(table)


def _unseen(truth: sp.csr_matrix, seen: sp.csr_matrix, users: np.ndarray) -> sp.csr_matrix:
    known = seen[users]
    both = truth.multiply(known != 0)
    if both.nnz == 0:
        return truth
    left = (truth - both).tocsr()
    left.eliminate_zeros()
    return left


def _hits(items: np.ndarray, truth: sp.csr_matrix) -> np.ndarray:
    n_items = truth.shape[1]
    rows = np.repeat(np.arange(truth.shape[0]), np.diff(truth.indptr))
    known = rows.astype(np.int64) * n_items + truth.indices
    asked = np.arange(len(items))[:, None] * n_items + np.maximum(items, 0)
    return np.isin(asked, known) & (items >= 0)


def _likeness(history: sp.csr_matrix, items: np.ndarray) -> np.ndarray:
    """Return, per rank, the sum of cosines (by training users) with the items of the ranks above."""
    used = np.unique(items[items >= 0])
    sums = np.zeros(items.shape)
    if used.size < 2:
        return sums
    binary = sp.csc_matrix((np.ones(history.nnz, dtype=np.float32), history.nonzero()), shape=history.shape)
    columns = binary[:, used]
    norms = np.sqrt(np.maximum(np.asarray(columns.sum(axis=0)).ravel(), 1e-12))
    gram = (columns.T @ columns).tocsr()
    place = np.searchsorted(used, np.maximum(items, used[0]))
    dense = gram.toarray() / norms[:, None] / norms[None, :] if used.size <= 6000 else None
    for r in range(1, items.shape[1]):
        for above in range(r):
            a, b = place[:, r], place[:, above]
            pair = dense[a, b] if dense is not None else np.asarray(gram[a, b]).ravel() / norms[a] / norms[b]
            sums[:, r] += np.where((items[:, r] >= 0) & (items[:, above] >= 0), pair, 0.0)
    return sums


def list_length(outcome: pd.DataFrame) -> int:
    """Return how many ranks an outcome table holds."""
    return sum(1 for c in outcome.columns if c.startswith("hit:"))
