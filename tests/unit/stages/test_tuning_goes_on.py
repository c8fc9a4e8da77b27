"""A search that time ended early: kept as it is for the same budget, continued in a new experiment for a larger one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from specweave.experiments.record import ExperimentRecord
from specweave.problems.base import ModelExperiment
from specweave.review.trials import load_trials
from specweave.stages.tuning import tune_one
from specweave.stages.workspace import open_workspace

SPEC = """\
## ML Problem Definition
- Problem type: Regression
- Success metrics: RMSE < 50
## Data Requirements
- Training data: flats.csv
- Target: price
- Validation: random 25% holdout
## Model Requirements
"""
# More than six trials take on any machine: no test here waits for a clock.
HOURS = 36_000.0
PLAN = "```yaml\nsplit: {folds: 2, seed: 7}\nselection_metric: rmse\n```\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    rng = np.random.default_rng(2)
    area = rng.uniform(20, 150, 60).round(1)
    pd.DataFrame({"area": area, "price": 3 * area + rng.normal(0, 5, 60)}).to_csv(
        tmp_path / "flats.csv", index=False
    )
    folder = tmp_path / ".specweave" / "increments" / "0001-prices"
    folder.mkdir(parents=True)
    (folder / "spec.md").write_text(SPEC)
    (folder / "plan.md").write_text(PLAN)
    for name in [k for k in os.environ if k.startswith("SPECWEAVE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SPECWEAVE_PROJECT", str(tmp_path))
    return tmp_path


def tune(seconds: float, budget: float) -> ExperimentRecord:
    from sklearn.linear_model import Ridge

    search: dict[str, Any] = {"alpha": {"low": 0.01, "high": 100.0, "log": True}}
    return tune_one(open_workspace(), ModelExperiment("ridge", Ridge, {}, search), 6, seconds, budget=budget)


def test_more_time_goes_on_where_the_search_stopped_and_less_keeps_it(root: Path) -> None:
    # No time at all: the one trial that always runs.
    first = tune(0.0, 1.0)
    assert first.metrics["n_trials"] == 1
    assert tune(HOURS, 1.0).id == first.id
    second = tune(HOURS, 60.0)
    assert second.id != first.id
    assert second.metrics["n_trials"] == 6
    before, after = load_trials(first.folder), load_trials(second.folder)
    assert after[: len(before)] == before
    # All trials are done: no budget asks for more.
    assert tune(HOURS, 600.0).id == second.id


@pytest.mark.parametrize("seconds", [0.0, -5.0])
def test_one_trial_runs_however_fast_or_slow_the_machine_is(root: Path, seconds: float) -> None:
    assert tune(seconds, 1.0).metrics["n_trials"] == 1
