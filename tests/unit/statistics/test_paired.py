"""Paired tests against scipy, hand-worked numbers and each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from specweave.errors import DataError
from specweave.statistics.paired import (
    compare_losses,
    corrected_resampled_t,
    mcnemar_exact,
    t_losses,
    wilcoxon_losses,
)


def test_mcnemar_counts_only_rows_where_exactly_one_is_right() -> None:
    a = [True] * 60 + [True] * 9 + [False] * 3
    b = [True] * 60 + [False] * 9 + [True] * 3
    result = mcnemar_exact(a, b)
    # Binomial(12, 1/2): P(X <= 3) * 2 = 2 * (1 + 12 + 66 + 220) / 4096.
    assert result.p_value == pytest.approx(2 * 299 / 4096)
    assert (result.statistic, result.n) == (9.0, 12)


def test_two_models_that_never_differ_are_not_told_apart() -> None:
    same = np.array([0.0, 1.0, 0.0])
    assert compare_losses(same, same).p_value == 1.0
    assert compare_losses(same + 0.5, same + 0.5).p_value == 1.0


def test_the_test_is_chosen_by_what_the_losses_are() -> None:
    rng = np.random.default_rng(0)
    wrong_a, wrong_b = rng.integers(0, 2, 50), rng.integers(0, 2, 50)
    assert compare_losses(wrong_a, wrong_b).name == "McNemar's exact test"
    assert compare_losses(rng.random(50), rng.random(50)).name == "paired t-test on mean loss"
    assert compare_losses(rng.random(29), rng.random(29)).name.startswith("Wilcoxon")
    assert compare_losses(wrong_a, wrong_b, units=np.arange(50) // 5).name.startswith("Wilcoxon")


def test_a_bolder_model_is_not_better_for_losing_less_on_most_rows() -> None:
    careful = np.full(1000, 0.5)
    bold = np.where(np.arange(1000) % 10 == 0, 4.0, 0.1)  # nine small losses, then a large one
    bold = bold + np.random.default_rng(0).normal(0, 0.01, 1000)
    assert wilcoxon_losses(bold, careful).p_value < 1e-6
    verdict = compare_losses(bold, careful)
    assert verdict.p_value > 0.05
    assert verdict.difference == pytest.approx(-0.01, abs=0.01)


def test_the_t_test_agrees_with_scipy() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.exponential(1, 80), rng.exponential(1.3, 80)
    result = t_losses(a, b)
    assert result.p_value == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert result.statistic == pytest.approx(stats.ttest_rel(a, b).statistic)


def test_wilcoxon_agrees_with_scipy() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.exponential(1, 80), rng.exponential(1.3, 80)
    assert wilcoxon_losses(a, b).p_value == pytest.approx(stats.wilcoxon(a, b).pvalue)


def test_averaging_over_units_takes_repeated_rows_for_one() -> None:
    rng = np.random.default_rng(6)
    a, b = rng.random(12), rng.random(12) + 0.1
    once = compare_losses(a, b, units=np.arange(12))
    repeated = compare_losses(np.repeat(a, 30), np.repeat(b, 30), units=np.repeat(np.arange(12), 30))
    assert repeated.p_value == pytest.approx(once.p_value)
    assert compare_losses(np.repeat(a, 30), np.repeat(b, 30)).p_value < once.p_value


def test_the_corrected_t_test_is_milder_than_the_naive_one() -> None:
    a = np.array([0.84, 0.85, 0.83, 0.86, 0.85])
    b = np.array([0.83, 0.83, 0.82, 0.85, 0.83])
    d = a - b
    result = corrected_resampled_t(a, b, test_fraction=1 / 4)
    by_hand = d.mean() / np.sqrt((1 / 5 + 1 / 4) * d.var(ddof=1))
    assert result.statistic == pytest.approx(by_hand)
    assert result.p_value == pytest.approx(2 * stats.t.sf(by_hand, 4))
    assert result.p_value > stats.ttest_rel(a, b).pvalue


def test_folds_that_all_agree_need_no_division_by_zero() -> None:
    assert corrected_resampled_t([1, 1, 1], [1, 1, 1], test_fraction=0.5).p_value == 1.0
    assert corrected_resampled_t([2, 2, 2], [1, 1, 1], test_fraction=0.5).p_value == 0.0


def test_losses_that_cannot_be_paired_are_refused() -> None:
    with pytest.raises(DataError, match="3 and 2 losses"):
        compare_losses([1, 2, 3], [1, 2])
    with pytest.raises(DataError, match="missing"):
        compare_losses([1, float("nan")], [1, 2])
    with pytest.raises(DataError, match="two or more folds"):
        corrected_resampled_t([1], [1], test_fraction=0.5)
