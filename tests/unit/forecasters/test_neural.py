"""The neural forecaster: what it learns from, what it answers without PyTorch, what it falls back to."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specweave.errors import MissingExtraError
from specweave.forecasters.neural import NeuralForecaster, Reach, windows
from specweave.forecasters.panel import Panel, make_panel


def panel(n: int = 60, series: int = 6, season: int = 6, *, size: float = 1.0) -> Panel:
    """Waves of several sizes with noise."""
    rng = np.random.default_rng(4)
    ids = np.repeat([f"s{i}" for i in range(series)], n)
    t = np.tile(np.arange(n), series)
    scale = size * np.repeat(10.0 ** np.arange(series), n)
    y = scale * (5 + np.sin(2 * np.pi * t / season) + rng.normal(0, 0.05, len(t)))
    return make_panel(ids, t, y, season=season)


def test_it_beats_the_last_value_on_waves_of_sizes_from_1_to_100000() -> None:
    pytest.importorskip("torch")
    whole = panel(60)
    fitted = NeuralForecaster(updates=300, hidden=64).fit(whole.until(6), 6)
    for name, one in whole.series.items():
        told = fitted.predict([name] * 6, np.arange(54, 60))
        missed = np.abs(told - one.values[54:]).mean()
        assert missed < 0.4 * np.abs(one.values[53] - one.values[54:]).mean()


def test_the_unit_of_a_series_changes_nothing_but_the_unit() -> None:
    pytest.importorskip("torch")
    recipe = NeuralForecaster(updates=60, hidden=16)
    one, other = (recipe.fit(panel(size=s), 6).predict(["s0"] * 6, np.arange(60, 66)) for s in (1.0, 1000.0))
    assert np.allclose(1000 * one, other, rtol=1e-3)


def test_a_path_goes_on_past_the_horizon_from_its_own_forecast() -> None:
    pytest.importorskip("torch")
    fitted = NeuralForecaster(updates=300, hidden=64).fit(panel(), 6)
    steps = np.arange(60, 60 + 30)
    told = fitted.predict(["s0"] * 30, steps)
    assert np.isfinite(told).all() and np.ptp(told[24:]) > 0.5
    assert np.allclose(told[:6], fitted.predict(["s0"] * 6, steps[:6]))


def test_two_fits_of_one_seed_are_equal_and_of_another_are_not() -> None:
    pytest.importorskip("torch")
    made = [NeuralForecaster(updates=30, hidden=16).fit(panel(), 4, seed=s) for s in (1, 1, 2)]
    first, second, third = (m.predict(["s1"] * 4, np.arange(60, 64)) for m in made)
    assert np.array_equal(first, second) and not np.allclose(first, third)


def test_a_saved_model_answers_without_pytorch(tmp_path: object) -> None:
    pytest.importorskip("torch")
    fitted = NeuralForecaster(updates=30, hidden=16).fit(panel(), 4)
    file = f"{tmp_path}/model.pkl"
    with open(file, "wb") as out:
        pickle.dump(fitted, out)
    code = (
        "import pickle, sys, numpy as np; sys.modules['torch'] = None; "
        f"m = pickle.load(open({file!r}, 'rb')); print(m.predict(['s2'], np.array([60]))[0])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert float(told) == pytest.approx(fitted.predict(["s2"], np.array([60]))[0])


def test_too_little_to_learn_from_gives_the_last_season() -> None:
    short = panel(20, series=1)
    told = NeuralForecaster().fit(short, 6).predict(["s0"] * 6, np.arange(20, 26))
    assert np.array_equal(told, short.series["s0"].values[-6:])


def test_what_to_install_is_said_where_pytorch_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match="the neural forecaster needs torch") as caught:
        NeuralForecaster().fit(panel(), 4)
    assert "specweave-ml[torch]" in str(caught.value.hint)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=40),
    st.integers(1, 9),
    st.integers(1, 8),
    st.integers(4, 12),
)
def test_no_input_of_an_origin_depends_on_what_comes_after_it(
    values: list[float], season: int, horizon: int, window: int
) -> None:
    y, reach = np.asarray(values), Reach(window, horizon, season)
    at = len(y) // 2
    other = np.r_[y[: at + 1], y[at + 1 :] * -3 + 7]
    seen, last, size = reach.rows(y, np.array([at]))
    again = reach.rows(other, np.array([at]))
    assert np.isfinite(seen).all() and size[0] > 0 and last[0] == y[at]
    assert all(np.array_equal(a, b) for a, b in zip((seen, last, size), again, strict=True))


def test_steps_after_the_end_of_a_series_count_for_nothing() -> None:
    X, Y, W = windows(panel(12, series=1), Reach(4, 6, 1))
    assert X.shape == (8, 4) and W.sum(axis=1).tolist() == [6, 6, 6, 5, 4, 3, 2, 1]
    assert (Y[W == 0] == 0).all()
