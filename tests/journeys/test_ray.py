"""Experiments on a real cluster of two nodes on this machine, one of them killed in mid-run."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from specweave.experiments.record import ExperimentRecord
from specweave.experiments.store import ExperimentStore

pytestmark = [pytest.mark.slow, pytest.mark.ray]

SPEC = """---
id: 0007-churn
title: Churn
status: active
---
## ML Problem Definition
- Problem type: Binary classification
- Success metrics: ROC AUC > 0.6
## Data Requirements
- Training data: churn.csv
- Target: churn
- Validation: stratified 25% holdout
## Model Requirements
- Latency: <100ms inference
"""
PLAN = """```yaml
split: {folds: 3, seed: 1}
selection_metric: roc_auc
```
"""
TRAINING = """
import os, sys, time
from pathlib import Path
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from specweave import ModelExperiment, run_experiments

pause, log = float(os.environ["PAUSE"]), os.environ["FITS"]

class SlowForest(RandomForestClassifier):
    def fit(self, X, y, sample_weight=None):
        Path(log, f"{os.getpid()}-{time.time_ns()}").write_text("fit")
        time.sleep(pause)
        return super().fit(X, y, sample_weight)

class Deadly(LogisticRegression):
    on_ray = sys.argv[1].startswith("ray")

    def fit(self, X, y, sample_weight=None):
        if self.on_ray:
            os._exit(9)
        raise MemoryError("too big")

experiments = [
    ModelExperiment(f"forest-{depth}", SlowForest, {"max_depth": depth, "n_estimators": 5, "random_state": 0})
    for depth in (1, 2, 3)
]
experiments.insert(1, ModelExperiment("deadly", Deadly, {}))
results = run_experiments(experiments, engine=sys.argv[1], save_to=sys.argv[2])
print("trained", flush=True)
"""


def make_project(root: Path) -> Path:
    folder = root / ".specweave" / "increments" / "0007-churn"
    folder.mkdir(parents=True)
    (folder / "spec.md").write_text(SPEC)
    (folder / "plan.md").write_text(PLAN)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"tenure": rng.integers(0, 70, 240), "charge": rng.normal(60, 20, 240).round(2)})
    signal = frame["tenure"] / 20 + rng.normal(size=240)
    frame.assign(churn=np.where(signal > 1.7, "Yes", "No")).to_csv(root / "churn.csv", index=False)
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Node:
    """One Ray node of one core on a loopback address of its own, its processes in one session."""

    def __init__(self, log: Path, host: str, *options: str) -> None:
        self.log = log
        self.process = subprocess.Popen(
            [str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-cpus=1",
             f"--node-ip-address={host}", "--include-log-monitor=false",
             "--object-store-memory=100000000", *options],
            stdout=log.open("wb"), stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def pids(self) -> list[int]:
        """Every process of the node: its session, and what descends from it."""
        table = subprocess.run(["ps", "-eo", "pid=,ppid=,sid="], capture_output=True, text=True).stdout
        rows = [tuple(map(int, line.split())) for line in table.splitlines()]
        found = {pid for pid, _, sid in rows if sid == self.process.pid}
        while more := {pid for pid, parent, _ in rows if parent in found} - found:
            found |= more
        return sorted(found)

    def kill(self) -> None:
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Node]]:
    """Start two nodes; yield Ray's client address and the node that may be lost."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    # Killed nodes leave a note of their cluster behind, which others on this machine must not find; the
    # path is short, since the names of sockets are.
    home = tempfile.mkdtemp(prefix="ray-")
    monkeypatch.setenv("RAY_TMPDIR", home)
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(16))
    port, client_port, agent_port = free_port(), free_port(), free_port()
    nodes = [
        Node(tmp_path / "head.log", "127.0.0.2", "--head", "--include-dashboard=false", f"--port={port}", f"--ray-client-server-port={client_port}",
             f"--runtime-env-agent-port={agent_port}")
    ]  # fmt: skip
    try:
        wait_for_port("127.0.0.2", client_port)
        nodes.append(Node(tmp_path / "other.log", "127.0.0.3", f"--address=127.0.0.2:{port}"))
        address = f"ray://127.0.0.2:{client_port}"
        wait_for_nodes(address, nodes)
        yield address, nodes[1]
    finally:
        for node in reversed(nodes):
            node.kill()
        shutil.rmtree(home, ignore_errors=True)


