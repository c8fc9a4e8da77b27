"""Thresholds with a promise, costs, weights and thinning, and how rare labels are recognised."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from specweave.errors import SpecError
from specweave.increments.plan import Plan, parse_plan
from specweave.increments.spec import parse_spec
from specweave.metrics.base import parse_metric_ref
from specweave.problems.classification import Classification
from specweave.problems.classification_outcomes import check_held_out
from specweave.problems.classification_planning import stated_costs
from specweave.problems.imbalance import (
    AveragedBoosters,
    ThinnedLightGBM,
    WeightedLightGBM,
    correct_odds,
    describe_balance,
    rare_word,
)
from specweave.problems.promises import check_promise, promise_tables
from specweave.problems.thresholds import (
    OperatingPoints,
    cheapest,
    choose_threshold,
    clopper_pearson,
)
from specweave.stages.measuring import measure_with_interval


def plan_of(block: str) -> Plan:
    return parse_plan(f"# Plan\n\n```yaml\n{block}\n```\n", Path("0001-x/plan.md"))


def scores(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return calibrated scores and truths."""
    score = 1 / (1 + np.exp(4 - 3 * rng.normal(size=n)))
    return score, rng.random(n) < score


def test_bounds_agree_with_scipys_exact_test() -> None:
    for hits, n in ((3, 10), (98, 100), (50, 50)):
        interval = binomtest(hits, n).proportion_ci(0.8, "exact")
        assert clopper_pearson(hits, n, 0.9) == pytest.approx((interval.low, interval.high))
    assert clopper_pearson(0, 5, 0.9)[0] == 0.0


def test_the_chance_of_no_false_alarm_above_the_highest_known_one_is_that_of_its_rank() -> None:
    # 900 known rows, none above the threshold a false alarm: among 1000 the highest one is known with 9 in 10.
    points = OperatingPoints(np.array([0.5]), np.array([90]), np.array([90]), 900, 200)
    assert points.chance(0.999, 100, strict=False)[0] == pytest.approx(0.9)
    rng, free = np.random.default_rng(0), 0
    for _ in range(2000):
        score = rng.exponential(size=1000)
        free += score[:900].max() >= score[900:].max()
    assert free / 2000 == pytest.approx(0.9, abs=0.02)


def test_a_promised_precision_is_kept_in_nine_of_ten_further_batches() -> None:
    rng = np.random.default_rng(0)
    plan = plan_of("threshold: {maximise: recall, subject_to: precision >= 0.8, confidence: 0.9}")
    bare = plan_of("threshold: {maximise: recall, subject_to: precision >= 0.8}")
    kept, kept_bare = [], []
    for _ in range(40):
        score, hit = scores(rng, 2000)
        ahead, truth = scores(rng, 500)
        for rule, record in ((plan, kept), (bare, kept_bare)):
            chosen = choose_threshold(score, hit, rule, batch=500)
            alarm = ahead >= chosen.threshold
            record.append(not alarm.any() or truth[alarm].mean() >= chosen.promise.get("promised", 0.8))
    assert np.mean(kept) >= 0.87
    assert np.mean(kept_bare) < 0.75


def test_where_nothing_can_promise_it_the_precision_that_can_be_promised_is_named() -> None:
    score, hit = scores(np.random.default_rng(1), 400)
    plan = plan_of("threshold: {maximise: recall, subject_to: precision > 0.99, confidence: 0.9}")
    chosen = choose_threshold(score, hit, plan, batch=100)
    assert 0 < chosen.promise["promised"] < 0.99
    assert not chosen.promise["kept_as_wanted"]
    assert f"precision >= {chosen.promise['promised']:g} is promised instead" in chosen.rule
    frame = pd.DataFrame({"truth": np.where(hit, "1", "0"), "p:0": 1 - score, "p:1": score})
    decision = {"labels": ["0", "1"], "positive": "1", "threshold": chosen.threshold, "rule": chosen.rule,
                "promise": chosen.promise}  # fmt: skip
    assert [f.code for f in check_promise(frame, decision)] == ["SW312"]
    picked = Classification().examples(frame, decision, 5)
    assert [e.why for e in picked[:2]] == ["highest risk"] * 2 and picked[0].position == score.argmax()
    called = Classification().call(frame, decision)
    table = promise_tables(frame, decision, called)[0]
    assert {r[0]: r[1] for r in table.rows}["precision that is demanded"] == 0.99
    alarms = Classification().measure(parse_metric_ref("alarms per thousand"), frame, decision)
    assert alarms == pytest.approx(chosen.promise["alarms_per_thousand"])


