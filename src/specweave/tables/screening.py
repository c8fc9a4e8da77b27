"""Which features are worth keeping when there are thousands: repeats first, then one-by-one strength.

Reads: matrices. Writes: nothing. Never: is called with rows outside the training part.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from specweave.tables.values import Floats

_ROWS = 20_000
_BLOCK = 500


def find_repeats(matrix: Floats) -> dict[int, int | None]:
    """Return the columns that say nothing new: position to the earlier equal column, None if constant.

    Parameters
    ----------
    matrix : ndarray of shape (n_rows, n_features)
        NaN counts as a value.
    """
    repeats: dict[int, int | None] = {}
    if not len(matrix):
        return repeats
    first: dict[int, list[int]] = {}
    for start in range(0, matrix.shape[1], _BLOCK):
        block = np.ascontiguousarray(matrix[:, start : start + _BLOCK].T)
        varies = ((block != block[:, :1]) & ~(np.isnan(block) & np.isnan(block[:, :1]))).any(axis=1)
        for offset, values in enumerate(block):
            at = start + offset
            if not varies[offset]:
                repeats[at] = None
                continue
            twins = first.setdefault(hash((values + 0.0).tobytes()), [])
            same = next((k for k in twins if np.array_equal(matrix[:, k], values, equal_nan=True)), None)
            if same is None:
                twins.append(at)
            else:
                repeats[at] = same
    return repeats


def rank_features(matrix: Floats, y: npt.NDArray[Any], task: str, *, seed: int = 0) -> Floats:
    """Return how strongly each feature alone goes with the target, by ranks.

    Parameters
    ----------
    matrix : ndarray of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,)
    task : {"classification", "regression"}

    Returns
    -------
    ndarray of shape (n_features,)
        Share of rank variance explained: by the classes (Kruskal and Wallis 1952, eta squared), or
        Spearman's rho squared. At most 20,000 rows are looked at.
    """
    if len(matrix) > _ROWS:
        rows = np.random.default_rng(seed).choice(len(matrix), _ROWS, replace=False)
        matrix, y = matrix[rows], y[rows]
    strength = np.zeros(matrix.shape[1])
    design = _design(y, task)
    for start in range(0, matrix.shape[1], _BLOCK):
        block = matrix[:, start : start + _BLOCK]
        ranks = stats.rankdata(np.nan_to_num(block, nan=-np.inf), axis=0)
        ranks = ranks - ranks.mean(axis=0)
        total = (ranks**2).sum(axis=0)
        explained = ((design.T @ ranks) ** 2).sum(axis=0)
        strength[start : start + _BLOCK] = np.divide(
            explained, total, out=np.zeros_like(total), where=total > 0
        )
    return strength


def _design(y: npt.NDArray[Any], task: str) -> Floats:
    """Return orthonormal columns whose projection explains rank variance."""
    if task == "classification":
        _, codes = np.unique(y, return_inverse=True)
        design = np.zeros((len(y), codes.max() + 1))
        design[np.arange(len(y)), codes] = 1.0
        return np.asarray(design / np.sqrt(design.sum(axis=0)), dtype=np.float64)
    ranks = stats.rankdata(np.asarray(y, dtype=np.float64))
    ranks = ranks - ranks.mean()
    norm = float(np.sqrt((ranks**2).sum()))
    return np.asarray((ranks / norm if norm > 0 else ranks).reshape(-1, 1), dtype=np.float64)
