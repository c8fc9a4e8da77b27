"""Models of buying until customers drop out, blended with boosted trees.

Reads: rows of customers. Writes: nothing. Never: sees a row that it is judged on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from lightgbm import LGBMRegressor
from sklearn.base import BaseEstimator, RegressorMixin

from specweave.lifetimes.bgnbd import fit_gamma_gamma
from specweave.lifetimes.customers import RFM
from specweave.lifetimes.mbgnbd import fit_mbgnbd
from specweave.problems.lifetime_estimators import BuyTillYouDie, past_columns

# The shares before anything is learned, and the customers that must speak against them as loudly as they speak
# themselves. Over windows that end within CDNOW's calibration period, a share learned from 1,600 customers
# scattered by 0.24 around one that differed by 0.1 between windows, and forecast no better than a quarter.
_EARLY, _TREES, _CUSTOMERS = 0.75, 0.25, 6000


class LifetimeBlend(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A weighted mean of BG/NBD, MBG/NBD and boosted trees: shares that are known to do well, moved by what folds
    inside the training rows say as far as there are customers enough to tell.

    The two models of the past differ in whether somebody may drop out right after the first purchase. Spend per
    purchase is Gamma-Gamma over all purchases, the first one too. Trees are of Poisson deviance for purchases,
    close to it for spend, so that their sum is right.
    """

    wants_rfm = True

    def __init__(
        self, horizon: float = 26.0, spend: bool = True, n_estimators: int = 150, num_leaves: int = 7,
        learning_rate: float = 0.03, min_child_samples: int = 40, random_state: int | None = None,
    ) -> None:  # fmt: skip
        self.horizon = horizon
        self.spend = spend
        self.n_estimators = n_estimators
        self.num_leaves = num_leaves
        self.learning_rate = learning_rate
        self.min_child_samples = min_child_samples
        self.random_state = random_state

    def _trees(self) -> LGBMRegressor:
        deviance = {"objective": "tweedie", "tweedie_variance_power": 1.2} if self.spend else {"objective": "poisson"}  # fmt: skip
        return LGBMRegressor(
            n_estimators=self.n_estimators, num_leaves=self.num_leaves, learning_rate=self.learning_rate,
            min_child_samples=self.min_child_samples, random_state=self.random_state, n_jobs=1, verbosity=-1,
            subsample=0.8, subsample_freq=1, colsample_bytree=0.8, **deviance,
        )  # fmt: skip

    def fit(self, X: Any, y: Any) -> LifetimeBlend:
        """Fit the parts, and their shares; a net refund counts as nothing spent."""
        from sklearn.model_selection import KFold, cross_val_predict

        X, y = np.asarray(X, dtype=float), np.maximum(np.asarray(y, dtype=float), 0.0)
        x, t_x, age, _, money = past_columns(X)
        self.standard_ = BuyTillYouDie(self.horizon, self.spend).fit(X)
        self.late_, self.early_ = self.standard_.purchases_, fit_mbgnbd(x, t_x, age)
        self.money_ = fit_gamma_gamma(x + 1, money) if self.spend else None
        folds = KFold(4, shuffle=True, random_state=self.random_state or 0)
        trees = cross_val_predict(self._trees(), X[:, : -len(RFM)], y, cv=folds)
        # Models of the past never see y, so their own rows say as much about them as others do.
        late, early = self._past(X)
        told = _least_error(late, early, trees, self.standard_.predict(X), y)
        weight = len(y) / (len(y) + _CUSTOMERS)
        self.early_share_, self.trees_share_ = weight * np.array(told) + (1 - weight) * np.array(
            [_EARLY, _TREES]
        )
        self.trees_ = self._trees().fit(X[:, : -len(RFM)], y)
        self.n_features_in_ = X.shape[1]
        return self

    def _past(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, t_x, age, _, money = past_columns(X)
        each = self.money_.expected_spend(x + 1, money) if self.money_ is not None else 1.0
        late, early = (m.expected_purchases(self.horizon, x, t_x, age) for m in (self.late_, self.early_))
        return late * each, early * each

    def predict(self, X: Any) -> np.ndarray:
        """Return the weighted mean, shape (n_customers,)."""
        X = np.asarray(X, dtype=float)
        trees = np.asarray(self.trees_.predict(X[:, : -len(RFM)]))
        return _mean(*self._past(X), trees, self.early_share_, self.trees_share_)


def _mean(
    late: np.ndarray, early: np.ndarray, trees: np.ndarray, early_share: float, trees_share: float
) -> np.ndarray:
    past = late + early_share * (early - late)
    return np.asarray(past + trees_share * (trees - past))


def _least_error(
    late: np.ndarray, early: np.ndarray, trees: np.ndarray, standard: np.ndarray, y: np.ndarray
) -> tuple[float, float]:
    """Return the shares (of MBG/NBD in the past, of trees) of least absolute and root squared error, each over that
    of BG/NBD with Gamma-Gamma, among those that make neither larger; the known ones where there are none."""
    bounds = _errors(standard, y)
    best, found = np.inf, (_EARLY, _TREES)
    for early_share in (0.0, 0.25, 0.5, 0.75, 1.0):
        for trees_share in np.linspace(0.0, 1.0, 21):
            ratios = _errors(_mean(late, early, trees, early_share, float(trees_share)), y) / bounds
            if ratios.sum() < best and ratios.max() <= 1:
                best, found = float(ratios.sum()), (early_share, float(trees_share))
    return found


def _errors(prediction: np.ndarray, y: np.ndarray) -> np.ndarray:
    error = prediction - y
    return np.asarray(np.maximum([np.abs(error).mean(), np.sqrt(np.square(error).mean())], 1e-12))
