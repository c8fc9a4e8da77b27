"""A problem type from somebody else's package goes the whole way: no file of this one knows its name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

TOY = Path(__file__).resolve().parents[1] / "support" / "survival_plugin.py"
ENTRY_POINTS = """\
[specweave.problems]
survival = survival_problem:Survival

[specweave.metrics]
survival = survival_problem:METRICS
"""
CONTRACT = '''\
"""The contract that is shipped with the package, on the plugged type."""

from pathlib import Path

from specweave.problems.contract import ProblemContract
from survival_problem import Survival

import rows


class TestSurvival(ProblemContract):
    spec_text = (
        "## ML Problem Definition\\n- Problem type: Survival\\n## Data Requirements\\n- Training data: rows.csv\\n"
        "- Target: months\\n- Event column: ended\\n- Identifier: key\\n- Validation: random 25% holdout\\n"
        "## Model Requirements\\n"
    )

    @staticmethod
    def write_data(root: Path) -> None:
        rows.make().to_csv(root / "rows.csv", index=False)

    def test_it_is_the_plugged_one(self) -> None:
        assert type(self.made.problem) is Survival
'''


def make_rows(n: int = 260) -> pd.DataFrame:
    """Return machines: hot and old ones break sooner; those watched for too short a time have not broken."""
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(
        {
            "key": [f"m{i:04d}" for i in range(n)],
            "heat": rng.normal(60, 10, n).round(1),
            "age": rng.integers(0, 15, n),
            "site": rng.choice(["north", "south", "harbour"], n),
        }
    )
    rate = np.exp(0.05 * (frame["heat"] - 60) + 0.1 * (frame["age"] - 7) + 0.8 * (frame["site"] == "harbour"))
    breaks, watched = rng.exponential(12 / rate), rng.uniform(4, 40, n)
    frame["months"] = np.maximum(np.minimum(breaks, watched), 0.1).round(2)
    frame["ended"] = (breaks <= watched).astype(int)
    return frame


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment of an interpreter into which the toy was installed."""
    site = tmp_path_factory.mktemp("site")
    shutil.copy(TOY, site / "survival_problem.py")
    info = site / "survival_problem-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: survival-problem\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    (info / "RECORD").write_text("survival_problem.py,,\n")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SPECWEAVE_")}
    return {**kept, "PYTHONPATH": str(site), "SPECWEAVE_JOBS": "1"}


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Path:
    """Return a project whose increment of the plugged type was run from `sw inc` to `sw done`."""
    folder = tmp_path_factory.mktemp("machines")
    make_rows().to_csv(folder / "machines.csv", index=False)
    sw(folder, environment, "inc", "how long until a machine breaks", "--problem", "survival",
       "--data", "machines.csv", "--target", "months")  # fmt: skip
    plan = next((folder / ".specweave/increments").glob("*/plan.md"))
    plan.write_text(plan.read_text().replace("trials: 40", "trials: 3").replace("folds: 5", "folds: 3"))
    sw(folder, environment, "do", "--budget", "60s")
    return folder


def sw(
    folder: Path, environment: dict[str, str], *arguments: str, ok: tuple[int, ...] = (0,)
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "specweave", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode in ok, (
        f"sw {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    )
    assert "Traceback" not in done.stderr
    return done


def test_it_goes_from_the_request_to_the_completion_summary(
    machines: Path, environment: dict[str, str]
) -> None:
    verdict = json.loads(sw(machines, environment, "validate", "--json").stdout)
    assert verdict["ok"] and "concordance" in {v["key"] for v in verdict["verdicts"]}
    sw(machines, environment, "done")
    increment = next((machines / ".specweave/increments").iterdir())
    assert (increment / "tasks.md").read_text().count("- [x] T-00") == 9
    assert "Concordance" in (increment / "COMPLETION-SUMMARY.md").read_text()
    evaluation = json.loads((increment / "reports/evaluation.json").read_text())
    measured = {m["name"]: float(m["value"]) for m in evaluation["metrics"]}
    assert evaluation["problem"] == "time-to-event" and 0.6 < measured["concordance"] < 1


def test_its_model_answers_raw_rows_with_reasons(machines: Path, environment: dict[str, str]) -> None:
    make_rows().drop(columns=["months", "ended"]).head(6).to_csv(machines / "new.csv", index=False)
    sw(machines, environment, "predict", "1", "new.csv", "-o", "answers.csv")
    answers = pd.read_csv(machines / "answers.csv")
    assert len(answers) == 6 and {"key", "expected", "beyond", "reason_1"} <= set(answers.columns)
    assert answers["beyond"].between(0, 1).all() and answers["expected"].gt(0).all()
    watched = json.loads(sw(machines, environment, "monitor", "1", "machines.csv", "--json").stdout)
    assert {a["column"] for a in watched["answers"]} == {"expected", "beyond"}
    deploy = next((machines / ".specweave/increments").glob("*/deploy"))
    assert "survival-problem==1.0" in (deploy / "requirements.txt").read_text()
    parity = json.loads((deploy.parent / "reports/deployment.json").read_text())["parity"]
    assert parity["passed"]


def test_a_wrong_line_of_its_own_is_refused_by_name(machines: Path, environment: dict[str, str]) -> None:
    spec = next((machines / ".specweave/increments").glob("*/spec.md"))
    before = spec.read_text()
    spec.write_text(before.replace("Event column: ended", "Event column: broken"))
    try:
        told = sw(machines, environment, "do", ok=(1, 2, 3))
        assert "'broken' is no column of the data" in told.stdout + told.stderr
        assert "spec.md:" in told.stdout + told.stderr
    finally:
        spec.write_text(before)


def test_it_keeps_the_contract_that_is_shipped(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "test_contract.py").write_text(CONTRACT)
    make_rows(160).to_csv(tmp_path / "made.csv", index=False)
    (tmp_path / "rows.py").write_text(
        "from pathlib import Path\nimport pandas as pd\n\n\n"
        "def make():\n    return pd.read_csv(Path(__file__).with_name('made.csv'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", ".", "."],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout and "failed" not in done.stdout and "skipped" not in done.stdout
