"""What every recommender answers: scores of all items for a history, and which past items made a score.

Reads: histories as sparse matrices. Writes: nothing. Never: decides what is shown (seen items are taken out
by whoever makes the list).
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

_MOST_SCORES = 16_000_000  # 64 MB of float32


@dataclass
class Context:
    """What a recommender may know beside the histories it learns from.

    Attributes
    ----------
    user, item : ndarray of int, shape (n_rows,)
        The interactions behind the histories, as codes.
    time : ndarray of float, shape (n_rows,), or None
    rating : ndarray of float, shape (n_rows,), or None
    user_table, item_table : DataFrame or None
        Attributes, one row per code; a missing row is all missing.
    features : object
        The unfitted feature step for pairs of user and item.
    hide : callable or None
        ``hide(rows_user, rows_time, seed) -> (learn, predict)``: how the second stage of a ranker hides
        interactions, in the way of the protocol.
    seed, threads : int
    """

    user: np.ndarray
    item: np.ndarray
    time: np.ndarray | None = None
    rating: np.ndarray | None = None
    user_table: Any = None
    item_table: Any = None
    features: Any = None
    hide: Any = None
    seed: int = 0
    threads: int = 1
    extra: dict[str, Any] = field(default_factory=dict)


class Recommender(ABC):
    """Base of recommenders; the parameters of ``__init__`` are the ones that tuning sets.

    A class of your own needs ``fit(history)`` and ``scores(history, users)``; this base is optional.
    """

    personal = (
        True  # whether scores come from the history; only then do users without one get what is popular
    )

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name, as scikit-learn does."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Recommender:
        """Set parameters by name."""
        for name, value in params.items():
            setattr(self, name, value)
        return self

    @abstractmethod
    def fit(self, history: sp.csr_matrix, context: Context) -> Recommender:
        """Learn from histories.

        Parameters
        ----------
        history : csr_matrix, shape (n_users, n_items)
            Weights around 1, absent where there was no interaction.
        context : Context
        """

    @abstractmethod
    def scores(self, history: sp.csr_matrix, users: np.ndarray) -> np.ndarray:
        """Return a score of every item for each history.

        Parameters
        ----------
        history : csr_matrix, shape (n_rows, n_items)
        users : ndarray of int, shape (n_rows,)
            Codes; -1 for somebody who was not there in training.

        Returns
        -------
        ndarray of float32, shape (n_rows, n_items)
        """

    def contributions(self, history: sp.csr_matrix, user: int, items: Sequence[int]) -> np.ndarray:
        """Return how much each past item adds to the score of each of `items`.

        Parameters
        ----------
        history : csr_matrix, shape (1, n_items)
        user : int
        items : sequence of int

        Returns
        -------
        ndarray, shape (n_past, n_items_asked)
            In the order of ``history.indices``. By default: how far the score falls when the past item is
            left out.
        """
        return leave_one_out(self, history, user, items)

    exact = False  # whether contributions add up to the score
    method = "leave-one-out"


def users_per_block(n_items: int, most: int = 2048) -> int:
    """Return for how many users all items are scored at once, so that memory does not grow with the catalogue.

    Examples
    --------
    >>> users_per_block(1_000), users_per_block(200_000)
    (2048, 80)
    """
    return int(min(most, max(16, _MOST_SCORES // max(1, n_items))))


def leave_one_out(model: Any, history: sp.csr_matrix, user: int, items: Sequence[int]) -> np.ndarray:
    """Return how far the scores of `items` fall when each past item is left out of the history."""
    past = history.indices
    wanted = np.asarray(items, dtype=np.int64)
    usual = np.asarray(model.scores(history, np.array([user])))[0, wanted]
    fallen = np.zeros((len(past), len(wanted)))
    size = users_per_block(history.shape[1], 256)
    for start in range(0, len(past), size):
        part = np.arange(start, min(start + size, len(past)))
        kept = sp.vstack([history] * len(part), format="csr")
        # Row r of the block lacks its own past item: nothing else changes.
        keep = np.ones(kept.nnz, dtype=bool)
        keep[np.arange(len(part)) * len(past) + part] = False
        indptr = np.arange(len(part) + 1) * (len(past) - 1)
        block = sp.csr_matrix((kept.data[keep], kept.indices[keep], indptr), shape=kept.shape)
        without = np.asarray(model.scores(block, np.full(len(part), user)))[:, wanted]
        fallen[part] = usual - without
    return fallen


def emphasised(history: sp.csr_matrix, strength: float) -> sp.csr_matrix:
    """Return histories whose weights lean towards ratings by `strength`: 0 ignores them, 1 takes them whole."""
    if strength == 0:
        values = np.ones_like(history.data)
    else:
        values = np.maximum(1.0 + strength * (history.data - 1.0), 0.05).astype(np.float32)
    return sp.csr_matrix((values, history.indices, history.indptr), shape=history.shape)


def item_counts(history: sp.csr_matrix) -> np.ndarray:
    """Return how many histories hold each item, shape (n_items,)."""
    return np.bincount(history.indices, minlength=history.shape[1]).astype(np.float64)
