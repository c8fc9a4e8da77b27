"""Models of one series at a time that need no extra: the baselines and a light Theta.

Reads: panels. Writes: nothing. Never: needs a package of the ``forecast`` extra.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from specweave.forecasters import simple
from specweave.forecasters.base import LocalForecaster
from specweave.forecasters.panel import Series

Floats = npt.NDArray[np.float64]


class Naive(LocalForecaster):
    """Always the last value."""

    label = "naive"
    note = "the last value"

    def path(self, y: Floats, season: int, steps: int) -> Floats:
        """Return the last value."""
        return simple.naive(y, season, steps)

    def one_step_errors(self, one: Series, season: int) -> Floats:
        """Return the first differences."""
        return np.diff(one.values)


class SeasonalNaive(LocalForecaster):
    """The value one season ago."""

    label = "seasonal naive"
    note = "the value one season ago"

    def path(self, y: Floats, season: int, steps: int) -> Floats:
        """Return the last season again."""
        return simple.seasonal_naive(y, season, steps)

    def one_step_errors(self, one: Series, season: int) -> Floats:
        """Return the seasonal differences."""
        return np.asarray(one.values[season:] - one.values[:-season])


class Drift(LocalForecaster):
    """The line from the first to the last value, continued."""

    label = "drift"
    note = "the line through the first and the last value"

    def path(self, y: Floats, season: int, steps: int) -> Floats:
        """Return the line."""
        return simple.drift(y, season, steps)


class Mean(LocalForecaster):
    """The mean of all values."""

    label = "mean"
    note = "the mean of all values"

    def path(self, y: Floats, season: int, steps: int) -> Floats:
        """Return the mean."""
        return simple.mean(y, season, steps)

    def one_step_errors(self, one: Series, season: int) -> Floats:
        """Return the distances from the mean."""
        return np.asarray(one.values - one.values.mean())


class LightTheta(LocalForecaster):
    """The classical Theta method: smoothing plus half the trend, on seasonally adjusted values."""

    label = "Theta"
    note = "smoothing plus half the trend; needs no extra"

    def path(self, y: Floats, season: int, steps: int) -> Floats:
        """Return the Theta path."""
        return simple.light_theta(y, season, steps)
