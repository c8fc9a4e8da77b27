"""What any recommender must beat: chance, what everybody takes, what people like you take now.

Reads: histories, times, user attributes. Writes: nothing. Never: looks at the user's own history.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy.sparse as sp

from specweave.recommenders.base import Context, Recommender, item_counts


class _Unpersonal(Recommender):
    personal = False
    method = "popularity (the history plays no part)"

    def contributions(self, history: sp.csr_matrix, user: int, items: Sequence[int]) -> np.ndarray:
        """Return zeros: no past item has a part in it."""
        return np.zeros((history.nnz, len(items)))


class RandomItems(_Unpersonal):
    """Items at random, the same for the same user.

    Parameters
    ----------
    random_state : int, optional
    """

    def __init__(self, random_state: int | None = None) -> None:
        self.random_state = random_state

    def fit(self, history: sp.csr_matrix, context: Context) -> RandomItems:
        """Remember which items there are."""
        self.known_ = item_counts(history) > 0
        return self

    def scores(self, history: sp.csr_matrix, users: np.ndarray) -> np.ndarray:
        """Return random numbers above 0."""
        made = np.empty(history.shape, dtype=np.float32)
        for row, user in enumerate(users):
            rng = np.random.default_rng([self.random_state or 0, int(user) + 1])
            made[row] = rng.random(history.shape[1]) + 1e-6
        made[:, ~self.known_] = 0.0
        return made


class Popularity(_Unpersonal):
    """Items by how many users interacted with them."""

    def fit(self, history: sp.csr_matrix, context: Context) -> Popularity:
        """Count."""
        self.counts_ = item_counts(history).astype(np.float32)
        return self

    def scores(self, history: sp.csr_matrix, users: np.ndarray) -> np.ndarray:
        """Return the counts for everybody."""
        return np.broadcast_to(self.counts_, history.shape).copy()


class RecentPopularity(_Unpersonal):
    """Items by interactions that fade with age: one half-life ago counts half.

    Parameters
    ----------
    half_life_share : float
        The half-life as a share of the data's time span.

    Notes
    -----
    Without times it is plain popularity.
    """

    def __init__(self, half_life_share: float = 0.1) -> None:
        self.half_life_share = half_life_share

    def fit(self, history: sp.csr_matrix, context: Context) -> RecentPopularity:
        """Count with fading weights."""
        counts = item_counts(history)
        if context.time is not None and len(context.time):
            counts = faded_counts(context.item, context.time, history.shape[1], self.half_life_share)
        self.counts_ = counts.astype(np.float32)
        return self

    def scores(self, history: sp.csr_matrix, users: np.ndarray) -> np.ndarray:
        """Return the faded counts for everybody."""
        return np.broadcast_to(self.counts_, history.shape).copy()


class SegmentPopularity(_Unpersonal):
    """Items by popularity among users of the same segment, leaning on everybody where a segment is small.

    Parameters
    ----------
    lean : float
        Interactions that stand for "everybody" in each segment's counts.

    Notes
    -----
    The segment is the user attribute with few levels whose segments differ most in what they take (mutual
    information of segment and item, per interaction). Without attributes, users are cut by how long their
    history is: newcomers take other things than regulars.
    """

    def __init__(self, lean: float = 200.0) -> None:
        self.lean = lean

    def fit(self, history: sp.csr_matrix, context: Context) -> SegmentPopularity:
        """Pick the segment and count in it."""
        best: tuple[float, str, np.ndarray, int] | None = None
        for name, codes, n_levels in _segmentations(history, context):
            table = _counts_by(history, codes, n_levels)
            told = _information(table)
            if best is None or told > best[0]:
                best = (told, name, codes, n_levels)
        assert best is not None
        _, self.segment_, self.codes_, n_levels = best
        table = _counts_by(history, self.codes_, n_levels)
        everybody = table.sum(axis=0) / max(table.sum(), 1.0)
        size = table.sum(axis=1, keepdims=True)
        self.table_ = ((table + self.lean * everybody) / (size + self.lean)).astype(np.float32)
        self.everybody_ = everybody.astype(np.float32)
        return self

    def scores(self, history: sp.csr_matrix, users: np.ndarray) -> np.ndarray:
        """Return the shares of each user's segment; of everybody for the unknown."""
        known = (users >= 0) & (users < len(self.codes_))
        made = np.array(self.table_[self.codes_[np.where(known, users, 0)]])
        made[~known] = self.everybody_
        return made


def faded_counts(
    item: np.ndarray, time: np.ndarray, n_items: int, half_life_share: float = 0.1
) -> np.ndarray:
    """Return interactions per item, those one half-life ago counted half; shape (n_items,).

    Parameters
    ----------
    item : ndarray of int, shape (n_rows,)
    time : ndarray of float, shape (n_rows,)
        At least one.
    n_items : int
    half_life_share : float
        The half-life as a share of the time span.
    """
    age = time.max() - time
    half = max(float(age.max()) * half_life_share, 1e-9)
    return np.bincount(item, weights=0.5 ** (age / half), minlength=n_items)


def _segmentations(history: sp.csr_matrix, context: Context) -> list[tuple[str, np.ndarray, int]]:
    lengths = np.diff(history.indptr)
    edges = np.unique(np.quantile(lengths[lengths > 0], [0.25, 0.5, 0.75])) if lengths.any() else np.array([])
    found = [("history length", np.searchsorted(edges, lengths), len(edges) + 1)]
    if context.user_table is not None:
        for name in context.user_table.columns:
            column = context.user_table[name]
            if pd.api.types.is_numeric_dtype(column) and column.nunique() > 12:
                column = pd.qcut(column, 4, duplicates="drop").astype(str)
            codes, levels = pd.factorize(column.astype("string").fillna("(missing)"))
            if 2 <= len(levels) <= 30:
                found.append((str(name), codes, len(levels)))
    return found


def _counts_by(history: sp.csr_matrix, codes: np.ndarray, n_levels: int) -> np.ndarray:
    which = sp.csr_matrix((np.ones(len(codes)), (codes, np.arange(len(codes)))), shape=(n_levels, len(codes)))
    ones = sp.csr_matrix((np.ones(history.nnz), history.indices, history.indptr), shape=history.shape)
    return np.asarray((which @ ones).toarray(), dtype=np.float64)


def _information(table: np.ndarray) -> float:
    """Return the mutual information of segment and item, less what chance alone would show (Miller 1955)."""
    total = table.sum()
    if total == 0:
        return 0.0
    joint = table / total
    expected = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    there = joint > 0
    value = float((joint[there] * np.log(joint[there] / expected[there])).sum())
    free = (np.count_nonzero(table.sum(axis=1)) - 1) * (np.count_nonzero(table.sum(axis=0)) - 1)
    return float(value - free / (2 * total))
