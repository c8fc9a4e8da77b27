"""Trend, season and rest: what a centred average of a whole season leaves, and whether parts add or scale."""

from __future__ import annotations

import numpy as np
import pytest

from specweave.forecasters.decomposition import decompose

T = np.arange(96)
WAVE = np.sin(2 * np.pi * T / 12)


def test_a_season_that_grows_with_the_level_is_a_factor() -> None:
    y = (100 + 3 * T) * (1 + 0.3 * WAVE)
    parts = decompose(y, 12)
    assert parts.multiplicative
    assert np.allclose(parts.trend * parts.season * parts.rest, y)
    assert np.abs(parts.rest[12:-12] - 1).max() < 0.02
    assert parts.season_strength > 0.98 and parts.trend_strength > 0.98


@pytest.mark.parametrize("level", [500.0, 0.0])
def test_a_steady_season_is_added_and_none_scales_values_below_zero(level: float) -> None:
    y = level + 2 * T * (level > 0) + 40 * WAVE + np.random.default_rng(0).normal(0, 1, len(T))
    parts = decompose(y, 12)
    assert not parts.multiplicative
    assert np.allclose(parts.trend + parts.season + parts.rest, y)
    assert parts.season_strength > 0.95


@pytest.mark.parametrize("season", [4, 7, 12])
def test_no_season_is_left_in_the_trend(season: int) -> None:
    growing = np.linspace(1, 4, 96) * np.tile(np.r_[1.0, np.zeros(season - 1)], 30)[:96]
    trend = decompose(growing - 5, season).trend[season:-season]
    assert np.abs(np.diff(trend, 2)).max() < 0.05, "a window that counts one phase twice would swing"
