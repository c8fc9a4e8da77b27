"""Forecasters: what they answer, what they refuse, what their intervals hold."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specweave.errors import DataError, MissingExtraError, UnknownNameError
from specweave.forecasters.catalogue import FORECASTERS, make_forecaster
from specweave.forecasters.combination import Combination
from specweave.forecasters.explaining import explain_rows
from specweave.forecasters.frequency import Frequency
from specweave.forecasters.intervals import apply_intervals, complete_folds, learn_intervals
from specweave.forecasters.lags import feature_names, lag_rows, lag_table
from specweave.forecasters.long_table import read_long
from specweave.forecasters.model import Columns, Layout, SeriesModel
from specweave.forecasters.origins import roll_origins
from specweave.forecasters.panel import Panel, make_panel


def panel(n: int = 80, series: int = 3, season: int = 4) -> Panel:
    rng = np.random.default_rng(2)
    t = np.tile(np.arange(n), series)
    ids = np.repeat([f"s{i}" for i in range(series)], n)
    y = 20 + 4 * np.sin(2 * np.pi * t / season) + 0.1 * t + rng.normal(0, 0.5, len(t))
    return make_panel(ids, t, y, season=season)


@pytest.mark.parametrize("name", [n for n in FORECASTERS if n not in ("combination", "arima", "ets")])
def test_every_forecaster_answers_finite_numbers_near_a_regular_series(name: str) -> None:
    if name in ("theta", "ces"):
        pytest.importorskip("statsforecast")
    if name == "neural":
        pytest.importorskip("torch")
    history = panel()
    params = {"lightgbm": {"n_estimators": 60}, "neural": {"updates": 150}}.get(name, {})
    fitted = make_forecaster(name, params).fit(history, 8)
    steps = np.arange(80, 88)
    told = fitted.predict(["s1"] * 8, steps)
    assert np.isfinite(told).all()
    assert np.abs(told - 28).max() < 12
    assert np.isnan(fitted.predict(["nobody", "s1"], [80, 79])).all(), "unknown series, and steps of the past"


def test_a_path_is_made_longer_where_asked_for() -> None:
    fitted = make_forecaster("drift", {}).fit(panel(season=1), 4)
    assert np.isfinite(fitted.predict(["s0"], [80 + 200])[0])


def test_constant_and_tiny_series_fall_back_without_failing() -> None:
    history = make_panel(
        ["a"] * 30 + ["b"] * 2, np.r_[np.arange(30), np.arange(28, 30)], np.r_[np.full(30, 5.0), 1.0, 2.0]
    )
    fitted = make_forecaster("light-theta", {}).fit(history, 3)
    assert fitted.predict(["a", "b"], [30, 30]).tolist() == [5.0, 2.0]


def test_combinations_are_the_mean_or_median_of_their_members() -> None:
    history, steps = panel(season=1), np.arange(80, 84)
    single = [
        make_forecaster(n, {}).fit(history, 4).predict(["s0"] * 4, steps) for n in ("naive", "drift", "mean")
    ]
    median = Combination(["naive", "drift", "mean"]).fit(history, 4).predict(["s0"] * 4, steps)
    weighted = Combination(["naive", "mean"], "mean", [0.75, 0.25]).fit(history, 4).predict(["s0"] * 4, steps)
    assert np.allclose(median, np.median(single, axis=0))
    assert np.allclose(weighted, 0.75 * single[0] + 0.25 * single[2])
    with pytest.raises(DataError, match="a mean or a median"):
        Combination(["naive"], "mode")
    with pytest.raises(UnknownNameError, match="prophett"):
        Combination(["prophett"]).fit(history, 4)


def test_the_lag_table_never_shows_a_row_what_comes_after_its_origin() -> None:
    history = panel()
    one = history.series["s0"]
    origins, ahead = np.full(8, 40), np.arange(1, 9)
    before = lag_rows(history, one, origins, ahead)
    later = one.values.copy()
    later[41:] += 1000.0
    changed = make_panel(["s0"] * 80, np.arange(80), later, season=4).series["s0"]
    after = lag_rows(history, changed, origins, ahead)
    # The unit of distances (the mean step) comes from the whole history given; all else must agree.
    ratio = np.abs(np.diff(changed.values)).mean() / np.abs(np.diff(one.values)).mean()
    names = feature_names(history)
    for i, name in enumerate(names):
        factor = 1.0 if name == "step ahead" else ratio
        assert np.allclose(before[:, i], after[:, i] * factor, equal_nan=True), name


def test_a_large_lag_table_is_sampled_the_same_way_each_time() -> None:
    X, y, _ = lag_table(panel(), 8, most_rows=300, seed=1)
    again, _, _ = lag_table(panel(), 8, most_rows=300, seed=1)
    assert 200 < len(y) < 400
    assert np.array_equal(X, again, equal_nan=True)


def test_parts_add_up_to_the_forecast() -> None:
    history = panel()
    steps = np.arange(80, 88)
    for name, params in (("seasonal-naive", {}), ("lightgbm", {"n_estimators": 30})):
        fitted = make_forecaster(name, params).fit(history, 8)
        found = explain_rows(fitted, ["s0"] * 8, steps, None)
        assert np.allclose(found.base + found.values.sum(axis=1), fitted.predict(["s0"] * 8, steps))
        assert len(found.names) >= 3


def outcome(n_series: int, folds: int, horizon: int, seed: int) -> pd.DataFrame:
    """Return out-of-fold rows whose errors grow with the step and differ between series."""
    rng = np.random.default_rng(seed)
    size = rng.uniform(0.3, 3, n_series)
    rows = [
        {"unique_id": f"s{i}", "fold": f, "cutoff": str(f), "h": h, "truth": 100 + rng.normal() * size[i] * h**0.5,
         "prediction": 100.0, "scale": 1.0}
        for i in range(n_series) for f in range(folds) for h in range(1, horizon + 1)
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize(("series", "folds"), [(40, 4), (8, 4), (1, 8)])
def test_intervals_hold_what_they_promise_on_folds_they_did_not_see(series: int, folds: int) -> None:
    held = {80: [], 95: []}
    for seed in range(8):
        rows = complete_folds(
            outcome(series, folds, 12, seed), learn_intervals(outcome(series, folds, 12, seed))
        )
        for level, shares in held.items():
            shares.append(
                ((rows["truth"] >= rows[f"lo{level}"]) & (rows["truth"] <= rows[f"hi{level}"])).mean()
            )
    for level, shares in held.items():
        assert abs(np.mean(shares) - level / 100) < 0.05


def test_neither_forecast_nor_interval_falls_below_zero_where_no_value_ever_did() -> None:
    falling = np.linspace(40, 1, 40)
    history = make_panel(
        ["units"] * 40 + ["balance"] * 40, np.tile(np.arange(40), 2), np.r_[falling, falling - 20]
    )
    told = make_forecaster("drift", {}).fit(history, 5).predict(["units", "balance"], [44, 44])
    assert told[0] == 0.0 and told[1] < -20
    rows = pd.DataFrame({"unique_id": "s0", "h": [1, 12], "scale": 1.0, "prediction": [0.5, 0.5]})
    sold = outcome(20, 4, 12, 0).assign(truth=lambda t: t["truth"].abs())
    units, balance = (
        apply_intervals(rows, learn_intervals(t)) for t in (sold, sold.assign(truth=sold["truth"] - 101))
    )
    assert (units["lo95"] == 0).all() and (units["hi95"] > 0.5).all()
    assert (balance["lo95"] < 0).all()


def test_intervals_widen_with_the_step_and_with_a_series_own_errors() -> None:
    learned = learn_intervals(outcome(20, 4, 12, 0))
    assert learned["growth"] > 0.2
    rows = pd.DataFrame({"unique_id": ["s0", "s0"], "h": [1, 12], "scale": 1.0, "prediction": 0.0})
    wide = apply_intervals(rows, learned)
    assert (wide["hi95"] > wide["hi80"]).all()
    assert wide["hi80"].iloc[1] > 1.3 * wide["hi80"].iloc[0]


def test_intervals_go_on_widening_past_the_steps_that_were_validated() -> None:
    flat = learn_intervals(
        outcome(20, 4, 12, 0).assign(truth=lambda t: 100 + (t["truth"] - 100) / t["h"] ** 0.5)
    )
    rows = pd.DataFrame({"unique_id": ["s0"] * 3, "h": [1, 12, 48], "scale": 1.0, "prediction": 0.0})
    first, last, beyond = apply_intervals(rows, flat)["hi80"]
    assert last < 1.3 * first and beyond == pytest.approx(2 * last, rel=0.05)


def test_prophet_goes_on_with_trend_and_season_of_any_grid() -> None:
    pytest.importorskip("prophet")
    steps = np.arange(108)
    wave = 50 + 0.5 * steps + 8 * np.sin(2 * np.pi * steps / 12)
    found = make_forecaster("prophet", {}).fit(make_panel(["a"] * 96, steps[:96], wave[:96], season=12), 12)
    assert np.allclose(found.predict(["a"] * 12, steps[96:]), wave[96:], atol=1.0)


def test_prophet_says_what_to_install_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prophet", None)
    with pytest.raises(MissingExtraError, match="this forecaster needs prophet") as caught:
        make_forecaster("prophet", {}).fit(panel(), 4)
    assert "specweave-ml[forecast]" in str(caught.value.hint)


def test_a_series_without_errors_makes_no_interval() -> None:
    with pytest.raises(DataError, match="fewer than two"):
        learn_intervals(outcome(1, 1, 1, 0))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(12, 60), st.integers(1, 8), st.integers(1, 5))
def test_no_training_row_lies_after_its_origin(series: int, length: int, horizon: int, folds: int) -> None:
    codes = np.repeat(np.arange(series), length)
    steps = np.tile(np.arange(length), series) + codes * 3
    if length < 2 * horizon + 4:
        return
    found = roll_origins(codes, steps, horizon, folds)
    pairs = [*found.folds, (found.train, found.holdout)]
    for fit, valid in pairs:
        for c in np.unique(codes[valid]):
            assert steps[fit][codes[fit] == c].max() < steps[valid][codes[valid] == c].min()
            assert np.ptp(steps[valid][codes[valid] == c]) < horizon
    validated = [set(valid.tolist()) for _, valid in pairs]
    assert len(set().union(*validated)) == sum(map(len, validated)), "no row is judged on twice"


def test_series_shorter_than_the_horizon_are_refused() -> None:
    with pytest.raises(DataError, match="no series is longer than the horizon"):
        roll_origins(np.zeros(6, dtype=int), np.arange(6), 5, 3)


def weekly(n: int = 60) -> pd.DataFrame:
    stamps = pd.date_range("2022-01-07", periods=n, freq="W-FRI").strftime("%d-%m-%Y")
    return pd.DataFrame(
        {"day": stamps, "holiday": (np.arange(n) % 10 == 0).astype(int), "y": np.arange(n) + 5.0}
    )


def model(known: tuple[str, ...] = ()) -> SeriesModel:
    table = read_long(weekly(), time="day", target="y", season=1)
    layout = Layout(Columns("day", "y", (), known), table.stamps, table.frequency)
    return SeriesModel(make_forecaster("drift", {}).fit(layout.panel(weekly()), 4), layout)


def test_a_model_goes_on_from_newer_rows_in_the_users_own_dates() -> None:
    fresh, rows = model().continue_from(weekly(70), 3)
    assert rows["day"].tolist() == ["12-05-2023", "19-05-2023", "26-05-2023"]
    told = fresh.answer(rows)
    assert told["h"].tolist() == [1, 2, 3]
    assert np.allclose(told["prediction"], [75, 76, 77])


def test_what_is_known_ahead_must_be_given_for_the_steps_to_forecast() -> None:
    with pytest.raises(DataError, match="holiday must be given") as error:
        model(("holiday",)).continue_from(weekly(), 3)
    assert "empty 'y'" in str(error.value.hint)
    future = weekly(63)
    future.loc[60:, "y"] = np.nan
    rows = model(("holiday",)).continue_from(future, 3)[1]
    assert rows["holiday"].tolist() == [1.0, 0.0, 0.0]


def test_a_stamp_off_the_grid_has_no_forecast() -> None:
    told = model().answer(pd.DataFrame({"day": ["04-03-2023", "03-03-2023", None]}))
    assert np.isnan(told["prediction"].to_numpy()).tolist() == [True, False, True]


def test_gaps_are_interpolated_or_zero() -> None:
    steps, y = np.array([0, 1, 3]), np.array([2.0, 4.0, 8.0])
    assert make_panel(["a"] * 3, steps, y).series["a"].values.tolist() == [2, 4, 6, 8]
    assert make_panel(["a"] * 3, steps, y, gaps="zero").series["a"].values.tolist() == [2, 4, 0, 8]
    assert len(make_panel([], np.array([], dtype=int), np.array([]), frequency=Frequency())) == 0
