"""TensorBoard and W&B get what is in the files, once; read back from what their libraries wrote."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from specweave.errors import SpecError, StateError
from specweave.experiments.store import ExperimentStore
from specweave.increments.project import Increment
from specweave.integrations.resending import mirror_increment
from specweave.integrations.trackers.base import Tail, param_text
from specweave.integrations.trackers.mlflow import metric_key, store_uri
from specweave.integrations.trackers.tensorboard import TensorboardTracker
from specweave.integrations.tracking_settings import Settings


def events(folder: Path) -> Iterator[Any]:
    from tensorboardX.proto.event_pb2 import Event

    for path in sorted(folder.glob("events.*")):
        data = path.read_bytes()
        while data:
            (size,) = struct.unpack("<Q", data[:8])
            yield Event.FromString(data[12 : 12 + size])
            data = data[16 + size :]


def scalars(folder: Path) -> list[tuple[str, int, float]]:
    return [
        (value.tag, event.step, value.simple_value)
        for event in events(folder)
        for value in event.summary.value
        if value.HasField("simple_value")
    ]


def test_tensorboard_gets_every_value_with_its_step_and_nothing_twice(
    increment: Increment, finished: ExperimentStore
) -> None:
    (report,) = mirror_increment(increment, "tensorboard")
    assert (list(report.sent), report.points) == (["exp-001-xgboost"], 42)
    folder = increment.folder / "tensorboard" / "exp-001-xgboost"
    found = scalars(folder)
    assert [(step, round(value, 6)) for tag, step, value in found if tag == "loss"] == [
        (step * 10, round(1 / (step + 1), 6)) for step in range(20)
    ]
    assert [(step, value) for tag, step, value in found if tag == "no_step"] == [(0, 3.5), (1, 4.5)]
    (again,) = mirror_increment(increment, "tensorboard")
    assert (again.sent, again.complete) == ({}, ["exp-001-xgboost"])
    assert scalars(folder) == found


def test_a_half_written_copy_is_written_anew(increment: Increment, finished: ExperimentStore) -> None:
    tracker = TensorboardTracker(Settings("tensorboard", increment.folder))
    tracker.send(finished.get(1), whole=True)
    whole = scalars(increment.folder / "tensorboard" / "exp-001-xgboost")
    (increment.folder / "tensorboard" / "exp-001-xgboost" / "specweave.json").unlink()
    later = TensorboardTracker(Settings("tensorboard", increment.folder))
    assert not later.is_complete(finished.get(1))
    later.send(finished.get(1), whole=True)
    assert scalars(increment.folder / "tensorboard" / "exp-001-xgboost") == whole


def test_wandb_writes_one_offline_run_with_every_value_and_file(
    increment: Increment, finished: ExperimentStore
) -> None:
    (report,) = mirror_increment(increment, "wandb")
    assert (report.failed, report.points) == ({}, 42)
    (run,) = (increment.folder / "wandb").glob("offline-run-*")
    assert json.loads((run / "files" / "specweave" / "params.json").read_text()) == {
        "depth": 6,
        "grid": [1, 2],
    }
    assert json.loads((run / "files" / "plots" / "table.json").read_text()) == {"a": 1}
    rows = wandb_rows(next(run.glob("*.wandb")))
    losses = [(row["specweave/step"], row["loss"]) for row in rows if "loss" in row]
    assert losses == [(step * 10, 1 / (step + 1)) for step in range(20)]
    (again,) = mirror_increment(increment, "wandb")
    assert again.complete == ["exp-001-xgboost"]
    assert len(list((increment.folder / "wandb").glob("offline-run-*"))) == 1


def wandb_rows(path: Path) -> list[dict[str, Any]]:
    """Read the rows of W&B's run file: a log of blocks in the manner of LevelDB."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, place, parts, rows = path.read_bytes(), 7, b"", []
    while place + 7 <= len(data):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        length, kind = struct.unpack("<HB", data[place + 4 : place + 7])
        parts += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            record = Record.FromString(parts)
            rows.append(
                {i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in record.history.item}
            )
            parts = b""
    return rows


def test_a_project_without_a_tracker_says_how_to_set_one_up(increment: Increment) -> None:
    with pytest.raises(StateError, match="tracking: mlflow"):
        mirror_increment(increment)


def test_a_setting_that_a_tracker_does_not_have_is_named(increment: Increment) -> None:
    with pytest.raises(SpecError, match="no setting 'colour'"):
        TensorboardTracker(Settings("tensorboard", increment.folder, {"colour": 1}))


def test_a_run_id_without_a_tracker_says_what_to_call(increment: Increment) -> None:
    run = ExperimentStore(increment.experiments, watchers=()).create("x")
    with pytest.raises(StateError, match="configure_mlflow"):
        _ = run.run_id
    run.close()


def test_a_tail_reads_whole_lines_only_and_goes_on_where_it_was(
    increment: Increment, finished: ExperimentStore
) -> None:
    folder = finished.get(1).folder
    tail = Tail(folder)
    assert sum(len(values) for values in tail.read()) == 42
    with (folder / "history.jsonl").open("ab") as stream:
        stream.write(b'{"step":null,"time":1.0,"values":{"no_step":5}}\n{"step":null,"ti')
    (values,) = list(tail.read())
    assert [(v.name, v.value, v.step) for v in values] == [("no_step", 5, 2)]
    again = Tail(folder, tail.position)
    assert list(again.read()) == []
    assert again.position == tail.position


def test_names_that_mlflow_refuses_stay_readable_and_apart() -> None:
    assert metric_key("roc_auc") == "roc_auc"
    assert metric_key("recall@precision=0.5") == "recall_at_precision_eq_0.5"
    odd = ["a*b", "a?b", "x" * 300, "x" * 301, "../up", "/root", "a//b", "métrique"]
    keys = [metric_key(name) for name in odd]
    assert len(set(keys)) == len(odd)
    assert all(len(key) <= 250 for key in keys)


def test_mlflow_takes_every_key_we_make() -> None:
    pytest.importorskip("mlflow")
    from mlflow.utils.validation import _validate_metric_name

    for name in (
        "roc_auc",
        "recall@precision=0.5",
        "a*b",
        "../up",
        "/root",
        "a//b",
        "x" * 300,
        "métrique",
        ".",
        "R²",
    ):
        _validate_metric_name(metric_key(name))


def test_long_params_are_cut_with_a_pointer_to_the_whole() -> None:
    text = param_text("words", "x" * 9000, 6000)
    assert len(text) == 6000
    assert text.endswith("... [whole in specweave/params.json: words]")
    assert param_text("grid", [1, 2], 6000) == "[\n  1,\n  2\n]"


def test_another_increments_store_in_the_environment_does_not_count(
    increment: Increment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = Settings("mlflow", increment.folder)
    own = store_uri(settings)
    assert own == f"sqlite:///{increment.folder}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", own.replace("0042-recommendation-model", "0001-other"))
    assert store_uri(settings) == own
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://h:1")
    assert store_uri(settings) == "http://h:1"
