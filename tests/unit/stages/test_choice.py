"""Which experiment is chosen where a baseline does best."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from specweave.increments.project import Project
from specweave.pipeline.planning import Request, plan_increment
from specweave.stages.baselines import train_baseline_model
from specweave.stages.candidates import run_experiments
from specweave.stages.choice import choose_best
from specweave.stages.evaluation import evaluate_models
from specweave.stages.explore import explore_data
from specweave.stages.features import engineer_features
from specweave.stages.workspace import open_workspace


def test_a_naive_forecast_is_chosen_and_called_so_where_no_candidate_is_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPECWEAVE_PROJECT", str(tmp_path))
    months = pd.date_range("2015-01-01", periods=60, freq="MS").strftime("%Y-%m-%d")
    level = 100 + np.cumsum(np.random.default_rng(1).normal(2, 1, 60)).round(2)
    pd.DataFrame({"month": months, "level": level}).to_csv(tmp_path / "level.csv", index=False)
    asked = Request("forecast level for the next 3 months", str(tmp_path / "level.csv"), "level")
    plan = plan_increment(Project(tmp_path), asked).plan_path
    block = re.search(r"^candidates:\n(?:  .*\n|    .*\n)+", plan.read_text(), re.M)
    assert block
    plan.write_text(plan.read_text().replace(block[0], "candidates:\n  - name: mean\n"))
    explore_data()
    engineer_features()
    train_baseline_model(["naive"])
    run_experiments()
    assert choose_best(open_workspace()).name == "baseline-naive"
    record = evaluate_models(n_resamples=20, calls=3)
    assert record["role"] == "baseline"
    assert "SW327" in [f["code"] for f in record["findings"]]
