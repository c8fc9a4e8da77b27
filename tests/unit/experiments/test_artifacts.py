"""Artifacts, models and reports of a run."""

from __future__ import annotations

import io
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from specweave.errors import DataError, StorageError
from specweave.experiments.store import ExperimentStore


def test_either_order_saves_the_object(store: ExperimentStore) -> None:
    with store.create("x") as exp:
        exp.save_artifact({"a": 1}, "one.pkl")
        exp.save_artifact("two.pkl", {"a": 2})
    assert [pickle.loads((exp.folder / n).read_bytes())["a"] for n in ("one.pkl", "two.pkl")] == [1, 2]


def test_the_ending_says_how_an_object_is_written(store: ExperimentStore) -> None:
    from matplotlib.figure import Figure

    frame = pd.DataFrame({"a": [1, 2]})
    with store.create("x") as exp:
        exp.save_artifact({"b": np.float64(1), "a": float("nan")}, "x.json")
        exp.save_artifact(frame, "x.csv")
        exp.save_artifact(frame, "x.parquet")
        exp.save_artifact(np.arange(3), "x.npy")
        exp.save_artifact({"k": [1]}, "x.yaml")
        exp.save_artifact("# hello", "x.md")
        exp.save_artifact(b"\x00\x01", "x.bin")
        exp.save_artifact(io.StringIO("text"), "x.txt")
        exp.save_artifact(Figure(), "plots/x.png")
        exp.save_artifact([1], "x.joblib")
    folder = exp.folder
    assert json.loads((folder / "x.json").read_text()) == {"a": "NaN", "b": 1.0}
    assert (folder / "x.csv").read_text() == "a\n1\n2\n"
    assert pd.read_parquet(folder / "x.parquet").equals(frame)
    assert np.load(folder / "x.npy").tolist() == [0, 1, 2]
    assert (folder / "x.yaml").read_text() == "k: [1]\n"
    assert (folder / "x.md").read_text() == "# hello\n"
    assert (folder / "x.bin").read_bytes() == b"\x00\x01"
    assert (folder / "x.txt").read_text() == "text\n"
    assert (folder / "plots" / "x.png").read_bytes().startswith(b"\x89PNG")
    record = store.get("x")
    assert set(record.artifacts) == {
        f"x.{e}" for e in ["json", "csv", "parquet", "npy", "yaml", "md", "bin", "txt", "joblib"]
    } | {"plots/x.png"}
    assert record.artifacts["x.bin"].bytes == 2
    assert not record.changed_artifacts()


def test_an_object_that_does_not_fit_its_ending_is_refused(store: ExperimentStore) -> None:
    with store.create("x") as exp:
        with pytest.raises(DataError, match=r"cannot be written as \.png"):
            exp.save_artifact([1], "x.png")
        with pytest.raises(DataError, match="needs a name"):
            exp.save_artifact([1])
        with pytest.raises(DataError, match="cannot pickle"):
            exp.save_artifact((i for i in range(3)), "x.pkl")
    assert sorted(p.name for p in exp.folder.glob("x.*")) == []


def test_the_records_own_files_cannot_be_overwritten(store: ExperimentStore) -> None:
    with store.create("x") as exp:
        for name in ("metrics.json", "experiment.json", "logs/x.txt"):
            with pytest.raises(DataError, match="file of the record itself"):
                exp.save_artifact({}, name)


