"""The candidates for tables: default parameters, search spaces, and why each is tried.

Reads: which optional packages are installed. Writes: nothing. Never: trains.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from specweave.problems.base import ModelExperiment

# What pays most for its time comes first: a short budget then still gives a good model.
ORDER = ("linear", "lightgbm", "xgboost", "catboost", "random-forest", "neural-net")
_BOOSTING_NOTE = "boosted trees: strongest on most tables"


def classifiers(n_rows: int) -> dict[str, ModelExperiment]:
    """Return the classifiers by name, what pays most for its time first."""
    from lightgbm import LGBMClassifier
    from sklearn.ensemble import RandomForestClassifier
    from xgboost import XGBClassifier

    found = [
        ModelExperiment("linear", LinearClassifier, {"C": 1.0}, {"C": {"low": 0.001, "high": 100.0, "log": True}},
                        "logistic regression: fast, additive, easy to explain"),
        ModelExperiment("random-forest", RandomForestClassifier, _forest(n_rows), _FOREST_SEARCH,
                        "many deep trees: robust with hardly any tuning"),
        # LightGBM's own 0.001 lets a leaf without positives run off to minus infinity where they are rare.
        ModelExperiment("lightgbm", LGBMClassifier, {**_lightgbm(n_rows), "min_child_weight": 0.3}, _LIGHTGBM_SEARCH,
                        _BOOSTING_NOTE),
        ModelExperiment("xgboost", XGBClassifier, _xgboost(n_rows), _XGBOOST_SEARCH,
                        "boosted trees, level by level: errs differently from LightGBM"),
        ModelExperiment("neural-net", NeuralClassifier, {"hidden": "64-32"}, _NEURAL_SEARCH,
                        "a small multilayer perceptron: smooth where trees are not"),
    ]  # fmt: skip
    if find_spec("catboost"):
        from catboost import CatBoostClassifier

        found.append(ModelExperiment("catboost", CatBoostClassifier, _catboost(n_rows), _CATBOOST_SEARCH,
                                     "ordered boosting: good with its defaults"))  # fmt: skip
    found.sort(key=lambda e: ORDER.index(e.name))
    return {e.name: e for e in found}


def regressors(n_rows: int) -> dict[str, ModelExperiment]:
    """Return the regressors by name, what pays most for its time first."""
    from lightgbm import LGBMRegressor
    from sklearn.ensemble import RandomForestRegressor
    from xgboost import XGBRegressor

    found = [
        ModelExperiment("linear", LinearRegressor, {"alpha": 1.0}, {"alpha": {"low": 0.001, "high": 1000.0, "log": True}},
                        "ridge regression: fast, additive, easy to explain"),
        ModelExperiment("random-forest", RandomForestRegressor, _forest(n_rows), _FOREST_SEARCH,
                        "many deep trees: robust with hardly any tuning"),
        ModelExperiment("lightgbm", LGBMRegressor, _lightgbm(n_rows), _LIGHTGBM_SEARCH, _BOOSTING_NOTE),
        ModelExperiment("xgboost", XGBRegressor, _xgboost(n_rows), _XGBOOST_SEARCH,
                        "boosted trees, level by level: errs differently from LightGBM"),
        ModelExperiment("neural-net", NeuralRegressor, {"hidden": "64-32"}, _NEURAL_SEARCH,
                        "a small multilayer perceptron: smooth where trees are not"),
    ]  # fmt: skip
    if find_spec("catboost"):
        from catboost import CatBoostRegressor

        found.append(ModelExperiment("catboost", CatBoostRegressor, _catboost(n_rows), _CATBOOST_SEARCH,
                                     "ordered boosting: good with its defaults"))  # fmt: skip
    found.sort(key=lambda e: ORDER.index(e.name))
    return {e.name: e for e in found}


def LinearClassifier(C: float = 1.0, **params: Any) -> Any:  # noqa: N802
    """Return standardised logistic regression."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=1000, **params))


def LinearRegressor(alpha: float = 1.0, **params: Any) -> Any:  # noqa: N802
    """Return standardised ridge regression."""
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), Ridge(alpha=alpha, **params))


