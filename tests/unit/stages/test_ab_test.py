"""The plan of an online test: effects, sizes, durations."""

from __future__ import annotations

import pytest

from specweave.errors import SpecError
from specweave.stages.ab_test import choose_effect, size_test
from specweave.statistics.power import proportion_sample_size

SHARE = {"metric": "share of right decisions", "kind": "proportion", "baseline": 0.70}
ERROR = {"metric": "mean absolute error", "kind": "mean", "baseline": 100.0, "std": 80.0,
         "higher_is_better": False}  # fmt: skip


def test_half_of_the_offline_gain_is_what_the_test_looks_for() -> None:
    effect, why = choose_effect(SHARE, {**SHARE, "baseline": 0.80})
    assert effect == pytest.approx(0.05)
    assert "half of the 0.100 gained" in why
    assert choose_effect(ERROR, {**ERROR, "baseline": 60.0})[0] == pytest.approx(20.0)


def test_without_an_offline_gain_five_percent_is_looked_for() -> None:
    assert choose_effect(SHARE, {**SHARE, "baseline": 0.60})[0] == pytest.approx(0.035)
    assert choose_effect(ERROR, {**ERROR, "baseline": 140.0})[0] == pytest.approx(5.0)


def test_the_plan_may_set_the_effect_in_percent_or_absolute() -> None:
    assert choose_effect(SHARE, SHARE, "10%")[0] == pytest.approx(0.07)
    assert choose_effect(SHARE, SHARE, 0.02)[0] == pytest.approx(0.02)


def test_an_effect_never_leaves_what_can_be_gained() -> None:
    near_one = {**SHARE, "baseline": 0.98}
    assert choose_effect(near_one, near_one, "10%")[0] == pytest.approx(0.01)


@pytest.mark.parametrize("asked", ["much", "0%", -1, "nan"])
def test_an_effect_that_is_none_is_refused_with_its_place(asked: object) -> None:
    with pytest.raises(SpecError, match=r"plan\.md:9: ab_test\.minimum_effect"):
        choose_effect(SHARE, SHARE, asked, where="plan.md:9")


def test_known_traffic_gives_one_duration_and_unknown_traffic_a_table() -> None:
    known = size_test(SHARE, 0.05, alpha=0.05, power=0.8, daily_traffic=100)
    assert known["per_arm"] == proportion_sample_size(0.70, 0.05)
    assert known["days"] == 28 and len(known["durations"]) == 1
    unknown = size_test(SHARE, 0.05, alpha=0.05, power=0.8)
    assert unknown["days"] is None and len(unknown["durations"]) == 4


def test_smaller_effects_need_more_units() -> None:
    sizes = [s["per_arm"] for s in size_test(ERROR, 20.0, alpha=0.05, power=0.8)["sensitivity"]]
    assert len(sizes) == 5 and sizes == sorted(sizes, reverse=True)


def test_a_test_of_many_months_says_what_two_months_would_show() -> None:
    sizing = size_test(SHARE, 0.005, alpha=0.05, power=0.8, daily_traffic=50)
    assert sizing["days"] > 56
    assert sizing["too_long"]["detectable_effect"] > 0.005
    assert size_test(SHARE, 0.05, alpha=0.05, power=0.8, daily_traffic=5000)["too_long"] is None


def test_a_control_that_was_always_right_offline_can_still_be_sized() -> None:
    sizing = size_test({**SHARE, "baseline": 1.0}, 0.01, alpha=0.05, power=0.8)
    assert sizing["per_arm"] > 0
