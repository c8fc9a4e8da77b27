"""One experiment while it happens."""

from __future__ import annotations

import json
import math
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from specweave.errors import DataError, StateError, StorageError
from specweave.experiments.history import load_history
from specweave.experiments.run import Run
from specweave.experiments.store import ExperimentStore


def load(path: Path) -> Any:
    return json.loads(path.read_text())


def test_the_folder_holds_what_was_logged(store: ExperimentStore) -> None:
    with store.create("exp-001-eda", task="T-001", seed=7, tags=["first"], data_sha256="ab") as exp:
        exp.log_param("dataset_size", 7043)
        exp.log_metric("missing_values", np.int64(11))
        exp.log_note("blank strings in TotalCharges")
    folder = store.folder / "exp-001-eda"
    record = load(folder / "experiment.json")
    assert (record["kind"], record["schema"], record["id"]) == ("experiment", 1, "exp-001-eda")
    assert (record["status"], record["task"], record["seed"]) == ("completed", "T-001", 7)
    assert (record["increment"], record["data_sha256"]) == ("0042-churn", "ab")
    assert record["tags"] == {"first": ""}
    assert record["started"] <= record["ended"]
    assert record["duration_s"] >= 0
    assert load(folder / "params.json") == {"dataset_size": 7043}
    assert load(folder / "metrics.json") == {"missing_values": 11}
    assert (folder / "notes.md").read_text() == "- blank strings in TotalCharges\n"
    assert "numpy==" in (folder / "requirements.txt").read_text()
    assert (folder / "logs").is_dir()


