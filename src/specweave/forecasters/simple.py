"""Forecasts that any model must beat: naive, seasonal naive, drift, mean, Naive2; and a light Theta.

Reads: arrays. Writes: nothing. Never: needs a package beyond numpy and scipy.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def naive(y: Floats, season: int, steps: int) -> Floats:
    """Return the last value, shape (steps,)."""
    return np.full(steps, y[-1], dtype=np.float64)


def seasonal_naive(y: Floats, season: int, steps: int) -> Floats:
    """Return the values one season ago; the last value where there is no whole season."""
    if season <= 1 or len(y) < season:
        return naive(y, 1, steps)
    return np.resize(y[-season:], steps).astype(np.float64)


def drift(y: Floats, season: int, steps: int) -> Floats:
    """Continue the line from the first to the last value."""
    slope = (y[-1] - y[0]) / (len(y) - 1) if len(y) > 1 else 0.0
    return np.asarray(y[-1] + slope * np.arange(1, steps + 1), dtype=np.float64)


def mean(y: Floats, season: int, steps: int) -> Floats:
    """Return the mean of all values."""
    return np.full(steps, float(np.mean(y)))


def is_seasonal(y: Floats, season: int, *, least_seasons: int = 3) -> bool:
    """Return whether the autocorrelation at the season is significant at 90 %.

    Source: the M4 competition's seasonality test (Makridakis, Spiliotis & Assimakopoulos 2020), from
    Bartlett's formula; series shorter than three seasons count as not seasonal there.
    """
    if season <= 1 or len(y) < least_seasons * season:
        return False
    centred = y - y.mean()
    total = float(np.sum(centred**2))
    if total == 0:
        return False
    acf = np.array([np.sum(centred[lag:] * centred[:-lag]) / total for lag in range(1, season + 1)])
    limit = 1.645 * np.sqrt((1 + 2 * np.sum(acf[:-1] ** 2)) / len(y))
    return bool(abs(acf[-1]) > limit)


def seasonal_indices(y: Floats, season: int, *, multiplicative: bool) -> Floats:
    """Return the index of each phase from the first value on, by classical decomposition, shape (season,)."""
    window = np.ones(season + 1) if season % 2 == 0 else np.ones(season)
    if season % 2 == 0:
        window[[0, -1]] = 0.5
    window /= window.sum()
    half = len(window) // 2
    level = np.convolve(y, window, mode="valid")
    middle = y[half : half + len(level)]
    ratio = middle / level if multiplicative else middle - level
    phase = (np.arange(half, half + len(level))) % season
    indices = np.array([ratio[phase == p].mean() if (phase == p).any() else (1.0 if multiplicative else 0.0)
                        for p in range(season)])  # fmt: skip
    return np.asarray(indices / indices.mean() if multiplicative else indices - indices.mean())


def naive2(y: Floats, season: int, steps: int) -> Floats:
    """Return the last value of the seasonally adjusted series, with its seasonality put back.

    Source: benchmark "Naive 2" of the M4 competition: multiplicative classical decomposition where the
    autocorrelation at the season is significant, else naive.
    """
    if not is_seasonal(y, season) or np.any(y <= 0):
        return naive(y, 1, steps)
    indices = seasonal_indices(y, season, multiplicative=True)
    if np.any(indices <= 0):
        return naive(y, 1, steps)
    ahead = indices[(len(y) + np.arange(steps)) % season]
    return np.asarray(y[-1] / indices[(len(y) - 1) % season] * ahead, dtype=np.float64)


def light_theta(y: Floats, season: int, steps: int) -> Floats:
    """Return the classical Theta forecast: exponential smoothing plus half the slope of the series.

    Source: Assimakopoulos & Nikolopoulos 2000 in the form of Hyndman & Billah 2003, on multiplicatively
    adjusted values where the series is seasonal and positive.
    """
    indices = np.ones(max(season, 1))
    if is_seasonal(y, season) and np.all(y > 0):
        found = seasonal_indices(y, season, multiplicative=True)
        indices = found if np.all(found > 0) else indices
    adjusted = y / np.resize(indices, len(y))
    level, alpha = _smoothed(adjusted)
    n = len(adjusted)
    slope = float(np.polyfit(np.arange(n), adjusted, 1)[0]) / 2 if n > 2 else 0.0
    ahead = np.arange(steps)
    # The drift of the Theta method: slope times (h - 1 + what smoothing lags behind).
    path = level + slope * (ahead + (1 - (1 - alpha) ** n) / alpha)
    return np.asarray(path * indices[(n + ahead) % len(indices)], dtype=np.float64)


def _smoothed(y: Floats) -> tuple[float, float]:
    """Return (last level, smoothing weight) of simple exponential smoothing with the least squared error."""
    from scipy.optimize import minimize_scalar
    from scipy.signal import lfilter

    def levels(alpha: float) -> Floats:
        first = np.array([(1 - alpha) * y[0]])
        return np.asarray(lfilter([alpha], [1, alpha - 1], y, zi=first)[0])

    def error(alpha: float) -> float:
        return float(np.sum((y[1:] - levels(alpha)[:-1]) ** 2))

    found = minimize_scalar(error, bounds=(0.01, 0.99), method="bounded")
    alpha = float(found.x) if len(y) > 2 else 0.5
    return float(levels(alpha)[-1]), alpha
