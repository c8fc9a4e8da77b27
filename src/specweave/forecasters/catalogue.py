"""Every forecaster by the name that a plan gives it.

Reads: nothing. Writes: nothing. Never: imports a package of the ``forecast`` extra.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from specweave.errors import DataError, UnknownNameError, did_you_mean
from specweave.forecasters.base import Forecaster
from specweave.forecasters.combination import Combination
from specweave.forecasters.lags import LagBoosting
from specweave.forecasters.local import Drift, LightTheta, Mean, Naive, SeasonalNaive
from specweave.forecasters.neural import NeuralForecaster
from specweave.forecasters.prophet import Prophet
from specweave.forecasters.statistical import (
    AutoARIMA,
    AutoCES,
    AutoETS,
    Croston,
    OptimizedTheta,
    TeunterSyntetosBabai,
)

FORECASTERS: dict[str, type[Forecaster]] = {
    "naive": Naive, "seasonal-naive": SeasonalNaive, "drift": Drift, "mean": Mean, "light-theta": LightTheta,
    "theta": OptimizedTheta, "ces": AutoCES, "ets": AutoETS, "arima": AutoARIMA, "croston": Croston,
    "tsb": TeunterSyntetosBabai, "prophet": Prophet,
    "lightgbm": LagBoosting, "neural": NeuralForecaster, "combination": Combination,
}  # fmt: skip


def make_forecaster(name: str, params: Mapping[str, Any]) -> Forecaster:
    """Return an unfitted forecaster.

    Raises
    ------
    UnknownNameError
        If none has that name.
    DataError
        If it does not take these parameters.
    """
    if name not in FORECASTERS:
        raise UnknownNameError(f"no forecaster is called '{name}'", hint=did_you_mean(name, FORECASTERS))
    try:
        return FORECASTERS[name](**dict(params))
    except TypeError as error:
        raise DataError(f"{name} does not take these parameters: {error}", where=name) from error