def test_why_a_faultless_sample_promises_less_is_told_by_what_one_false_alarm_does() -> None:
    hit = np.arange(1400) < 400
    score = np.where(hit, 0.9, 0.1) + np.linspace(0.05, 0, 1400)
    plan = plan_of("threshold: {maximise: recall, subject_to: precision > 0.99, confidence: 0.9}")
    chosen = choose_threshold(score, hit, plan, batch=280)
    frame = pd.DataFrame({"truth": np.where(hit, "1", "0"), "p:0": 1 - score, "p:1": score})
    decision = {"labels": ["0", "1"], "positive": "1", "threshold": chosen.threshold, "rule": chosen.rule,
                "promise": chosen.promise}  # fmt: skip
    (doubt,) = check_promise(frame, decision)
    assert "of about 78 alarms among 280 rows one false alarm leaves 0.987" in doubt.message
    assert "one false alarm leaves 0.987" in promise_tables(frame, decision, np.where(hit, "1", "0"))[0].note


def test_a_precision_of_one_has_an_interval_that_knows_how_few_alarms_it_rests_on() -> None:
    truth = np.array(["1"] * 100 + ["0"] * 200)
    score = np.r_[np.full(80, 0.9), np.full(220, 0.1)]
    frame = pd.DataFrame({"truth": truth, "p:0": 1 - score, "p:1": score})
    decision = {"labels": ["0", "1"], "positive": "1", "threshold": 0.5}
    found = {
        name: measure_with_interval(Classification(), parse_metric_ref(name), frame, decision, n_resamples=50)
        for name in ("precision", "recall", "specificity")
    }
    assert (found["precision"].low, found["precision"].high) == pytest.approx((0.954, 1), abs=0.001)
    assert found["specificity"].low == pytest.approx(0.981, abs=0.001)
    assert found["recall"].low < 0.8 < found["recall"].high and "Wilson" not in found["recall"].method


def test_a_lower_precision_is_promised_with_more_room_since_it_was_looked_for() -> None:
    # Descending until some threshold first passes picks the luckiest of all: on weak scores it was kept in 87 of
    # 100 batches where the demanded one was in 95.
    rng = np.random.default_rng(3)
    plan = plan_of("threshold: {maximise: recall, subject_to: precision >= 0.9, confidence: 0.9}")
    for gap, room in ((1.0, 0.975), (4.0, 0.95)):
        hit = rng.random(4000) < 0.06
        score = 1 / (1 + np.exp(-rng.normal(size=4000) - gap * hit))
        chosen = choose_threshold(score, hit, plan, batch=1000)
        assert chosen.promise["kept_as_wanted"] == (room == 0.95)
        points = OperatingPoints.of(score, hit)
        at = int(np.argmin(np.abs(points.thresholds - chosen.threshold)))
        assert points.chance(chosen.promise["promised"], 1000, strict=False)[at] >= room


def test_a_strict_bound_is_not_satisfied_by_equality() -> None:
    points = OperatingPoints(np.array([0.5]), np.array([400]), np.array([396]), 1000, 400)
    equal, above = (points.chance(0.5, 1, strict=strict)[0] for strict in (False, True))
    assert equal > above  # one right and one false alarm are a half, and not more


def test_costs_choose_the_threshold_where_they_balance() -> None:
    rng = np.random.default_rng(2)
    score, hit = scores(rng, 20_000)
    chosen = cheapest(OperatingPoints.of(score, hit), 5, 100)
    # With calibrated scores the best threshold is cost(false alarm) / (sum of both): Elkan 2001.
    assert chosen.threshold == pytest.approx(5 / 105, abs=0.02)
    silent = cheapest(OperatingPoints.of(score, np.zeros(len(score), dtype=bool)), 5, 100)
    assert silent.threshold > 1


