"""The local engine beyond the contract: interrupts, orphans, threads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from specweave.engines.local import LocalEngine
from specweave.engines.threads import inner_threads, limit_threads
from specweave.errors import DataError
from specweave.experiments.processes import started_ticks
from specweave.experiments.store import ExperimentStore

LONG = """
import os, sys, time
from pathlib import Path
from specweave.engines.local import LocalEngine
from specweave.experiments.store import ExperimentStore

def train(number, folder):
    with ExperimentStore(Path(folder)).create(f"model-{number}") as run:
        (Path(folder) / f"pid-{number}").write_text(str(os.getpid()))
        time.sleep(120)

try:
    LocalEngine().map(train, [0, 1, 2], jobs=2, shared=sys.argv[1])
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(130)
"""


def start_training(folder: Path) -> tuple[subprocess.Popen[str], list[int]]:
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", LONG, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    files = [folder / "pid-0", folder / "pid-1"]
    for _ in range(600):
        if all(file.exists() and file.read_text() for file in files):
            break
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    return process, [int(file.read_text()) for file in files]


def wait_until_gone(pids: list[int]) -> bool:
    for _ in range(200):
        if all(started_ticks(pid) is None for pid in pids):
            return True
        time.sleep(0.05)
    return False


def test_ctrl_c_ends_the_workers_and_their_runs_read_as_interrupted(tmp_path: Path) -> None:
    process, pids = start_training(tmp_path / "e")
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (130, "interrupted\n"), errors
    assert wait_until_gone(pids)
    records = ExperimentStore(tmp_path / "e").list()
    assert [record.status for record in records] == ["interrupted", "interrupted"]


def test_workers_do_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    process, pids = start_training(tmp_path / "e")
    process.kill()
    process.communicate(timeout=60)
    assert wait_until_gone(pids)


def test_an_exception_of_the_callers_own_callback_is_raised() -> None:
    def refuse(_: object) -> None:
        raise RuntimeError("the callback's own")

    with pytest.raises(RuntimeError, match="the callback's own"):
        LocalEngine().map(abs, [1, -2], jobs=2, on_result=refuse)


def test_labels_must_fit_the_items() -> None:
    with pytest.raises(DataError, match="2 items but 1 labels"):
        LocalEngine().map(abs, [1, 2], labels=["one"])


def test_one_job_runs_in_this_process() -> None:
    assert [r.value for r in LocalEngine().map(lambda _: os.getpid(), [0], jobs=4)] == [os.getpid()]


def test_an_estimators_own_threads_are_limited_inside_pipelines_too() -> None:
    model = make_pipeline(StandardScaler(), RandomForestClassifier(n_jobs=-1))
    assert limit_threads(model, 1).get_params()["randomforestclassifier__n_jobs"] == 1
    other = object()
    assert limit_threads(other, 1) is other


def test_workers_and_their_threads_never_exceed_the_cores() -> None:
    from joblib import cpu_count

    for jobs in (1, 2, 3, 64):
        assert inner_threads(jobs) >= 1
        assert inner_threads(jobs) == 1 or inner_threads(jobs) * jobs <= cpu_count()
