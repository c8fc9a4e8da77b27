"""Estimators of scikit-learn and what follows its conventions."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification, make_regression
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from specweave.errors import DataError
from specweave.experiments.store import ExperimentStore
from specweave.integrations.frameworks.measures import label_metrics
from specweave.integrations.frameworks.sklearn import measure_estimator, track_sklearn_model

X, Y = make_classification(n_samples=200, n_features=5, random_state=0)
NUMBERS_X, NUMBERS = make_regression(n_samples=200, n_features=5, noise=5.0, random_state=0)


def test_a_classifiers_metrics_are_those_of_scikit_learn(store: ExperimentStore) -> None:
    model = LogisticRegression()
    with track_sklearn_model(model) as tracked:
        found = tracked.fit(X[:150], Y[:150]).evaluate(X[150:], Y[150:])
    predicted, proba = model.predict(X[150:]), model.predict_proba(X[150:])[:, 1]
    truth = Y[150:]
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(truth, predicted))
    assert found["f1"] == pytest.approx(reference.f1_score(truth, predicted))
    assert found["roc_auc"] == pytest.approx(reference.roc_auc_score(truth, proba))
    assert found["log_loss"] == pytest.approx(reference.log_loss(truth, proba))
    record = store.get("logistic-regression")
    assert {n: record.metrics[n] for n in found} == found
    assert record.metrics["model_bytes"] == record.artifacts["model.pkl"].bytes
    assert record.tags == {"framework": "scikit-learn", "model": ""}
    assert record.params["train_rows"] == 150 and record.params["features"] == 5
    assert np.array_equal(
        pickle.loads((record.folder / "model.pkl").read_bytes()).predict(X), model.predict(X)
    )


def test_a_regressors_metrics_are_those_of_scikit_learn(store: ExperimentStore) -> None:
    with track_sklearn_model(LinearRegression(), name="line") as tracked:
        found = tracked.fit(NUMBERS_X, NUMBERS).evaluate(NUMBERS_X, NUMBERS, prefix="train_")
    predicted = tracked.predict(NUMBERS_X)
    assert found["rmse"] == pytest.approx(reference.root_mean_squared_error(NUMBERS, predicted))
    assert found["r2"] == pytest.approx(reference.r2_score(NUMBERS, predicted))
    assert store.get("line").metrics["train_r2"] == found["r2"]


def test_a_pipeline_is_named_after_its_last_step_and_its_params_are_readable(store: ExperimentStore) -> None:
    columns = ColumnTransformer([("scale", StandardScaler(), ["a", "b"])])
    model = make_pipeline(columns, RandomForestClassifier(n_estimators=5))
    frame = pd.DataFrame(X[:, :2], columns=["a", "b"])
    with track_sklearn_model(model) as tracked:
        tracked.fit(frame, np.where(Y, "yes", "no"))
        assert tracked.evaluate(frame, np.where(Y, "yes", "no"))["accuracy"] > 0.9
    record = store.get("random-forest-classifier")
    assert record.params["randomforestclassifier__n_estimators"] == 5
    assert record.params["columntransformer"] == "ColumnTransformer"
    assert record.params["columntransformer__transformers"] == ["scale: StandardScaler"]
    assert record.load_notes() == ""


def test_scores_without_probabilities_give_ranking_but_no_probability_metrics() -> None:
    found = measure_estimator(LinearSVC().fit(X, Y), X, Y)
    assert found["roc_auc"] > 0.8 and found["accuracy"] > 0.8
    assert not {"log_loss", "brier", "expected_calibration_error"} & set(found)


def test_decisions_alone_give_no_ranking_metrics() -> None:
    class Hard(BaseEstimator):  # type: ignore[misc]
        _estimator_type = "classifier"
        classes_ = np.array([0, 1])

        def __sklearn_tags__(self) -> Any:
            return DummyClassifier().__sklearn_tags__()

        def predict(self, X: Any) -> Any:
            return (X[:, 0] > 0).astype(int)

    found = measure_estimator(Hard(), X, Y)
    assert "accuracy" in found and "roc_auc" not in found and "log_loss" not in found


def test_several_classes_and_labels_of_other_types_are_measured() -> None:
    truth = np.array([1.0, 2.0, 3.0] * 40)
    features = np.column_stack([truth, np.arange(120)])
    found = measure_estimator(
        LogisticRegression(max_iter=500).fit(features, truth), features, truth.astype(int)
    )
    assert found["accuracy"] == 1.0


def test_what_neither_predicts_a_label_nor_a_number_is_scored_by_itself(store: ExperimentStore) -> None:
    with track_sklearn_model(KMeans(3, n_init=1, random_state=0)) as tracked:
        found = tracked.fit(X).evaluate(X)
    assert set(found) == {"score"}
    two_outputs = np.column_stack([NUMBERS, NUMBERS])
    assert set(measure_estimator(LinearRegression().fit(NUMBERS_X, two_outputs), NUMBERS_X, two_outputs)) == {
        "score"
    }


def test_a_failing_fit_is_a_failed_experiment(store: ExperimentStore) -> None:
    with pytest.raises(ValueError, match="NaN"), track_sklearn_model(LogisticRegression()) as tracked:
        tracked.fit(np.full((4, 2), np.nan), [0, 1, 0, 1])
    assert store.get("logistic-regression").status == "failed"


def test_a_model_that_cannot_be_saved_does_not_fail_its_training(store: ExperimentStore) -> None:
    model = LogisticRegression()
    model.generator = (i for i in range(3))
    with pytest.warns(RuntimeWarning, match="was not saved"), track_sklearn_model(model) as tracked:
        tracked.fit(X, Y)
    record = store.get("logistic-regression")
    assert record.status == "completed"
    assert "the model was not saved" in record.load_notes()


def test_a_block_without_a_fit_says_so(store: ExperimentStore) -> None:
    with track_sklearn_model(LogisticRegression()):
        pass
    assert "without a call of fit" in store.get(1).load_notes()


def test_the_tracked_model_offers_what_run_and_estimator_offer(store: ExperimentStore) -> None:
    with track_sklearn_model(LogisticRegression(C=2.0)) as tracked:
        tracked.fit(X, Y)
        tracked.log_note("mine")
        assert tracked.C == 2.0
        assert tracked.predict(X).shape == (200,)
        with pytest.raises(AttributeError):
            _ = tracked.no_such_thing


def test_nothing_to_measure_is_an_error() -> None:
    with pytest.raises(DataError, match="nothing to measure"):
        label_metrics([0, 1], [0, 1])
    with pytest.raises(DataError, match="neither predicts nor scores"):
        measure_estimator(StandardScaler(), X)
