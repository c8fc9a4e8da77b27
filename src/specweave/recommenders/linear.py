"""Item-to-item models: a score is the sum of what each past item says for the item.

Reads: histories. Writes: nothing. Never: lets an item speak for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from specweave.recommenders.base import Context, Recommender, emphasised, item_counts

# Dense item-to-item models take memory by the square of the catalogue; rarer items are left to others.
MOST_ITEMS = 8000
_MOST_DOUBLES = (
    4000  # items up to which weights are solved for in double precision: it takes twice the memory
)
_MOST_PAIRS = 20_000_000  # of items at once


class LinearItems(Recommender):
    """Base: ``scores = history @ weights_``, exact contributions."""

    exact = True
    method = "item-to-item weights (exact)"
    rating_strength: float = 0.0
    weights_: Any
    kept_: np.ndarray | None = None

    def scores(self, history: sp.csr_matrix, users: np.ndarray) -> np.ndarray:
        """Return ``history @ weights_``."""
        values = emphasised(history, self.rating_strength)
        if self.kept_ is not None:
            made = np.zeros(history.shape, dtype=np.float32)
            made[:, self.kept_] = _product(values[:, self.kept_], self.weights_)
            return made
        return _product(values, self.weights_)

    def contributions(self, history: sp.csr_matrix, user: int, items: Sequence[int]) -> np.ndarray:
        """Return weight of the past item times its weight for the item."""
        values = emphasised(history, self.rating_strength)
        wanted = np.asarray(items, dtype=np.int64)
        if self.kept_ is None:
            part = self.weights_[history.indices][:, wanted]
            dense = part.toarray() if sp.issparse(part) else np.asarray(part)
        else:
            place = np.full(history.shape[1], -1)
            place[self.kept_] = np.arange(len(self.kept_))
            rows, columns = place[history.indices], place[wanted]
            part = self.weights_[np.maximum(rows, 0)][:, np.maximum(columns, 0)]
            dense = part.toarray() if sp.issparse(part) else np.array(part)
            dense[rows < 0] = 0.0
            dense[:, columns < 0] = 0.0
        return np.asarray(values.data[:, None] * dense, dtype=float)


def _product(values: sp.csr_matrix, weights: Any) -> np.ndarray:
    # Row by row, never as one dense product: a user's scores must not depend on who else is in the batch.
    made = values @ weights
    return np.asarray(made.toarray() if sp.issparse(made) else made, dtype=np.float32)


class ItemKNN(LinearItems):
    """Nearest items by cosine of who interacted with them (Sarwar et al. 2001).

    Parameters
    ----------
    neighbours : int
        Past items that may speak for an item.
    shrink : float
        Added to the denominator: items with few users count less.
    rating_strength : float
    """

    def __init__(self, neighbours: int = 100, shrink: float = 20.0, rating_strength: float = 0.0) -> None:
        self.neighbours, self.shrink, self.rating_strength = neighbours, shrink, rating_strength

    def fit(self, history: sp.csr_matrix, context: Context) -> ItemKNN:
        """Keep each item's nearest neighbours."""
        X = emphasised(history, self.rating_strength)
        norms = np.sqrt(np.asarray(X.power(2).sum(axis=0)).ravel())
        lengths = np.diff(X.indptr).astype(np.float64)
        met = float(lengths @ lengths)  # pairs of items at most
        n_items = X.shape[1]
        step = max(1, int(_MOST_PAIRS / max(met / n_items, 1.0)))
        Xt = X.T.tocsr()
        blocks = []
        for start in range(0, n_items, step):
            cosine = (Xt[start : start + step] @ X).tocoo()
            rows, columns = cosine.row.astype(np.int64) + start, cosine.col.astype(np.int64)
            values = (cosine.data / (norms[rows] * norms[columns] + self.shrink + 1e-12)).astype(np.float32)
            kept = rows != columns
            kept[kept] = _largest(rows[kept], values[kept], self.neighbours)
            blocks.append((rows[kept], columns[kept], values[kept]))
        # Row i holds the neighbours of item i; what a past item says for others stands in its own row.
        targets, sources, values = (np.concatenate(part) for part in zip(*blocks, strict=True))
        self.weights_ = sp.csr_matrix((values, (sources, targets)), shape=(n_items, n_items))
        return self


class EASE(LinearItems):
    """Embarrassingly shallow autoencoder: ridge regression of each item on all others (Steck 2019).

    Parameters
    ----------
    l2 : float
        Ridge penalty, in interactions.
    rating_strength : float
        How much ratings weigh: 0 not at all.
    """

    dropout: float = 0.0
    user_norm: float = 0.0
    item_norm: float = 0.0

    def __init__(self, l2: float = 300.0, rating_strength: float = 0.0) -> None:
        self.l2, self.rating_strength = l2, rating_strength

    def fit(self, history: sp.csr_matrix, context: Context) -> EASE:
        """Solve for all items at once: ``B = I - P / diag(P)`` with ``P = (X'X + penalties)^-1``."""
        X = emphasised(history, self.rating_strength)
        counts = item_counts(history)
        if X.shape[1] > MOST_ITEMS:
            self.kept_ = np.sort(np.argsort(-counts, kind="stable")[:MOST_ITEMS])
            X, counts = X[:, self.kept_].tocsr(), counts[self.kept_]
        lengths = np.diff(X.indptr).astype(float)
        rows = (np.maximum(lengths, 1) / max(lengths.mean(), 1.0)) ** -self.user_norm
        columns = (np.maximum(counts, 1) / max(counts.mean(), 1.0)) ** -self.item_norm
        scaled = sp.diags(rows) @ X @ sp.diags(columns)
        large = scaled.shape[1] > _MOST_DOUBLES
        gram = np.asarray((scaled.T @ scaled).toarray(), dtype=np.float32 if large else np.float64)
        # The penalty keeps its meaning whatever the scaling does to the size of the entries.
        unit = float(np.trace(gram)) / max(float(X.nnz), 1.0)
        weights = denoised_weights(gram, self.l2 * unit, self.dropout)
        weights *= columns[:, None].astype(weights.dtype)
        weights /= columns[None, :].astype(weights.dtype)
        self.weights_ = weights.astype(np.float32, copy=False)
        return self


