"""A project with one increment, and its store of experiments."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from specweave.experiments.store import ExperimentStore

os.environ.setdefault("KERAS_BACKEND", "torch")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ExperimentStore:
    folder = tmp_path / ".specweave" / "increments" / "0042-model"
    folder.mkdir(parents=True)
    (folder / "spec.md").write_text("---\nid: 0042-model\ntitle: x\nstatus: active\n---\n")
    for name in ("SPECWEAVE_PROJECT", "SPECWEAVE_INCREMENT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return ExperimentStore(folder / "experiments")
