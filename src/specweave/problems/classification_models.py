"""What classification asks of a fitted model: a probability of every label, whatever the model is.

Reads: fitted models, raw rows. Writes: nothing. Never: leaves out a label that the model has not seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from specweave.errors import DataError
from specweave.problems.classification_labels import as_labels


class RuleClassifier:
    """A person's rule as a model: ``rule(raw_rows)`` returns labels or the last label's probability."""

    answers_raw_rows = True  # it learns nothing and needs no feature step
    labels_: list[str]  # set by the problem type, as on every model of it

    def __init__(self, rule: Any) -> None:
        self.rule = rule

    def predict_proba(self, rows: pd.DataFrame) -> np.ndarray:
        """Return shape (n_rows, n_labels)."""
        answer = np.asarray(self.rule(rows))
        if answer.shape != (len(rows),):
            raise DataError(
                f"the rule '{self.rule.__name__}' returned shape {answer.shape} for {len(rows)} rows",
                hint="return one label or one probability per row",
            )
        if answer.dtype.kind == "f" and len(self.labels_) == 2:
            return np.column_stack([1 - answer, answer])
        codes = pd.Index(self.labels_).get_indexer(pd.Index(as_labels(pd.Series(answer))))
        if (codes < 0).any():
            raise DataError(
                f"the rule '{self.rule.__name__}' returned a label that the target does not hold",
                hint=f"return one of: {', '.join(self.labels_)}",
            )
        return np.eye(len(self.labels_))[codes]


def label_probabilities(model: Any, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a column ``p:<label>`` per label, shape (n_rows, n_labels)."""
    if isinstance(model, RuleClassifier):
        proba, codes = model.predict_proba(frame), np.arange(len(model.labels_))
    else:
        X = np.asarray(model.named_steps["features"].transform(frame), dtype=np.float64)
        estimator = model.named_steps["model"]
        codes = np.asarray(estimator.classes_)
        proba = _proba_of(estimator, X)
    full = np.zeros((len(frame), len(model.labels_)))
    full[:, codes.astype(int)] = proba
    return pd.DataFrame(full, columns=[f"p:{label}" for label in model.labels_])


def _proba_of(estimator: Any, X: np.ndarray) -> np.ndarray:
    if hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict_proba(X), dtype=float)
    # An estimator without probabilities (SVC, RidgeClassifier): a logistic of its margin keeps the order.
    margin = np.asarray(estimator.decision_function(X), dtype=float)
    if margin.ndim == 1:
        p = 1 / (1 + np.exp(-margin))
        return np.column_stack([1 - p, p])
    e = np.exp(margin - margin.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))