class EDLAE(EASE):
    """EASE that learns to rebuild items from histories in which items were dropped at random (Steck 2020).

    Parameters
    ----------
    l2 : float
    dropout : float
        Share of a history that is dropped; it penalises popular items more, which a plain ridge does not.
    user_norm, item_norm : float
        0 counts every user (item) by the length of the history (by popularity), 0.5 more evenly.
    rating_strength : float
    """

    def __init__(
        self,
        l2: float = 400.0,
        dropout: float = 0.4,
        user_norm: float = 0.25,
        item_norm: float = 0.05,
        rating_strength: float = 0.7,
    ) -> None:
        self.l2, self.dropout, self.user_norm = l2, dropout, user_norm
        self.item_norm, self.rating_strength = item_norm, rating_strength


class SLIM(LinearItems):
    """Sparse linear method (Ning & Karypis 2011), solved by ADMM for all items at once (Steck et al. 2020).

    Parameters
    ----------
    l1, l2 : float
        Penalties, in interactions; `l1` makes weights zero.
    rho : float
        Step of the solver.
    iterations : int
    rating_strength : float
    """

    def __init__(
        self, l1: float = 3.0, l2: float = 300.0, rho: float = 3000.0, iterations: int = 20,
        rating_strength: float = 0.7,
    ) -> None:  # fmt: skip
        self.l1, self.l2, self.rho = l1, l2, rho
        self.iterations, self.rating_strength = iterations, rating_strength

    def fit(self, history: sp.csr_matrix, context: Context) -> SLIM:
        """Alternate between the ridge solution with a zero diagonal and soft thresholding."""
        X = emphasised(history, self.rating_strength)
        counts = item_counts(history)
        if X.shape[1] > MOST_ITEMS // 2:
            self.kept_ = np.sort(np.argsort(-counts, kind="stable")[: MOST_ITEMS // 2])
            X = X[:, self.kept_].tocsr()
        gram = np.asarray((X.T @ X).toarray(), dtype=np.float64)
        n = len(gram)
        P = inverse(gram + (self.l2 + self.rho) * np.eye(n)).astype(np.float32)
        first = P @ gram.astype(np.float32)
        diagonal = np.diag(P).copy()
        sparse = np.zeros((n, n), dtype=np.float32)
        dual = np.zeros((n, n), dtype=np.float32)
        for _ in range(self.iterations):
            step = first + P @ (self.rho * sparse - dual)
            step -= P * (np.diag(step) / diagonal)[None, :]
            sparse = step + dual / self.rho
            sparse = np.sign(sparse) * np.maximum(np.abs(sparse) - self.l1 / self.rho, 0.0)
            dual += self.rho * (step - sparse)
        np.fill_diagonal(sparse, 0.0)
        share = np.count_nonzero(sparse) / sparse.size
        self.weights_ = sp.csr_matrix(sparse) if share < 0.1 else sparse.astype(np.float32)
        return self


def _largest(rows: np.ndarray, values: np.ndarray, most: int) -> np.ndarray:
    """Return which values are among the `most` largest of their row."""
    order = np.lexsort((-values, rows))
    counts = np.bincount(rows[order] - rows.min(initial=0)) if rows.size else np.array([], dtype=np.int64)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    kept = np.zeros(len(rows), dtype=bool)
    kept[order] = np.arange(len(rows)) - starts < most
    return kept


def denoised_weights(gram: np.ndarray, l2: float, dropout: float = 0.0) -> np.ndarray:
    """Return the item-to-item weights with a zero diagonal that rebuild histories best.

    Parameters
    ----------
    gram : ndarray, shape (n_items, n_items)
    l2 : float
    dropout : float
        Share of entries dropped while learning; 0 gives EASE.

    Notes
    -----
    Steck (2020), "Autoencoders that don't overfit towards the identity", equations 8 and 11.
    """
    diagonal = np.diag(gram).copy()
    penalised = gram.copy()
    penalised[np.diag_indices(len(gram))] += dropout / (1.0 - dropout) * diagonal + max(l2, 1e-6)
    P = inverse(penalised)
    weights = P / -np.diag(P)[None, :]
    np.fill_diagonal(weights, 0.0)
    return weights


def inverse(matrix: np.ndarray) -> np.ndarray:
    """Return the inverse of a symmetric positive definite matrix."""
    from scipy.linalg import lapack

    single = matrix.dtype == np.float32
    factorise, invert = (lapack.spotrf, lapack.spotri) if single else (lapack.dpotrf, lapack.dpotri)
    factor, failed = factorise(matrix, lower=1)
    if failed:
        return np.linalg.inv(matrix)
    lower, failed = invert(factor, lower=1, overwrite_c=1)
    if failed:
        return np.linalg.inv(matrix)
    whole: np.ndarray = np.tril(lower)
    whole += np.tril(lower, -1).T
    return whole
