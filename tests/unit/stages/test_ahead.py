"""What is written of the time after the data, and what is said where something for it is missing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from specweave.increments.project import Increment, Project
from specweave.pipeline.planning import Request, plan_increment
from specweave.publish.ahead import ahead_lines
from specweave.stages.candidates import run_experiments
from specweave.stages.deployment import prepare_deployment
from specweave.stages.evaluation import evaluate_models
from specweave.stages.explore import explore_data
from specweave.stages.features import engineer_features


def sales(known_rows: int) -> pd.DataFrame:
    """Return monthly sales that follow a price, with prices of the months after them."""
    months = pd.date_range("2015-01-01", periods=72 + known_rows, freq="MS")
    rng = np.random.default_rng(5)
    price = 10 + rng.normal(size=len(months)).round(2)
    sold = 200 + 20 * np.sin(np.arange(len(months)) * np.pi / 6) - 5 * price + rng.normal(size=len(months))
    sold[72:] = np.nan
    return pd.DataFrame({"month": months.strftime("%Y-%m-%d"), "sold": sold.round(1), "price": price})


def deployed(folder: Path, frame: pd.DataFrame) -> tuple[Increment, dict[str, Any]]:
    """Return a forecasting increment brought up to its deployment, and the record of that."""
    frame.to_csv(folder / "sales.csv", index=False)
    asked = Request("forecast sold for the next 6 months", str(folder / "sales.csv"), "sold")
    increment = plan_increment(Project(folder), asked)
    spec = increment.spec_path.read_text()
    line = next(x for x in spec.splitlines() if x.startswith("- Known ahead:"))
    increment.spec_path.write_text(spec.replace(line, "- Known ahead: price"))
    plan = increment.plan_path.read_text()
    block = re.search(r"^candidates:\n(?:  .*\n|    .*\n)+", plan, re.M)
    assert block
    plan = plan.replace(block[0], "candidates:\n  - name: lightgbm\n    params: {n_estimators: 40}\n")
    increment.plan_path.write_text(re.sub(r"folds: \d+", "folds: 2", plan))
    explore_data()
    engineer_features()
    run_experiments()
    evaluate_models(n_resamples=20, calls=3)
    return increment, prepare_deployment()


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPECWEAVE_PROJECT", str(tmp_path))
    return tmp_path


def test_the_next_months_are_answered_with_the_prices_that_were_given_ahead(project: Path) -> None:
    increment, record = deployed(project, sales(known_rows=6))
    table = pd.read_csv(increment.folder / record["ahead"]["file"])
    assert table["month"].tolist() == [f"2021-{m:02d}-01" for m in range(1, 7)]
    assert table["prediction"].between(100, 200).all()
    assert record["example"]["request"]["month"] == "2021-01-01"


def test_a_price_that_is_not_known_yet_is_named_and_holds_nothing_up(project: Path) -> None:
    increment, record = deployed(project, sales(known_rows=0))
    assert record["parity"]["passed"] and record["ahead"]["file"] is None
    assert not (increment.folder / "reports" / "forecast.csv").exists()
    told = " ".join(ahead_lines(increment.folder, record))
    assert "price must be given for the steps to forecast" in told and "append rows" in told
