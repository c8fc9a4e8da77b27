"""Rare positives: how they are recognised, and candidates that weigh or thin out the common label.

Reads: requests, label counts. Writes: nothing. Never: resamples a row that a model is judged on.

Weights and thinning happen inside ``fit``, so inside the training part of each fold. Both inflate the
probability of the rare label by a known factor of the odds; ``predict_proba`` takes it out again (Elkan
2001; Dal Pozzolo et al. 2015), so that a probability still means a frequency.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from lightgbm import LGBMClassifier
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier

from specweave.problems.base import ModelExperiment

# Below this share of positives, ROC AUC flatters: a false alarm costs it almost nothing.
RARE = 0.1
_SELDOM = re.compile(
    r"\b(fraud\w*|default\w*|anomal\w*|intrusion\w*|outlier\w*|laundering|defect\w*|failure\w*)\b", re.I
)


def rare_word(request: str) -> str | None:
    """Return the word of a request that speaks of something seldom, or None.

    Examples
    --------
    >>> rare_word("build a fraud detection model")
    'fraud'
    """
    found = _SELDOM.search(request)
    return found[0].casefold() if found else None


def describe_balance(request: str, share: float | None) -> tuple[bool, str]:
    """Return (whether positives are to be treated as rare, the reason in words).

    The data decides how rare they are; a request about something seldom keeps average precision even where
    the sample was enriched, since the alarms are what it is about.
    """
    word = rare_word(request)
    if share is None:
        return bool(word), f"the request speaks of {word}" if word else "the balance is not known yet"
    if share < RARE:
        return True, f"{share:.2%} positives: ROC AUC would flatter, average precision looks at the alarms"
    if word:
        return True, (
            f"{share:.0%} positives, so this sample is not rare as {word} usually is: models follow the sample, "
            "average precision looks at the alarms, and where life is rarer precision and probabilities will be lower"
        )
    return False, f"{share:.0%} positives: ranking quality, independent of the threshold"


def correct_odds(proba: np.ndarray, factor: float) -> np.ndarray:
    """Multiply the odds of the second of two classes by `factor`; the order of rows stays.

    Parameters
    ----------
    proba : ndarray, shape (n_rows, 2)
    """
    up = proba[:, 1] * factor
    p = up / (up + proba[:, 0])
    return np.column_stack([1 - p, p])


class WeightedLightGBM(LGBMClassifier):  # type: ignore[misc]
    """LightGBM whose labels weigh the same in sum; probabilities are those of the data."""

    def fit(self, X: Any, y: Any, **options: Any) -> WeightedLightGBM:
        """Fit with weights inverse to the labels' frequency."""
        codes, counts = np.unique(np.asarray(y), return_counts=True)
        weight = len(y) / (len(codes) * counts)
        super().fit(X, y, sample_weight=weight[np.searchsorted(codes, np.asarray(y))], **options)
        self.odds_factor_ = float(counts[1] / counts[0]) if len(codes) == 2 else 1.0
        return self

    def predict_proba(self, X: Any, **options: Any) -> Any:
        """Return probabilities without the weights' effect, shape (n_rows, n_classes)."""
        return _corrected(super().predict_proba(X, **options), self, options)


class ThinnedLightGBM(LGBMClassifier):  # type: ignore[misc]
    """LightGBM that learns from every rare row and few of the common ones; probabilities are those of the data."""

    common_per_rare = 5

    def fit(self, X: Any, y: Any, **options: Any) -> ThinnedLightGBM:
        """Fit on the rare label's rows and five times as many of the others, drawn with ``random_state``."""
        y = np.asarray(y)
        codes, counts = np.unique(y, return_counts=True)
        self.odds_factor_ = 1.0
        if len(codes) == 2 and counts.max() > self.common_per_rare * counts.min():
            rare = codes[int(counts.argmin())]
            common = np.flatnonzero(y != rare)
            rng = np.random.default_rng(self.random_state)
            kept = rng.choice(common, size=self.common_per_rare * int(counts.min()), replace=False)
            rows = np.sort(np.r_[np.flatnonzero(y == rare), kept])
            share = len(kept) / len(common)
            self.odds_factor_ = share if rare == codes[1] else 1 / share
            X, y = np.asarray(X)[rows], y[rows]
        super().fit(X, y, **options)
        return self

    def predict_proba(self, X: Any, **options: Any) -> Any:
        """Return probabilities without the thinning's effect, shape (n_rows, n_classes)."""
        return _corrected(super().predict_proba(X, **options), self, options)


