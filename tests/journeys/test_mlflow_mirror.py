"""A real MLflow server, its own process, reads back what was mirrored; stopping it costs nothing."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from specweave.experiments.store import ExperimentStore
from specweave.increments.project import Increment
from specweave.integrations.resending import mirror_increment

pytestmark = pytest.mark.slow
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

TRAINING = """
import sys, time
from pathlib import Path
import numpy as np
from sklearn.linear_model import LogisticRegression
from specweave import track_experiment

X = np.random.default_rng(0).normal(size=(60, 3))
y = (X[:, 0] > 0).astype(int)
with track_experiment("logistic", seed=3, tags={"team": "search"}) as exp:
    exp.log_params({"C": 0.5, "grid": [1, 2], "words": "x" * 9000})
    for step in range(300):
        exp.log_metrics({"loss": 1 / (step + 1), "recall@precision=0.5": step / 300}, step=step)
        if step == 150:
            print("half", flush=True)
            sys.stdin.readline()
    exp.log_metric("no_step", 0.25)
    exp.log_metric("no_step", 0.125)
    exp.log_metric("overflow", float("nan"))
    exp.save_model(LogisticRegression().fit(X, y))
    exp.log_note("the first one")
    if "register" in sys.argv:
        import mlflow
        run_id = exp.run_id
        model_version = "0042-v1"
        mlflow.register_model(f"runs:/{run_id}/model", f"recommendation-model-{model_version}")
        print(run_id, flush=True)
print("closed", flush=True)
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """An MLflow server on this machine with a database of its own."""

    def __init__(self, home: Path) -> None:
        self.home, self.port = home, free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{self.home}/server.db",
             "--artifacts-destination", str(self.home / "artifacts"), "--host", "127.0.0.1",
             "--port", str(self.port), "--workers", "1"],
            # Its queue of background jobs costs more than all the rest and is not asked for here.
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            cwd=self.home, stdout=subprocess.DEVNULL, stderr=(self.home / "server.log").open("ab"), start_new_session=True,
        )  # fmt: skip
        for _ in range(600):
            assert self.process.poll() is None, (self.home / "server.log").read_text()
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=1).close()
                return
            except OSError:
                time.sleep(0.2)
        raise AssertionError((self.home / "server.log").read_text())

    def stop(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, 9)
            self.process.wait()
            self.process = None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("mlflow"))
    server.start()
    yield server
    server.stop()


def make_project(root: Path) -> Increment:
    folder = root / ".specweave" / "increments" / "0042-recommendation-model"
    folder.mkdir(parents=True)
    (folder / "spec.md").write_text("---\nid: 0042-recommendation-model\ntitle: x\nstatus: active\n---\n")
    return Increment(folder)