def test_each_log_call_is_one_line_of_history(store: ExperimentStore) -> None:
    with store.create("x") as exp:
        exp.log_metric("loss", 0.5, step=0)
        exp.log_metrics({"loss": 0.25, "accuracy": 0.9}, step=1)
        exp.log_metric("final", 1)
    lines = [json.loads(line) for line in (exp.folder / "history.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 1, None]
    assert [line["values"] for line in lines] == [
        {"loss": 0.5},
        {"loss": 0.25, "accuracy": 0.9},
        {"final": 1},
    ]
    assert exp.metrics == {"loss": 0.25, "accuracy": 0.9, "final": 1}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nan_and_infinities_are_logged_as_legal_json_and_read_back(
    store: ExperimentStore, value: float
) -> None:
    with store.create("x") as exp:
        exp.log_metric("a", value)
        exp.log_metrics({"b": value})
    for text in [(exp.folder / n).read_text() for n in ("history.jsonl", "metrics.json")]:
        for line in text.splitlines() if "step" in text else [text]:
            json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    found = store.get("x").metrics
    assert [repr(found[n]) for n in "ab"] == [repr(value)] * 2


def test_floats_round_trip_through_the_history(store: ExperimentStore) -> None:
    values = [0.1, 1 / 3, 1e-300, 1.7976931348623157e308, -0.0, float(np.float32(0.1))]
    with store.create("x") as exp:
        for value in values:
            exp.log_metric("m", value)
    assert [line.values["m"] for line in load_history(exp.folder)[0]] == values


@pytest.mark.parametrize(
    "name", ['a "quoted" one', "back\\slash", "line\nbreak", "präzision@10", "🚀", "a\u2028b"]
)
def test_any_metric_name_survives(store: ExperimentStore, name: str) -> None:
    with store.create("x") as exp:
        exp.log_metric(name, 1.5, step=3)
    assert store.get("x").metrics == {name: 1.5}
    assert load_history(exp.folder)[0][0].values == {name: 1.5}


@pytest.mark.parametrize("name", ["", "  ", None, 3])
def test_a_metric_without_a_name_is_refused(store: ExperimentStore, name: Any) -> None:
    with store.create("x") as exp, pytest.raises(DataError, match="needs a name"):
        exp.log_metric(name, 1.0)


def test_half_characters_are_refused_as_names_and_spelt_out_as_values(store: ExperimentStore) -> None:
    with store.create("x\udc80", tags=["t\udc80"]) as exp:
        with pytest.raises(DataError, match="no Unicode text"):
            exp.log_metric("a\udc80", 1.0)
        exp.log_param("p\udc80", "v\udc80")
        exp.log_note("n\udc80")
        exp.add_tag("u\udc80")
    record = store.get("x")
    assert record.params == {"p\\udc80": "v\\udc80"}
    assert set(record.tags) == {"t\\udc80", "u\\udc80"}


def test_a_refused_metric_leaves_no_line_behind(store: ExperimentStore) -> None:
    with store.create("x") as exp:
        with pytest.raises(DataError):
            exp.log_metric("loss", "high")
        with pytest.raises(DataError):
            exp.log_metrics({"ok": 1.0, "bad": 1j})
        with pytest.raises(DataError):
            exp.log_metric("loss", 0.5, step=0.5)  # type: ignore[arg-type]
        with pytest.raises(DataError, match="takes a mapping"):
            exp.log_metrics(0.5)  # type: ignore[arg-type]
    assert load_history(exp.folder) == ([], 0)


def test_a_step_that_goes_back_is_kept_and_noted_once(store: ExperimentStore) -> None:
    with store.create("x") as exp:
        for step, value in [(0, 1.0), (5, 0.5), (3, 0.7), (2, 0.8), (9, 0.1)]:
            exp.log_metric("loss", value, step=step)
    assert [line.step for line in load_history(exp.folder)[0]] == [0, 5, 3, 2, 9]
    assert (exp.folder / "notes.md").read_text().count("went back") == 1
    assert exp.metrics["loss"] == 0.1


def test_an_exception_marks_the_run_failed_and_is_raised_again(store: ExperimentStore) -> None:
    exp = store.create("x")
    exp.log_metric("before", 1.0)
    with pytest.raises(ZeroDivisionError), exp:
        _ = 1 / 0
    record = store.get("x")
    assert record.status == "failed"
    assert record.error == "ZeroDivisionError: division by zero"
    assert record.last_note() == record.error
    assert record.metrics == {"before": 1.0}
    assert "1 / 0" in (record.folder / "logs" / "traceback.txt").read_text()


def test_ctrl_c_marks_the_run_interrupted(store: ExperimentStore) -> None:
    with pytest.raises(KeyboardInterrupt), store.create("x"):
        raise KeyboardInterrupt
    assert store.get("x").status == "interrupted"


@pytest.mark.parametrize(("code", "status"), [(0, "completed"), (None, "completed"), (3, "interrupted")])
def test_leaving_the_process_is_an_end_too(store: ExperimentStore, code: int | None, status: str) -> None:
    with pytest.raises(SystemExit), store.create("x"):
        raise SystemExit(code)
    assert store.get("x").status == status


def test_a_status_that_was_set_stays(store: ExperimentStore) -> None:
    with store.create("exp-006-failed-lstm") as exp:
        exp.log_note("FAILED: LSTM overfits badly, needs regularization")
        exp.set_status("failed")
    record = store.get(6)
    assert record.status == "failed"
    assert record.last_note() == "FAILED: LSTM overfits badly, needs regularization"


def test_an_unknown_status_is_refused_with_the_known_ones(store: ExperimentStore) -> None:
    with store.create("x") as exp, pytest.raises(DataError, match="running, completed, failed, interrupted"):
        exp.set_status("splendid")


def test_a_closed_run_refuses_everything(store: ExperimentStore) -> None:
    with store.create("x") as exp:
        pass
    calls = [
        lambda: exp.log_metric("a", 1.0),
        lambda: exp.log_metrics({"a": 1.0}),
        lambda: exp.log_param("a", 1),
        lambda: exp.set_status("running"),
        lambda: exp.save_artifact({}, "a.json"),
        lambda: exp.log_artifact(__file__),
        lambda: exp.save_report("a.md"),
        lambda: exp.save_model({}),
        lambda: exp.register_model(),
        lambda: exp.__enter__(),
    ]
    for call in calls:
        with pytest.raises(StateError, match="exp-001-x is closed"):
            call()
    exp.close()


def test_a_closed_run_can_still_be_judged(store: ExperimentStore) -> None:
    with store.create("x") as exp:
        exp.log_metric("a", 1.0)
    exp.log_note("too good to be true: the target leaked")
    exp.add_tag("leak")
    exp.set_status("failed")
    record = store.get("x")
    assert (record.status, record.tags, record.metrics) == ("failed", {"leak": ""}, {"a": 1.0})
    assert record.last_note() == "too good to be true: the target leaked"


def test_params_are_on_disk_before_the_call_returns(store: ExperimentStore) -> None:
    exp = store.create("x")
    exp.log_params({"depth": 6, "rate": np.float64(0.1), "classes": np.array([0, 1])})
    assert load(exp.folder / "params.json") == {"depth": 6, "rate": 0.1, "classes": [0, 1]}
    exp.close()


def test_a_param_that_json_cannot_hold_keeps_its_repr_with_a_note(store: ExperimentStore) -> None:
    with store.create("x") as exp:
        exp.log_params({"odd": object(), "fine": 1})
    assert store.get("x").params == {"odd": "<object object>", "fine": 1}
    assert "params odd" in store.get("x").load_notes()


def test_a_changed_param_is_noted(store: ExperimentStore) -> None:
    with store.create("x") as exp:
        exp.log_param("depth", 6)
        exp.log_param("depth", 6)
        exp.log_param("depth", 8)
    assert store.get("x").load_notes() == "- params changed: 'depth' from 6 to 8\n"


def test_tags_may_have_values(store: ExperimentStore) -> None:
    with store.create("x", tags={"team": "search"}) as exp:
        exp.add_tag("prod")
        exp.add_tag("round", 2)
    assert store.get("x").tags == {"team": "search", "prod": "", "round": "2"}


def test_a_note_of_several_lines_is_one_bullet(store: ExperimentStore) -> None:
    with store.create("x") as exp:
        exp.log_note("one\ntwo")
        exp.log_note("three")
    assert store.get("x").load_notes() == "- one\n  two\n- three\n"


def test_threads_lose_no_line(store: ExperimentStore) -> None:
    with store.create("x") as exp:

        def work(number: int) -> None:
            for step in range(200):
                exp.log_metric(f"m{number}", step / 7, step=step)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines, damaged = load_history(exp.folder)
    assert (len(lines), damaged) == (1600, 0)
    assert store.get("x").metrics == {f"m{n}": 199 / 7 for n in range(8)}


def test_a_full_disk_is_one_clear_error_and_the_lines_before_and_after_survive(
    store: ExperimentStore,
) -> None:
    exp = store.create("x")
    exp.log_metric("a", 1.0)
    real = exp._log._file._fd
    exp._log._file._fd = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(StorageError, match="No space left") as caught:
        exp.log_metric("a", 2.0)
    assert "free some disk space" in str(caught.value)
    os.close(exp._log._file._fd)
    exp._log._file._fd = real
    exp.log_metric("a", 3.0)
    exp.close()
    assert [line.values["a"] for line in load_history(exp.folder)[0]] == [1.0, 3.0]


def fail_inside(exp: Run) -> None:
    with pytest.raises(KeyError, match="mine"), exp:
        raise KeyError("mine")


def test_a_run_does_not_hide_the_users_exception_behind_a_full_disk(
    store: ExperimentStore,
) -> None:
    exp = store.create("x")
    shutil.rmtree(exp.folder)
    exp.folder.write_text("a file now stands where the folder was")
    with pytest.warns(RuntimeWarning, match="could not be closed"):
        fail_inside(exp)
    assert exp.closed


class Failing:
    def run_opened(self, run: Run) -> None:
        raise RuntimeError("down")

    def run_closed(self, run: Run) -> None:
        raise RuntimeError("still down")


def test_a_watcher_that_raises_only_warns(tmp_path: Path) -> None:
    store = ExperimentStore(tmp_path, watchers=[Failing()])
    with pytest.warns(RuntimeWarning, match="down"), store.create("x") as exp:
        exp.log_metric("a", 1.0)
    assert store.get("x").status == "completed"


def test_the_clock_is_an_argument(tmp_path: Path) -> None:
    with ExperimentStore(tmp_path, clock=lambda: 1_700_000_000.0).create("x") as exp:
        exp.log_metric("a", 1.0)
    assert load_history(exp.folder)[0][0].time == 1_700_000_000.0
    assert load(exp.folder / "experiment.json")["started"] == "2023-11-14T22:13:20.000Z"
