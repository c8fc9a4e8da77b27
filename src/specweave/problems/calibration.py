"""Probabilities that mean frequencies: a monotone correction, learned and judged out of fold.

Reads: out-of-fold scores and truths. Writes: nothing. Never: changes the order of rows within a fold, or corrects
a row by a map that saw its own fold.

Two shapes are tried: a sigmoid of the log-odds (Platt 1999) and the beta family, which bends both ends apart (Kull,
Silva Filho & Flach 2017). Isotonic regression is left out: its ties cost average precision, and with few positives
its steps are noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

RAW = "raw"  # the model's own probability of the positive label, kept beside the corrected one
_EDGE = 1e-12
_SOFT = 1e-5  # holds the log-odds of 0 and 1 finite without making ties, as clipping would
_FLATTEST = 0.01  # least weight of either end
_FEWEST = 20  # rows of either label, below which three numbers cannot be learned
_SURE = 2.0  # standard errors by which a correction must be better


def learn_calibration(score: np.ndarray, hit: np.ndarray, fold: np.ndarray) -> dict[str, Any] | None:
    """Return the correction to use, or None where none is clearly better on folds that it did not see.

    Parameters
    ----------
    score : ndarray, shape (n_rows,)
        The model's probability of the positive label, out of fold.
    hit : ndarray of bool, shape (n_rows,)
    fold : ndarray of int, shape (n_rows,)

    Returns
    -------
    dict or None
        ``method`` ("sigmoid" or "beta"), ``weights`` (of log p, of -log(1-p), offset), ``log_loss_before`` and
        ``log_loss_after``, both out of fold.
    """
    if min(hit.sum(), (~hit).sum()) < _FEWEST or len(np.unique(fold)) < 2 or len(np.unique(score)) < _FEWEST:
        return None
    before = _losses(score, hit)
    best, least = None, before
    for method in ("sigmoid", "beta"):
        after = _losses(cross_fitted(score, hit, fold, method), hit)
        gain = least - after
        if gain.mean() > _SURE * gain.std() / np.sqrt(len(gain)):
            best, least = method, after
    if best is None:
        return None
    return {
        "method": best, "weights": _fitted(score, hit, best).tolist(),
        "log_loss_before": float(before.mean()), "log_loss_after": float(least.mean()),
    }  # fmt: skip


def calibrated(score: np.ndarray, weights: Any) -> np.ndarray:
    """Return corrected probabilities, shape (n_rows,)."""
    return _sigmoid(_inputs(score) @ np.asarray(weights, dtype=float))


def cross_fitted(score: np.ndarray, hit: np.ndarray, fold: np.ndarray, method: str) -> np.ndarray:
    """Return probabilities corrected by what the other folds teach, shape (n_rows,)."""
    corrected = np.empty(len(score))
    for one in np.unique(fold):
        inside = fold == one
        corrected[inside] = calibrated(score[inside], _fitted(score[~inside], hit[~inside], method))
    return corrected


def raw_score(outcome: pd.DataFrame, positive: str) -> np.ndarray:
    """Return the model's own probability of the positive label, whether it was corrected since or not."""
    return np.asarray(outcome[RAW if RAW in outcome else f"p:{positive}"], dtype=float)


def apply_calibration(outcome: pd.DataFrame, decision: Mapping[str, Any]) -> pd.DataFrame:
    """Return an outcome table with corrected probabilities, the model's own in the column ``raw``.

    Out-of-fold rows (those with a column ``fold``) are corrected by what the other folds teach.
    """
    found, positive = decision.get("calibration"), decision.get("positive")
    if not found or positive is None:
        return outcome
    score = raw_score(outcome, positive)
    if "fold" in outcome:
        hit = (outcome["truth"] == positive).to_numpy()
        corrected = cross_fitted(score, hit, outcome["fold"].to_numpy(), found["method"])
    else:
        corrected = calibrated(score, found["weights"])
    negative = next(label for label in decision["labels"] if label != positive)
    return outcome.assign(**{f"p:{positive}": corrected, f"p:{negative}": 1 - corrected, RAW: score})


def describe_calibration(decision: Mapping[str, Any]) -> str:
    """Return in words whether and how probabilities were corrected; empty where there is no positive label."""
    if decision.get("positive") is None:
        return ""
    found = decision.get("calibration")
    if not found:
        return " Probabilities are the model's own: no correction was clearly better on validation folds."
    shape = {"sigmoid": "a sigmoid of the log-odds (Platt)", "beta": "a beta curve (Kull et al.)"}[
        found["method"]
    ]
    return (
        f" Probabilities are corrected by {shape}, learned out of fold: log loss there {found['log_loss_after']:.4f}, "
        f"{found['log_loss_before']:.4f} without. The order of rows is the model's own."
    )


def _fitted(score: np.ndarray, hit: np.ndarray, method: str) -> np.ndarray:
    X = _inputs(score)
    if method == "sigmoid":
        X = np.column_stack([X[:, 0] + X[:, 1], X[:, 2]])
    # Platt's targets: certainty that no finite sample can give is not asked for.
    y = np.where(hit, (hit.sum() + 1) / (hit.sum() + 2), 1 / ((~hit).sum() + 2))
    w = np.r_[np.ones(X.shape[1] - 1), 0.0]
    free = np.ones(len(w), dtype=bool)
    for _ in range(len(w)):
        w = _newton(X, y, w, free)
        falling = free & np.r_[w[:-1] < _FLATTEST, False]
        if not falling.any():
            break
        # A weight of nothing or less would turn the order of rows.
        w[falling], free = _FLATTEST, free & ~falling
    return np.asarray(np.r_[w[0], w]) if method == "sigmoid" else w


def _newton(X: np.ndarray, y: np.ndarray, start: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Return the weights of least log loss by damped Newton steps on the free ones, shape (n_weights,)."""
    w = start.copy()

    def loss(weights: np.ndarray) -> float:
        z = X @ weights
        return float(np.mean(np.logaddexp(0, z) - y * z))

    least = loss(w)
    for _ in range(50):
        p = _sigmoid(X @ w)
        slope = X[:, free].T @ (p - y) / len(y)
        bend = (X[:, free].T * (p * (1 - p))) @ X[:, free] / len(y)
        step = np.zeros(len(w))
        step[free] = np.linalg.solve(bend + 1e-10 * np.eye(len(bend)), slope)
        while loss(w - step) > least and np.abs(step).max() > 1e-9:
            step /= 2
        w, least = w - step, loss(w - step)
        if np.abs(step).max() < 1e-8:
            break
    return w


def _inputs(score: np.ndarray) -> np.ndarray:
    p = (np.asarray(score, dtype=float) + _SOFT) / (1 + 2 * _SOFT)
    return np.column_stack([np.log(p), -np.log1p(-p), np.ones(len(p))])


def _sigmoid(z: np.ndarray) -> np.ndarray:
    from scipy.special import expit

    return np.asarray(expit(z))


def _losses(score: np.ndarray, hit: np.ndarray) -> np.ndarray:
    p = np.clip(score, _EDGE, 1 - _EDGE)
    return np.asarray(-np.where(hit, np.log(p), np.log1p(-p)))