class AveragedBoosters(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Boosters of different libraries, averaged in log-odds: with few positives each alone is mostly chance.

    Parameters
    ----------
    lightgbm, xgboost : dict
        Parameters of each.
    catboost : dict, optional
        Left out without it.
    random_state : int, optional
    n_jobs : int, optional
    """

    def __init__(
        self,
        lightgbm: dict[str, Any],
        xgboost: dict[str, Any],
        catboost: dict[str, Any] | None = None,
        random_state: int | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.lightgbm = lightgbm
        self.xgboost = xgboost
        self.catboost = catboost
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any) -> AveragedBoosters:
        """Fit every member on the same rows; `y` holds the codes 0 and 1."""
        from xgboost import XGBClassifier

        same = {"random_state": self.random_state, "n_jobs": self.n_jobs}
        members: list[Any] = [LGBMClassifier(**self.lightgbm, **same), XGBClassifier(**self.xgboost, **same)]
        if self.catboost is not None:
            from catboost import CatBoostClassifier

            seed = {"random_seed": self.random_state, "thread_count": self.n_jobs or -1}
            members.append(CatBoostClassifier(**self.catboost, **seed))
        self.classes_ = np.unique(np.asarray(y))
        self.members_ = [member.fit(X, y) for member in members]
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the mean of the members' log-odds of the second label, shape (n_rows,)."""
        threads = self.n_jobs or -1
        boosted, by_level, *ordered = self.members_
        odds = [
            boosted.booster_.predict(X, raw_score=True, num_threads=max(0, threads)),
            by_level.set_params(n_jobs=self.n_jobs).predict(X, output_margin=True),
            *(m.predict(X, prediction_type="RawFormulaVal", thread_count=threads) for m in ordered),
        ]
        return np.asarray(np.mean(np.asarray(odds, dtype=float), axis=0))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return probabilities, shape (n_rows, 2)."""
        p = 1 / (1 + np.exp(-np.clip(self.decision_function(X), -500, 500)))
        return np.column_stack([1 - p, p])

    def predict(self, X: Any) -> np.ndarray:
        """Return the likelier label, shape (n_rows,)."""
        return np.asarray(self.classes_[(self.decision_function(X) > 0).astype(int)])


def _corrected(proba: Any, model: Any, options: dict[str, Any]) -> Any:
    if options or np.ndim(proba) != 2 or np.shape(proba)[1] != 2:  # raw scores and contributions stay
        return proba
    return correct_odds(np.asarray(proba, dtype=float), model.odds_factor_)


def rare_variants(plain: dict[str, ModelExperiment]) -> dict[str, ModelExperiment]:
    """Return the candidates that treat a rare label specially, made from the plain ones."""
    boosted, forest = plain["lightgbm"], plain["random-forest"]
    gentle = {**boosted.params, "learning_rate": 0.03}
    balanced = {**forest.params, "class_weight": "balanced_subsample"}
    members: dict[str, Any] = {
        name: dict(plain[name].params) for name in ("lightgbm", "xgboost", "catboost") if name in plain
    }
    found = [
        ModelExperiment("boosters-averaged", AveragedBoosters, members,
                        note="boosters of different libraries, averaged in log-odds: they err differently"),
        ModelExperiment("lightgbm-weighted", WeightedLightGBM, gentle, boosted.search,
                        "class weights: both labels weigh the same"),
        ModelExperiment("lightgbm-undersampled", ThinnedLightGBM, gentle, boosted.search,
                        f"resampling inside the folds: {ThinnedLightGBM.common_per_rare} common rows per rare one"),
        ModelExperiment("lightgbm-random-cuts", LGBMClassifier, {**boosted.params, "extra_trees": True}, boosted.search,
                        "cut points drawn at random: steadier where few positives would decide each cut"),
        ModelExperiment("random-forest-weighted", RandomForestClassifier, balanced, forest.search,
                        "class weights in every tree's sample"),
    ]  # fmt: skip
    return {e.name: e for e in found}


# What pays most for its time comes first: a large table's few positives and five others each are learned in a blink.
RARE_ORDER = ("lightgbm-undersampled", "linear", "lightgbm", "lightgbm-weighted", "lightgbm-random-cuts", "xgboost",
              "catboost", "boosters-averaged", "random-forest", "random-forest-weighted", "neural-net")  # fmt: skip
