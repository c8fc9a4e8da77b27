"""All experiments of an increment: numbers, look-ups, resume, other processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from specweave.errors import CorruptFileError, NewerSchemaError, StateError, StorageError, UnknownNameError
from specweave.experiments.history import load_history
from specweave.experiments.store import ExperimentStore


def run_python(code: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def names(store: ExperimentStore) -> list[str]:
    return [record.id for record in store.list()]


def test_numbers_follow_each_other(store: ExperimentStore) -> None:
    for name in ("a", "b", "a"):
        store.create(name).close()
    assert names(store) == ["exp-001-a", "exp-002-b", "exp-003-a"]


def test_a_name_keeps_its_number_if_it_is_free(store: ExperimentStore) -> None:
    assert store.create("exp-006-failed-lstm").id == "exp-006-failed-lstm"
    assert store.create("exp-002-x").id == "exp-002-x"
    assert store.create("exp-006-other").id == "exp-007-other"
    assert store.create("next").id == "exp-008-next"


def test_a_number_past_999_still_sorts_last(store: ExperimentStore) -> None:
    store.create("exp-1000-big").close()
    store.create("exp-999-small").close()
    assert names(store) == ["exp-999-small", "exp-1000-big"]
    assert store.create("next").id == "exp-1001-next"


@pytest.mark.parametrize(
    "asked", ["exp-002", "2", 2, "002", "exp-002-xgboost", "xgboost", "XGBoost", "exp-002-xgboost/"]
)
def test_an_experiment_is_found_by_id_number_or_name(store: ExperimentStore, asked: str | int) -> None:
    store.create("baseline").close()
    store.create("xgboost").close()
    assert store.get(asked).id == "exp-002-xgboost"


def test_a_name_means_its_latest_experiment(store: ExperimentStore) -> None:
    for _ in range(2):
        store.create("xgboost").close()
    assert store.get("xgboost").id == "exp-002-xgboost"


def test_an_unknown_experiment_offers_the_nearest(store: ExperimentStore) -> None:
    store.create("xgboost").close()
    with pytest.raises(UnknownNameError, match="no experiment 'xgbost'") as caught:
        store.get("xgbost")
    assert "did you mean xgboost" in str(caught.value)
    with pytest.raises(UnknownNameError, match="known: none"):
        ExperimentStore(store.folder / "nothing").get("x")


def test_a_number_that_two_branches_gave_is_reported(store: ExperimentStore) -> None:
    store.create("exp-004-a").close()
    record = json.loads((store.folder / "exp-004-a" / "experiment.json").read_text())
    (store.folder / "exp-004-b").mkdir()
    (store.folder / "exp-004-b" / "experiment.json").write_text(json.dumps({**record, "id": "exp-004-b"}))
    with pytest.raises(StateError, match="exp-004-a and exp-004-b"):
        store.get("4")
    assert store.get("exp-004-b").id == "exp-004-b"


def test_what_is_done_with_the_same_inputs_is_found(store: ExperimentStore) -> None:
    inputs = {"params": {"depth": 6}, "data": "ab"}
    store.create("xgboost", inputs=inputs).close()
    store.create("xgboost", inputs={"params": {"depth": 7}}).close()
    store.create("other", inputs=inputs).close("failed")
    found = store.find_completed("xgboost", {"data": "ab", "params": {"depth": 6}})
    assert found is not None and found.id == "exp-001-xgboost"
    assert store.find_completed("xgboost", {"params": {"depth": 8}}) is None
    assert store.find_completed("other", inputs) is None
    assert store.find_completed("xgboost", None) is None


def test_a_failed_run_is_taken_over_in_its_folder_with_its_history(store: ExperimentStore) -> None:
    first = store.create("net", inputs={"a": 1})
    first.log_metric("loss", 0.5, step=0)
    first.log_param("depth", 6)
    first.save_model({"w": 1})
    with pytest.raises(ValueError, match="bad"), first:
        raise ValueError("bad")
    assert store.create("net", inputs={"a": 2}, resume=True).id == "exp-002-net"
    with store.create("net", inputs={"a": 1}, resume=True) as again:
        assert again.id == "exp-001-net"
        assert again.metrics == {"loss": 0.5}
        again.log_metric("loss", 0.25, step=1)
    record = store.get(1)
    assert (record.status, record.attempts, record.error) == ("completed", 2, "")
    assert record.params == {"depth": 6}
    assert list(record.artifacts) == ["model.pkl"]
    assert [line.step for line in record.load_history()] == [0, 1]
    assert record.started is not None and record.started == first.header().started


def test_a_completed_run_is_not_taken_over(store: ExperimentStore) -> None:
    store.create("net", inputs={"a": 1}).close()
    assert store.create("net", inputs={"a": 1}, resume=True).id == "exp-002-net"


def test_a_running_run_of_a_living_process_is_not_taken_over(store: ExperimentStore) -> None:
    with store.create("net", inputs={"a": 1}) as first:
        assert store.get(1).status == "running"
        assert store.create("net", inputs={"a": 1}, resume=True).id != first.id


KILLED = """
import os, signal, sys
from pathlib import Path
from specweave.experiments.store import ExperimentStore
run = ExperimentStore(Path(sys.argv[1])).create("net", inputs={"a": 1})
run.log_param("depth", 6)
for step in range(10_000):
    run.log_metric("loss", step / 7, step=step)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_kill_9_loses_no_step_that_had_returned_and_reads_as_interrupted(store: ExperimentStore) -> None:
    process = run_python(KILLED, store.folder)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    record = store.get("net")
    assert record.status == "interrupted"
    assert record.metrics == {"loss": 9_999 / 7}
    assert record.params == {"depth": 6}
    lines = record.load_history()
    assert [line.step for line in lines] == list(range(10_000))
    assert not (record.folder / "metrics.json").exists()

    with (record.folder / "history.jsonl").open("ab") as stream:
        stream.write(b'{"step":10000,"ti')
    assert store.get("net").metrics == {"loss": 9_999 / 7}
    with store.create("net", inputs={"a": 1}, resume=True) as again:
        assert again.id == record.id
        again.log_metric("loss", 0.0, step=10_000)
    assert load_history(record.folder)[1] == 0
    assert len(names(store)) == 1
    assert store.get("net").metrics == {"loss": 0.0}


