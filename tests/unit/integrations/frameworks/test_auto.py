"""The decorator and tracked cross-validation."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_regression
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score

from specweave.errors import DataError
from specweave.experiments.store import ExperimentStore
from specweave.experiments.tracking import ExperimentMetadata, track_experiment
from specweave.integrations.frameworks.auto import AutoTracker
from specweave.integrations.frameworks.cross_validation import track_cross_validation

X, Y = make_classification(n_samples=150, n_features=5, random_state=0)


def test_a_decorated_function_is_an_experiment_of_its_arguments_and_results(store: ExperimentStore) -> None:
    tracker = AutoTracker(increment="0042")

    @tracker.track(name="logistic-auto")
    def train_model(data: Any, strength: float = 1.0) -> Any:
        model = LogisticRegression(C=strength).fit(data, Y)
        score = model.score(data, Y)
        return model, score

    model, score = train_model(X, strength=0.5)
    record = store.get("logistic-auto")
    assert record.metrics["score"] == score
    assert record.params["strength"] == 0.5 and record.params["C"] == 0.5
    assert record.params["data"] == "ndarray 150x5"
    assert record.get_artifact("model.pkl").exists()
    assert model.C == 0.5


def test_a_mapping_of_numbers_becomes_metrics(store: ExperimentStore) -> None:
    @AutoTracker()
    def evaluate() -> dict[str, Any]:
        return {"auc": np.float64(0.9), "report": "text", "n": 3, "flag": True}

    evaluate()
    metrics = store.get("evaluate").metrics
    assert {k: metrics[k] for k in metrics if k != "seconds"} == {"auc": 0.9, "n": 3}


def test_results_without_a_name_are_numbered(store: ExperimentStore) -> None:
    tracker = AutoTracker()

    @tracker.track
    def two() -> tuple[float, float]:
        return 0.5 + 0, 0.25 + 0

    assert two() == (0.5, 0.25)
    assert {"result_1", "result_2"} <= set(store.get("two").metrics)


def test_each_call_is_an_experiment_and_a_failing_one_is_failed(store: ExperimentStore) -> None:
    @AutoTracker().track("divide")
    def divide(by: int) -> float:
        return 1 / by

    divide(2)
    with pytest.raises(ZeroDivisionError):
        divide(0)
    assert [(r.id, r.status) for r in store.list()] == [
        ("exp-001-divide", "completed"),
        ("exp-002-divide", "failed"),
    ]


def test_cross_validation_records_folds_mean_and_spread(store: ExperimentStore) -> None:
    model = LogisticRegression()
    found = track_cross_validation(model=model, X=X, y=Y, cv=5, increment="0042")
    expected = cross_val_score(model, X, Y, cv=5, scoring="roc_auc")
    assert found.folds["roc_auc"] == pytest.approx(list(expected))
    assert found.mean["roc_auc"] == pytest.approx(expected.mean())
    assert found.std["roc_auc"] == pytest.approx(expected.std(ddof=1))
    assert not hasattr(model, "coef_")
    record = store.get("logistic-regression-cv")
    assert record.metrics["cv_roc_auc"] == found.mean["roc_auc"]
    assert record.metrics["cv_roc_auc_std"] == found.std["roc_auc"]
    folds = [line for line in record.load_history() if "fold_roc_auc" in line.values]
    assert [line.step for line in folds] == [0, 1, 2, 3, 4]
    assert json.loads(record.get_artifact("folds.json").read_text())["test_rows"] == [30] * 5
    text = record.get_artifact("cross-validation.md").read_text()
    assert "| roc_auc " in text and "0: 50.0%, 1: 50.0%" in text


def test_any_splitter_and_scorer_may_be_given(store: ExperimentStore) -> None:
    features, target = make_regression(n_samples=60, n_features=3, random_state=0)
    found = track_cross_validation(
        LinearRegression(),
        features,
        target,
        cv=KFold(3),
        scoring=["r2", "neg_mean_absolute_error"],
        name="line",
    )
    assert set(found.folds) == {"r2", "neg_mean_absolute_error", "train_seconds"}
    assert "mean " in store.get("line").get_artifact("cross-validation.md").read_text()


def test_folds_that_cannot_be_made_are_one_clear_error(store: ExperimentStore) -> None:
    with pytest.raises(DataError, match="cannot make these folds"):
        track_cross_validation(LogisticRegression(), X[:3], [0, 1, 1], cv=StratifiedKFold(5))
    assert store.list()[-1].status == "failed"


def test_metadata_opens_an_experiment_with_all_it_says(store: ExperimentStore) -> None:
    metadata = ExperimentMetadata(
        name="xgboost-v3",
        description="XGBoost with feature engineering v2",
        tags=["production-candidate"],
        git_commit="a3b8c9d",
        data_version="v2024-01",
        author="a person",
        extra={"depth": 6},
    )
    with track_experiment(metadata) as exp:
        exp.log_metric("auc", 0.9)
    record = store.get("xgboost-v3")
    assert record.tags == {
        "production-candidate": "",
        "git_commit": "a3b8c9d",
        "data_version": "v2024-01",
        "author": "a person",
    }
    assert record.params == {"depth": 6}
    assert record.last_note() == "XGBoost with feature engineering v2"


def test_a_failure_may_be_explained_after_the_block(store: ExperimentStore) -> None:
    with pytest.raises(MemoryError), track_experiment("attempt") as exp:
        raise MemoryError("too large")
    exp.log_note("Reason: out of memory, needs a smaller batch size")
    exp.set_status("failed")
    record = store.get("attempt")
    assert record.status == "failed"
    assert "smaller batch size" in record.load_notes()
