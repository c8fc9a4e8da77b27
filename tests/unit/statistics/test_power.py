"""Sample sizes against textbook numbers, statsmodels and themselves."""

from __future__ import annotations

import math

import pytest

from specweave.errors import DataError
from specweave.statistics.power import (
    detectable_effect,
    duration_days,
    mean_power,
    mean_sample_size,
    proportion_power,
    proportion_sample_size,
)


@pytest.mark.parametrize(("p", "effect"), [(0.1, 0.02), (0.5, -0.05), (0.02, 0.005), (0.9, 0.03)])
@pytest.mark.parametrize("power", [0.8, 0.9])
def test_the_size_is_the_smallest_that_reaches_the_power(p: float, effect: float, power: float) -> None:
    n = proportion_sample_size(p, effect, power=power)
    assert proportion_power(p, effect, n) >= power > proportion_power(p, effect, n - 1)


@pytest.mark.parametrize("d", [0.05, 0.2, 0.5, 2.0])
def test_the_size_for_means_agrees_with_statsmodels(d: float) -> None:
    power = pytest.importorskip("statsmodels.stats.power", reason="statsmodels is not installed")
    expected = power.TTestIndPower().solve_power(effect_size=d, alpha=0.05, power=0.8)
    assert mean_sample_size(10.0, 10.0 * d) == math.ceil(expected)


@pytest.mark.parametrize(("p", "effect"), [(0.1, 0.02), (0.5, -0.05), (0.27, 0.03)])
def test_the_power_for_proportions_agrees_with_statsmodels(p: float, effect: float) -> None:
    proportion = pytest.importorskip("statsmodels.stats.proportion", reason="statsmodels is not installed")
    n = proportion_sample_size(p, effect)
    theirs = proportion.power_proportions_2indep(effect, p, n, ratio=1, alpha=0.05).power
    assert theirs == pytest.approx(0.8, abs=0.005)


def test_textbook_size_of_a_proportion() -> None:
    # From 10 % to 12 %, alpha 5 %, power 80 %: 3841 per arm.
    assert proportion_sample_size(0.10, 0.02) == 3841


def test_the_detectable_effect_inverts_the_sample_size() -> None:
    n = proportion_sample_size(0.2, 0.03)
    assert detectable_effect(n, baseline=0.2) == pytest.approx(0.03, rel=1e-3)
    n = mean_sample_size(5.0, 0.7)
    assert detectable_effect(n, std=5.0) == pytest.approx(0.7, rel=5e-3)
    assert math.isnan(detectable_effect(2, baseline=0.9))


def test_power_rises_with_rows_also_where_the_formula_changes() -> None:
    powers = [mean_power(1.0, 0.01, n) for n in (1000, 49_000, 51_000, 10**6)]
    assert powers == sorted(powers)
    assert powers[2] - powers[1] < 0.02


def test_a_test_lasts_whole_weeks() -> None:
    assert duration_days(700, 200) == 7
    assert duration_days(701, 200) == 14
    assert duration_days(100, 1000) == 7
    assert duration_days(700, 200, share=0.5) == 14


@pytest.mark.parametrize(("p", "effect"), [(0.0, 0.1), (0.5, 0.6), (0.5, 0.0), (0.3, -0.3)])
def test_impossible_changes_are_refused(p: float, effect: float) -> None:
    with pytest.raises(DataError, match="no sample size"):
        proportion_sample_size(p, effect)


def test_senseless_levels_and_traffic_are_refused() -> None:
    with pytest.raises(DataError, match="do not fit"):
        proportion_sample_size(0.1, 0.01, alpha=0.9, power=0.8)
    with pytest.raises(DataError, match="no sample size"):
        mean_sample_size(0.0, 1.0)
    with pytest.raises(DataError, match="no duration"):
        duration_days(10, 0)
