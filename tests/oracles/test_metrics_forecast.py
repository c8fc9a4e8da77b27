"""Metrics and tests of forecasts agree with utilsforecast and statsmodels, and with hand-worked numbers."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from specweave.errors import DataError
from specweave.forecasters.simple import naive2, seasonal_naive
from specweave.forecasters.stationarity import acf, adf_test, kpss_test, ljung_box, normality, pacf
from specweave.metrics.base import find_metric, parse_metric_ref


def measure(name: str, outcome: pd.DataFrame) -> float:
    ref = parse_metric_ref(name)
    formula = find_metric(ref.name).measure
    assert formula is not None
    return formula(outcome, ref, {})


@pytest.fixture(scope="module")
def panel() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return (history, outcome) of three series with a season of 4 and a horizon of 8."""
    rng = np.random.default_rng(1)
    history, outcome = [], []
    for i in range(3):
        t = np.arange(60)
        y = 50 * (i + 1) + 5 * np.sin(np.pi * t / 2) + rng.normal(0, 2, 60).cumsum() * 0.3
        past, truth = y[:52], y[52:]
        told = truth + rng.normal(0, 2, 8)
        scale = np.mean(np.abs(past[4:] - past[:-4]))
        history.append(pd.DataFrame({"unique_id": f"s{i}", "ds": t[:52], "y": past}))
        outcome.append(pd.DataFrame({
            "unique_id": f"s{i}", "ds": t[52:], "truth": truth, "prediction": told, "scale": scale,
            "naive2": naive2(past, 4, 8), "lo80": told - 2.5, "hi80": told + 2.5,
        }))  # fmt: skip
    return pd.concat(history, ignore_index=True), pd.concat(outcome, ignore_index=True)


def test_mase_smape_and_coverage_agree_with_utilsforecast(panel: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    losses = pytest.importorskip("utilsforecast.losses")
    history, outcome = panel
    frame = outcome.rename(columns={"truth": "y", "prediction": "m"}).assign(
        **{"m-lo-80": outcome["lo80"], "m-hi-80": outcome["hi80"]}
    )
    theirs = losses.mase(frame, ["m"], seasonality=4, train_df=history)["m"].mean()
    assert measure("MASE", outcome) == pytest.approx(theirs)
    # utilsforecast's sMAPE runs from 0 to 1, ours from 0 to 2 (M4's, as a fraction).
    assert measure("sMAPE", outcome) == pytest.approx(2 * losses.smape(frame, ["m"])["m"].mean())
    assert measure("MAPE", outcome) == pytest.approx(losses.mape(frame, ["m"])["m"].mean())
    assert measure("Interval coverage@80", outcome) == pytest.approx(
        losses.coverage(frame, ["m"], level=80)["m"].mean()
    )


def test_owa_is_the_mean_of_two_ratios_to_naive2() -> None:
    outcome = pd.DataFrame(
        {"truth": [10.0, 20.0], "prediction": [11.0, 18.0], "naive2": [14.0, 14.0], "scale": [2.0, 2.0]}
    )
    ours = np.mean([2 * 1 / 21, 2 * 2 / 38]), np.mean([0.5, 1.0])
    theirs = np.mean([2 * 4 / 24, 2 * 6 / 34]), np.mean([2.0, 3.0])
    assert measure("OWA", outcome) == pytest.approx((ours[0] / theirs[0] + ours[1] / theirs[1]) / 2)


def test_undefined_metrics_say_so() -> None:
    flat = pd.DataFrame({"truth": [1.0], "prediction": [1.0], "naive2": [1.0], "scale": [0.0]})
    with pytest.raises(DataError, match="the series are constant"):
        measure("MASE", flat)
    with pytest.raises(DataError, match="needs the column 'lo95'"):
        measure("Interval coverage", flat)
    with pytest.raises(DataError, match="no rows"):
        measure("MASE", flat.iloc[:0])


def test_naive2_and_seasonal_naive_by_hand() -> None:
    y = np.tile([1.0, 2.0, 3.0, 2.0], 6)
    assert np.allclose(naive2(y, 4, 4), [1, 2, 3, 2])
    assert np.allclose(naive2(np.arange(1.0, 25.0), 1, 3), [24, 24, 24])
    assert np.allclose(seasonal_naive(y, 4, 6), [1, 2, 3, 2, 1, 2])


def series() -> list[np.ndarray]:
    rng = np.random.default_rng(4)
    noise = rng.normal(size=150)
    return [noise, noise.cumsum(), np.sin(np.arange(150) / 6) + 0.3 * noise, 0.05 * np.arange(150) + noise]


@pytest.mark.parametrize("y", series())
def test_stationarity_and_residual_tests_agree_with_statsmodels(y: np.ndarray) -> None:
    stattools = pytest.importorskip("statsmodels.tsa.stattools")
    diagnostic = pytest.importorskip("statsmodels.stats.diagnostic")
    statistic, p_value, lags = adf_test(y)
    theirs = stattools.adfuller(y)
    assert (statistic, p_value, lags) == (
        pytest.approx(theirs[0]),
        pytest.approx(theirs[1], abs=1e-6),
        theirs[2],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = stattools.kpss(y)
    assert kpss_test(y) == (pytest.approx(theirs[0]), pytest.approx(theirs[1]))
    assert np.allclose(acf(y, 20), stattools.acf(y, nlags=20))
    assert np.allclose(pacf(y, 20), stattools.pacf(y, nlags=20, method="ldb"))
    theirs = diagnostic.acorr_ljungbox(y, [10])
    assert ljung_box(y, 10)[:2] == (
        pytest.approx(theirs["lb_stat"].iloc[0]),
        pytest.approx(theirs["lb_pvalue"].iloc[0]),
    )
    assert 0 <= normality(y)[1] <= 1
