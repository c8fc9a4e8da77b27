"""Experiments side by side."""

from __future__ import annotations

import math

import pytest

from specweave.errors import StorageError, UnknownNameError
from specweave.experiments.compare import compare, load_comparison, render_comparison, save_comparison
from specweave.experiments.store import ExperimentStore
from specweave.records import Metric


def add(store: ExperimentStore, name: str, **metrics: float) -> None:
    with store.create(name) as exp:
        exp.log_metrics(metrics)


@pytest.fixture
def filled(store: ExperimentStore) -> ExperimentStore:
    add(store, "dummy", cv_auc=0.5, cv_auc_std=0.0, train_seconds=0.01, model_bytes=500)
    add(store, "xgboost", cv_auc=0.84, cv_auc_std=0.02, cv_f1=0.5, train_seconds=75.0, model_bytes=2_500_000)
    add(store, "lightgbm", cv_auc=0.85, cv_auc_std=0.01, cv_f1=0.6, train_seconds=3.0, model_bytes=1000)
    add(store, "eda", rows=100)
    add(store, "broken-metric", cv_auc=math.nan)
    with store.create("net") as exp:
        exp.log_metric("cv_auc", 0.99)
        exp.log_note("FAILED: overfits | badly")
        exp.set_status("failed")
    return store


def test_the_best_is_first_and_the_failed_are_listed_with_their_note(filled: ExperimentStore) -> None:
    found = compare(filled, metric="auc", higher_is_better=True)
    assert [row.name for row in found.rows] == ["lightgbm", "xgboost", "dummy", "eda", "broken-metric", "net"]
    assert (found.best, found.runner_up) == ("exp-003-lightgbm", "exp-002-xgboost")
    text = render_comparison(found)
    assert "| exp-003-lightgbm ✅ BEST | 0.85 ± 0.01" in text
    assert "FAILED: overfits \\| badly" in text
    assert "1 min 15 s" in text and "2.5 MB" in text
    assert "a gap of 0.01" in found.reason


def test_lower_can_be_better(filled: ExperimentStore) -> None:
    found = compare(filled, metric="auc", higher_is_better=False)
    assert found.best == "exp-001-dummy"
    assert "lowest" in found.reason


def test_what_is_ahead_of_the_chosen_is_not_called_lower(store: ExperimentStore) -> None:
    add(store, "model", cv_auc=0.80, cv_auc_std=0.01)
    add(store, "baseline", cv_auc=0.84, cv_auc_std=0.01)
    reason = compare(store, metric="auc", higher_is_better=True, best="model").reason
    assert "highest" not in reason
    assert "baseline is ahead of it at 0.84" in reason


def test_a_gap_within_the_spread_of_folds_is_said_to_be_none(store: ExperimentStore) -> None:
    add(store, "a", cv_auc=0.80, cv_auc_std=0.05)
    add(store, "b", cv_auc=0.81, cv_auc_std=0.05)
    assert "treat them as equal" in compare(store, metric="auc", higher_is_better=True).reason


def test_evidence_of_the_caller_is_shown(filled: ExperimentStore) -> None:
    found = compare(
        filled,
        metric="auc",
        higher_is_better=True,
        also=["f1"],
        intervals={
            "lightgbm": Metric(name="auc", value=0.85, low=0.83, high=0.87),
            "exp-001-dummy": (0.5, 0.5),
        },
        tests={"xgboost": {"test": "paired bootstrap", "difference": 0.01, "p_value": 0.03, "n": 900}},
    )
    text = render_comparison(found)
    assert "0.83 to 0.87" in text
    assert "paired bootstrap, difference 0.01, p = 0.03, n = 900" in text
    assert "interval 0.83 to 0.87" in found.reason and "p = 0.03" in found.reason
    assert found.rows[0].metrics == {"f1": 0.6}


def test_the_caller_may_choose_by_another_rule_and_say_why(filled: ExperimentStore) -> None:
    found = compare(
        filled, metric="auc", higher_is_better=True, best="xgboost", reason="the simplest within one error"
    )
    assert found.rows[0].id == found.best == "exp-002-xgboost"
    assert found.runner_up == "exp-003-lightgbm"
    assert "the simplest within one error." in render_comparison(found)


def test_chosen_experiments_only(filled: ExperimentStore) -> None:
    found = compare(filled, metric="auc", higher_is_better=True, experiments=["dummy", "2"])
    assert [row.name for row in found.rows] == ["xgboost", "dummy"]
    with pytest.raises(UnknownNameError):
        compare(filled, metric="auc", higher_is_better=True, experiments=["nobody"])


def test_nothing_measured_is_said(store: ExperimentStore) -> None:
    found = compare(store, metric="auc", higher_is_better=True)
    assert found.best is None
    assert "There is no experiment yet" in render_comparison(found)
    add(store, "eda", rows=1)
    assert "no completed experiment has a value of auc" in render_comparison(
        compare(store, metric="auc", higher_is_better=True)
    )


def test_an_unreadable_record_is_listed(filled: ExperimentStore) -> None:
    (filled.folder / "exp-001-dummy" / "experiment.json").write_text("{")
    text = render_comparison(compare(filled, metric="auc", higher_is_better=True))
    assert "| exp-001-dummy " in text and "unreadable" in text


def test_a_comparison_is_read_back_from_its_file(filled: ExperimentStore) -> None:
    found = compare(filled, metric="auc", higher_is_better=True)
    path = save_comparison(filled.folder, found)
    assert path.read_text() == render_comparison(load_comparison(filled.folder))
    assert load_comparison(filled.folder) == found
    with pytest.raises(StorageError):
        load_comparison(filled.folder / "nowhere")