def start_training(root: Path, uri: str, *arguments: str) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "SPECWEAVE_"))}
    return subprocess.Popen(
        [sys.executable, "-c", TRAINING, *arguments], cwd=root, text=True,
        env={**environment, "MLFLOW_TRACKING_URI": uri, "MLFLOW_DISABLE_TELEMETRY": "true"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def client_of(server: Server) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=server.uri)


def runs_of(server: Server, increment: Increment) -> list[Any]:
    client = client_of(server)
    experiment = client.get_experiment_by_name(increment.id)
    record = ExperimentStore(increment.experiments).get("logistic")
    query = f"tags.`specweave.started` = '{record.started}'"
    return [] if experiment is None else list(client.search_runs([experiment.experiment_id], query))


def assert_same(server: Server, increment: Increment) -> None:
    record = ExperimentStore(increment.experiments).get("logistic")
    (run,) = runs_of(server, increment)
    client = client_of(server)
    assert run.info.status == "FINISHED"
    assert run.data.tags["specweave.id"] == record.id
    for name, key in (("loss", "loss"), ("recall@precision=0.5", "recall_at_precision_eq_0.5")):
        theirs = [(p.step, p.value) for p in client.get_metric_history(run.info.run_id, key)]
        ours = [(line.step, line.values[name]) for line in record.load_history() if name in line.values]
        assert sorted(theirs) == ours
        assert len(ours) == 300
    no_step = client.get_metric_history(run.info.run_id, "no_step")
    assert sorted((p.step, p.value) for p in no_step) == [(0, 0.25), (1, 0.125)]
    assert np.isnan(client.get_metric_history(run.info.run_id, "overflow")[0].value)
    assert run.data.params["C"] == "0.5"
    assert json.loads(run.data.params["grid"]) == [1, 2]
    assert run.data.params["words"].endswith("[whole in specweave/params.json: words]")
    params = json.loads(Path(client.download_artifacts(run.info.run_id, "specweave/params.json")).read_text())
    assert params["words"] == "x" * 9000


def load_model(server: Server, run_id: str) -> Any:
    import mlflow

    mlflow.set_tracking_uri(server.uri)
    try:
        return mlflow.pyfunc.load_model(f"runs:/{run_id}/model")
    finally:
        mlflow.set_tracking_uri(None)
        os.environ.pop("MLFLOW_TRACKING_URI", None)


def test_a_server_reads_back_the_same_numbers_and_the_model_and_registers_it(
    server: Server, tmp_path: Path
) -> None:
    increment = make_project(tmp_path)
    training = start_training(tmp_path, server.uri, "register")
    output, errors = training.communicate("\n", timeout=240)
    assert training.returncode == 0, errors
    run_id = output.split()[1]
    report = mirror_increment_to(server, increment)
    assert report.failed == {}
    assert_same(server, increment)
    model = load_model(server, run_id)
    X = np.random.default_rng(0).normal(size=(60, 3))
    y = (X[:, 0] > 0).astype(int)
    assert np.array_equal(model.predict(X), LogisticRegression().fit(X, y).predict(X))
    assert model.metadata.signature is not None
    (version,) = client_of(server).search_model_versions("name = 'recommendation-model-0042-v1'")
    assert version.run_id == run_id

    again = mirror_increment_to(server, increment)
    assert (again.sent, again.points, again.complete) == ({}, 0, ["exp-001-logistic"])
    assert len(runs_of(server, increment)) == 1


def mirror_increment_to(server: Server, increment: Increment) -> Any:
    os.environ["MLFLOW_TRACKING_URI"] = server.uri
    try:
        (report,) = mirror_increment(increment)
    finally:
        del os.environ["MLFLOW_TRACKING_URI"]
    return report


def test_a_server_stopped_in_mid_run_changes_no_file_and_is_given_the_rest_later(
    server: Server, tmp_path: Path
) -> None:
    increment = make_project(tmp_path)
    training = start_training(tmp_path, server.uri)
    assert training.stdout is not None and training.stdin is not None
    assert training.stdout.readline() == "half\n"
    for _ in range(600):
        if runs_of(server, increment):
            break
        time.sleep(0.1)
    server.stop()
    output, errors = training.communicate("\n", timeout=120)
    assert (training.returncode, output) == (0, "closed\n"), errors
    assert errors.count("gets no copy for now") <= 1
    record = ExperimentStore(increment.experiments).get("logistic")
    assert record.status == "completed"
    assert len([line for line in record.load_history() if "loss" in line.values]) == 300
    assert (record.folder / "model.pkl").exists()

    server.start()
    assert runs_of(server, increment)[0].info.status == "RUNNING"
    report = mirror_increment_to(server, increment)
    assert list(report.sent) == [record.id]
    assert_same(server, increment)
    assert mirror_increment_to(server, increment).complete == [record.id]


def test_a_server_that_never_answers_does_not_hold_the_training(tmp_path: Path) -> None:
    increment = make_project(tmp_path)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(50)
        training = start_training(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}")
        output, errors = training.communicate("\n", timeout=60)
    assert (training.returncode, output) == (0, "half\nclosed\n"), errors
    assert ExperimentStore(increment.experiments).get("logistic").metrics["no_step"] == 0.125