def test_costs_are_read_as_people_write_amounts_and_a_decimal_comma_is_not_guessed() -> None:
    def costs_of(miss: str) -> tuple[float, float] | None:
        text = "\n".join((
            "---", "id: '0001'", "title: Fraud", "status: planned", "created: 2026-01-01", "---", "# Fraud", "",
            "## ML Problem Definition", "- Problem type: Binary classification", "## Data Requirements", "- Target: y",
            "## Model Requirements", ""))  # fmt: skip
        return stated_costs(
            parse_spec(f"{text}- Cost of false alarm: 5 $\n- Cost of miss: {miss}\n", Path("0001-x/spec.md"))
        )

    for miss in ("200", "$200", "200 $", "200.0 EUR", "€ 200"):
        assert costs_of(miss) == (5, 200)
    assert costs_of("1,200 dollars") == (5, 1200)
    for unreadable in ("200,50 €", "much", "-3", "0"):
        with pytest.raises(SpecError, match="is no cost"):
            costs_of(unreadable)


def test_an_unreadable_rule_names_its_line() -> None:
    score, hit = scores(np.random.default_rng(3), 100)
    for block in ("threshold: {maximise: profit}", "threshold: {subject_to: accuracy >= 0.5}",
                  "threshold: {subject_to: precision >= 0.5, confidence: 3}"):  # fmt: skip
        with pytest.raises(SpecError):
            choose_threshold(score, hit, plan_of(block))


def test_the_data_decides_how_rare_positives_are_and_the_reason_says_so() -> None:
    assert rare_word("detect credit card fraud") == "fraud"
    assert rare_word("predict churn") is None
    assert describe_balance("predict churn", 0.3)[0] is False
    assert describe_balance("predict churn", 0.01)[0] is True
    rare, why = describe_balance("detect fraud", 0.28)
    assert rare and "28% positives" in why and "not rare" in why


def test_weights_and_thinning_leave_probabilities_that_mean_frequencies() -> None:
    rng = np.random.default_rng(4)
    X = rng.normal(size=(6000, 4))
    y = (rng.random(6000) < 1 / (1 + np.exp(4 - 1.5 * X[:, 0]))).astype(int)
    for cls in (WeightedLightGBM, ThinnedLightGBM):
        model = cls(n_estimators=15, num_leaves=4, verbosity=-1, random_state=0, n_jobs=1).fit(X, y)
        assert model.predict_proba(X)[:, 1].mean() == pytest.approx(y.mean(), rel=0.35)
        assert model.get_params()["n_estimators"] == 15
    assert ThinnedLightGBM(n_estimators=5, verbosity=-1).fit(X, 1 - y).odds_factor_ > 1


def test_correcting_odds_keeps_the_order_and_undoes_itself() -> None:
    p = np.linspace(0.01, 0.99, 50)
    once = correct_odds(np.column_stack([1 - p, p]), 0.1)
    assert (np.diff(once[:, 1]) > 0).all()
    assert correct_odds(once, 10)[:, 1] == pytest.approx(p)


def test_averaged_boosters_are_explained_exactly_and_answer_the_mean_of_their_log_odds() -> None:
    from specweave.problems.estimators import classifiers
    from specweave.tables.native_shap import find_engine

    rng = np.random.default_rng(5)
    X = rng.normal(size=(500, 4))
    y = (rng.random(500) < 1 / (1 + np.exp(2 - 1.5 * X[:, 0]))).astype(int)
    params = {n: {**dict(classifiers(500)[n].params)} for n in ("lightgbm", "xgboost")}
    model = AveragedBoosters(**params, random_state=0, n_jobs=1).fit(X, y)
    assert model.predict_proba(X).sum(axis=1) == pytest.approx(1)
    assert (model.predict(X) == (model.predict_proba(X)[:, 1] > 0.5)).all()
    engine = find_engine(model, X[:50])
    assert engine is not None and engine.unit == "log-odds"
    values, base = engine.explain(X[:5])
    assert values.sum(axis=1)[:, 0] + base[0] == pytest.approx(model.decision_function(X[:5]), abs=1e-3)
    again = AveragedBoosters(**params, random_state=0, n_jobs=1).fit(X, y)
    assert again.decision_function(X) == pytest.approx(model.decision_function(X), abs=0)


def test_a_holdout_with_hardly_any_positives_is_pointed_at() -> None:
    decision = {"labels": ["no", "yes"]}
    few = pd.DataFrame({"truth": ["yes"] * 3 + ["no"] * 797})
    (doubt,) = check_held_out(few, decision)
    assert doubt.code == "SW302" and "of 800 held-out rows only 3 are 'yes'" in doubt.message
    assert check_held_out(pd.DataFrame({"truth": ["yes"] * 10 + ["no"] * 90}), decision) == []