def NeuralClassifier(hidden: str = "64-32", **params: Any) -> Any:  # noqa: N802
    """Return a standardised multilayer perceptron; `hidden` lists its layers: ``64-32``."""
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), MLPClassifier(hidden_layer_sizes=_layers(hidden), early_stopping=True, max_iter=200,
                                                         **{"alpha": 0.01, **params}))  # fmt: skip


def NeuralRegressor(hidden: str = "64-32", **params: Any) -> Any:  # noqa: N802
    """Return a standardised multilayer perceptron on a standardised target."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    net = MLPRegressor(
        hidden_layer_sizes=_layers(hidden), early_stopping=True, max_iter=400, **{"alpha": 0.01, **params}
    )
    return make_pipeline(StandardScaler(), TransformedTargetRegressor(net, transformer=StandardScaler()))


def _layers(hidden: str) -> tuple[int, ...]:
    return tuple(int(n) for n in str(hidden).split("-"))


def _forest(n_rows: int) -> dict[str, Any]:
    return {"n_estimators": 300 if n_rows <= 50_000 else 120, "min_samples_leaf": 2, "max_features": "sqrt"}


def _lightgbm(n_rows: int) -> dict[str, Any]:
    small = n_rows < 1000
    return {
        "n_estimators": 200 if small else 300, "learning_rate": 0.05, "num_leaves": 7 if small else 15,
        "min_child_samples": 5 if small else 20, "subsample": 0.8, "subsample_freq": 1, "colsample_bytree": 0.8,
        "verbosity": -1,
    }  # fmt: skip


def _xgboost(n_rows: int) -> dict[str, Any]:
    return {
        "n_estimators": 200 if n_rows < 1000 else 300, "learning_rate": 0.05, "max_depth": 3 if n_rows < 1000 else 4,
        "subsample": 0.8, "colsample_bytree": 0.8, "tree_method": "hist", "verbosity": 0,
    }  # fmt: skip


def _catboost(n_rows: int) -> dict[str, Any]:
    return {"iterations": 300 if n_rows < 1000 else 400, "learning_rate": 0.06, "depth": 5,
            "verbose": False, "allow_writing_files": False}  # fmt: skip


_FOREST_SEARCH = {
    "min_samples_leaf": {"low": 1, "high": 20, "log": True},
    "max_features": {"low": 0.1, "high": 1.0},
    "max_depth": {"low": 4, "high": 24},
}
_LIGHTGBM_SEARCH = {
    "n_estimators": {"low": 80, "high": 800, "log": True},
    "learning_rate": {"low": 0.01, "high": 0.2, "log": True},
    "num_leaves": {"low": 4, "high": 64, "log": True},
    "min_child_samples": {"low": 5, "high": 100, "log": True},
    "colsample_bytree": {"low": 0.3, "high": 1.0},
    "reg_lambda": {"low": 0.001, "high": 30.0, "log": True},
}
_XGBOOST_SEARCH = {
    "n_estimators": {"low": 80, "high": 800, "log": True},
    "learning_rate": {"low": 0.01, "high": 0.2, "log": True},
    "max_depth": {"low": 2, "high": 8},
    "min_child_weight": {"low": 1.0, "high": 30.0, "log": True},
    "colsample_bytree": {"low": 0.3, "high": 1.0},
    "reg_lambda": {"low": 0.01, "high": 30.0, "log": True},
}
_CATBOOST_SEARCH = {
    "iterations": {"low": 150, "high": 800, "log": True},
    "learning_rate": {"low": 0.02, "high": 0.2, "log": True},
    "depth": {"low": 3, "high": 8},
    "l2_leaf_reg": {"low": 1.0, "high": 30.0, "log": True},
}
_NEURAL_SEARCH = {
    "hidden": ["32", "64-32", "128-64", "256"],
    "alpha": {"low": 0.0001, "high": 1.0, "log": True},
    "learning_rate_init": {"low": 0.0005, "high": 0.02, "log": True},
}
