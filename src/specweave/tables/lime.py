"""LIME for table rows: a weighted linear model around one row, on "was this column kept?".

Reads: nothing. Writes: nothing. Never: looks inside the model; a function of raw rows is all it asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from specweave.tables.shapley import OWN, each_column, mix_rows


@dataclass(frozen=True)
class LocalSurrogate:
    """The linear model that stands for the real one near a row.

    Attributes
    ----------
    names : list of str
        Raw columns.
    weights : ndarray, shape (n_names,)
        Change of the output when the row's own value is kept rather than replaced.
    intercept : float
        Output of the surrogate when every column is replaced.
    prediction : float
        The real output for the row.
    fit : float
        Weighted R² of the surrogate on its own samples, at most 1. What replaces a column is random,
        so even a linear model stays well below 1; near 0 the weights say little.
    """

    names: list[str]
    weights: np.ndarray
    intercept: float
    prediction: float
    fit: float

    def top(self, k: int = 3) -> list[dict[str, Any]]:
        """Return the `k` strongest columns as ``{"feature", "weight"}``, strongest first."""
        order = np.argsort(-np.abs(self.weights), kind="stable")[:k]
        return [{"feature": self.names[i], "weight": float(self.weights[i])} for i in order]


def lime_weights(
    predict: Callable[[pd.DataFrame], np.ndarray],
    row: pd.DataFrame,
    background: pd.DataFrame,
    *,
    seed: int = 0,
    n_samples: int = 3000,
    k: int | None = None,
) -> list[dict[str, Any]]:
    """Explain one answer by LIME: the `k` strongest columns (all by default), strongest first.

    Returns
    -------
    list of dict
        ``{"feature", "weight", "fit"}``; `fit` is the R² of the surrogate, the same in each entry.
        See :func:`fit_surrogate` for the method and the parameters.
    """
    found = fit_surrogate(predict, row, background, seed=seed, n_samples=n_samples)
    return [{**entry, "fit": found.fit} for entry in found.top(len(found.names) if k is None else k)]


def fit_surrogate(
    predict: Callable[[pd.DataFrame], np.ndarray],
    row: pd.DataFrame,
    background: pd.DataFrame,
    *,
    seed: int = 0,
    n_samples: int = 3000,
    kernel_width: float | None = None,
    ridge: float = 1.0,
) -> LocalSurrogate:
    """Fit the linear model that stands for the real one near a row.

    Samples keep each column of `row` with probability 1/2 and otherwise take it from a random
    background row. A sample with `d` replaced columns weighs ``exp(-d / kernel_width²)`` (the square
    of its Euclidean distance in kept/replaced space is `d`). A ridge regression of the outputs on the
    kept/replaced indicators gives one weight per column. Source: Ribeiro, Singh & Guestrin, "Why
    should I trust you?" (KDD 2016), section 3, with the tabular defaults of its authors.

    Parameters
    ----------
    predict : callable
        Raw rows to one output per row, shape (n,).
    row : DataFrame, shape (1, n_columns)
    background : DataFrame, shape (n_background, n_columns)
    seed : int
    n_samples : int
        Rows evaluated, the row itself included.
    kernel_width : float, optional
        ``0.75 * sqrt(n_columns)`` by default.
    ridge : float
        Penalty on the weights; the intercept is free.

    Raises
    ------
    ValueError
        If `row` is not one row or `background` is empty.
    """
    if len(row) != 1 or len(background) == 0:
        raise ValueError("LIME explains one row against a background of at least one")
    players = each_column(background.columns)
    n_columns = len(players.names)
    rng = np.random.default_rng(seed)
    kept = rng.random((n_samples, n_columns)) < 0.5
    kept[0] = True
    source = np.where(kept, OWN, rng.integers(0, len(background), size=kept.shape))
    output = np.asarray(predict(mix_rows(row, background, source, players)), dtype=float).reshape(n_samples)
    width = kernel_width or 0.75 * np.sqrt(n_columns)
    replaced = n_columns - kept.sum(axis=1)
    closeness = np.exp(-replaced / width**2)
    weights, intercept = _weighted_ridge(kept.astype(float), output, closeness, ridge)
    fitted = intercept + kept @ weights
    spread = np.average((output - np.average(output, weights=closeness)) ** 2, weights=closeness)
    error = np.average((output - fitted) ** 2, weights=closeness)
    fit = 1.0 - float(error / spread) if spread > 0 else 1.0
    return LocalSurrogate(list(players.names), weights, float(intercept), float(output[0]), fit)


def _weighted_ridge(
    inputs: np.ndarray, output: np.ndarray, weight: np.ndarray, penalty: float
) -> tuple[np.ndarray, float]:
    """Solve the weighted ridge regression in closed form, the intercept unpenalised."""
    means = np.average(inputs, axis=0, weights=weight)
    level = np.average(output, weights=weight)
    centred = inputs - means
    gram = (centred * weight[:, None]).T @ centred + penalty * np.eye(inputs.shape[1])
    slopes = np.linalg.solve(gram, (centred * weight[:, None]).T @ (output - level))
    return slopes, float(level - means @ slopes)
