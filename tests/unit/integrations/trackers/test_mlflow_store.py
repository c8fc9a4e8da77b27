"""The MLflow tracker on a database of its own inside the increment."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import Any

import pytest

from specweave.experiments.store import ExperimentStore
from specweave.increments.project import Increment
from specweave.integrations.trackers.mlflow import MlflowTracker, store_uri
from specweave.integrations.tracking_settings import Settings

pytestmark = pytest.mark.slow


@pytest.fixture
def tracker(increment: Increment) -> MlflowTracker:
    pytest.importorskip("mlflow")
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    return MlflowTracker(Settings("mlflow", increment.folder))


def client_of(increment: Increment) -> tuple[Any, str]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=store_uri(Settings("mlflow", increment.folder)))
    return client, client.get_experiment_by_name(increment.id).experiment_id


def test_folds_are_nested_runs_a_resumed_run_goes_on_and_a_changed_param_stands_beside(
    increment: Increment, tracker: MlflowTracker
) -> None:
    store = ExperimentStore(increment.experiments, watchers=())
    run = store.create("lightgbm", tags={"role": "candidate"}, inputs={"a": 1})
    run.log_params({"depth": 3})
    for fold in (1, 2, 3):
        run.log_metric("roc_auc", 0.7 + fold / 100, step=fold)
    run.log_metrics({"cv_roc_auc": 0.72})
    run.save_artifact({"any": "thing"}, "model.bin")
    sent = tracker.send(store.get(1), whole=False)
    assert sent.points == 4
    run.close("interrupted")
    tracker.send(store.get(1), whole=True)
    client, experiment = client_of(increment)
    assert client.get_run(sent.run_id).info.status == "KILLED"

    resumed = store.create("lightgbm", inputs={"a": 1}, resume=True)
    resumed.log_params({"depth": 5})
    resumed.log_metric("roc_auc", 0.9, step=4)
    resumed.save_model({"no": "predict"})
    resumed.close()
    later = MlflowTracker(Settings("mlflow", increment.folder))
    assert not later.is_complete(store.get(1))
    again = later.send(store.get(1), whole=True)
    assert (again.run_id, again.points) == (sent.run_id, 1)
    assert again.notes == ["exp-001-lightgbm: model.pkl is there as a file only: a dict cannot predict"]

    found = client.get_run(sent.run_id)
    assert found.info.status == "FINISHED"
    assert (found.data.params["depth"], found.data.tags["changed.depth"]) == ("3", "5")
    assert (found.data.tags["role"], found.data.tags["specweave.id"]) == ("candidate", "exp-001-lightgbm")
    children = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{sent.run_id}'")
    assert {r.data.tags["specweave.fold"]: r.data.metrics["roc_auc"] for r in children} == {
        "1": 0.71, "2": 0.72, "3": 0.73, "4": 0.9,
    }  # fmt: skip
    fresh = MlflowTracker(Settings("mlflow", increment.folder))
    assert fresh.is_complete(store.get(1))


def test_a_model_changed_behind_the_records_back_is_not_loaded(
    increment: Increment, tracker: MlflowTracker
) -> None:
    from specweave.errors import CorruptFileError

    store = ExperimentStore(increment.experiments, watchers=())
    with store.create("x") as run:
        run.save_model({"a": 1})
    (store.get(1).folder / "model.pkl").write_bytes(b"something else")
    with pytest.raises(CorruptFileError, match="not the one that this run saved"):
        tracker.send(store.get(1), whole=True)


def test_configured_from_code_the_run_id_registers_the_model(
    increment: Increment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mlflow = pytest.importorskip("mlflow")
    from sklearn.linear_model import LogisticRegression

    from specweave import configure_mlflow, track_experiment

    monkeypatch.setenv("SPECWEAVE_TRACKING", "")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.chdir(tmp_path)
    try:
        uri = configure_mlflow()
        assert re.search(r"^sqlite:.*0042-recommendation-model/mlflow\.db$", uri)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with track_experiment("m") as exp:
                exp.save_model(LogisticRegression().fit([[0.0], [1.0]], [0, 1]))
                run_id, iteration = exp.run_id, 1
                model_version = f"0042-v{iteration}"
                version = mlflow.register_model(
                    f"runs:/{run_id}/model", f"recommendation-model-{model_version}"
                )
        assert version.run_id == run_id
        assert list(mlflow.sklearn.load_model(f"runs:/{run_id}/model").predict([[2.0]])) == [1]
    finally:
        mlflow.set_tracking_uri(None)
