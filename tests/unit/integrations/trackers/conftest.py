"""An increment with one finished run, and no tracker set up from outside."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from specweave.experiments.store import ExperimentStore
from specweave.increments.project import Increment


@pytest.fixture(autouse=True)
def no_trackers_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("MLFLOW_", "WANDB_", "SPECWEAVE_")):
            monkeypatch.delenv(name)


@pytest.fixture
def increment(tmp_path: Path) -> Increment:
    folder = tmp_path / ".specweave" / "increments" / "0042-recommendation-model"
    folder.mkdir(parents=True)
    (folder / "spec.md").write_text("---\nid: 0042-recommendation-model\ntitle: x\nstatus: active\n---\n")
    return Increment(folder)


@pytest.fixture
def finished(increment: Increment) -> ExperimentStore:
    store = ExperimentStore(increment.experiments, watchers=())
    with store.create("xgboost") as run:
        run.log_params({"depth": 6, "grid": [1, 2]})
        for step in range(20):
            run.log_metrics({"loss": 1 / (step + 1), "auc": step / 20}, step=step * 10)
        run.log_metric("no_step", 3.5)
        run.log_metric("no_step", 4.5)
        run.log_note("went well")
        run.save_artifact({"a": 1}, "plots/table.json")
    return store
