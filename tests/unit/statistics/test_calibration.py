"""Calibration bins and the interval of a proportion."""

from __future__ import annotations

import numpy as np
import pytest

from specweave.statistics.calibration import (
    calibration_bins,
    expected_calibration_error,
    wilson_interval,
)


def test_bins_hold_about_equally_many_rows_and_all_of_them() -> None:
    p = np.random.default_rng(0).beta(1, 5, 1000)
    bins = calibration_bins(p, p > 0.5)
    assert sum(b.n for b in bins) == 1000
    assert {b.n for b in bins} == {100}
    assert [b.predicted for b in bins] == sorted(b.predicted for b in bins)


def test_rows_of_one_probability_stay_in_one_bin() -> None:
    bins = calibration_bins(np.full(50, 0.3), np.arange(50) < 20)
    assert len(bins) == 1
    assert (bins[0].predicted, bins[0].observed) == (pytest.approx(0.3), pytest.approx(0.4))


def test_a_calibrated_forecast_has_little_error_and_a_boastful_one_much() -> None:
    rng = np.random.default_rng(1)
    p = rng.random(20_000)
    happened = rng.random(20_000) < p
    assert expected_calibration_error(p, happened) < 0.015
    assert expected_calibration_error(np.clip(2 * p - 0.5, 0, 1), happened) > 0.1


def test_wilson_interval_agrees_with_scipy_and_stays_in_range() -> None:
    from scipy.stats import binomtest

    theirs = binomtest(7, 20).proportion_ci(method="wilson")
    assert wilson_interval(7, 20) == pytest.approx((theirs.low, theirs.high))
    assert wilson_interval(0, 5)[0] == 0.0
    assert wilson_interval(5, 5)[1] == 1.0
