"""What every threshold of a score would decide: the counts behind ROC, precision-recall and bounds.

Reads: scores and truths. Writes: nothing. Never: splits rows that share a score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]

CURVE_METRICS = ("precision", "recall", "specificity", "fpr", "f1", "accuracy", "balanced_accuracy")


@dataclass(frozen=True)
class ThresholdCurve:
    """Counts when a row is positive from `thresholds[i]` on, thresholds falling.

    Attributes
    ----------
    thresholds : ndarray, shape (n_distinct,)
        The distinct scores, highest first.
    tp, fp : ndarray, shape (n_distinct,)
        True and false positives at each.
    n_pos, n_neg : int
    """

    thresholds: Floats
    tp: Floats
    fp: Floats
    n_pos: int
    n_neg: int

    def values(self, name: str) -> Floats:
        """Return one of `CURVE_METRICS` at each threshold; NaN where it is not defined."""
        tp, fp = self.tp, self.fp
        recall = tp / self.n_pos if self.n_pos else np.full(len(tp), np.nan)
        fpr = fp / self.n_neg if self.n_neg else np.full(len(tp), np.nan)
        if name == "precision":
            return tp / (tp + fp)
        if name == "recall":
            return recall
        if name == "fpr":
            return fpr
        if name == "specificity":
            return 1.0 - fpr
        if name == "f1":
            return 2 * tp / (tp + fp + self.n_pos)
        if name == "accuracy":
            return (tp + self.n_neg - fp) / (self.n_pos + self.n_neg)
        if name == "balanced_accuracy":
            return (recall + 1.0 - fpr) / 2
        raise KeyError(name)


def threshold_curve(score: Floats, positive: Any) -> ThresholdCurve:
    """Return the counts at every distinct score.

    Parameters
    ----------
    score : ndarray, shape (n_rows,)
    positive : ndarray of bool, shape (n_rows,)
    """
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    last = np.flatnonzero(np.r_[ordered[1:] != ordered[:-1], True])
    hits = np.cumsum(positive[order])[last].astype(float)
    n_pos = int(np.count_nonzero(positive))
    return ThresholdCurve(ordered[last], hits, last + 1.0 - hits, n_pos, len(score) - n_pos)
