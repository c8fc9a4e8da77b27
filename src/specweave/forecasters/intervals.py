"""Prediction intervals from the errors of rolling origins: for each step ahead, each series by its own spread.

Reads: outcome tables of forecasts. Writes: nothing. Never: sets an interval by errors of the rows it is for.

An error is measured in units of its series' scale (the in-sample error of the seasonal naive forecast),
of the series' own spread in these units, and of how errors grow with the step ahead. The quantiles of what
is left are the same for all, and the interval at a row is that quantile times its three units: split
conformal prediction with normalised scores (Lei et al. 2018; Stankeviciute et al. 2021 for horizons).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from specweave.errors import DataError

Floats = npt.NDArray[np.float64]

LEVELS = (80, 95)
# Errors that a series' own spread must outweigh before it is believed over that of all series.
_PRIOR = 6.0
_MOST_SERIES = 5000
_GROUPS = 5


def learn_intervals(outcome: pd.DataFrame, levels: Sequence[int] = LEVELS) -> dict[str, Any]:
    """Learn intervals from out-of-fold forecasts.

    Parameters
    ----------
    outcome : DataFrame
        With ``unique_id``, ``h``, ``truth``, ``prediction``, ``scale``.
    levels : sequence of int
        In percent.

    Returns
    -------
    dict
        Plain values: ``levels``, ``quantiles`` by level, ``growth`` (power of the step ahead), ``horizon`` (the
        last step with errors), ``spread`` by series, ``usual`` (spread of a series without errors of its own), ``floor``
        (smallest unit), ``least`` (what no bound goes below: 0 where no truth did, else None), ``n``.

    Raises
    ------
    DataError
        If there are no errors to learn from.
    """
    units, floor = _units(outcome)
    error = np.abs(outcome["truth"].to_numpy(float) - outcome["prediction"].to_numpy(float))
    there = np.isfinite(error) & np.isfinite(units)
    if there.sum() < 2:
        raise DataError("intervals need errors of earlier origins, and there are fewer than two")
    ratio = error[there] / units[there]
    ahead = outcome["h"].to_numpy(float)[there]
    growth = _growth(ratio, ahead)
    level_free = ratio / ahead**growth
    names = outcome["unique_id"].astype(str).to_numpy()[there]
    usual = float(np.mean(level_free)) or 1.0
    spread = _spreads(level_free, names, usual)
    score = level_free / np.array([spread.get(n, usual) for n in names])
    return {
        "levels": [int(v) for v in levels],
        "quantiles": {str(v): _quantile(score, v / 100, _paths(outcome[there])) for v in levels},
        "growth": growth,
        "horizon": int(ahead.max()),
        "usual": usual,
        "spread": {k: float(f"{v:.5g}") for k, v in list(spread.items())[:_MOST_SERIES]},
        "floor": floor,
        "least": 0.0 if np.all(outcome["truth"].to_numpy(float)[there] >= 0) else None,
        "n": int(there.sum()),
    }


def apply_intervals(outcome: pd.DataFrame, learned: Mapping[str, Any]) -> pd.DataFrame:
    """Return the outcome with columns ``lo80``, ``hi80`` ... by the learned intervals."""
    if not learned:
        return outcome
    made = outcome.copy()
    for level, (low, high) in bounds(outcome, learned).items():
        made[f"lo{level}"], made[f"hi{level}"] = low, high
    return made


def bounds(outcome: pd.DataFrame, learned: Mapping[str, Any]) -> dict[int, tuple[Floats, Floats]]:
    """Return (lower, upper) bound of each level at each row; none lies below zero where no truth did."""
    half = half_widths(outcome["unique_id"], outcome["h"], outcome["scale"], learned)
    middle = outcome["prediction"].to_numpy(float)
    least = learned.get("least")
    floor = -np.inf if least is None else np.minimum(float(least), middle)
    return {v: (np.maximum(middle - width, floor), middle + width) for v, width in half.items()}


def half_widths(ids: Any, ahead: Any, scale: Any, learned: Mapping[str, Any]) -> dict[int, Floats]:
    """Return the half width of each level at each row, shape (n_rows,).

    Beyond the last step with errors it grows at least as a random walk does, with the root of the step.
    """
    spread, usual = learned["spread"], float(learned["usual"])
    own = np.array([float(spread.get(str(i), usual)) for i in ids])
    units = np.maximum(np.nan_to_num(np.asarray(scale, dtype=float), nan=0.0), float(learned["floor"]))
    steps = np.maximum(np.nan_to_num(np.asarray(ahead, dtype=float), nan=1.0), 1.0)
    growth = float(learned["growth"])
    last = float(learned.get("horizon") or np.inf)
    width = units * own * np.minimum(steps, last) ** growth
    width = width * np.maximum(steps / last, 1.0) ** max(growth, 0.5)
    return {int(v): width * float(learned["quantiles"][str(v)]) for v in learned["levels"]}


def complete_folds(outcome: pd.DataFrame, learned: Mapping[str, Any]) -> pd.DataFrame:
    """Return out-of-fold rows with intervals, each fold's learned on the other folds alone."""
    if not learned:
        return outcome
    part = outcome["fold"].to_numpy()
    if len(np.unique(part)) < 2:
        # One origin: series stand for each other instead, in five groups; a single one has only itself.
        codes = pd.factorize(outcome["unique_id"].astype(str))[0]
        if codes.max() < _GROUPS:
            return apply_intervals(outcome, learned)
        part = codes % _GROUPS
    made = []
    for group in np.unique(part):
        own = part == group
        made.append(apply_intervals(outcome[own], learn_intervals(outcome[~own], learned["levels"])))
    return pd.concat(made).loc[outcome.index]


