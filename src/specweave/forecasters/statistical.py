"""ETS, optimised Theta, complex smoothing and ARIMA by statsforecast, one series at a time.

Reads: panels. Writes: nothing. Never: is imported for anything but work; needs the ``forecast`` extra.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from specweave.errors import MissingExtraError
from specweave.forecasters.adjusting import NONE, Adjustment, find_adjustment, find_week, week_of
from specweave.forecasters.base import LocalForecaster
from specweave.forecasters.panel import Series
from specweave.forecasters.simple import is_seasonal

Floats = npt.NDArray[np.float64]


def statsforecast_models() -> Any:
    """Return ``statsforecast.models``.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        return importlib.import_module("statsforecast.models")
    except ImportError as error:
        raise MissingExtraError.for_package("statsforecast", "forecast", "this forecaster") from error


def has_statsforecast() -> bool:
    """Return whether statsforecast is installed, without importing it."""
    return importlib.util.find_spec("statsforecast") is not None


class StatisticalForecaster(LocalForecaster):
    """Base of the models that statsforecast fits.

    Parameters
    ----------
    window : int, optional
        Only the last values are used; by default ten seasons, at least 400, and six weeks where a season is
        a day: older values cost time and tell little of the next ones.
    """

    # Seasons longer than this are taken out beforehand, since the model cannot hold or afford them.
    longest_season: ClassVar[int] = 10_000

    def __init__(self, window: int | None = None) -> None:
        self.window = window

    @abstractmethod
    def model(self, season: int, *, trend: bool = True) -> Any:
        """Return the unfitted statsforecast model.

        `trend` is False where a season was taken out of fewer than three of them: what is left of it and a
        trend cannot be told apart there, and a trend would be drawn out over the horizon.
        """

    def path(self, y: Floats, season: int, steps: int) -> Floats:
        """Fit to the window and return the path."""
        given = season
        y, season, out = self._prepared(y, season)
        trend = out.season == 1 or len(y) >= 3 * given
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            found = self.model(season, trend=trend).forecast(y=out.take_out(y), h=steps)["mean"]
        return out.put_back(np.asarray(found, dtype=np.float64), len(y))

    def one_step_errors(self, one: Series, season: int) -> Floats | None:
        """Return the model's own one-step errors inside the window."""
        if len(one) < 8 or np.all(one.values == one.values[0]):
            return None
        y, season, out = self._prepared(one.values, season)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            told = self.model(season).forecast(y=out.take_out(y), h=1, fitted=True).get("fitted")
        if told is None:
            return None
        errors = y - out.put_back(np.asarray(told, dtype=np.float64))
        return np.asarray(errors[np.isfinite(errors)], dtype=np.float64)

    def _prepared(self, y: Floats, season: int) -> tuple[Floats, int, Adjustment]:
        """Return (window, season for the model, the season that is taken out beforehand)."""
        length = self.window or max(400, 10 * season, 6 * week_of(season))
        y = np.ascontiguousarray(y[-length:], dtype=np.float64)
        week = find_week(y, season)
        if week is not None:
            return y, 1, week
        if season <= self.longest_season:
            return y, season, NONE
        if is_seasonal(y, season, least_seasons=2):
            return y, 1, find_adjustment(y, season)
        return y, 1, NONE


class AutoETS(StatisticalForecaster):
    """Exponential smoothing with error, trend and season chosen by AICc; long seasons are taken out first."""

    label = "ETS"
    note = "exponential smoothing chosen by AICc"
    longest_season = 24

    def model(self, season: int, *, trend: bool = True) -> Any:
        """Return statsforecast's AutoETS."""
        return statsforecast_models().AutoETS(season_length=season, model="ZZZ" if trend else "ZNN")


class OptimizedTheta(StatisticalForecaster):
    """Dynamic optimised Theta."""

    label = "Theta"
    note = "optimised Theta, strong on short and monthly series"

    def model(self, season: int, *, trend: bool = True) -> Any:
        """Return statsforecast's DynamicOptimizedTheta."""
        return statsforecast_models().DynamicOptimizedTheta(season_length=season)


class AutoCES(StatisticalForecaster):
    """Complex exponential smoothing."""

    label = "CES"
    note = "complex smoothing, quick and good at seasons"

    def model(self, season: int, *, trend: bool = True) -> Any:
        """Return statsforecast's AutoCES."""
        return statsforecast_models().AutoCES(season_length=season)


class AutoARIMA(StatisticalForecaster):
    """ARIMA with orders chosen by AICc: dear; seasons longer than 12 are taken out first."""

    label = "ARIMA"
    note = "ARIMA chosen by AICc; dear, so it comes late"
    longest_season = 12

    def model(self, season: int, *, trend: bool = True) -> Any:
        """Return statsforecast's AutoARIMA."""
        return statsforecast_models().AutoARIMA(season_length=season)


class Croston(StatisticalForecaster):
    """Croston's method with the correction of Syntetos and Boylan (2005): size and interval of demand apart."""

    label = "Croston (SBA)"
    note = "size and interval of demand smoothed apart: for values that are mostly zero"

    def model(self, season: int, *, trend: bool = True) -> Any:
        """Return statsforecast's CrostonSBA."""
        return statsforecast_models().CrostonSBA()


class TeunterSyntetosBabai(StatisticalForecaster):
    """Size and probability of demand (Teunter, Syntetos & Babai 2011): it falls where demand has ceased.

    Parameters
    ----------
    size, chance : float
        Smoothing weights, above 0 and up to 1.
    """

    label = "TSB"
    note = "size and probability of demand: falls where demand ceases"

    def __init__(self, size: float = 0.1, chance: float = 0.1, window: int | None = None) -> None:
        super().__init__(window)
        self.size = size
        self.chance = chance

    def model(self, season: int, *, trend: bool = True) -> Any:
        """Return statsforecast's TSB."""
        return statsforecast_models().TSB(alpha_d=self.size, alpha_p=self.chance)
