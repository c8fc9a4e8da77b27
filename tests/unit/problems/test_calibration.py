"""Corrected probabilities: nearer to frequencies, in the same order, without their own fold's help."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from specweave.problems.calibration import (
    RAW,
    apply_calibration,
    calibrated,
    cross_fitted,
    describe_calibration,
    learn_calibration,
    raw_score,
)
from specweave.problems.classification import Classification


def rows(n: int = 2000, sharpness: float = 3.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scores whose log-odds are `sharpness` times too large, truths, and folds."""
    rng = np.random.default_rng(seed)
    z = rng.normal(-2, 1.5, n)
    hit = rng.random(n) < 1 / (1 + np.exp(-z))
    return 1 / (1 + np.exp(-sharpness * z)), hit, np.arange(n) % 5 + 1


def outcome_of(score: np.ndarray, hit: np.ndarray, fold: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"row": np.arange(len(score)), "fold": fold, "truth": np.where(hit, "1", "0"),
                         "p:0": 1 - score, "p:1": score})  # fmt: skip


def test_overconfident_scores_are_brought_back_and_keep_their_order() -> None:
    score, hit, fold = rows()
    found = learn_calibration(score, hit, fold)
    assert found is not None and found["method"] == "sigmoid"
    assert found["weights"][0] == pytest.approx(1 / 3, abs=0.06)
    assert found["log_loss_after"] < found["log_loss_before"] - 0.1
    fresh, truth, _ = rows(seed=1)
    corrected = calibrated(fresh, found["weights"])
    order = np.argsort(fresh)
    assert (np.diff(corrected[order]) > 0).all()
    assert corrected.mean() == pytest.approx(truth.mean(), abs=0.02)


def test_honest_scores_and_too_few_positives_are_left_alone() -> None:
    assert learn_calibration(*rows(sharpness=1.0)) is None
    score, hit, fold = rows()
    few = hit & (np.cumsum(hit) <= 15)
    assert learn_calibration(score, few, fold) is None
    assert learn_calibration(np.full(len(score), 0.5), hit, fold) is None


def test_both_ends_bent_apart_ask_for_the_beta_curve() -> None:
    rng = np.random.default_rng(2)
    p = rng.uniform(0.001, 0.999, 6000)
    found = learn_calibration(p**3, rng.random(6000) < p, np.arange(6000) % 5)
    assert found is not None and found["method"] == "beta"


def test_a_row_is_not_corrected_with_the_help_of_its_own_fold() -> None:
    score, hit, fold = rows()
    before = cross_fitted(score, hit, fold, "sigmoid")
    turned = np.where(fold == 2, ~hit, hit)
    after = cross_fitted(score, turned, fold, "sigmoid")
    assert after[fold == 2] == pytest.approx(before[fold == 2], abs=0)
    assert not np.allclose(after[fold == 1], before[fold == 1])


def test_correcting_stored_rows_again_changes_nothing_and_the_raw_score_stays() -> None:
    score, hit, fold = rows()
    decision = {
        "labels": ["0", "1"],
        "positive": "1",
        "threshold": 0.5,
        "calibration": learn_calibration(score, hit, fold),
    }
    once = apply_calibration(outcome_of(score, hit, fold), decision)
    assert once[RAW].to_numpy() == pytest.approx(score, abs=0)
    pd.testing.assert_frame_equal(apply_calibration(once, decision), once)
    assert raw_score(once, "1") == pytest.approx(score, abs=0)
    assert (once["p:0"] + once["p:1"]).to_numpy() == pytest.approx(1)
    assert "sigmoid" in describe_calibration(decision)
    table = Classification().breakdowns(once, decision)[2]
    assert table.title == "Calibration" and "corrected by a sigmoid" in table.note


def test_without_a_correction_the_outcome_is_as_it_was() -> None:
    score, hit, fold = rows(200)
    outcome = outcome_of(score, hit, fold)
    assert apply_calibration(outcome, {"labels": ["0", "1"], "positive": "1"}) is outcome
    assert describe_calibration({"positive": None}) == ""


def test_sums_of_contributions_are_told_as_the_probability_that_is_answered() -> None:
    score, hit, fold = rows()
    decision = {
        "labels": ["0", "1"],
        "positive": "1",
        "threshold": 0.5,
        "calibration": learn_calibration(score, hit, fold),
    }
    row = apply_calibration(outcome_of(score, hit, fold).drop(columns="fold"), decision).iloc[0]
    log_odds = float(np.log(score[0] / (1 - score[0])))
    assert Classification().chance(log_odds, "1", decision) == pytest.approx(row["p:1"])
    assert Classification().chance(-log_odds, "0", decision) == pytest.approx(row["p:0"])
    assert Classification().chance(log_odds, "1", {"positive": "1"}) == pytest.approx(score[0])


def test_contributions_of_a_weighted_model_sum_to_what_it_answers() -> None:
    from sklearn.pipeline import Pipeline

    from specweave.problems.imbalance import WeightedLightGBM
    from specweave.tables.features import make_features
    from specweave.tables.kinds import infer_kinds

    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.normal(size=(600, 3)), columns=["a", "b", "c"])
    y = (rng.random(600) < 1 / (1 + np.exp(3 - 2 * frame["a"]))).astype(int)
    step = make_features(dict(infer_kinds(frame)), drop={}, task="classification").fit(frame, y)
    model = Pipeline(
        [("features", step), ("model", WeightedLightGBM(n_estimators=20, verbosity=-1, n_jobs=1))]
    )
    model.named_steps["model"].fit(step.transform(frame), y)
    model.labels_ = ["0", "1"]
    found = Classification().contributions(model, frame[:5], frame[5:60], seed=0)
    sums = np.asarray(found.base) + found.values.sum(axis=1)
    assert 1 / (1 + np.exp(-sums)) == pytest.approx(model.predict_proba(frame[:5])[:, 1], abs=1e-6)