TAKE_OVER = """
import sys
from pathlib import Path
from specweave.experiments.store import ExperimentStore
store = ExperimentStore(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
run = store.create("net", inputs={"a": 1}, resume=True)
print(run.id, flush=True)
sys.stdin.readline()
run.close()
"""


def test_only_one_of_two_processes_takes_over_a_run(store: ExperimentStore) -> None:
    store.create("net", inputs={"a": 1}).close("failed")
    processes = [run_python(TAKE_OVER, store.folder, stdin=subprocess.PIPE) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    taken = [process.stdout.readline().strip() for process in processes if process.stdout]
    for process in processes:
        process.communicate("end\n", timeout=30)
    assert sorted(taken) == ["exp-001-net", "exp-002-net"]


MANY = """
import sys, threading
from pathlib import Path
from specweave.experiments.store import ExperimentStore
folder, process, threads, runs = Path(sys.argv[1]), *map(int, sys.argv[2:5])
store = ExperimentStore(folder)
def work(thread):
    for number in range(thread, runs, threads):
        with store.create("same-name") as run:
            for step in range(5):
                run.log_metric("m", process * 1000 + number, step=step)
workers = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
[w.start() for w in workers]; [w.join() for w in workers]
"""


def test_64_threads_in_8_processes_make_1000_runs_without_a_shared_number_or_a_lost_line(
    store: ExperimentStore,
) -> None:
    processes = [run_python(MANY, store.folder, n, 64, 125) for n in range(8)]
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    records = store.list()
    assert sorted(record.number for record in records) == list(range(1, 1001))
    assert {record.status for record in records} == {"completed"}
    assert sorted(record.metrics["m"] for record in records) == sorted(
        process * 1000 + number for process in range(8) for number in range(125)
    )
    assert all(len(record.load_history()) == 5 for record in records)
    assert os.listdir(store.folder / ".claims") == []


def test_a_folder_without_a_record_reads_as_interrupted(store: ExperimentStore) -> None:
    (store.folder / "exp-001-x").mkdir(parents=True)
    record = store.get("x")
    assert (record.status, record.error) == ("interrupted", "no experiment.json was written")


def test_a_corrupt_record_is_named_and_does_not_hide_the_others(store: ExperimentStore) -> None:
    for name in ("a", "b", "c", "d"):
        store.create(name, inputs={}).close()
    (store.folder / "exp-001-a" / "experiment.json").write_text('{"kind": "exper')
    (store.folder / "exp-002-b" / "experiment.json").write_text('{"kind": "experiment", "schema": 99}')
    (store.folder / "exp-003-c" / "metrics.json").write_text("[]")
    with pytest.raises(CorruptFileError, match=r"exp-001-a/experiment\.json"):
        store.get("a")
    with pytest.raises(NewerSchemaError, match="pip install -U"):
        store.get("b")
    with pytest.raises(CorruptFileError, match=r"exp-003-c/metrics\.json"):
        store.get("c")
    records, errors = store.readable()
    assert [record.name for record in records] == ["d"]
    assert sorted(errors) == ["exp-001-a", "exp-002-b", "exp-003-c"]
    assert store.find_completed("a", {}) is None


def test_a_read_only_folder_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "experiments").write_text("a file")
    with pytest.raises(StorageError, match="cannot write"):
        ExperimentStore(tmp_path / "experiments").create("x")


def test_a_changed_record_is_read_again_and_an_unchanged_one_is_not(store: ExperimentStore) -> None:
    with store.create("x") as exp:
        exp.log_metric("m", 1.0)
    first = store.get("x")
    assert store.get("x") is first
    (exp.folder / "metrics.json").write_text('{"m": 2.0}\n')
    os.utime(exp.folder / "metrics.json", (time.time() + 5, time.time() + 5))
    assert store.get("x").metrics == {"m": 2.0}


def test_other_folders_are_not_experiments(store: ExperimentStore) -> None:
    store.create("x").close()
    (store.folder / "notes").mkdir()
    (store.folder / "exp-1-short").mkdir()
    (store.folder / "exp-005-file").write_text("")
    assert names(store) == ["exp-001-x"]
