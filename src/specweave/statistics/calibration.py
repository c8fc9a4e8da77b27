"""Whether a predicted 30 % happens 30 % of the time.

Reads: probabilities and outcomes. Writes: nothing. Never: knows what the classes are called.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class CalibrationBin:
    """Rows of similar probability: what was predicted on average, what happened, and how sure that is."""

    predicted: float
    observed: float
    low: float
    high: float
    n: int


def expected_calibration_error(probability: Floats, happened: Any, *, n_bins: int = 10) -> float:
    """Return the mean gap between predicted and observed frequency over equal-width bins.

    Parameters
    ----------
    probability : ndarray, shape (n_rows,)
    happened : ndarray of bool, shape (n_rows,)
    n_bins : int
        Bins of equal width on [0, 1]; each gap is weighted by its rows (Guo et al. 2017).
    """
    index = np.minimum((np.asarray(probability) * n_bins).astype(int), n_bins - 1)
    predicted = np.bincount(index, weights=probability, minlength=n_bins)
    observed = np.bincount(index, weights=np.asarray(happened, dtype=float), minlength=n_bins)
    return float(np.sum(np.abs(predicted - observed)) / len(index))


def calibration_bins(
    probability: Floats, happened: Any, *, n_bins: int = 10, level: float = 0.95
) -> list[CalibrationBin]:
    """Return bins that hold about equally many rows, lowest probability first.

    Parameters
    ----------
    probability : ndarray, shape (n_rows,)
    happened : ndarray of bool, shape (n_rows,)
    n_bins : int
        At most this many; rows of one probability stay together.
    level : float
        Of the Wilson interval around each observed frequency.
    """
    probability = np.asarray(probability, dtype=float)
    happened = np.asarray(happened, dtype=float)
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, n_bins + 1)[1:-1]))
    index = np.searchsorted(edges, probability, side="left")
    bins = []
    for b in range(len(edges) + 1):
        inside = index == b
        n = int(inside.sum())
        if n:
            low, high = wilson_interval(int(happened[inside].sum()), n, level=level)
            bins.append(
                CalibrationBin(
                    float(probability[inside].mean()), float(happened[inside].mean()), low, high, n
                )
            )
    return bins


def bins_for(n_rows: int) -> int:
    """Return how many bins leave about 30 rows in each: from 3 to 10."""
    return min(10, max(3, n_rows // 30))


def wilson_interval(successes: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion (Wilson 1927)."""
    from scipy.stats import norm

    z = float(norm.ppf(0.5 + level / 2))
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    # At 0 and n the formula is exact only up to rounding.
    low = 0.0 if successes == 0 else max(0.0, float(centre - half))
    high = 1.0 if successes == n else min(1.0, float(centre + half))
    return low, high
