"""The main job as a user runs it: four commands in a temporary project, on real rows of the churn data."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

CHURN = Path(__file__).resolve().parents[2] / "examples" / "churn" / "telco-churn.csv"


def sw(folder: Path, *arguments: str, ok: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SPECWEAVE_")}
    done = subprocess.run(
        [sys.executable, "-m", "specweave", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode in ok, (
        f"sw {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    )
    assert "Traceback" not in done.stderr
    return done


def keep_candidates(increment: Path, *names: str) -> None:
    """Leave only some candidates in the plan, without search spaces but for the first: tests must be quick."""
    plan = increment / "plan.md"
    text = plan.read_text()
    block = re.search(r"^candidates:\n(?:  .*\n|    .*\n)+", text, re.M)
    assert block
    short = "candidates:\n" + "".join(f"  - name: {n}\n    search: {{}}\n" for n in names[1:])
    short = short.replace("candidates:\n", f"candidates:\n  - name: {names[0]}\n", 1)
    text = text.replace(block[0], short).replace("trials: 40", "trials: 4").replace("folds: 5", "folds: 3")
    plan.write_text(text.replace("rows: 500", "rows: 60").replace("examples: 5", "examples: 2"))


@pytest.fixture(scope="module")
def churn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a churn project with an increment that was run once."""
    folder = tmp_path_factory.mktemp("churn")
    rows = pd.read_csv(CHURN, dtype=str, keep_default_na=False)
    blank = rows[rows["TotalCharges"].str.strip() == ""]
    pd.concat([rows.sample(900, random_state=0), blank]).to_csv(folder / "telco.csv", index=False)
    sw(folder, "inc", "predict which telco customers will churn", "--data", "telco.csv", "--target", "Churn",
       "--metric", "ROC AUC > 0.7", "--metric", "Recall@precision=0.6 >= 0.2")  # fmt: skip
    keep_candidates(next((folder / ".specweave/increments").iterdir()), "linear", "lightgbm")
    sw(folder, "do", "--budget", "60s")
    return folder


@pytest.fixture
def increment(churn: Path) -> Path:
    return next((churn / ".specweave/increments").iterdir())


def test_every_task_leaves_its_evidence_and_is_ticked(increment: Path) -> None:
    tasks = (increment / "tasks.md").read_text()
    assert tasks.count("- [x] T-00") == 9
    for path in ("data/quality-report.md", "data/schema.yaml", "data/sample.csv", "features/transformer.pkl",
                 "experiments/comparison.md", "reports/evaluation-report.md", "reports/explainability-report.md",
                 "models/model-v1.pkl", "models/model-v1.metadata.json", "deploy/DEPLOYMENT.md",
                 "deploy/ab-test-plan.md", "notebooks/01-eda.ipynb", "notebooks/02-feature-engineering.ipynb",
                 "notebooks/03-model-analysis.ipynb", "experiments/exp-001-eda/eda-summary.md"):  # fmt: skip
        assert (increment / path).stat().st_size > 50, path


def test_a_second_run_finds_everything_up_to_date(churn: Path) -> None:
    assert "everything is up to date" in sw(churn, "do").stdout


def test_notebooks_hold_executed_cells_and_no_path_of_the_machine(increment: Path) -> None:
    for path in (increment / "notebooks").glob("*.ipynb"):
        text = path.read_text()
        cells = [c for c in json.loads(text)["cells"] if c["cell_type"] == "code"]
        assert any(c["outputs"] for c in cells), path.name
        assert not any(o["output_type"] == "error" for c in cells for o in c["outputs"])
        assert str(increment.parents[2]) not in text


def test_a_stricter_criterion_changes_the_verdict_without_running_anything(
    churn: Path, increment: Path
) -> None:
    spec, lock = increment / "spec.md", increment / "pipeline.lock.json"
    before, fixed = spec.read_text(), lock.read_bytes()
    assert json.loads(sw(churn, "validate", "--json").stdout)["ok"]
    spec.write_text(before.replace("ROC AUC > 0.7,", "ROC AUC > 0.99,"))
    try:
        found = json.loads(sw(churn, "validate", "--json", ok=(1,)).stdout)
        verdict = next(v for v in found["verdicts"] if v["key"] == "roc_auc")
        assert verdict["verdict"] == "fail" and verdict["blocks"]
        assert any("ROC AUC > 0.99" in line for line in found["amendments"])
        assert lock.read_bytes() == fixed
        assert "ROC AUC > 0.99" in sw(churn, "done", ok=(1,)).stdout
        assert not (increment / "COMPLETION-SUMMARY.md").exists()
    finally:
        spec.write_text(before)


def test_changed_data_makes_the_dependent_tasks_stale(churn: Path) -> None:
    data = churn / "telco.csv"
    before = data.read_bytes()
    data.write_bytes(before[: before.rindex(b"\n", 0, len(before) - 1) + 1])
    try:
        plan = json.loads(sw(churn, "do", "--dry-run", "--json").stdout)
        reasons = {t["id"]: " ".join(t["reasons"]) for t in plan["tasks"]}
        assert all(t["stale"] for t in plan["tasks"])
        assert all("data changed" in reasons[f"T-00{n}"] for n in range(1, 7))
        assert all(
            "will run" in reasons[f"T-00{n}"] and "data changed" not in reasons[f"T-00{n}"] for n in (7, 8, 9)
        )
    finally:
        data.write_bytes(before)


