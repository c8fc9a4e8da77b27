"""SHAP contributions of fitted table pipelines."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from specweave.tables.attribution import TableExplainer, shap_contributions
from specweave.tables.native_shap import find_engine
from specweave.tables.shapley import each_column, permutation_shapley, plan_permutations


class SmallFeatures(TransformerMixin, BaseEstimator):
    """One-hot for `plan`, the rest as numbers; the shape of the real feature step."""

    def fit(self, frame: pd.DataFrame, y: object = None) -> SmallFeatures:
        self.kinds_ = sorted(frame["plan"].dropna().unique())
        self.numbers_ = [c for c in frame.columns if c != "plan"]
        self.origins_ = {**{f"plan={k}": "plan" for k in self.kinds_}, **{c: c for c in self.numbers_}}
        return self

    def get_feature_names_out(self, _: object = None) -> np.ndarray:
        return np.array(list(self.origins_), dtype=object)

    def transform(self, frame: pd.DataFrame) -> pd.DataFrame:
        parts = {f"plan={k}": (frame["plan"] == k).astype(float) for k in self.kinds_}
        numbers = {c: frame[c].astype(float).fillna(-1.0) for c in self.numbers_}
        return pd.DataFrame({**parts, **numbers})


def make_frame(n: int = 240, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "tenure": rng.integers(0, 70, n).astype(float),
            "plan": rng.choice(["month", "year", "two"], n),
            "charge": rng.normal(60, 20, n),
        }
    )
    frame.loc[frame.index[:5], "charge"] = np.nan
    return frame


FRAME = make_frame()
SIGNAL = FRAME["tenure"] / 20 - 2 * (FRAME["plan"] == "month") + FRAME["charge"].fillna(0) / 40
NOISE = np.random.default_rng(1).normal(size=len(FRAME))
BINARY = (SIGNAL.median() < SIGNAL + NOISE).astype(int).to_numpy()
THREE = pd.qcut(SIGNAL + NOISE, 3, labels=False).to_numpy()
NUMBER = (10 * SIGNAL + NOISE).to_numpy()


def boosters(task: str) -> list[object]:
    import catboost
    import lightgbm
    import xgboost

    kind = "Classifier" if task != "number" else "Regressor"
    small = {"n_estimators": 15, "random_state": 0}
    return [
        getattr(lightgbm, f"LGBM{kind}")(**small, verbose=-1, num_leaves=7, n_jobs=1),
        getattr(xgboost, f"XGB{kind}")(**small, max_depth=3, n_jobs=1),
        getattr(catboost, f"CatBoost{kind}")(
            iterations=15, depth=3, verbose=False, thread_count=1, allow_writing_files=False, random_seed=0
        ),
    ]


CASES = [
    *[("binary", m) for m in boosters("binary")],
    *[("three", m) for m in boosters("three")],
    *[("number", m) for m in boosters("number")],
    ("binary", LogisticRegression()),
    ("three", LogisticRegression()),
    ("binary", Pipeline([("scale", StandardScaler()), ("linear", LogisticRegression())])),
    ("number", Ridge()),
    ("number", PoissonRegressor()),
    ("binary", RandomForestClassifier(20, max_depth=5, random_state=0)),
    ("three", RandomForestClassifier(20, max_depth=5, random_state=0)),
    ("binary", HistGradientBoostingClassifier(max_iter=10)),
    ("number", TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1)),
    ("number", ExtraTreesRegressor(20, max_depth=5, random_state=0)),
    ("binary", Pipeline([("scale", StandardScaler()), ("net", MLPClassifier((8,), max_iter=60))])),
    ("three", KNeighborsClassifier()),
    ("number", VotingRegressor([("a", Ridge()), ("b", ExtraTreesRegressor(5, max_depth=3))], weights=[3, 1])),
    (
        "binary",
        VotingClassifier([("a", LogisticRegression()), ("b", RandomForestClassifier(5))], voting="soft"),
    ),
]


def fitted(task: str, model: object) -> Pipeline:
    target = {"binary": BINARY, "three": THREE, "number": NUMBER}[task]
    target = (
        np.clip(target, 0.1, None)
        if isinstance(model, PoissonRegressor | TransformedTargetRegressor)
        else target
    )
    return Pipeline([("features", SmallFeatures()), ("model", model)]).fit(FRAME, target)


def answer(pipeline: Pipeline, rows: pd.DataFrame, found: object) -> np.ndarray:
    """The pipeline's own output in the unit and for the class that was explained."""
    model, ready = pipeline[-1], pipeline[0].transform(rows)
    if found.unit == "probability":
        return pipeline.predict_proba(rows)[np.arange(len(rows)), found.explained]
    if found.unit == "log-odds":
        shares = pipeline.predict_proba(rows)[:, 1]
        return np.log(shares / (1 - shares))
    if found.unit == "score":
        name = type(model).__name__
        if name.startswith("LGBM"):
            raw = model.predict_proba(ready, raw_score=True)
        elif name.startswith("XGB"):
            raw = model.predict(ready, output_margin=True)
        elif name.startswith("CatBoost"):
            raw = model.predict(ready, prediction_type="RawFormulaVal")
        else:
            raw = model.decision_function(ready)
        return raw[np.arange(len(rows)), found.explained]
    if found.unit == "log1p":
        return np.log1p(pipeline.predict(rows))
    return pipeline.predict(rows)


