"""Runs of other trackers become experiments with their own dates, numbers and files, once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from specweave.errors import CorruptFileError, DataError, IntegrationError, StorageError
from specweave.experiments.export import export_experiments
from specweave.experiments.store import ExperimentStore
from specweave.integrations.imports.dvclive import import_dvclive
from specweave.integrations.imports.mlflow import import_mlflow

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


@pytest.fixture
def store(tmp_path: Path) -> ExperimentStore:
    return ExperimentStore(tmp_path / ".specweave" / "increments" / "0042-x" / "experiments", watchers=())


def make_live(folder: Path) -> None:
    plots = folder / "plots" / "metrics" / "train"
    plots.mkdir(parents=True)
    (plots / "loss.tsv").write_text(
        "timestamp\tstep\tloss\n1700000000000\t0\t0.5\n1700000001000\t1\t0.25\nhalf"
    )
    (folder / "metrics.json").write_text('{"train": {"loss": 0.25}, "acc": "NaN", "step": 1}')
    (folder / "params.yaml").write_text("lr: 0.1\nlayers: [8, 4]\n")
    (folder / "artifacts").mkdir()
    (folder / "artifacts" / "model.txt").write_text("weights")


def test_a_dvclive_folder_becomes_an_experiment_once(tmp_path: Path, store: ExperimentStore) -> None:
    make_live(tmp_path / "live")
    report = import_dvclive(tmp_path / "live", store)
    assert report.imported == ["exp-001-live"]
    record = store.get(1)
    history = [(line.step, line.time, line.values) for line in record.load_history()]
    assert history == [(0, 1.7e9, {"train/loss": 0.5}), (1, 1.7e9 + 1, {"train/loss": 0.25})]
    assert record.params == {"lr": 0.1, "layers": [8, 4]}
    assert record.metrics["train/loss"] == 0.25
    assert record.metrics["acc"] != record.metrics["acc"]
    assert (record.started, record.duration_s, record.status) == (
        "2023-11-14T22:13:20.000Z",
        1.0,
        "completed",
    )
    assert record.get_artifact("artifacts/model.txt").read_text() == "weights"
    assert "1 lines of train/loss.tsv could not be read" in record.load_notes()
    assert import_dvclive(tmp_path / "live", store).known == ["exp-001-live"]
    assert len(store.list()) == 1


def test_what_was_exported_for_dvclive_comes_back_the_same(tmp_path: Path, store: ExperimentStore) -> None:
    with store.create("first") as run:
        run.log_params({"depth": 3})
        for step in range(5):
            run.log_metric("loss", step / 7, step=step)
    export_experiments(store.list(), tmp_path / "out", "dvclive")
    other = ExperimentStore(tmp_path / "other", watchers=())
    assert import_dvclive(tmp_path / "out", other).imported == ["exp-001-first"]
    assert other.get(1).metrics == store.get(1).metrics
    assert other.get(1).params == {"depth": 3}
    assert [line.values["loss"] for line in other.get(1).load_history()] == [step / 7 for step in range(5)]


def test_a_folder_that_is_not_dvclives_is_one_clear_error(tmp_path: Path, store: ExperimentStore) -> None:
    with pytest.raises(StorageError, match="no such folder"):
        import_dvclive(tmp_path / "nowhere", store)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"metrics\.json"):
        import_dvclive(tmp_path / "empty", store)
    (tmp_path / "empty" / "metrics.json").write_text("{")
    with pytest.raises(CorruptFileError):
        import_dvclive(tmp_path / "empty", store)
    assert store.list() == []


def fill_mlflow(uri: str, artifacts: Path) -> str:
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    experiment = client.create_experiment("churn", artifact_location=artifacts.as_uri())
    run_id = client.create_run(experiment, start_time=1_700_000_000_000, run_name="brave-fox").info.run_id
    points = [Metric("loss", 1 / (s + 1), 1_700_000_000_000 + s * 1000, s) for s in range(3)]
    client.log_batch(run_id, points, [Param("depth", "6")], [RunTag("team", "search")])
    file = artifacts.parent / "plot.txt"
    file.write_text("a plot")
    client.log_artifact(run_id, str(file), "plots")
    client.set_terminated(run_id, "FAILED", end_time=1_700_000_060_000)
    mirrored = client.create_run(experiment, tags={"specweave.id": "exp-001-mine"})
    client.set_terminated(mirrored.info.run_id)
    return str(run_id)


def assert_brave_fox(store: ExperimentStore, report: Any, run_id: str) -> None:
    assert report.imported == ["exp-001-brave-fox"]
    record = store.get(1)
    assert (record.status, record.started, record.duration_s) == ("failed", "2023-11-14T22:13:20.000Z", 60.0)
    assert record.params == {"depth": "6"}
    assert record.tags == {"team": "search", "mlflow_experiment": "churn", "imported": f"mlflow:{run_id}"}
    assert [(line.step, line.time, line.values["loss"]) for line in record.load_history()] == [
        (0, 1.7e9, 1.0),
        (1, 1.7e9 + 1, 0.5),
        (2, 1.7e9 + 2, 1 / 3),
    ]
    assert record.get_artifact("plots/plot.txt").read_text() == "a plot"


def test_an_old_mlruns_folder_becomes_experiments_once(
    tmp_path: Path, store: ExperimentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    run_id = fill_mlflow((tmp_path / "mlruns").as_uri(), tmp_path / "files")
    assert_brave_fox(store, import_mlflow(str(tmp_path / "mlruns"), store), run_id)
    assert import_mlflow(str(tmp_path / "mlruns"), store).known == ["exp-001-brave-fox"]


@pytest.mark.slow
def test_an_mlflow_database_becomes_experiments(tmp_path: Path, store: ExperimentStore) -> None:
    pytest.importorskip("mlflow")
    run_id = fill_mlflow(f"sqlite:///{tmp_path}/m.db", tmp_path / "files")
    assert_brave_fox(store, import_mlflow(f"sqlite:///{tmp_path}/m.db", store, experiment="churn"), run_id)
    with pytest.raises(DataError, match="the store has: Default, churn"):
        import_mlflow(f"{tmp_path}/m.db", store, experiment="chrun")


def test_a_store_that_is_not_there_is_one_clear_error(tmp_path: Path, store: ExperimentStore) -> None:
    pytest.importorskip("mlflow")
    with pytest.raises(StorageError, match="no such MLflow store"):
        import_mlflow(f"sqlite:///{tmp_path}/nowhere.db", store)
    (tmp_path / "text.db").write_text("hello")
    with pytest.raises(DataError, match="not an SQLite database"):
        import_mlflow(str(tmp_path / "text.db"), store)
    with pytest.raises(IntegrationError, match="no server answers"):
        import_mlflow("http://127.0.0.1:9", store)
