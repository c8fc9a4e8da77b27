"""Factor models: users and items as points, scores as products.

Reads: histories. Writes: nothing. Never: needs a user to have been there in training (histories are folded
in), but for BPR, which says so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from specweave.errors import MissingExtraError
from specweave.recommenders.base import Context, Recommender, emphasised

_MOST_NUMBERS = 64_000_000  # of the products of factors, 256 MB


def _outer(factors: np.ndarray) -> np.ndarray:
    """Return each row's products with itself, shape (n_rows, n_factors ** 2)."""
    made: np.ndarray = (factors[:, :, None] * factors[:, None, :]).reshape(len(factors), -1)
    return made


class ImplicitALS(Recommender):
    """Weighted matrix factorisation by alternating least squares (Hu, Koren & Volinsky 2008).

    Parameters
    ----------
    factors : int
    l2 : float
    alpha : float
        How much more an interaction counts than its absence.
    iterations : int
    rating_strength : float
    random_state : int, optional
    """

    exact = True
    method = "share of each past item in the user's factors (exact)"

    def __init__(
        self, factors: int = 32, l2: float = 30.0, alpha: float = 2.0, iterations: int = 10,
        rating_strength: float = 0.7, random_state: int | None = None,
    ) -> None:  # fmt: skip
        self.factors, self.l2, self.alpha, self.iterations = factors, l2, alpha, iterations
        self.rating_strength, self.random_state = rating_strength, random_state

    def fit(self, history: sp.csr_matrix, context: Context) -> ImplicitALS:
        """Alternate between users and items."""
        X = emphasised(history, self.rating_strength)
        Xt = X.T.tocsr()
        rng = np.random.default_rng(self.random_state or 0)
        items = rng.normal(0, 0.1, (X.shape[1], self.factors)).astype(np.float32)
        for _ in range(self.iterations):
            users = self._solve(X, items)
            items = self._solve(Xt, users)
        self.items_ = items
        return self

    def _solve(self, X: sp.csr_matrix, other: np.ndarray) -> np.ndarray:
        """Return the ridge solution of every row of `X` given the other side's factors."""
        f = self.factors
        base = other.T @ other + self.l2 * np.eye(f, dtype=np.float32)
        most = max(1, _MOST_NUMBERS // f**2)
        outer = _outer(other) if len(other) <= most else None
        solved = np.empty((X.shape[0], f), dtype=np.float32)
        start = 0
        while start < X.shape[0]:
            stop = min(start + 4096, X.shape[0])
            if outer is None:
                # So few rows that the products of their entries fit into memory.
                stop = min(
                    stop, max(start + 1, int(np.searchsorted(X.indptr, X.indptr[start] + most, "right")) - 1)
                )
            part = X[start:stop]
            there = slice(None) if outer is not None else np.unique(part.indices)
            products = outer if outer is not None else _outer(other[there])
            left = base + self.alpha * np.asarray(part[:, there] @ products).reshape(-1, f, f)
            ones = sp.csr_matrix((1.0 + self.alpha * part.data, part.indices, part.indptr), shape=part.shape)
            right = np.asarray(ones @ other)
            solved[start:stop] = np.linalg.solve(left, right[:, :, None])[:, :, 0]
            start = stop
        return solved

    def scores(self, history: sp.csr_matrix, users: np.ndarray) -> np.ndarray:
        """Fold histories in and multiply."""
        return _products(self._solve(emphasised(history, self.rating_strength), self.items_), self.items_)

    def contributions(self, history: sp.csr_matrix, user: int, items: Sequence[int]) -> np.ndarray:
        """Return the summands of the score (Hu et al. 2008, section 5)."""
        values = emphasised(history, self.rating_strength)
        past = self.items_[history.indices]
        left = self.items_.T @ self.items_ + self.l2 * np.eye(self.factors)
        left = left + self.alpha * (past * values.data[:, None]).T @ past
        shares = np.linalg.solve(left, self.items_[np.asarray(items)].T)
        return np.asarray((1.0 + self.alpha * values.data)[:, None] * (past @ shares), dtype=float)


class BPR(Recommender):
    """Bayesian personalised ranking (Rendle et al. 2009), learned by the package ``implicit``.

    Parameters
    ----------
    factors : int
    learning_rate, l2 : float
    iterations : int
    random_state : int, optional

    Notes
    -----
    Users of the training data are scored by their own factors; others by the mean of their items' factors.
    """

    method = "likeness of the past item's factors"

    def __init__(
        self, factors: int = 64, learning_rate: float = 0.05, l2: float = 0.01, iterations: int = 150,
        random_state: int | None = None,
    ) -> None:  # fmt: skip
        self.factors, self.learning_rate, self.l2 = factors, learning_rate, l2
        self.iterations, self.random_state = iterations, random_state

    def fit(self, history: sp.csr_matrix, context: Context) -> BPR:
        """Learn factors.

        Raises
        ------
        MissingExtraError
            If ``implicit`` is not installed.
        """
        try:
            from implicit.cpu.bpr import BayesianPersonalizedRanking
        except ImportError as error:
            raise MissingExtraError.for_package("implicit", "recsys", "BPR") from error
        model = BayesianPersonalizedRanking(
            factors=self.factors, learning_rate=self.learning_rate, regularization=self.l2,
            iterations=self.iterations, num_threads=1, random_state=self.random_state or 0,
        )  # fmt: skip
        model.fit(emphasised(history, 0.0), show_progress=False)
        self.users_ = np.asarray(model.user_factors, dtype=np.float32)
        self.items_ = np.asarray(model.item_factors, dtype=np.float32)
        return self

    def scores(self, history: sp.csr_matrix, users: np.ndarray) -> np.ndarray:
        """Multiply the factors of users and items."""
        ones = emphasised(history, 0.0)
        lengths = np.maximum(np.diff(history.indptr), 1)[:, None]
        folded = np.asarray(ones @ self.items_) / lengths
        known = (users >= 0) & (users < len(self.users_))
        factors = np.where(known[:, None], self.users_[np.where(known, users, 0)], folded)
        return _products(factors, self.items_)

    def contributions(self, history: sp.csr_matrix, user: int, items: Sequence[int]) -> np.ndarray:
        """Return the cosine of each past item's factors and the item's, as a share of all past items."""
        unit = self.items_ / (np.linalg.norm(self.items_, axis=1, keepdims=True) + 1e-12)
        alike = np.asarray(unit[history.indices] @ unit[np.asarray(items)].T, dtype=float)
        return np.asarray(alike / max(1, history.nnz))


def _products(users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Return all products; in double precision, so that a user's scores do not depend on the batch."""
    return np.asarray(users.astype(np.float64) @ items.T.astype(np.float64), dtype=np.float32)
