"""Exact SHAP values where a model's structure gives them: trees, linear models, averages of these.

Reads: nothing. Writes: nothing. Never: trusts a library; values that do not add up are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import OneToOneFeatureMixin, is_classifier
from sklearn.pipeline import Pipeline

# Leaves x depth², summed over the trees: about 30 ms for one row. Beyond it sampling is quicker.
TREE_COST_LIMIT = 3e7

# Rows on which "base + contributions = raw output" is tried before an engine is used.
CHECKED_ROWS = 8


@dataclass(frozen=True)
class Engine:
    """A way to explain one fitted model.

    Attributes
    ----------
    explain : callable
        Rows to (values of shape (n_rows, n_columns, n_outputs), base of shape (n_outputs,)).
    raw : callable
        Rows to the output that is explained, shape (n_rows, n_outputs).
    method : str
    unit : str
        Unit of the output: "log-odds", "probability", "score", or "" for the target's own.
    """

    explain: Callable[[Any], tuple[np.ndarray, np.ndarray]]
    raw: Callable[[Any], np.ndarray]
    method: str
    unit: str


def find_engine(model: Any, background: Any, tree_cost_limit: float = TREE_COST_LIMIT) -> Engine | None:
    """Return the exact engine for a fitted model, or None where there is none or it does not add up.

    Parameters
    ----------
    model : estimator
    background : DataFrame or ndarray, shape (n_background, n_columns)
        Rows as the model receives them.
    tree_cost_limit : float
        See :func:`tree_cost`; dearer forests have no exact engine.
    """
    if tree_cost(model) > tree_cost_limit:
        return None
    for make in (
        _average,
        _mean_margin,
        _transformed,
        _scaled,
        _lightgbm,
        _xgboost,
        _catboost,
        _linear,
        _forest,
    ):
        try:
            engine = make(model, background)
            if engine is not None and _adds_up(engine, background[:CHECKED_ROWS]):
                return engine
        except Exception:  # a user's subclass or a new library version may fail in its own way
            continue
    return None


def _adds_up(engine: Engine, rows: Any) -> bool:
    values, base = engine.explain(rows)
    raw = engine.raw(rows)
    return bool(np.allclose(values.sum(axis=1) + base, raw, rtol=1e-3, atol=1e-4 * (1 + np.abs(raw).max())))


def _library(model: Any) -> Iterator[str]:
    return (base.__module__.partition(".")[0] for base in type(model).__mro__)


def _margin_unit(model: Any, n_outputs: int, raw: Callable[[Any], np.ndarray], background: Any) -> str:
    """Name the unit of a booster's or linear model's raw output."""
    if is_classifier(model):
        return "log-odds" if n_outputs == 1 else "score"
    some = background[:CHECKED_ROWS]
    same = np.allclose(np.asarray(model.predict(some), dtype=float).ravel(), raw(some).ravel(), rtol=1e-3)
    return "" if same else "score"


def _two_dim(values: Any) -> np.ndarray:
    out = np.asarray(values, dtype=float)
    return out.reshape(len(out), -1)


def _numeric(rows: Any) -> Any:
    """Return a plain array where no column needs its type; boosters read it several times faster."""
    if isinstance(rows, pd.DataFrame) and not any(isinstance(t, pd.CategoricalDtype) for t in rows.dtypes):
        return rows.to_numpy(dtype=float, na_value=np.nan)
    return rows


def _split_flat(flat: np.ndarray, n_outputs: int) -> tuple[np.ndarray, np.ndarray]:
    """Turn (n, n_outputs, n_columns + 1), base last, into values and base."""
    cube = flat.reshape(len(flat), n_outputs, -1)
    return np.moveaxis(cube[:, :, :-1], 1, 2), cube[0, :, -1]


def _lightgbm(model: Any, background: Any) -> Engine | None:
    if "lightgbm" not in _library(model):
        return None
    booster = getattr(model, "booster_", model)
    outputs = int(booster.num_model_per_iteration())

    def explain(rows: Any) -> tuple[np.ndarray, np.ndarray]:
        flat = booster.predict(_numeric(rows), pred_contrib=True, num_threads=1, validate_features=False)
        return _split_flat(np.asarray(flat), outputs)

    def raw(rows: Any) -> np.ndarray:
        return _two_dim(booster.predict(_numeric(rows), raw_score=True, num_threads=1))

    return Engine(explain, raw, "SHAP (tree)", _margin_unit(model, outputs, raw, background))


def _xgboost(model: Any, background: Any) -> Engine | None:
    if "xgboost" not in _library(model):
        return None
    import xgboost

    booster = model.get_booster() if hasattr(model, "get_booster") else model
    best = getattr(model, "best_iteration", None) if booster.attr("best_iteration") is not None else None
    options = {"iteration_range": (0, best + 1 if best is not None else 0), "validate_features": False}
    categories = bool(getattr(model, "enable_categorical", True))

    def matrix(rows: Any) -> Any:
        return xgboost.DMatrix(_numeric(rows), enable_categorical=categories, nthread=1)

    def raw(rows: Any) -> np.ndarray:
        return _two_dim(booster.predict(matrix(rows), output_margin=True, **options))

    outputs = raw(background[:1]).shape[1]

    def explain(rows: Any) -> tuple[np.ndarray, np.ndarray]:
        return _split_flat(booster.predict(matrix(rows), pred_contribs=True, **options), outputs)

    return Engine(explain, raw, "SHAP (tree)", _margin_unit(model, outputs, raw, background))


def _catboost(model: Any, background: Any) -> Engine | None:
    if "catboost" not in _library(model):
        return None
    import catboost

    def pool(rows: Any) -> Any:
        return catboost.Pool(rows, cat_features=model.get_cat_feature_indices())

    def raw(rows: Any) -> np.ndarray:
        return _two_dim(model.predict(rows, prediction_type="RawFormulaVal", thread_count=1))

    outputs = raw(background[:1]).shape[1]

    def explain(rows: Any) -> tuple[np.ndarray, np.ndarray]:
        flat = model.get_feature_importance(pool(rows), type="ShapValues", thread_count=1)
        return _split_flat(np.asarray(flat), outputs)

    return Engine(explain, raw, "SHAP (tree)", _margin_unit(model, outputs, raw, background))


def _linear(model: Any, background: Any) -> Engine | None:
    """Closed form for independent columns: coefficient x (value - background mean)."""
    if not hasattr(model, "coef_") or not hasattr(model, "intercept_"):
        return None
    slopes = np.atleast_2d(np.asarray(model.coef_, dtype=float)).T  # (n_columns, n_outputs)
    means = np.asarray(background, dtype=float).mean(axis=0)
    base = means @ slopes + np.asarray(model.intercept_, dtype=float).reshape(-1)
    output = model.decision_function if hasattr(model, "decision_function") else model.predict

    def explain(rows: Any) -> tuple[np.ndarray, np.ndarray]:
        return (np.asarray(rows, dtype=float) - means)[:, :, None] * slopes, base

    def raw(rows: Any) -> np.ndarray:
        return _two_dim(output(rows))

    unit = _margin_unit(model, slopes.shape[1], raw, background)
    # Margins of support-vector machines and the like are no log-odds.
    unit = unit if not is_classifier(model) or hasattr(model, "predict_proba") else "margin"
    return Engine(explain, raw, "SHAP (linear)", unit)


def _forest(model: Any, background: Any) -> Engine | None:
    """Trees of scikit-learn, through the shap library's exact algorithm."""
    if not type(model).__module__.startswith(("sklearn.ensemble", "sklearn.tree")):
        return None
    import shap

    explainer = shap.TreeExplainer(model)
    probabilities = is_classifier(model) and np.ndim(explainer.expected_value) > 0
    if probabilities and np.size(explainer.expected_value) > 1:
        output: Callable[[Any], Any] = model.predict_proba
        unit = "probability"
    elif is_classifier(model):
        output, unit = model.decision_function, "log-odds"
    else:
        output, unit = model.predict, ""
    base = np.atleast_1d(np.asarray(explainer.expected_value, dtype=float))

    def explain(rows: Any) -> tuple[np.ndarray, np.ndarray]:
        values = np.asarray(explainer.shap_values(rows, check_additivity=False), dtype=float)
        return values.reshape(values.shape[0], values.shape[1], -1), base

    return Engine(explain, lambda rows: _two_dim(output(rows)), "SHAP (tree)", unit)