@pytest.mark.parametrize(
    ("task", "model"), CASES, ids=lambda v: v if isinstance(v, str) else type(v).__name__
)
def test_contributions_and_base_add_up_to_what_the_model_said(task: str, model: object) -> None:
    pipeline = fitted(task, model)
    rows = FRAME.iloc[[0, 1, 50, 120, 200]]
    found = shap_contributions(pipeline, rows, FRAME.iloc[:60], seed=3, budget=240)
    assert found.names == ["tenure", "plan", "charge"]
    assert found.values.shape == (5, 3)
    np.testing.assert_allclose(found.base + found.values.sum(axis=1), found.output)
    np.testing.assert_allclose(found.output, answer(pipeline, rows, found), rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize(
    ("task", "model"), CASES[:12], ids=lambda v: v if isinstance(v, str) else type(v).__name__
)
def test_boosters_and_linear_models_are_explained_exactly(task: str, model: object) -> None:
    found = shap_contributions(fitted(task, model), FRAME.iloc[:2], FRAME.iloc[:60])
    assert found.method in ("SHAP (tree)", "SHAP (linear)")


def test_a_linear_model_gets_coefficient_times_distance_from_the_mean() -> None:
    pipeline = fitted("number", LinearRegression())
    background, rows = FRAME.iloc[:80], FRAME.iloc[100:104]
    found = shap_contributions(pipeline, rows, background)
    ready, mean = pipeline[0].transform(rows), pipeline[0].transform(background).mean()
    parts = (ready - mean) * pipeline[1].coef_
    np.testing.assert_allclose(found.values[:, 0], parts["tenure"])
    plan_columns = [c for c in parts if str(c).startswith("plan=")]
    np.testing.assert_allclose(found.values[:, 1], parts[plan_columns].sum(axis=1))


def test_the_predicted_class_of_several_is_explained() -> None:
    pipeline = fitted("three", LogisticRegression())
    rows = FRAME.iloc[:30]
    found = shap_contributions(pipeline, rows, FRAME.iloc[:60])
    np.testing.assert_array_equal(found.explained, pipeline.predict(rows))
    asked = shap_contributions(pipeline, rows, FRAME.iloc[:60], output=2)
    np.testing.assert_allclose(asked.output, pipeline.decision_function(rows)[:, 2])


def test_the_first_of_two_classes_has_the_opposite_log_odds() -> None:
    pipeline = fitted("binary", LogisticRegression())
    one = shap_contributions(pipeline, FRAME.iloc[:3], FRAME, output=1)
    other = shap_contributions(pipeline, FRAME.iloc[:3], FRAME, output=0)
    np.testing.assert_allclose(other.values, -one.values)
    assert other.explained.tolist() == [0, 0, 0]


def test_sampled_values_equal_the_definition_when_every_order_is_walked() -> None:
    rng = np.random.default_rng(0)
    background, row = rng.normal(size=(4, 3)), rng.normal(size=(1, 3))

    def predict(x: np.ndarray) -> np.ndarray:
        return np.sin(x[:, 0]) * x[:, 1] + x[:, 2] ** 2

    expected = np.zeros(3)
    for order in permutations(range(3)):
        for partner in background:
            now = partner.copy()
            for player in order:
                before = predict(now[None])[0]
                now[player] = row[0, player]
                expected[player] += predict(now[None])[0] - before
    expected /= 6 * len(background)
    orders = np.array(list(permutations(range(3))) * len(background))
    partners = np.repeat(np.arange(len(background)), 6)
    values, base, output = permutation_shapley(predict, row, background, each_column("abc"), orders, partners)
    np.testing.assert_allclose(values[:, 0], expected)
    np.testing.assert_allclose(base, predict(background).mean())
    np.testing.assert_allclose(base + values.sum(axis=0), output)


def test_sampling_agrees_with_the_closed_form_of_a_linear_model() -> None:
    pipeline = fitted("number", LinearRegression())
    ready = np.asarray(pipeline[0].transform(FRAME), dtype=float)
    players = each_column(pipeline[0].get_feature_names_out())
    orders, partners = plan_permutations(ready.shape[1], 60, seed=0, budget=2 * ready.shape[1] * 60)
    model = LinearRegression().fit(ready, NUMBER)
    values, _, _ = permutation_shapley(model.predict, ready[100:101], ready[:60], players, orders, partners)
    exact = (ready[100] - ready[:60].mean(axis=0)) * model.coef_
    np.testing.assert_allclose(values[:, 0], exact)


def test_an_estimator_without_a_feature_step_is_explained_by_its_own_columns() -> None:
    class Rule(BaseEstimator):
        _estimator_type = "regressor"

        def predict(self, frame: pd.DataFrame) -> np.ndarray:
            return 5.0 * (frame["plan"] == "month").to_numpy() + frame["tenure"].to_numpy()

    found = shap_contributions(Rule(), FRAME.iloc[:4], FRAME, seed=1)
    assert found.method == "SHAP (permutation)"
    assert found.names == list(FRAME.columns)
    np.testing.assert_allclose(found.values[:, 2], 0.0)
    np.testing.assert_allclose(found.output, Rule().predict(FRAME.iloc[:4]))


def test_an_engine_whose_values_do_not_add_up_is_not_used() -> None:
    class Shifted(LinearRegression):
        def predict(self, x: np.ndarray) -> np.ndarray:
            return super().predict(x) ** 2

    ready = np.random.default_rng(0).normal(size=(50, 2))
    assert find_engine(LinearRegression().fit(ready, ready[:, 0]), ready) is not None
    assert find_engine(Shifted().fit(ready, ready[:, 0]), ready) is None


def test_a_forest_too_deep_for_exact_values_is_sampled() -> None:
    pipeline = fitted("binary", RandomForestClassifier(5, random_state=0))
    assert TableExplainer(pipeline, FRAME.iloc[:40]).method == "SHAP (tree)"
    explainer = TableExplainer(pipeline, FRAME.iloc[:40], budget=120, tree_cost_limit=10.0)
    assert explainer.method == "SHAP (permutation)"
    found = explainer.explain(FRAME.iloc[:3])
    np.testing.assert_allclose(found.output, pipeline.predict_proba(FRAME.iloc[:3])[:, 1], atol=1e-12)


def test_the_same_seed_gives_the_same_contributions() -> None:
    pipeline = fitted("three", KNeighborsClassifier())
    first = TableExplainer(pipeline, FRAME.iloc[:40], seed=5, budget=60).explain(FRAME.iloc[:3])
    again = TableExplainer(pipeline, FRAME.iloc[:40], seed=5, budget=60).explain(FRAME.iloc[:3])
    np.testing.assert_array_equal(first.values, again.values)


def test_an_empty_background_is_refused() -> None:
    with pytest.raises(ValueError, match="no rows"):
        TableExplainer(fitted("number", Ridge()), FRAME.iloc[:0])
