"""Prophet: a trend that may bend and a smooth season, one series at a time.

Reads: panels. Writes: nothing. Never: is imported for anything but work; needs the ``forecast`` extra.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from specweave.errors import MissingExtraError
from specweave.forecasters.base import LocalForecaster

Floats = npt.NDArray[np.float64]
_MOST_WAVES = 10


def has_prophet() -> bool:
    """Return whether Prophet is installed, without importing it."""
    return importlib.util.find_spec("prophet") is not None


class Prophet(LocalForecaster):
    """Taylor & Letham 2018, "Forecasting at scale", on the grid of steps: one step is a day to it.

    Parameters
    ----------
    mode : {"additive", "multiplicative"}
        Whether the season adds to the trend or scales it; series with values at or below zero always add.
    bend : float
        How freely the trend bends (``changepoint_prior_scale``).
    """

    label = "Prophet"
    note = "a trend that bends and a smooth season; dear, so it comes last, and for few series"
    search: ClassVar[Mapping[str, Any]] = {
        "mode": ["additive", "multiplicative"],
        "bend": {"low": 0.005, "high": 0.5, "log": True},
    }

    def __init__(self, mode: str = "additive", bend: float = 0.05) -> None:
        self.mode = mode
        self.bend = bend

    def path(self, y: Floats, season: int, steps: int) -> Floats:
        """Fit to the whole series and return the path.

        Raises
        ------
        MissingExtraError
            If Prophet is not installed.
        """
        import pandas as pd

        days = pd.date_range("2000-01-01", periods=len(y) + steps, freq="D")
        model = self._model(season, positive=bool(np.all(y > 0)))
        quiet = logging.getLogger("cmdstanpy")
        before, quiet.disabled = quiet.disabled, True
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.fit(pd.DataFrame({"ds": days[: len(y)], "y": y}), seed=0)
                told = model.predict(pd.DataFrame({"ds": days[len(y) :]}))
        finally:
            quiet.disabled = before
        return np.asarray(told["yhat"], dtype=np.float64)

    def _model(self, season: int, *, positive: bool) -> Any:
        try:
            made = importlib.import_module("prophet").Prophet
        except ImportError as error:
            raise MissingExtraError.for_package("prophet", "forecast", "this forecaster") from error
        model = made(
            yearly_seasonality=False, weekly_seasonality=False, daily_seasonality=False, uncertainty_samples=0,
            changepoint_prior_scale=self.bend, seasonality_mode=self.mode if positive else "additive",
        )  # fmt: skip
        if season > 1:
            model.add_seasonality(
                "season", period=season, fourier_order=max(1, min(_MOST_WAVES, season // 2))
            )
        return model