def tree_cost(model: Any) -> float:
    """Return leaves x depth², summed over the trees: what exact tree SHAP costs per row grows with it."""
    members = getattr(model, "estimators_", [model])
    trees = members.ravel() if isinstance(members, np.ndarray) else members
    inner = [t.tree_ for t in trees if hasattr(t, "tree_")]
    return float(sum(t.n_leaves * t.max_depth**2 for t in inner))


def _scaled(model: Any, background: Any) -> Engine | None:
    """A pipeline whose steps keep every column in its place, such as a scaler before a linear model."""
    if not isinstance(model, Pipeline):
        return None
    steps = [step for _, step in model.steps[:-1] if step is not None and step != "passthrough"]
    if not all(isinstance(step, OneToOneFeatureMixin) for step in steps):
        return None

    def through(rows: Any) -> Any:
        for step in steps:
            rows = step.transform(rows)
        return rows

    inner = find_engine(model.steps[-1][1], through(background))
    if inner is None:
        return None
    return Engine(
        lambda rows: inner.explain(through(rows)),
        lambda rows: inner.raw(through(rows)),
        inner.method,
        inner.unit,
    )


def _transformed(model: Any, background: Any) -> Engine | None:
    """A regressor of the target's logarithm: explained on the scale that it learned."""
    from sklearn.compose import TransformedTargetRegressor

    names = {np.log: "log", np.log1p: "log1p"}
    if not isinstance(model, TransformedTargetRegressor) or model.func not in names:
        return None
    inner = find_engine(model.regressor_, background)
    if inner is None or inner.unit:
        return None

    def raw(rows: Any) -> np.ndarray:
        return _two_dim(model.func(np.asarray(model.predict(rows), dtype=float)))

    return Engine(inner.explain, raw, inner.method, names[model.func])


