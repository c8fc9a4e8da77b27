"""Seasons that models cannot hold: taken out before, put back after; a week above a day."""

from __future__ import annotations

import numpy as np
import pytest

from specweave.forecasters.adjusting import find_adjustment, find_week, longer_season
from specweave.forecasters.catalogue import make_forecaster
from specweave.forecasters.lags import feature_names, lag_table
from specweave.forecasters.panel import make_panel


def load(days: int, per_day: int = 24) -> np.ndarray:
    """Return a load with a daily wave on working days and hardly any at weekends."""
    rng = np.random.default_rng(3)
    t = np.arange(days * per_day)
    weekend = (t // per_day) % 7 >= 5
    wave = np.sin(2 * np.pi * (t % per_day) / per_day)
    return 200 + np.where(weekend, 10, 60) * wave - 40 * weekend + rng.normal(0, 3, len(t))


@pytest.mark.parametrize("name", ["ets", "ces", "theta"])
def test_a_quiet_weekend_is_forecast_from_the_weeks_before(name: str) -> None:
    pytest.importorskip("statsforecast")
    y, horizon = load(days=7 * 6), 48
    until = len(y) - horizon  # the last two days are a weekend
    history = make_panel(["a"] * until, np.arange(until), y[:until], season=24)
    told = make_forecaster(name, {}).fit(history, horizon).predict(["a"] * horizon, np.arange(until, len(y)))
    assert np.abs(told - y[until:]).mean() < 8, "yesterday's wave again would be off by 30"


def test_a_long_season_is_added_where_values_lie_below_zero() -> None:
    pytest.importorskip("statsforecast")
    t = np.arange(52 * 6)
    rng = np.random.default_rng(1)
    celsius = 2 + 12 * np.sin(2 * np.pi * t / 52) + rng.normal(0, 1, len(t))
    history = make_panel(["a"] * 286, t[:286], celsius[:286], season=52)
    told = make_forecaster("ets", {}).fit(history, 26).predict(["a"] * 26, t[286:])
    assert np.abs(told - celsius[286:]).mean() < 3


def test_what_is_taken_out_is_put_back() -> None:
    rng = np.random.default_rng(0)
    for y in (10 + rng.random(60), rng.normal(0, 1, 60)):
        out = find_adjustment(y, 12)
        assert out.multiplicative == bool((y > 0).all())
        assert np.allclose(out.put_back(out.take_out(y)), y)
        assert np.allclose(out.put_back(out.take_out(y)[24:], start=24), y[24:])


def test_a_week_is_found_only_where_days_differ() -> None:
    t = np.arange(24 * 7 * 6)
    alike = 100 + 20 * np.sin(2 * np.pi * t / 24) + np.random.default_rng(2).normal(0, 3, len(t))
    assert find_week(load(42), 24) is not None
    assert find_week(alike, 24) is None
    assert find_week(load(14), 24) is None, "two weeks are too few"
    assert find_week(load(42), 12) is None, "months have no week above them"


def test_boosting_sees_the_week_before() -> None:
    y = load(42)
    history = make_panel(["a"] * len(y), np.arange(len(y)), y, season=24)
    names = feature_names(history)
    assert f"value {longer_season(24)} steps before the target" in names
    X, target, _ = lag_table(history, 24, seed=0)
    own = X[:, names.index("value 168 steps before the target")]
    day = X[:, names.index("value a season before the target")]
    there = np.isfinite(own) & np.isfinite(day)
    errors = [np.abs(target[there] - column[there]).mean() for column in (own, day)]
    assert errors[0] < 0.6 * errors[1]


def test_croston_and_tsb_forecast_the_mean_demand_of_spare_parts() -> None:
    pytest.importorskip("statsforecast")
    rng = np.random.default_rng(4)
    demand = np.where(rng.random(120) < 0.3, 5.0, 0.0)
    ceased = np.r_[demand[:80], np.zeros(40)]
    history = make_panel(["on"] * 120 + ["off"] * 120, np.tile(np.arange(120), 2), np.r_[demand, ceased])
    croston, tsb = (
        make_forecaster(n, {}).fit(history, 3).predict(["on", "off"], [120, 120]) for n in ("croston", "tsb")
    )
    assert croston[0] == pytest.approx(1.5, abs=0.6) and tsb[0] == pytest.approx(1.5, abs=0.8)
    assert tsb[1] < 0.2 < croston[1], "only TSB sees that demand has ceased"
