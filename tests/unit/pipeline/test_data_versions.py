"""Which data an increment was trained on, and files put under DVC by DVC itself."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from specweave.errors import DataError
from specweave.increments.project import Project
from specweave.pipeline.data_versions import add_data, data_record
from specweave.tables.locating import find_data_file


def test_data_that_changed_since_training_is_told(finished: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(finished, tmp_path / "project"))
    (row,) = data_record(Project(root).increments()[0])
    assert row["field"] == "Training data" and row["source"] == "data/churn.csv"
    assert row["state"] == "not trained yet" and row["now"]  # its scripts only write their evidence
    (root / "data" / "churn.csv").unlink()
    assert data_record(Project(root).increments()[0])[0]["state"] == "missing"


def test_a_file_is_put_under_dvc_and_a_lost_one_says_what_to_pull(tmp_path: Path) -> None:
    if not (Path(sys.executable).with_name("dvc").exists() or shutil.which("dvc")):
        pytest.skip("needs the dvc extra")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.csv").write_text("a\n1\n")
    added = add_data(Project(tmp_path), tmp_path / "data" / "train.csv")
    assert added["file"] == "data/train.csv" and len(added["md5"]) == 32
    (tmp_path / "data" / "train.csv").unlink()
    with pytest.raises(DataError) as caught:
        find_data_file(tmp_path, "data/train.csv", "spec.md:3")
    assert caught.value.hint == "run: dvc pull data/train.csv.dvc"


def test_what_cannot_be_put_under_dvc_says_why(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "out.csv").write_text("a\n")
    with pytest.raises(DataError, match="no such file"):
        add_data(Project(tmp_path / "project"), tmp_path / "none.csv")
    with pytest.raises(DataError, match="outside the project"):
        add_data(Project(tmp_path / "project"), tmp_path / "out.csv")
