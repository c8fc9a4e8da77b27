"""Estimators of what a customer will still buy: BG/NBD with Gamma-Gamma, Tweedie trees.

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
        """Fit to frequency, recency, age and mean repeat spend: among the last columns of `X`."""
        x, t_x, age, money, _ = past_columns(X)
        self.purchases_ = fit_bgnbd(x, t_x, age)
        self.money_ = fit_gamma_gamma(x, money) if self.spend else None
        self.n_features_in_ = np.shape(X)[1]
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return expected purchases or spend, shape (n_customers,)."""
        x, t_x, age, money, _ = past_columns(X)
        bought = self.purchases_.expected_purchases(self.horizon, x, t_x, age)
        return bought * self.money_.expected_spend(x, money) if self.money_ is not None else bought


def past_columns(X: Any) -> np.ndarray:
    """Return the last columns of `X` as rows: what `RFM` names, in its order."""
    return np.asarray(X, dtype=float)[:, -len(RFM) :].T


class TweedieLightGBM(LGBMRegressor):  # type: ignore[misc]
    """LightGBM with a Tweedie deviance: many customers who buy nothing, few who spend much."""

    def fit(self, X: Any, y: Any, **options: Any) -> TweedieLightGBM:
        """Fit; a net refund counts as nothing spent."""
        self.set_params(objective="tweedie", tweedie_variance_power=1.5)
        super().fit(X, np.maximum(np.asarray(y, dtype=float), 0.0), **options)
        return self


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
        """Return shape (n_rows, n_features + 5)."""
        inner = np.asarray(self.features.transform(X), dtype=np.float64)
        raw = X[list(RFM)].apply(pd.to_numeric, errors="coerce").fillna(0.0).to_numpy(dtype=float)
        return np.hstack([inner, raw])
