"""Two views of one history in one score: an item-to-item model and a factor model.

Reads: histories. Writes: nothing. Never: mixes scores of different scales as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from specweave.recommenders.base import Context, Recommender
from specweave.recommenders.factors import ImplicitALS
from specweave.recommenders.linear import EDLAE


class Blend(Recommender):
    """EDLAE and implicit ALS, each scaled to unit spread over the items of a history, added up.

    Parameters
    ----------
    share : float
        Weight of the factor model, 0 to 1.
    l2, dropout, user_norm, item_norm, rating_strength : float
        Of EDLAE; `rating_strength` of both.
    factors : int
    als_l2, alpha : float
        Of ALS.
    random_state : int, optional
    """

    exact = True
    method = "item-to-item weights and factor shares (exact)"

    def __init__(
        self, share: float = 0.45, l2: float = 400.0, dropout: float = 0.4, user_norm: float = 0.25,
        item_norm: float = 0.05, rating_strength: float = 0.7, factors: int = 16, als_l2: float = 10.0,
        alpha: float = 2.0, random_state: int | None = None,
    ) -> None:  # fmt: skip
        self.share, self.l2, self.dropout, self.user_norm, self.item_norm = (
            share,
            l2,
            dropout,
            user_norm,
            item_norm,
        )
        self.rating_strength, self.factors, self.als_l2, self.alpha = rating_strength, factors, als_l2, alpha
        self.random_state = random_state

    def fit(self, history: sp.csr_matrix, context: Context) -> Blend:
        """Fit both."""
        self.linear_ = EDLAE(self.l2, self.dropout, self.user_norm, self.item_norm, self.rating_strength)
        self.factor_ = ImplicitALS(
            self.factors, self.als_l2, self.alpha, rating_strength=self.rating_strength,
            random_state=self.random_state,
        )  # fmt: skip
        self.linear_.fit(history, context)
        self.factor_.fit(history, context)
        return self

    def scores(self, history: sp.csr_matrix, users: np.ndarray) -> np.ndarray:
        """Return the weighted sum of both, each divided by its spread over the items."""
        first, second = self.linear_.scores(history, users), self.factor_.scores(history, users)
        made = first * ((1 - self.share) / _spread(first)) + second * (self.share / _spread(second))
        return np.asarray(made, dtype=np.float32)

    def contributions(self, history: sp.csr_matrix, user: int, items: Sequence[int]) -> np.ndarray:
        """Return the weighted sum of both models' contributions."""
        users = np.array([user])
        a, b = _spread(self.linear_.scores(history, users)), _spread(self.factor_.scores(history, users))
        first = self.linear_.contributions(history, user, items)
        second = self.factor_.contributions(history, user, items)
        return first * ((1 - self.share) / float(a[0, 0])) + second * (self.share / float(b[0, 0]))


def _spread(scores: np.ndarray) -> np.ndarray:
    spread = scores.std(axis=1, keepdims=True)
    return np.where(spread > 0, spread, 1.0)
