"""Why a fitted table model answered as it did: SHAP contributions, summed to the raw columns.

Reads: nothing. Writes: nothing. Never: explains encoded features to people who know raw columns.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from specweave.tables.native_shap import TREE_COST_LIMIT, Engine, find_engine
from specweave.tables.shapley import (
    Players,
    each_column,
    permutation_shapley,
    plan_permutations,
)

# Evaluations per row where nothing exact applies: about twelve walks, within these bounds.
_EVALUATIONS_PER_COLUMN = 24
_FEWEST_EVALUATIONS, _MOST_EVALUATIONS = 1000, 4000


@dataclass(frozen=True)
class Attribution:
    """Contributions of raw columns to the model's answers.

    Attributes
    ----------
    names : list of str
        Raw columns.
    values : ndarray, shape (n_rows, n_names)
        Signed contributions; ``base + values.sum(axis=1) == output``.
    base : ndarray, shape (n_rows,)
        The output before any contribution; differs between rows only for several classes.
    output : ndarray, shape (n_rows,)
        The model's raw output that is explained.
    explained : ndarray of int, shape (n_rows,), or None
        For classifiers, the position in ``classes_`` of the class that is explained.
    method : str
        "SHAP (tree)", "SHAP (linear)" or "SHAP (permutation)".
    unit : str
        "log-odds", "probability", "score", "margin", "log1p" and "log" (of the target), or "" for the
        target's own unit.
    """

    names: list[str]
    values: np.ndarray
    base: np.ndarray
    output: np.ndarray
    explained: np.ndarray | None
    method: str
    unit: str


class TableExplainer:
    """Explains one fitted pipeline; everything that does not depend on the row is prepared once.

    Parameters
    ----------
    pipeline : Pipeline
        ``Pipeline([("features", transformer), ("model", estimator)])`` over raw frames, where the
        transformer has ``origins_`` ({feature: raw column}); or any fitted estimator over frames.
    background : DataFrame, shape (n_background, n_columns)
        Raw training rows that stand for "not known". About 100 are plenty.
    seed : int
    budget : int, optional
        Evaluations per row where contributions must be sampled; by default by the number of columns.
    tree_cost_limit : float
        Leaves x depth² over all trees of a forest beyond which contributions are sampled.

    Raises
    ------
    ValueError
        If the background is empty, or the feature step misnames its columns.
    """

    def __init__(
        self,
        pipeline: Any,
        background: pd.DataFrame,
        *,
        seed: int = 0,
        budget: int | None = None,
        tree_cost_limit: float = TREE_COST_LIMIT,
    ) -> None:
        if len(background) == 0:
            raise ValueError("the background sample has no rows")
        features, model = _parts(pipeline)
        self._transform = _transform_of(features, model)
        ready = self._transform(background)
        self._players = _players_of(features, background, ready)
        self._background = ready
        self._classifier = hasattr(model, "predict_proba") or hasattr(model, "decision_function")
        exact = find_engine(model, ready, tree_cost_limit) if features or _all_numeric(ready) else None
        self._engine = exact or self._sampled(model, seed, budget)
        self._by_column = exact is not None  # sampling works with whole players from the start
        self.method, self.unit = self._engine.method, self._engine.unit

    def explain(self, rows: pd.DataFrame, *, output: int | None = None) -> Attribution:
        """Explain raw rows.

        Parameters
        ----------
        rows : DataFrame, shape (n_rows, n_columns)
        output : int, optional
            Position in ``classes_`` of the class to explain. By default the second of two
            classes, or the predicted one of several.
        """
        ready = self._transform(rows)
        values, base = self._engine.explain(ready)
        values = self._players.gather(values) if self._by_column else values
        every, position = np.arange(len(values)), None
        if values.shape[2] == 1:
            chosen, start = values[:, :, 0], np.broadcast_to(base[:1], len(values)).copy()
            if self._classifier:
                sign = -1.0 if output == 0 else 1.0  # log-odds of the other class
                chosen, start = sign * chosen, sign * start
                position = np.full(len(values), 0 if output == 0 else 1)
        else:
            position = self._position(values, base, output)
            chosen, start = values[every, :, position], base[position]
        total = start + chosen.sum(axis=1)
        names = list(self._players.names)
        return Attribution(names, chosen, start, total, position, self.method, self.unit)

    def _position(self, values: np.ndarray, base: np.ndarray, output: int | None) -> np.ndarray:
        n_rows, _, n_outputs = values.shape
        if output is not None:
            return np.full(n_rows, output)
        if n_outputs == 2:
            return np.ones(n_rows, dtype=int)
        return np.asarray((values.sum(axis=1) + base).argmax(axis=1))

    def _sampled(self, model: Any, seed: int, budget: int | None) -> Engine:
        """Make the engine for models with no structure to use."""
        predict, unit = _output_of(model, self._background)
        background, players = self._background, self._players
        if budget is None:
            budget = min(
                _MOST_EVALUATIONS, max(_FEWEST_EVALUATIONS, _EVALUATIONS_PER_COLUMN * len(players.names))
            )
        orders, partners = plan_permutations(len(players.names), len(background), seed=seed, budget=budget)

        def explain(rows: Any) -> tuple[np.ndarray, np.ndarray]:
            parts = [
                permutation_shapley(predict, rows[i : i + 1], background, players, orders, partners)
                for i in range(len(rows))
            ]
            return np.stack([p[0] for p in parts]), parts[0][1]

        return Engine(explain, predict, "SHAP (permutation)", unit)


# The background is kept beside its explainer, so that its identity stays a safe key.
_prepared: weakref.WeakKeyDictionary[Any, tuple[pd.DataFrame, tuple[int, int | None], TableExplainer]]
_prepared = weakref.WeakKeyDictionary()


def shap_contributions(
    pipeline: Any,
    rows: pd.DataFrame,
    background: pd.DataFrame,
    *,
    seed: int = 0,
    output: int | None = None,
    budget: int | None = None,
) -> Attribution:
    """Explain raw rows of a fitted pipeline; the explainer is kept for as long as the pipeline lives.

    Parameters are those of :class:`TableExplainer` and :meth:`TableExplainer.explain`. Calls with
    the same pipeline, background object, seed and budget share one prepared explainer.
    """
    found = _prepared.get(pipeline)
    if found is None or found[0] is not background or found[1] != (seed, budget):
        explainer = TableExplainer(pipeline, background, seed=seed, budget=budget)
        found = _prepared[pipeline] = (background, (seed, budget), explainer)
    return found[2].explain(rows, output=output)


def _parts(pipeline: Any) -> tuple[Any, Any]:
    """Return (feature step, model), or (None, the whole) where there is no feature step."""
    steps = getattr(pipeline, "steps", None)
    if steps and len(steps) == 2 and hasattr(steps[0][1], "origins_"):
        return steps[0][1], steps[1][1]
    return None, pipeline


def _transform_of(features: Any, model: Any) -> Callable[[pd.DataFrame], Any]:
    """Return the function from raw rows to what the model was fitted on: names only if it knows them."""
    if features is None:
        return lambda rows: rows
    # LightGBM claims to know names even where it was given none.
    named = hasattr(model, "feature_names_in_") and not type(model).__module__.startswith("lightgbm")

    def transform(rows: pd.DataFrame) -> Any:
        table = features.transform(rows)
        if hasattr(table, "toarray"):
            return table.toarray()
        plain = isinstance(table, pd.DataFrame) and not named and _all_numeric(table)
        return table.to_numpy(dtype=np.float64, na_value=np.nan) if plain else table

    return transform


def _all_numeric(table: Any) -> bool:
    return not isinstance(table, pd.DataFrame) or all(pd.api.types.is_numeric_dtype(t) for t in table.dtypes)


def _players_of(features: Any, background: pd.DataFrame, ready: Any) -> Players:
    if features is None:
        return each_column(background.columns)
    made = [str(f) for f in features.get_feature_names_out()]
    origins = [str(features.origins_[f]) for f in made]
    if len(made) != ready.shape[1]:
        raise ValueError(f"the feature step names {len(made)} columns but makes {ready.shape[1]}")
    ordered = [str(c) for c in background.columns if str(c) in set(origins)]
    names = tuple(dict.fromkeys([*ordered, *origins]))
    place = {name: i for i, name in enumerate(names)}
    return Players(names, np.array([place[o] for o in origins], dtype=int))


def _output_of(model: Any, background: Any) -> tuple[Callable[[Any], np.ndarray], str]:
    """Return the function that sampling explains, always two-dimensional, and its unit."""
    if hasattr(model, "predict_proba"):
        function, unit = model.predict_proba, "probability"
    elif hasattr(model, "decision_function"):
        function, unit = model.decision_function, "margin"
    else:
        function, unit = model.predict, ""

    def predict(rows: Any) -> np.ndarray:
        out = np.asarray(function(rows), dtype=float)
        return out.reshape(len(out), -1)

    return predict, unit