def _mean_margin(model: Any, background: Any) -> Engine | None:
    """A classifier whose log-odds are the mean of its members': so are its contributions."""
    members = getattr(model, "members_", None)
    if not members or not hasattr(model, "decision_function"):
        return None
    engines = [find_engine(member, background) for member in members]
    if any(e is None or e.unit != "log-odds" for e in engines):
        return None

    def explain(rows: Any) -> tuple[np.ndarray, np.ndarray]:
        parts = [e.explain(rows) for e in engines if e is not None]
        return np.mean([p[0] for p in parts], axis=0), np.mean([p[1] for p in parts], axis=0)

    return Engine(explain, lambda rows: _two_dim(model.decision_function(rows)), "SHAP (tree)", "log-odds")


def _average(model: Any, background: Any) -> Engine | None:
    """A mean of regressors: by linearity, its contributions are the mean of its members'."""
    from sklearn.ensemble import VotingRegressor

    if not isinstance(model, VotingRegressor):
        return None
    members = [find_engine(member, background) for member in model.estimators_]
    if any(m is None or m.unit for m in members):
        return None
    engines = [m for m in members if m is not None]
    kept = [w for (_, e), w in zip(model.estimators, model.weights or [], strict=False) if e != "drop"]
    weights = np.asarray(kept or [1.0] * len(engines), dtype=float)
    weights = weights / weights.sum()

    def explain(rows: Any) -> tuple[np.ndarray, np.ndarray]:
        parts = [e.explain(rows) for e in engines]
        values = sum(w * p[0] for w, p in zip(weights, parts, strict=True))
        base = sum(w * p[1] for w, p in zip(weights, parts, strict=True))
        return np.asarray(values), np.asarray(base)

    return Engine(explain, lambda rows: _two_dim(model.predict(rows)), engines[0].method, "")
