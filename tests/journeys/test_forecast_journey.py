"""A forecast as a user makes it: four commands on the bundled CO2 series, then the next weeks."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

CO2 = Path(__file__).resolve().parents[2] / "examples" / "forecast" / "co2-weekly.csv"


def sw(folder: Path, *arguments: str, ok: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SPECWEAVE_")}
    done = subprocess.run(
        [sys.executable, "-m", "specweave", *arguments], cwd=folder, env={**environment, "SPECWEAVE_JOBS": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in ok, (
        f"sw {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    )
    assert "Traceback" not in done.stderr
    return done


def quicken(increment: Path) -> None:
    """Leave two light candidates, three origins and no notebooks: tests must be quick."""
    plan = increment / "plan.md"
    text = plan.read_text()
    block = re.search(r"^candidates:\n(?:  .*\n|    .*\n)+", text, re.M)
    assert block
    short = "candidates:\n  - name: light-theta\n  - name: lightgbm\n    params: {n_estimators: 60}\n    search: {num_leaves: [7, 15]}\n"
    text = re.sub(r"folds: \d+", "folds: 3", text.replace(block[0], short))
    plan.write_text(text.replace("trials: 12", "trials: 2"))
    tasks = increment / "tasks.md"
    tasks.write_text(re.sub(r"(, )?`notebooks/[^`]*`", "", tasks.read_text()))
    for name in ("t001_explore", "t002_features", "t006_evaluation"):
        script = increment / "pipeline" / f"{name}.py"
        lines = script.read_text().splitlines(keepends=True)
        script.write_text("".join(line for line in lines if not re.search(r'publish_document\("0\d-', line)))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project whose forecasting increment was run once."""
    folder = tmp_path_factory.mktemp("co2")
    pd.read_csv(CO2).tail(340).to_csv(folder / "co2.csv", index=False)
    sw(
        folder,
        "inc",
        "forecast weekly co2 for the next 12 weeks",
        "--data",
        "co2.csv",
        "--metric",
        "MAPE < 2%",
    )
    quicken(next((folder / ".specweave/increments").iterdir()))
    sw(folder, "do")
    return folder


@pytest.fixture
def increment(project: Path) -> Path:
    return next((project / ".specweave/increments").iterdir())


def test_request_and_data_make_the_spec(increment: Path) -> None:
    spec = (increment / "spec.md").read_text()
    for line in ("Problem type: Forecasting", "Target: co2", "Time column: week", "Frequency: W-SAT",
                 "Season length: 52", "Horizon: 12", "Success metrics: MAPE < 2%"):  # fmt: skip
        assert f"- {line}" in spec


def test_every_forecast_of_the_holdout_is_on_record_with_its_intervals(increment: Path) -> None:
    evaluation = json.loads((increment / "reports" / "evaluation.json").read_text())
    table = pd.read_parquet(increment / "experiments" / evaluation["experiment"] / "predictions.parquet")
    held = table[table["part"] == "holdout"]
    assert sorted(held["h"]) == list(range(1, 13))
    assert ((held["lo95"] < held["lo80"]) & (held["lo80"] < held["prediction"])).all()
    values = {m["name"]: m["value"] for m in evaluation["metrics"]}
    assert values["mape"] < 0.02
    assert {"mase", "owa", "interval_coverage@80", "interval_coverage@95"} <= set(values)
    assert (increment / "reports" / "forecast-1.png").stat().st_size > 5000


def test_the_deployed_package_answers_as_was_measured(increment: Path) -> None:
    record = json.loads((increment / "reports" / "deployment.json").read_text())
    assert record["parity"]["passed"] and record["parity"]["largest_difference"] == 0.0


def test_the_gates_pass_and_the_increment_is_done(project: Path, increment: Path) -> None:
    sw(project, "done")
    assert "Forecast" in (increment / "COMPLETION-SUMMARY.md").read_text()


def test_the_next_weeks_are_forecast_from_all_the_data(project: Path) -> None:
    sw(project, "predict", "1", "--horizon", "5", "-o", "next.csv")
    made = pd.read_csv(project / "next.csv")
    last = pd.Timestamp(pd.read_csv(project / "co2.csv")["week"].iloc[-1])
    assert made["week"].tolist() == [str((last + pd.Timedelta(days=7 * h)).date()) for h in range(1, 6)]
    assert made["prediction"].between(365, 380).all()
    assert (made["interval:high80"] < made["interval:high95"]).all()


def test_the_asked_weeks_are_written_and_drawn_without_another_command(
    project: Path, increment: Path
) -> None:
    written = pd.read_csv(increment / "reports" / "forecast.csv")
    last = pd.Timestamp(pd.read_csv(project / "co2.csv")["week"].iloc[-1])
    assert written["week"].tolist() == [str((last + pd.Timedelta(days=7 * h)).date()) for h in range(1, 13)]
    sw(project, "predict", "1", "-o", "same.csv")
    assert written["prediction"].tolist() == pd.read_csv(project / "same.csv")["prediction"].tolist()
    assert (increment / "reports" / "ahead-1.png").stat().st_size > 5000
    summary = (increment / "COMPLETION-SUMMARY.md").read_text()
    assert "(reports/forecast.csv), 12 rows" in summary and "(reports/ahead-1.png)" in summary


def test_the_package_knows_the_last_week_on_record(project: Path, increment: Path) -> None:
    last = pd.Timestamp(pd.read_csv(project / "co2.csv")["week"].iloc[-1])
    (project / "ask.csv").write_text(f"week\n{last.date()}\n{(last + pd.Timedelta(days=7)).date()}\n")
    sw(project, "predict", "1", "ask.csv", "-o", "asked.csv")
    asked = pd.read_csv(project / "asked.csv")
    assert asked["step"].tolist()[1] == 1 and pd.isna(asked["prediction"][0])
    assert asked["week"].tolist() == [str(last.date()), str((last + pd.Timedelta(days=7)).date())]


def test_a_random_split_is_refused_with_the_reason(project: Path, increment: Path) -> None:
    spec = increment / "spec.md"
    before = spec.read_text()
    spec.write_text(re.sub(r"- Validation: .*", "- Validation: random 20% holdout", before))
    try:
        done = sw(project, "do", "--task", "T-003", "--force", ok=(2,))
    finally:
        spec.write_text(before)
    assert "a forecast never has them" in done.stderr + done.stdout
    assert "rolling origin" in done.stderr + done.stdout
