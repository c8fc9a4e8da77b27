"""The snippets of the product's description run as written; only their undefined names are supplied."""

from __future__ import annotations

import json
import os
import sys
import textwrap
import types
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

from specweave.experiments.store import ExperimentStore

os.environ.setdefault("KERAS_BACKEND", "torch")

X, Y = make_classification(n_samples=240, n_features=6, random_state=0)
DATA = {"X_train": X[:180], "y_train": Y[:180], "X_test": X[180:], "y_test": Y[180:], "X": X, "y": Y}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ExperimentStore:
    folder = tmp_path / ".specweave" / "increments" / "0042-recommendation-model"
    folder.mkdir(parents=True)
    (folder / "spec.md").write_text("---\nid: 0042-recommendation-model\ntitle: x\nstatus: active\n---\n")
    (tmp_path / "data").mkdir()
    frame = pd.DataFrame({"user": [1, 2, None], "item": [3, None, None]})
    frame.to_csv(tmp_path / "data" / "interactions.csv", index=False)
    for name in ("SPECWEAVE_PROJECT", "SPECWEAVE_INCREMENT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return ExperimentStore(folder / "experiments")


def run_snippet(snippet: str, **supplied: Any) -> dict[str, Any]:
    names = {**DATA, **supplied}
    exec(compile(textwrap.dedent(snippet), "<seed>", "exec"), names)
    return names


def history_of(store: ExperimentStore, name: str, metric: str) -> list[float]:
    return [v.values[metric] for v in store.get(name).load_history() if metric in v.values]


def test_task_1_data_exploration(project: ExperimentStore) -> None:
    run_snippet(
        """
        # Generated template with SpecWeave integration
        import pandas as pd
        import mlflow
        from specweave import track_experiment

        # Auto-logs to .specweave/increments/0042.../experiments/
        with track_experiment("exp-001-eda") as exp:
            df = pd.read_csv("data/interactions.csv")

            # EDA
            exp.log_param("dataset_size", len(df))
            exp.log_metric("missing_values", df.isnull().sum().sum())

            # Auto-generates report in increment folder
            exp.save_report("eda-summary.md")
        """
    )
    record = project.get("exp-001-eda")
    assert (record.status, record.params, record.metrics) == (
        "completed",
        {"dataset_size": 3},
        {"missing_values": 3},
    )
    assert "| missing_values | 3 " in record.get_artifact("eda-summary.md").read_text()


def test_task_3_train_baseline(project: ExperimentStore) -> None:
    run_snippet(
        """
        from sklearn.dummy import DummyClassifier
        from specweave import track_model

        with track_model("baseline-random", increment="0042") as model:
            clf = DummyClassifier(strategy="uniform")
            clf.fit(X_train, y_train)

            # Automatically logged to increment
            model.log_metrics({
                "accuracy": 0.12,
                "precision@10": 0.08
            })

            model.save_artifact(clf, "baseline.pkl")
        """
    )
    record = project.get("baseline-random")
    assert record.metrics == {"accuracy": 0.12, "precision@10": 0.08}
    assert record.get_artifact("baseline.pkl").stat().st_size > 0


def test_scikit_learn(project: ExperimentStore) -> None:
    run_snippet(
        """
        from sklearn.ensemble import RandomForestClassifier
        from specweave import track_sklearn_model

        model = RandomForestClassifier(n_estimators=100)

        with track_sklearn_model(model, increment="0042") as tracked:
            tracked.fit(X_train, y_train)
            tracked.evaluate(X_test, y_test)
        """
    )
    record = project.get("random-forest-classifier")
    assert record.status == "completed"
    assert record.params["n_estimators"] == 100
    assert {"accuracy", "f1", "roc_auc", "precision", "recall", "train_seconds"} <= set(record.metrics)
    assert record.get_artifact("model.pkl").exists()


@pytest.mark.torch
def test_pytorch(project: ExperimentStore) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)

    class NeuralNet(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layers = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))

        def forward(self, x: Any) -> Any:
            return self.layers(x)

    rows = torch.utils.data.TensorDataset(torch.tensor(X, dtype=torch.float32), torch.tensor(Y))
    run_snippet(
        """
        import torch
        from specweave import track_pytorch_model

        model = NeuralNet()

        with track_pytorch_model(model, increment="0042") as tracked:
            for epoch in range(epochs):
                tracked.train_epoch(train_loader)
                tracked.log_metric(f"loss_epoch_{epoch}", loss)
        """,
        NeuralNet=NeuralNet,
        epochs=3,
        train_loader=torch.utils.data.DataLoader(rows, batch_size=32),
        loss=torch.tensor(0.25, requires_grad=True),
    )
    record = project.get("neural-net")
    assert record.status == "completed"
    assert record.metrics["loss_epoch_2"] == 0.25
    losses = history_of(project, "neural-net", "train_loss")
    assert len(losses) == 3 and losses[-1] < losses[0]
    assert {"model.pt", "model.pkl", "checkpoint-last.pt", "checkpoint-best.pt"} <= set(record.artifacts)


