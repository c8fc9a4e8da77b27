"""The doors that training code comes through, in a project."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier

from specweave.errors import StateError, UnknownNameError
from specweave.experiments.tracking import find_store, track_experiment, track_model


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for number, name in (("0042", "recommendation-model"), ("0051", "fraud-detection")):
        folder = tmp_path / ".specweave" / "increments" / f"{number}-{name}"
        folder.mkdir(parents=True)
        (folder / "spec.md").write_text(f"---\nid: {number}-{name}\ntitle: x\nstatus: planned\n---\n")
    monkeypatch.delenv("SPECWEAVE_PROJECT", raising=False)
    monkeypatch.setenv("SPECWEAVE_INCREMENT", "0042")
    (tmp_path / "src").mkdir()
    monkeypatch.chdir(tmp_path / "src")
    return tmp_path


def test_an_experiment_goes_to_the_active_increment(project: Path) -> None:
    df = pd.DataFrame({"user": [1, None], "item": [2, 3]})
    with track_experiment("exp-001-eda") as exp:
        exp.log_param("dataset_size", len(df))
        exp.log_metric("missing_values", df.isnull().sum().sum())
        exp.save_report("eda-summary.md")
    folder = (
        project / ".specweave" / "increments" / "0042-recommendation-model" / "experiments" / "exp-001-eda"
    )
    assert exp.folder == folder
    assert "| missing_values | 1 " in (folder / "eda-summary.md").read_text()


def test_a_model_goes_to_the_increment_that_is_named(project: Path) -> None:
    with track_model("baseline-random", increment="0051") as model:
        clf = DummyClassifier(strategy="uniform").fit([[0], [1]], [0, 1])
        model.log_metrics({"accuracy": 0.12, "precision@10": 0.08})
        model.save_artifact(clf, "baseline.pkl")
    record = find_store("0051").get("baseline-random")
    assert record.metrics == {"accuracy": 0.12, "precision@10": 0.08}
    assert record.increment == "0051-fraud-detection"
    assert record.tags == {"model": ""}
    assert record.get_artifact("baseline.pkl").exists()


def test_the_project_may_be_named_by_the_environment(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    with pytest.raises(StateError, match="no specweave project here"):
        track_experiment("x")
    monkeypatch.setenv("SPECWEAVE_PROJECT", str(project))
    with track_experiment("x") as exp:
        pass
    assert exp.folder.is_relative_to(project)


def test_an_unknown_increment_makes_no_folder(project: Path) -> None:
    with pytest.raises(UnknownNameError):
        track_experiment("x", increment="0099")
    assert not list(project.rglob("experiments"))
