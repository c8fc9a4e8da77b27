"""A recommender with everything it takes to answer: labels, histories, and what to do with strangers.

Reads: nothing. Writes: nothing. Never: shows a user what the user has had, unless asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

from specweave.recommenders.base import item_counts, leave_one_out, users_per_block


@dataclass
class FittedRecommender:
    """A trained recommender.

    Attributes
    ----------
    estimator : object
        With ``scores(history, users)``.
    users, items : ndarray of str
        Labels by code.
    titles : ndarray of str
        What people call the items; the labels where nothing better is known.
    history : csr_matrix, shape (n_users, n_items)
        What the model learned from.
    seen : csr_matrix, shape (n_users, n_items)
        All that must not be recommended again: `history` and interactions that were no hits.
    ratings : csr_matrix or None
        Raw ratings, for people to read.
    counts : ndarray, shape (n_items,)
        Training users of each item.
    lately : ndarray, shape (n_items,), or None
        Training users of each item, those of long ago counted less: what users without a history get. Where it is
        None they get what `counts` says.
    k : int
        How many items an answer holds by default.
    """

    estimator: Any
    users: np.ndarray
    items: np.ndarray
    titles: np.ndarray
    history: sp.csr_matrix
    seen: sp.csr_matrix
    counts: np.ndarray
    k: int = 10
    ratings: sp.csr_matrix | None = None
    lately: np.ndarray | None = None
    labels: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._place: dict[str, int] | None = None
        self._item_place: dict[str, int] | None = None

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the estimator's parameters, so that its threads can be held."""
        asked = getattr(self.estimator, "get_params", None)
        return {} if asked is None else {f"estimator__{k}": v for k, v in asked(deep=deep).items()}

    def set_params(self, **params: Any) -> FittedRecommender:
        """Set the estimator's parameters."""
        self.estimator.set_params(**{k.removeprefix("estimator__"): v for k, v in params.items()})
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is quickly made again."""
        return {**self.__dict__, "_place": None, "_item_place": None}

    def find_users(self, labels: Iterable[str]) -> np.ndarray:
        """Return codes of user labels, -1 for the unknown."""
        if self._place is None:
            self._place = {label: i for i, label in enumerate(self.users)}
        place = self._place
        return np.fromiter((place.get(label, -1) for label in labels), dtype=np.int64)

    def find_items(self, labels: Iterable[str]) -> np.ndarray:
        """Return codes of item labels, -1 for the unknown."""
        if self._item_place is None:
            self._item_place = {label: i for i, label in enumerate(self.items)}
        place = self._item_place
        return np.fromiter((place.get(label, -1) for label in labels), dtype=np.int64)

    def histories(self, users: np.ndarray) -> sp.csr_matrix:
        """Return the histories of user codes; empty ones for -1."""
        return _rows(self.history, users)

    def cold(self, users: np.ndarray) -> np.ndarray:
        """Return True for users without a history to go by."""
        lengths = np.diff(self.history.indptr)
        return np.asarray((users < 0) | (lengths[np.maximum(users, 0)] == 0))

    def recommend(
        self,
        users: np.ndarray,
        k: int | None = None,
        *,
        exclude_seen: bool = True,
        keep: sp.csr_matrix | None = None,
        history: sp.csr_matrix | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the best items for users, best first.

        Parameters
        ----------
        users : ndarray of int, shape (n_rows,)
            Codes; -1 for the unknown, who get what is popular.
        k : int, optional
            Items per user; fewer where the catalogue holds fewer.
        exclude_seen : bool
        keep : csr_matrix, shape (n_rows, n_items), optional
            Items that stay in although they were seen.
        history : csr_matrix, shape (n_rows, n_items), optional
            Histories to go by instead of those of training.

        Returns
        -------
        items : ndarray of int, shape (n_rows, k)
            Codes; -1 where nothing is left to recommend.
        scores : ndarray of float32, shape (n_rows, k)
            NaN there. For users without a history: shares of training users who had the item.
        """
        k = min(int(k or self.k), len(self.items))
        items = np.full((len(users), k), -1, dtype=np.int64)
        scores = np.full((len(users), k), np.nan, dtype=np.float32)
        popular = (self.popularity / max(1.0, float(len(self.users)))).astype(np.float32)
        size = users_per_block(len(self.items))
        for start in range(0, len(users), size):
            rows = slice(start, min(start + size, len(users)))
            codes = users[rows]
            past = self.histories(codes) if history is None else history[rows]
            made = np.array(self.estimator.scores(past, codes), dtype=np.float32)
            silent = ~np.any(made, axis=1)
            if getattr(self.estimator, "personal", True):
                silent |= np.diff(past.indptr) == 0
            made[silent] = popular
            made[:, self.counts == 0] = -np.inf
            if exclude_seen:
                _take_out(made, _rows(self.seen, codes), None if keep is None else keep[rows])
                if history is not None:
                    _take_out(made, past, None)
            items[rows], scores[rows] = best_of(made, k)
        return items, scores

    def explain(
        self, user: int, items: Sequence[int], *, history: sp.csr_matrix | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (past items, contributions of shape (n_past, n_items_asked)) of recommendations to one user."""
        past = self.histories(np.array([user])) if history is None else history
        if past.nnz == 0 or not len(items):
            return past.indices, np.zeros((past.nnz, len(items)))
        own = getattr(self.estimator, "contributions", None)
        found = own(past, user, items) if own else leave_one_out(self.estimator, past, user, items)
        return past.indices, np.asarray(found, dtype=float)

    @property
    def popularity(self) -> np.ndarray:
        """What users without a history go by, shape (n_items,)."""
        return self.counts if self.lately is None else self.lately

    @property
    def popular_words(self) -> str:
        """What users without a history are told that they get."""
        return "the most popular items" + ("" if self.lately is None else " of late")

    @property
    def has_titles(self) -> bool:
        """Whether items have names beside their labels."""
        return self.titles is not self.items

    @property
    def method(self) -> str:
        """How contributions are made."""
        return str(getattr(self.estimator, "method", "leave-one-out"))


def _rows(matrix: sp.csr_matrix, users: np.ndarray) -> sp.csr_matrix:
    """Return rows of a matrix; empty ones for -1."""
    known = users >= 0
    if known.all():
        return matrix[users]
    lengths = np.diff(matrix.indptr)
    sizes = np.where(known, lengths[np.maximum(users, 0)], 0)
    indptr = np.r_[0, np.cumsum(sizes)]
    inside = matrix[users[known]]
    return sp.csr_matrix((inside.data, inside.indices, indptr), shape=(len(users), matrix.shape[1]))


def _take_out(scores: np.ndarray, seen: sp.csr_matrix, keep: sp.csr_matrix | None) -> None:
    rows = np.repeat(np.arange(len(scores)), np.diff(seen.indptr))
    if keep is None:
        scores[rows, seen.indices] = -np.inf
        return
    kept_rows = np.repeat(np.arange(len(scores)), np.diff(keep.indptr))
    stays = scores[kept_rows, keep.indices]
    scores[rows, seen.indices] = -np.inf
    scores[kept_rows, keep.indices] = stays


def best_of(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the `k` best columns of each row, best first; ties go to the lower column.

    Returns
    -------
    items : ndarray of int, shape (n_rows, k)
        -1 where a score is minus infinity.
    scores : ndarray, shape (n_rows, k)
        NaN there.
    """
    n_rows, n_items = scores.shape
    k = min(k, n_items)
    if k < n_items:
        top = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        top.sort(axis=1)
    else:
        top = np.broadcast_to(np.arange(n_items), (n_rows, n_items)).copy()
    values = np.take_along_axis(scores, top, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    top, values = np.take_along_axis(top, order, axis=1), np.take_along_axis(values, order, axis=1)
    gone = ~np.isfinite(values)
    top[gone], values[gone] = -1, np.nan
    return top, values


def make_counts(history: sp.csr_matrix) -> np.ndarray:
    """Return how many training users had each item."""
    return item_counts(history)