class KerasUnderItsOldName(types.ModuleType):
    """Keras 3 under the name the snippet imports it by; gone once imported, since Keras looks for it too."""

    @property
    def keras(self) -> Any:
        import keras

        sys.modules.pop("tensorflow", None)
        return keras


@pytest.fixture
def tensorflow_names(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("keras")
    try:
        import tensorflow  # noqa: F401
    except ImportError:
        monkeypatch.setitem(sys.modules, "tensorflow", KerasUnderItsOldName("tensorflow"))


@pytest.mark.torch
def test_tensorflow_keras(project: ExperimentStore, tensorflow_names: None) -> None:
    import keras

    run_snippet(
        """
        from tensorflow import keras
        from specweave import KerasCallback

        model = keras.Sequential(layers)
        model.compile(loss="binary_crossentropy", metrics=["accuracy"])
        model.fit(
            X_train,
            y_train,
            callbacks=[KerasCallback(increment="0042")]
        )
        """,
        layers=[keras.layers.Input((6,)), keras.layers.Dense(1, activation="sigmoid")],
    )
    record = project.get("sequential")
    assert record.status == "completed"
    assert {"loss", "accuracy", "best_loss", "best_epoch"} <= set(record.metrics)
    assert keras.models.load_model(record.get_artifact("model.keras")).count_params() == 7


def test_xgboost(project: ExperimentStore) -> None:
    names = run_snippet(
        """
        import xgboost as xgb
        from specweave import track_boosting_model

        dtrain = xgb.DMatrix(X_train, label=y_train)

        with track_boosting_model("xgboost", increment="0042") as tracked:
            model = xgb.train(params, dtrain, callbacks=[tracked.callback])
        """,
        params={"objective": "binary:logistic", "max_depth": 3},
    )
    record = project.get("xgboost")
    assert (record.status, record.metrics["rounds"], record.params["max_depth"]) == ("completed", 10, 3)
    xgb = names["xgb"]
    loaded = xgb.Booster(model_file=str(record.get_artifact("model.ubj")))
    assert np.array_equal(loaded.predict(names["dtrain"]), names["model"].predict(names["dtrain"]))


def test_use_cross_validation_and_track_everything(project: ExperimentStore) -> None:
    from sklearn.model_selection import cross_val_score

    from specweave import track_experiment

    model = LogisticRegression()
    with track_experiment("practice") as exp:
        exp.save_model(model.fit(X, Y))
        run_snippet(
            """
            # Never trust single train/test split
            cv_scores = cross_val_score(model, X, y, cv=5)
            exp.log_metric("cv_mean", cv_scores.mean())
            exp.log_metric("cv_std", cv_scores.std())

            # Hyperparameters, metrics, artifacts, environment
            exp.log_params(model.get_params())
            exp.log_metrics({"accuracy": acc, "f1": f1})
            exp.log_artifact("model.pkl")
            exp.log_artifact("requirements.txt")  # Reproducibility
            """,
            cross_val_score=cross_val_score,
            exp=exp,
            model=model,
            acc=np.float64(0.9),
            f1=0.8,
        )
    record = project.get("practice")
    assert set(record.metrics) == {"cv_mean", "cv_std", "accuracy", "f1"}
    assert record.params["C"] == 1.0
    assert {"model.pkl", "requirements.txt"} <= set(record.artifacts)


def test_document_failures(project: ExperimentStore) -> None:
    run_snippet(
        """
        from specweave import track_experiment
        # Failed experiments are valuable learnings
        with track_experiment("exp-006-failed-lstm") as exp:
            # ... training fails ...
            exp.log_note("FAILED: LSTM overfits badly, needs regularization")
            exp.set_status("failed")
        # This documents why LSTM wasn't chosen
        """
    )
    record = project.get("exp-006-failed-lstm")
    assert (record.status, record.last_note()) == (
        "failed",
        "FAILED: LSTM overfits badly, needs regularization",
    )
    assert json.loads((record.folder / "experiment.json").read_text())["number"] == 6


@pytest.fixture
def increment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ExperimentStore:
    """A real increment on a small table of its own."""
    from specweave.cli.main import main

    for name in ("SPECWEAVE_PROJECT", "SPECWEAVE_INCREMENT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"a": draw.normal(size=200), "b": draw.normal(size=200)})
    frame["plan"] = draw.choice(["x", "y", "z"], 200)
    frame["churn"] = np.where(frame.a + 0.5 * frame.b + draw.normal(size=200) / 2 > 0, "yes", "no")
    frame.to_csv("customers.csv", index=False)
    command = ["inc", "0042-recommendation-model", "--data", "customers.csv", "--target", "churn"]
    with pytest.raises(SystemExit) as left:
        main(command)
    assert left.value.code == 0
    return ExperimentStore(
        tmp_path / ".specweave" / "increments" / "0042-recommendation-model" / "experiments"
    )


CANDIDATES = """
from xgboost import XGBClassifier
from specweave import ModelExperiment

# Parallel experiments with auto-tracking
experiments = [
    ModelExperiment("xgboost", XGBClassifier, params_xgb),
    ModelExperiment("lightgbm", LGBMClassifier, params_lgbm),
    ModelExperiment("neural-net", KerasModel, params_nn)
]

results = run_experiments(
    experiments,
    increment="0042",
    save_to="experiments/"
)

# Auto-generates comparison table in increment docs
"""


def test_task_4_train_candidate_models(increment: ExperimentStore) -> None:
    from lightgbm import LGBMClassifier
    from sklearn.neural_network import MLPClassifier

    from specweave import run_experiments

    supplied = {
        "run_experiments": run_experiments,
        "LGBMClassifier": LGBMClassifier,
        "KerasModel": MLPClassifier,
        "params_xgb": {"n_estimators": 5},
        "params_lgbm": {"n_estimators": 5, "verbose": -1},
        "params_nn": {"hidden_layer_sizes": "none such"},
    }
    run_snippet(CANDIDATES, **supplied)
    assert {r.name: r.status for r in increment.list()} == {
        "xgboost": "completed",
        "lightgbm": "completed",
        "neural-net": "failed",
    }
    text = (increment.folder / "comparison.md").read_text()
    assert "BEST" in text and "neural-net" in text

    # What is done with the same inputs is not done again; what failed is, in its own folder.
    run_snippet(CANDIDATES, **{**supplied, "params_nn": {"max_iter": 5}})
    records = increment.list()
    assert [r.name for r in records if r.name != "neural-net"] == ["xgboost", "lightgbm"]
    assert increment.get("neural-net").status == "completed"


def test_always_start_with_a_baseline(increment: ExperimentStore) -> None:
    from specweave import train_baseline_model

    names = run_snippet(
        """
        # Before training complex models, establish baseline
        baseline_results = train_baseline_model(
            strategies=["random", "popularity", "rule-based"]
        )
        # Requirement: New model must beat best baseline by 20%+
        """,
        train_baseline_model=train_baseline_model,
    )
    assert len(names["baseline_results"]) == 3
    assert {r.status for r in increment.list()} == {"completed"}
