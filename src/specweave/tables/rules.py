"""The rule-based baseline: what one column alone can say, as a person would write it down.

Reads: arrays. Writes: nothing. Never: combines two features.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, is_classifier
from sklearn.feature_selection import f_classif, f_regression
from sklearn.model_selection import cross_val_score
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, export_text

_CHOSEN_ON = 50_000  # rows that settle which feature it is; the rule itself is learned from all


class _SingleFeature(BaseEstimator):  # type: ignore[misc]
    """Choose the best single feature by cross-validation and fit a small tree on it.

    Parameters
    ----------
    max_leaves : int
        Branches of the rule.
    screen : int
        How many features are tried: the strongest by a univariate test.
    random_state : int
    """

    def __init__(self, max_leaves: int = 6, screen: int = 25, random_state: int = 0) -> None:
        self.max_leaves = max_leaves
        self.screen = screen
        self.random_state = random_state

    def _tree(self) -> Any:
        kind = DecisionTreeClassifier if is_classifier(self) else DecisionTreeRegressor
        return kind(max_leaf_nodes=self.max_leaves, min_samples_leaf=5, random_state=self.random_state)

    def fit(self, X: Any, y: Any) -> Any:
        X, y = np.asarray(X, dtype=float), np.asarray(y)
        if is_classifier(self):
            self.classes_ = np.unique(y)
        self.n_features_in_ = X.shape[1]
        rows = self._sample(y)
        seen, told = X[rows], y[rows]
        with np.errstate(all="ignore"):
            strength = (f_classif if is_classifier(self) else f_regression)(seen, told)[0]
        tried = np.argsort(-np.nan_to_num(strength, nan=-1.0, posinf=1e30), kind="stable")[: self.screen]
        scoring = "neg_log_loss" if is_classifier(self) else "neg_mean_squared_error"
        folds = 3
        if is_classifier(self):
            folds = int(max(2, min(3, np.unique(told, return_counts=True)[1].min())))
        scores = [_score(self._tree(), seen[:, [i]], told, folds, scoring) for i in tried]
        self.feature_ = int(tried[int(np.argmax(scores))])
        self.tree_ = self._tree().fit(X[:, [self.feature_]], y)
        return self

    def _sample(self, y: np.ndarray) -> np.ndarray:
        """Return the rows to choose on: all of a rare label, a random part of the others."""
        if len(y) <= _CHOSEN_ON:
            return np.arange(len(y))
        mixed = np.random.default_rng(self.random_state).permutation(len(y))
        if not is_classifier(self):
            return np.sort(mixed[:_CHOSEN_ON])
        counts = np.unique(y, return_counts=True)
        rare = np.isin(y[mixed], counts[0][counts[1] < _CHOSEN_ON / 100])
        return np.sort(mixed[np.argsort(~rare, kind="stable")][:_CHOSEN_ON])

    def predict(self, X: Any) -> Any:
        """Return the rule's answer, shape (n_samples,)."""
        return self.tree_.predict(np.asarray(X, dtype=float)[:, [self.feature_]])

    def rule_text(self, name: str) -> str:
        """Return the rule as indented text with the feature's name."""
        return str(export_text(self.tree_, feature_names=[name]))


def _score(tree: Any, X: np.ndarray, y: np.ndarray, folds: int, scoring: str) -> float:
    # A class that misses from a fold makes the score undefined; such a feature is never chosen.
    value = float(np.mean(cross_val_score(tree, X, y, cv=folds, scoring=scoring, error_score=np.nan)))
    return value if np.isfinite(value) else -np.inf


class SingleFeatureClassifier(ClassifierMixin, _SingleFeature):  # type: ignore[misc]
    """Classify by the best single feature."""

    def predict_proba(self, X: Any) -> Any:
        """Return class shares in the rule's branch, shape (n_samples, n_classes)."""
        return self.tree_.predict_proba(np.asarray(X, dtype=float)[:, [self.feature_]])


class SingleFeatureRegressor(RegressorMixin, _SingleFeature):  # type: ignore[misc]
    """Predict by the best single feature."""
