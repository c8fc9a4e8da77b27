"""A series as trend, season and rest; how strong either is; which season plain steps have.

Reads: arrays. Writes: nothing. Never: fits a season to a series shorter than two of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specweave.forecasters.simple import seasonal_indices
from specweave.forecasters.stationarity import acf

Floats = npt.NDArray[np.float64]
CANDIDATES = (4, 5, 6, 7, 12, 24, 48, 52, 96, 168, 365)


@dataclass(frozen=True)
class Decomposition:
    """An additive decomposition: ``y = trend + season + rest``, each of shape (n,)."""

    y: Floats
    trend: Floats
    season: Floats
    rest: Floats

    @property
    def trend_strength(self) -> float:
        """Share of the variance without season that the trend explains (Wang, Smith & Hyndman 2006)."""
        return _strength(self.rest, self.trend + self.rest)

    @property
    def season_strength(self) -> float:
        """Share of the variance without trend that the season explains."""
        return _strength(self.rest, self.season + self.rest)


def _strength(rest: Floats, whole: Floats) -> float:
    total = float(np.var(whole))
    return max(0.0, 1.0 - float(np.var(rest)) / total) if total > 0 else 0.0


def decompose(y: Floats, season: int) -> Decomposition:
    """Decompose a series: the season by phase means around a centred moving average, the trend by a moving
    average of what is left, drawn out to both ends by its nearest windows.

    Parameters
    ----------
    y : ndarray, shape (n,)
    season : int
        1 for none; ignored where the series is shorter than two seasons.
    """
    y = np.asarray(y, dtype=np.float64)
    n = len(y)
    parts = np.zeros(n)
    if season > 1 and n >= 2 * season:
        parts = np.resize(seasonal_indices(y, season, multiplicative=False), n)
    adjusted = y - parts
    width = season if season > 1 and n >= 2 * season else max(3, min(n // 8 * 2 + 1, 25))
    half = min(width // 2, max(1, n // 2))
    trend = np.array([adjusted[max(0, i - half) : i + half + 1].mean() for i in range(n)])
    return Decomposition(y, trend, parts, adjusted - trend)


def find_season(series: Sequence[Floats], candidates: Sequence[int] = CANDIDATES) -> tuple[int, float]:
    """Return (season, mean autocorrelation of changes at it) of series whose steps tell none; 1 where none.

    A season is a lag at which changes repeat: the autocorrelation of the differenced series there is above
    0.1 on average, and the highest of all candidates that are not a multiple of a nearly as strong one.
    """
    scores: dict[int, float] = {}
    for m in candidates:
        long = [np.diff(y) for y in series if len(y) >= 3 * m + 2]
        if len(long) < max(1, 0.2 * len(series)):
            continue
        found = []
        for change in long[:200]:
            if np.any(change != change[0]):
                # A few jumps must not decide: changes are clipped at four times their middle size.
                limit = 4 * np.median(np.abs(change)) or np.abs(change).max()
                found.append(acf(np.clip(change, -limit, limit), m)[m])
        if found:
            scores[m] = float(np.mean(found))
    if not scores:
        return 1, 0.0
    best = max(scores, key=lambda m: scores[m])
    for m in sorted(scores):
        if best % m == 0 and scores[m] >= 0.9 * scores[best]:
            best = m
            break
    return (best, scores[best]) if scores[best] > 0.1 else (1, scores[best])
