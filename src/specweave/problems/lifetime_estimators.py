"""Estimators of what a customer will still buy: BG/NBD with Gamma-Gamma, Tweedie trees, and their blend.

Reads: rows of customers. Writes: nothing. Never: sees a row that it is judged on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from lightgbm import LGBMRegressor
from sklearn.base import BaseEstimator, RegressorMixin

from specweave.lifetimes.bgnbd import fit_bgnbd, fit_gamma_gamma
from specweave.lifetimes.customers import RFM
from specweave.problems.base import ModelExperiment
from specweave.problems.estimators import regressors

# What is tried where a plan lists nothing.
TRIED = ("linear", "bg-nbd", "lifetime-blend", "lightgbm-tweedie", "lightgbm", "random-forest")


def lifetime_candidates(n_rows: int) -> dict[str, ModelExperiment]:
    """Return the regressors for tables, Tweedie trees, BG/NBD with Gamma-Gamma, and their blend, by name."""
    plain = regressors(n_rows)
    trees = plain["lightgbm"]
    small = {"n_estimators": 150, "num_leaves": 7, "learning_rate": 0.03, "min_child_samples": 40}
    own = [
        ModelExperiment("bg-nbd", BuyTillYouDie, {}, {},
                        "BG/NBD with Gamma-Gamma: the probabilistic standard, it learns from the past alone"),
        ModelExperiment("lightgbm-tweedie", TweedieLightGBM, {**trees.params, **small}, trees.search,
                        "boosted trees with a Tweedie deviance: many customers at zero, few far above"),
        ModelExperiment("lifetime-blend", LifetimeBlend, small,
                        {"num_leaves": {"low": 3, "high": 15}, "min_child_samples": {"low": 20, "high": 200, "log": True}},
                        "three quarters BG/NBD and a quarter Tweedie trees, moved by folds inside the training rows"),
    ]  # fmt: skip
    return {e.name: e for e in (*own, *plain.values())}


class BuyTillYouDie(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """BG/NBD for purchases, times Gamma-Gamma for the spend of one; it learns from the past alone.

    Parameters
    ----------
    horizon : float
        Weeks ahead.
    spend : bool
        Whether money is predicted, or the number of purchases.
    """

    wants_rfm = True

    def __init__(self, horizon: float = 26.0, spend: bool = True) -> None:
        self.horizon = horizon
        self.spend = spend

    def fit(self, X: Any, y: Any = None) -> BuyTillYouDie:
        """Fit to frequency, recency, age and mean repeat spend: the last four columns of `X`."""
        x, t_x, age, money = np.asarray(X, dtype=float)[:, -4:].T
        self.purchases_ = fit_bgnbd(x, t_x, age)
        self.money_ = fit_gamma_gamma(x, money) if self.spend else None
        self.n_features_in_ = np.shape(X)[1]
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return expected purchases or spend, shape (n_customers,)."""
        x, t_x, age, money = np.asarray(X, dtype=float)[:, -4:].T
        bought = self.purchases_.expected_purchases(self.horizon, x, t_x, age)
        return bought * self.money_.expected_spend(x, money) if self.money_ is not None else bought


class TweedieLightGBM(LGBMRegressor):  # type: ignore[misc]
    """LightGBM with a Tweedie deviance: many customers who buy nothing, few who spend much."""

    def fit(self, X: Any, y: Any, **options: Any) -> TweedieLightGBM:
        """Fit; a net refund counts as nothing spent."""
        self.set_params(objective="tweedie", tweedie_variance_power=1.5)
        super().fit(X, np.maximum(np.asarray(y, dtype=float), 0.0), **options)
        return self


# The trees' share before anything is learned, and the customers that must speak against it as loudly as it
# speaks itself. Over windows that end within CDNOW's calibration period, a share learned from 1,600 customers
# scattered by 0.24 around one that differed by 0.1 between windows, and forecast no better than a quarter.
_SHARE, _CUSTOMERS = 0.25, 6000


class LifetimeBlend(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A weighted mean of BG/NBD and Tweedie trees: a quarter trees, moved by what folds inside the training
    rows say as far as there are customers enough to tell."""

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

    def _trees(self) -> TweedieLightGBM:
        return TweedieLightGBM(
            n_estimators=self.n_estimators, num_leaves=self.num_leaves, learning_rate=self.learning_rate,
            min_child_samples=self.min_child_samples, random_state=self.random_state, n_jobs=1, verbosity=-1,
            subsample=0.8, subsample_freq=1, colsample_bytree=0.8,
        )  # fmt: skip

    def fit(self, X: Any, y: Any) -> LifetimeBlend:
        """Fit both, and the weight: that of least squared error out of fold, drawn towards a quarter."""
        from sklearn.model_selection import KFold, cross_val_predict

        X, y = np.asarray(X, dtype=float), np.asarray(y, dtype=float)
        folds = KFold(4, shuffle=True, random_state=self.random_state or 0)
        self.past_ = BuyTillYouDie(self.horizon, self.spend).fit(X)
        # BG/NBD never sees y, so its own rows say as much about it as others do.
        past = self.past_.predict(X)
        trees = cross_val_predict(self._trees(), X[:, :-4], y, cv=folds)
        gap = trees - past
        told = float(np.clip((gap @ (y - past)) / max(float(gap @ gap), 1e-12), 0.0, 1.0))
        self.weight_ = (len(y) * told + _CUSTOMERS * _SHARE) / (len(y) + _CUSTOMERS)
        self.trees_ = self._trees().fit(X[:, :-4], y)
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the weighted mean, shape (n_customers,)."""
        X = np.asarray(X, dtype=float)
        past, trees = self.past_.predict(X), np.asarray(self.trees_.predict(X[:, :-4]))
        return np.asarray(past + self.weight_ * (trees - past))


class WithRfm(BaseEstimator):  # type: ignore[misc]
    """A fitted feature step with the raw frequency, recency, age and spend behind its columns."""

    def __init__(self, features: Any) -> None:
        self.features = features

    @property
    def required_columns_(self) -> list[str]:
        """Raw columns that rows must have."""
        return list(dict.fromkeys([*self.features.required_columns_, *RFM]))

    @property
    def origins_(self) -> dict[str, str]:
        """Feature to raw column."""
        return {**{str(k): str(v) for k, v in self.features.origins_.items()}, **{f"raw {c}": c for c in RFM}}

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns that `transform` makes."""
        made = [str(f) for f in self.features.get_feature_names_out()]
        return np.asarray([*made, *(f"raw {c}" for c in RFM)], dtype=object)

    def fit(self, X: Any, y: Any = None) -> WithRfm:
        """Do nothing: the step inside is fitted already."""
        return self

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        """Return shape (n_rows, n_features + 4)."""
        inner = np.asarray(self.features.transform(X), dtype=np.float64)
        raw = X[list(RFM)].apply(pd.to_numeric, errors="coerce").fillna(0.0).to_numpy(dtype=float)
        return np.hstack([inner, raw])
