"""Why a forecast is what it is: lags by SHAP, or level, trend and season of the path.

Reads: fitted forecasters. Writes: nothing. Never: gives parts that do not add up to the forecast.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from specweave.forecasters.base import Fitted
from specweave.forecasters.lags import LagFitted
from specweave.forecasters.panel import Series

Floats = npt.NDArray[np.float64]

PARTS = ("level", "trend", "season")


@dataclass(frozen=True)
class Reasons:
    """Additive parts of forecasts: ``base + values.sum(axis=1)`` is the forecast where there is one."""

    names: list[str]
    values: Floats
    base: Floats
    shown: pd.DataFrame
    method: str


def explain_rows(fitted: Fitted, ids: Any, steps: Any, known: Floats | None) -> Reasons:
    """Return the parts of the forecasts of rows."""
    if isinstance(fitted, LagFitted) and fitted.booster is not None:
        return _by_lags(fitted, ids, steps, known)
    return _by_parts(fitted, ids, steps, known)


def _by_lags(fitted: LagFitted, ids: Any, steps: Any, known: Floats | None) -> Reasons:
    n, names = len(np.asarray(steps)), fitted.names
    values, base = np.zeros((n, len(names))), np.zeros(n)
    shown = np.full((n, len(names)), np.nan)
    X, last, size, rows = fitted.rows(ids, steps, known)
    if len(rows):
        told = np.asarray(fitted.booster.predict(X, pred_contrib=True, num_threads=1), dtype=np.float64)
        values[rows] = told[:, :-1] * size[:, None]
        base[rows] = last + told[:, -1] * size
        # A forecast that was held at zero differs from the sum of its parts.
        base[rows] += fitted.predict(ids, steps, known)[rows] - base[rows] - values[rows].sum(axis=1)
        shown[rows] = X
        # Values enter the model as distances in mean steps; people read values.
        for i, name in enumerate(names):
            if name.startswith(("value ", "mean ")):
                shown[rows, i] = last + X[:, i] * size
            elif name.startswith(("change ", "spread ")):
                shown[rows, i] = X[:, i] * size
    return Reasons(names, values, base, pd.DataFrame(shown, columns=names), "SHAP (tree) on lags")


def _by_parts(fitted: Fitted, ids: Any, steps: Any, known: Floats | None) -> Reasons:
    names = np.asarray(ids, dtype=object).astype(str)
    steps = np.asarray(steps, dtype=np.int64)
    told = fitted.predict(names, steps, known)
    values, base = np.zeros((len(steps), 3)), np.zeros(len(steps))
    shown = np.full((len(steps), 3), np.nan, dtype=object)
    for name in np.unique(names):
        one = fitted.panel.series.get(str(name))
        rows = np.flatnonzero((names == name) & np.isfinite(told))
        if one is None or not len(rows):
            continue
        level, slope = path_line(fitted, one)
        ahead = steps[rows] - one.end
        mean = float(one.values.mean())
        base[rows] = mean
        values[rows, 0] = level - mean
        values[rows, 1] = slope * ahead
        values[rows, 2] = told[rows] - level - slope * ahead
        season = fitted.panel.season_of(one)
        shown[rows, 0] = level
        shown[rows, 1] = [f"{slope:+.4g} a step" for _ in rows]
        shown[rows, 2] = [
            int((one.start + s) % season) + 1 if season > 1 else "none" for s in steps[rows] - one.start
        ]
    return Reasons(list(PARTS), values, base, pd.DataFrame(shown, columns=list(PARTS)),
                   "level, trend and season of the forecast path")  # fmt: skip


def path_line(fitted: Fitted, one: Series) -> tuple[float, float]:
    """Return (level at the end of the history, change per step) of a series' path without its season.

    Two whole seasons of the path are looked at: what differs between them is trend.
    """
    season = fitted.panel.season_of(one)
    length = max(season, 2)
    path = fitted.predict([one.id] * (2 * length), one.end + 1 + np.arange(2 * length))
    if not np.isfinite(path).all():
        return float(one.values[-1]), 0.0
    first, second = path[:length].mean(), path[length:].mean()
    slope = float(second - first) / length
    return float(first - slope * (length + 1) / 2), slope