def wait_for_port(host: str, port: int) -> None:
    for _ in range(900):
        try:
            socket.create_connection((host, port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"nobody listens at {host}:{port}")


def wait_for_nodes(address: str, nodes: list[Node]) -> None:
    ask = (
        "import ray, sys, time; ray.init(address=sys.argv[1], log_to_driver=False, logging_level='error')\n"
        "for _ in range(300):\n"
        "    if sum(n['Alive'] for n in ray.nodes()) >= int(sys.argv[2]): sys.exit(0)\n"
        "    time.sleep(0.2)\n"
        "sys.exit('only ' + str(ray.nodes()))"
    )
    asked = subprocess.run(
        [sys.executable, "-c", ask, address, str(len(nodes))], capture_output=True, text=True, timeout=240
    )
    assert asked.returncode == 0, asked.stderr + nodes[-1].log.read_text()


def train(root: Path, engine: str, folder: str, pause: float, fits: Path) -> subprocess.Popen[str]:
    fits.mkdir()
    script = root / "train.py"
    script.write_text(TRAINING)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SPECWEAVE_")}
    return subprocess.Popen(
        [sys.executable, str(script), engine, folder], cwd=root, text=True,
        env={**environment, "PAUSE": str(pause), "FITS": str(fits)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def numbers(record: ExperimentRecord) -> dict[str, float]:
    return {k: v for k, v in record.metrics.items() if not re.search("seconds|bytes", k)}


def test_a_node_killed_in_mid_run_loses_no_experiment_and_changes_no_number(
    tmp_path: Path, cluster: tuple[str, Node]
) -> None:
    address, other = cluster
    increment = make_project(tmp_path)
    local = train(tmp_path, "local", "local", 0.0, tmp_path / "fits-local")
    _, errors = local.communicate(timeout=240)
    assert local.returncode == 0, errors

    training = train(tmp_path, address, "cluster", 1.5, tmp_path / "fits-ray")
    killed: list[int] = []
    for _ in range(1200):
        pids = set(other.pids())
        killed = [
            p for p in (int(f.name.split("-")[0]) for f in (tmp_path / "fits-ray").iterdir()) if p in pids
        ]
        if killed or training.poll() is not None:
            break
        time.sleep(0.1)
    assert killed, training.communicate()[1]
    other.kill()
    output, errors = training.communicate(timeout=300)
    assert (training.returncode, output) == (0, "trained\n"), errors

    ours = {r.name: r for r in ExperimentStore(increment / "local").list()}
    theirs = {r.name: r for r in ExperimentStore(increment / "cluster").list()}
    assert {n: r.status for n, r in theirs.items()} == {
        "forest-1": "completed", "forest-2": "completed", "forest-3": "completed", "deadly": "failed",
    }  # fmt: skip
    assert "the worker died" in theirs["deadly"].last_note()
    for name in ("forest-1", "forest-2", "forest-3"):
        assert numbers(theirs[name]) == numbers(ours[name])


def test_a_cluster_that_does_not_answer_is_one_clear_error(tmp_path: Path) -> None:
    make_project(tmp_path)
    training = train(tmp_path, f"ray://127.0.0.1:{free_port()}", "cluster", 0.0, tmp_path / "fits")
    _, errors = training.communicate(timeout=120)
    assert training.returncode == 1
    assert "IntegrationError" in errors
    assert "no Ray cluster answers" in errors
    records = ExperimentStore(tmp_path / ".specweave" / "increments" / "0007-churn" / "cluster").list()
    assert {r.status for r in records} == {"interrupted"}
