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
    """A decomposition, each part of shape (n,): ``y = trend + season + rest``, or their product.

    Attributes
    ----------
    multiplicative : bool
        Whether season and rest scale the trend (1 is neither up nor down).
    """

    y: Floats
    trend: Floats
    season: Floats
    rest: Floats
    multiplicative: bool = False

    @property
    def trend_strength(self) -> float:
        """Share of the variance without season that the trend explains (Wang, Smith & Hyndman 2006)."""
        trend, _, rest = self._added()
        return _strength(rest, trend + rest)

    @property
    def season_strength(self) -> float:
        """Share of the variance without trend that the season explains."""
        _, season, rest = self._added()
        return _strength(rest, season + rest)

    def _added(self) -> tuple[Floats, Floats, Floats]:
        """Return (trend, season, rest) that add up: logarithms where the parts are factors."""
        if self.multiplicative:
            return np.log(self.trend), np.log(self.season), np.log(self.rest)
        return self.trend, self.season, self.rest


def _strength(rest: Floats, whole: Floats) -> float:
    total = float(np.var(whole))
    return max(0.0, 1.0 - float(np.var(rest)) / total) if total > 0 else 0.0


def decompose(y: Floats, season: int) -> Decomposition:
    """Decompose a series: the season by phase means around a centred moving average, the trend by such an average
    of what is left, its ends by shorter ones. The season of a positive series scales it where that leaves less.

    Parameters
    ----------
    y : ndarray, shape (n,)
    season : int
        1 for none; ignored where the series is shorter than two seasons.
    """
    y = np.asarray(y, dtype=np.float64)
    plain = _decompose(y, season)
    if season <= 1 or len(y) < 2 * season or np.any(y <= 0):
        return plain
    logs = _decompose(np.log(y), season)
    scaled = Decomposition(y, np.exp(logs.trend), np.exp(logs.season), np.exp(logs.rest), multiplicative=True)
    return scaled if scaled.season_strength > plain.season_strength else plain


def _decompose(y: Floats, season: int) -> Decomposition:
    n = len(y)
    parts = np.zeros(n)
    seasonal = season > 1 and n >= 2 * season
    if seasonal:
        parts = np.resize(seasonal_indices(y, season, multiplicative=False), n)
    adjusted = y - parts
    trend = _smoothed(adjusted, season if seasonal else max(3, min(n // 8 * 2 + 1, 25)))
    return Decomposition(y, trend, parts, adjusted - trend)


def _smoothed(y: Floats, width: int) -> Floats:
    """Return the centred moving average; of an even width its ends count half, so that every phase weighs alike."""
    half = min(width // 2, max(1, (len(y) - 1) // 2))
    window = np.ones(2 * half + 1)
    if width % 2 == 0:
        window[[0, -1]] = 0.5
    sums, weights = (np.convolve(v, window, mode="full")[half : half + len(y)] for v in (y, np.ones(len(y))))
    return np.asarray(sums / weights, dtype=np.float64)


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
