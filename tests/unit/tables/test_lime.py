"""The local surrogate of one table row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from specweave.tables.lime import fit_surrogate, lime_weights

RNG = np.random.default_rng(0)
BACKGROUND = pd.DataFrame({"a": RNG.normal(5, 1, 200), "b": RNG.normal(size=200), "c": RNG.normal(size=200)})
BACKGROUND["kind"] = pd.Categorical(RNG.choice(["x", "y"], 200))
ROW = pd.DataFrame({"a": [7.0], "b": [-1.0], "c": [0.5]})
ROW["kind"] = pd.Categorical(["x"], categories=["x", "y"])


def linear(frame: pd.DataFrame) -> np.ndarray:
    return 3 * frame["a"].to_numpy() - 2 * frame["b"].to_numpy() + (frame["kind"] == "x").to_numpy()


def test_weights_of_a_linear_model_are_slope_times_distance_from_the_background_mean() -> None:
    found = fit_surrogate(linear, ROW, BACKGROUND, seed=1, n_samples=40_000)
    expected = [
        3 * (7 - BACKGROUND["a"].mean()),
        -2 * (-1 - BACKGROUND["b"].mean()),
        0.0,
        1 - (BACKGROUND["kind"] == "x").mean(),
    ]
    np.testing.assert_allclose(found.weights, expected, atol=0.08)
    assert found.prediction == pytest.approx(linear(ROW)[0])
    assert found.intercept + found.weights.sum() == pytest.approx(found.prediction, abs=0.1)


def test_weights_are_those_of_a_weighted_ridge_on_the_samples_drawn() -> None:
    seen: list[pd.DataFrame] = []

    def spy(frame: pd.DataFrame) -> np.ndarray:
        seen.append(frame)
        return linear(frame) ** 2

    numbers = BACKGROUND.drop(columns="kind").assign(kind="y")
    row = ROW.assign(kind="x")
    found = fit_surrogate(spy, row, numbers, seed=4, n_samples=300)
    sampled = seen[0]
    kept = np.column_stack([(sampled[c] == row[c].iloc[0]).to_numpy(dtype=float) for c in row.columns])
    width = 0.75 * np.sqrt(4)
    weight = np.exp(-(4 - kept.sum(axis=1)) / width**2)
    reference = Ridge(alpha=1.0).fit(kept, linear(sampled) ** 2, sample_weight=weight)
    np.testing.assert_allclose(found.weights, reference.coef_)
    assert found.fit == pytest.approx(reference.score(kept, linear(sampled) ** 2, sample_weight=weight))


def test_the_strongest_columns_come_first() -> None:
    top = lime_weights(linear, ROW, BACKGROUND, seed=1, k=2)
    assert [t["feature"] for t in top] == ["a", "b"]
    assert abs(top[0]["weight"]) > abs(top[1]["weight"])
    assert 0.5 < top[0]["fit"] < 1.0


def test_columns_keep_their_types_in_the_samples() -> None:
    def typed(frame: pd.DataFrame) -> np.ndarray:
        assert frame["kind"].dtype == BACKGROUND["kind"].dtype
        assert frame["a"].dtype == float
        return linear(frame)

    fit_surrogate(typed, ROW, BACKGROUND, seed=1, n_samples=50)


def test_a_constant_model_has_no_weights() -> None:
    found = fit_surrogate(lambda f: np.full(len(f), 2.0), ROW, BACKGROUND, seed=1)
    np.testing.assert_allclose(found.weights, 0.0, atol=1e-12)
    assert found.fit == 1.0


def test_two_rows_at_once_are_refused() -> None:
    with pytest.raises(ValueError, match="one row"):
        fit_surrogate(linear, BACKGROUND, BACKGROUND)