def test_predict_answers_rows_with_blanks_and_unseen_levels(churn: Path) -> None:
    rows = pd.read_csv(churn / "telco.csv", dtype=str, keep_default_na=False).head(5).drop(columns="Churn")
    rows.loc[0, "TotalCharges"], rows.loc[1, "PaymentMethod"] = " ", "Carrier pigeon"
    rows.to_csv(churn / "new.csv", index=False)
    sw(churn, "predict", "1", "new.csv", "-o", "answers.csv")
    answers = pd.read_csv(churn / "answers.csv")
    assert len(answers) == 5
    assert answers["prediction"].isin(["Yes", "No"]).all()
    assert {"probability", "reason_1", "reason_2", "reason_3"} <= set(answers.columns)


def test_done_writes_the_summary_from_the_evidence(churn: Path, increment: Path) -> None:
    sw(churn, "done")
    summary = (increment / "COMPLETION-SUMMARY.md").read_text()
    evaluation = json.loads((increment / "reports/evaluation.json").read_text())
    value = next(m["value"] for m in evaluation["metrics"] if m["name"] == "roc_auc")
    assert summary.startswith("## Telco customers churn - COMPLETE")
    assert "### Experiments Run: " in summary and "✅ BEST" in summary
    assert f"ROC AUC: {value:.4f}" in summary
    for heading in ("### Best Model", "### Deployment Ready", "### Criteria"):
        assert heading in summary
    assert "status: done" in (increment / "spec.md").read_text()
    assert not re.search(r"\]\((?!http)([^)]+)\)", summary) or all(
        (increment / link).exists() for link in re.findall(r"\]\((?!http)([^)]+)\)", summary)
    )


def test_done_writes_living_documents_and_a_number_changed_by_hand_is_named(churn: Path) -> None:
    sw(churn, "done")
    models = churn / ".specweave/docs/internal/architecture/ml-models.md"
    assert len(list((churn / ".specweave/docs/internal/adr").glob("0001-use-*.md"))) == 1
    assert len(list((churn / ".specweave/docs/internal/runbooks").glob("*.md"))) == 1
    sw(churn, "sync-docs", "check")
    before = models.read_text()
    changed = re.sub(r"ROC AUC: 0\.(\d)", "ROC AUC: 1.\\1", before)
    models.write_text("# A person wrote this\n\n" + changed)
    said = sw(churn, "sync-docs", "check", ok=(1,)).stdout
    assert "ROC AUC: 1." in said and "ROC AUC: 0." in said
    sw(churn, "sync-docs", "update")
    assert models.read_text() == "# A person wrote this\n\n" + before


def test_a_killed_tuning_goes_on_where_it_was(tmp_path: Path) -> None:
    pd.read_csv(CHURN, dtype=str).sample(800, random_state=1).to_csv(tmp_path / "telco.csv", index=False)
    sw(tmp_path, "inc", "predict churn", "--data", "telco.csv", "--target", "Churn")
    increment = next((tmp_path / ".specweave/increments").iterdir())
    keep_candidates(increment, "lightgbm")
    plan = increment / "plan.md"
    plan.write_text(plan.read_text().replace("trials: 4", "trials: 14"))
    tasks = increment / "tasks.md"
    head, _, rest = tasks.read_text().partition("- [ ] T-002")
    rest = rest[rest.index("- [ ] T-004") : rest.index("- [ ] T-006")]
    tasks.write_text(head.partition("- [ ] T-001")[0] + rest)
    process = subprocess.Popen(
        [sys.executable, "-m", "specweave", "do"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if re.search(r"trial \d+/", line):
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    experiments = increment / "experiments"
    names = sorted(p.name for p in experiments.glob("exp-*"))
    tuned = next(experiments.glob("exp-*-tuned-*"))
    finished = (tuned / "history.jsonl").read_text().count("best_")
    assert finished >= 1
    for _ in range(50):
        if (
            json.loads(sw(tmp_path, "exp", "show", tuned.name, "--json").stdout)["experiment"]["status"]
            == "interrupted"
        ):
            break
        time.sleep(0.1)
    said = sw(tmp_path, "do").stdout
    assert "goes on after" in said
    assert sorted(p.name for p in experiments.glob("exp-*")) == names
    history = [json.loads(line) for line in (tuned / "history.jsonl").read_text().splitlines()]
    steps = [h["step"] for h in history if any(k.startswith("best_") for k in h["values"])]
    assert len(steps) == len(set(steps))
    assert json.loads((tuned / "experiment.json").read_text())["status"] == "completed"


def test_regression_goes_from_request_to_summary(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    n = 400
    rooms, city = rng.integers(1, 7, n), rng.choice(["Rome", "Oslo", "Lima"], n)
    built = pd.Timestamp("1990-01-01") + pd.to_timedelta(rng.integers(0, 12_000, n), unit="D")
    price = 40_000 * rooms + 90_000 * (city == "Oslo") + 3 * (built - pd.Timestamp("1990-01-01")).days
    frame = pd.DataFrame({"house_id": range(n), "rooms": rooms, "city": city, "built": built.strftime("%d.%m.%Y"),
                          "price": price + rng.normal(0, 15_000, n)})  # fmt: skip
    frame.loc[::17, "rooms"] = np.nan
    frame.to_csv(tmp_path / "houses.csv", sep=";", index=False, encoding="cp1252")
    sw(
        tmp_path,
        "inc",
        "predict house prices",
        "--data",
        "houses.csv",
        "--metric",
        "RMSE < $40,000",
        "--metric",
        "R² > 0.7",
    )
    increment = next((tmp_path / ".specweave/increments").iterdir())
    spec = (increment / "spec.md").read_text()
    assert (
        "- Problem type: Regression" in spec
        and "- Target: price" in spec
        and "- Identifier: house_id" in spec
    )
    keep_candidates(increment, "linear", "lightgbm")
    sw(tmp_path, "do", "--budget", "40s")
    sw(tmp_path, "validate")
    sw(tmp_path, "done")
    assert "R²" in (increment / "COMPLETION-SUMMARY.md").read_text()