def _units(outcome: pd.DataFrame) -> tuple[Floats, float]:
    """Return (scale of each row, the smallest that is taken seriously): constant series have a scale of 0."""
    scale = outcome["scale"].to_numpy(float)
    positive = scale[np.isfinite(scale) & (scale > 0)]
    size = float(np.nanmean(np.abs(outcome["truth"].to_numpy(float)))) or 1.0
    floor = float(np.median(positive)) * 1e-3 if positive.size else size * 1e-3
    return np.maximum(np.nan_to_num(scale, nan=0.0), floor), floor


def _growth(ratio: Floats, ahead: Floats) -> float:
    """Return the power of the step ahead by which mean errors grow, between 0 and 1."""
    steps = np.unique(ahead)
    if len(steps) < 3:
        return 0.0
    means = np.array([ratio[ahead == h].mean() for h in steps])
    if not np.all(means > 0):
        return 0.0
    slope = float(np.polyfit(np.log(steps), np.log(means), 1)[0])
    return float(np.clip(slope, 0.0, 1.0))


def _spreads(score: Floats, names: Any, usual: float) -> dict[str, float]:
    """Return each series' mean error, drawn towards that of all by how few errors it has."""
    codes, labels = pd.factorize(names)
    counts = np.bincount(codes)
    if len(labels) < 2:
        return {}
    own = np.bincount(codes, score) / counts
    # The steps of one origin err together: a path of errors counts as its square root.
    weight = np.sqrt(counts)
    mixed = (weight * own + _PRIOR / 3 * usual) / (weight + _PRIOR / 3)
    return {str(k): float(v) for k, v in zip(labels, mixed, strict=True)}


def _paths(outcome: pd.DataFrame) -> float:
    """Return how many independent errors there are about: the steps of one path count as their square root."""
    keys = [c for c in ("unique_id", "cutoff") if c in outcome.columns]
    sizes = outcome.groupby(keys).size().to_numpy(float) if keys else np.ones(len(outcome))
    return float(np.sqrt(sizes).sum())


def _quantile(score: Floats, level: float, independent: float) -> float:
    """Return the conformal quantile, with the correction for a finite number of independent scores."""
    ranked = np.sort(score)
    rank = int(np.ceil(len(ranked) * min(1.0, level * (1 + 1 / max(independent, 1.0))))) - 1
    return float(ranked[min(max(rank, 0), len(ranked) - 1)])