def test_a_file_is_copied_in(store: ExperimentStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("model.pkl").write_bytes(b"m")
    Path("plots").mkdir()
    Path("plots/a.txt").write_text("a")
    with store.create("x") as exp:
        assert exp.log_artifact("model.pkl") == exp.folder / "model.pkl"
        Path("model.pkl").write_bytes(b"newer")
        exp.log_artifact("model.pkl")
        exp.log_artifact("plots")
        exp.log_artifact(tmp_path / "model.pkl", "copies/second.pkl")
    assert (exp.folder / "model.pkl").read_bytes() == b"newer"
    assert (exp.folder / "plots" / "a.txt").read_text() == "a"
    assert (exp.folder / "copies" / "second.pkl").exists()


def test_the_requirements_of_the_record_are_an_artifact_and_the_users_own_do_not_replace_them(
    store: ExperimentStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with store.create("x") as exp:
        assert exp.log_artifact("requirements.txt") == exp.folder / "requirements.txt"
        Path("requirements.txt").write_text("mine\n")
        assert exp.log_artifact("requirements.txt") == exp.folder / "artifacts" / "requirements.txt"
    assert "numpy==" in (exp.folder / "requirements.txt").read_text()
    assert (exp.folder / "artifacts" / "requirements.txt").read_text() == "mine\n"


def test_a_saved_model_can_be_logged_by_its_name_and_is_not_overwritten_by_a_file_of_that_name(
    store: ExperimentStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with store.create("x") as exp:
        exp.save_model({"w": 1})
        exp.log_artifact("model.pkl")
        assert exp.header().artifacts["model.pkl"].role == "model"
        Path("model.pkl").write_bytes(b"other")
        assert exp.log_artifact("model.pkl").parent.name == "artifacts"
    assert pickle.loads((exp.folder / "model.pkl").read_bytes()) == {"w": 1}


def test_an_artifact_that_exists_nowhere_is_an_error_that_says_where_it_looked(
    store: ExperimentStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with store.create("x") as exp:
        with pytest.raises(StorageError, match=r"no file 'model\.pkl'") as caught:
            exp.log_artifact("model.pkl")
        assert str(tmp_path) in str(caught.value)
        assert "0042-churn" in str(caught.value)
        with pytest.raises(StorageError, match="no such file"):
            exp.log_artifact("/nowhere/at/all.pkl")


def test_an_artifact_that_vanished_is_reported(store: ExperimentStore) -> None:
    with store.create("x") as exp:
        exp.save_artifact({"a": 1}, "a.json")
        exp.save_artifact({"b": 1}, "b.json")
    (exp.folder / "a.json").unlink()
    (exp.folder / "b.json").write_text("{}")
    record = store.get("x")
    assert record.vanished_artifacts() == ["a.json"]
    assert record.changed_artifacts() == ["b.json"]
    with pytest.raises(StorageError, match=r"a\.json vanished from exp-001-x"):
        record.get_artifact("a.json")
    with pytest.raises(StorageError, match="is no artifact of"):
        record.get_artifact("c.json")
    assert record.get_artifact("b.json").exists()


def test_a_class_of_the_script_itself_is_pickled_with_the_object(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "from pathlib import Path\n"
        "from specweave.experiments.store import ExperimentStore\n"
        "class Model:\n"
        "    def predict(self): return 42\n"
        f"with ExperimentStore(Path({str(tmp_path)!r}) / 'e').create('x') as exp: exp.save_model(Model())\n"
    )
    subprocess.run([sys.executable, str(script)], check=True, timeout=60)
    assert pickle.loads((tmp_path / "e" / "exp-001-x" / "model.pkl").read_bytes()).predict() == 42


def test_a_report_without_text_is_made_of_what_was_logged(store: ExperimentStore) -> None:
    with store.create("exp-001-eda", task="T-001", seed=3) as exp:
        exp.log_param("dataset_size", 7043)
        exp.log_metric("missing_values", 11)
        for step in range(3):
            exp.log_metric("loss", 1 / (step + 1), step=step)
        exp.save_report("eda-summary.md")
        exp.log_note("logged after the report")
    text = (exp.folder / "eda-summary.md").read_text()
    assert text.startswith("# exp-001-eda\n")
    assert "| dataset_size | 7043 " in text
    assert "| missing_values | 11 " in text
    assert "0.333333 (2)" in text
    assert "logged after the report" in text
    assert str(store.folder) not in text


def test_a_report_with_text_is_that_text(store: ExperimentStore) -> None:
    with store.create("x") as exp:
        exp.save_report("r.md", "# mine")
    assert (exp.folder / "r.md").read_text() == "# mine\n"


def test_a_report_of_nothing_says_so(store: ExperimentStore) -> None:
    with store.create("x") as exp:
        exp.save_report("r.md")
    assert "Nothing was logged" in (exp.folder / "r.md").read_text()
