"""A team mate clones the project and asks whether its numbers hold: sw do, commit, clone, sw reproduce."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

SCRIPTS = {
    "T-001": ("Data exploration", "t001_explore", "explore_data()"),
    "T-003": ("Baselines", "t003_baselines", "train_baseline_model()"),
    "T-004": ("Candidates", "t004_candidates", "run_experiments()"),
    "T-005": ("Tuning", "t005_tuning", "tune_best()"),
    "T-006": ("Evaluation", "t006_evaluation", "evaluate_models(calls=20)"),
}


def run(folder: Path, *command: str, ok: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SPECWEAVE_")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode in ok, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


def sw(folder: Path, *arguments: str, ok: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
    return run(folder, sys.executable, "-m", "specweave", *arguments, ok=ok)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a fresh clone of a project whose tuning was ended by its time budget."""
    folder = tmp_path_factory.mktemp("author") / "flats"
    folder.mkdir()
    rng = np.random.default_rng(4)
    n = 240
    area, floor = rng.uniform(20, 150, n).round(1), rng.integers(0, 9, n)
    kind = rng.choice(["flat", "house"], n)
    price = (3 * area + 9 * floor + 40 * (kind == "house") + rng.normal(0, 20, n)).round(2)
    pd.DataFrame({"area": area, "floor": floor, "kind": kind, "price": price}).to_csv(
        folder / "flats.csv", index=False
    )
    sw(
        folder,
        "inc",
        "predict prices of flats",
        "--data",
        "flats.csv",
        "--target",
        "price",
        "--metric",
        "RMSE < 60",
    )
    increment = next(folder.glob(".specweave/increments/0001-*"))
    lines = [f"- [ ] {t}: {title}\n  - script: `pipeline/{s}.py`\n" for t, (title, s, _) in SCRIPTS.items()]
    (increment / "tasks.md").write_text("# Tasks\n\n" + "".join(lines))
    for _, script, call in SCRIPTS.values():
        (increment / "pipeline" / f"{script}.py").write_text(f"import specweave\n\nspecweave.{call}\n")
    plan = (increment / "plan.md").read_text()
    found = re.search(r"^candidates:\n(?:  .*\n)+", plan, re.M)
    assert found
    short = ("candidates:\n  - name: linear\n    search: {}\n  - name: lightgbm\n    params: {n_estimators: 40}\n"
             "    search: {n_estimators: {low: 300, high: 900}, num_leaves: {low: 4, high: 31},"
             " learning_rate: {low: 0.02, high: 0.3, log: true}}\n")  # fmt: skip
    plan = re.sub(
        r"trials: \d+", "trials: 4000", plan.replace(found[0], short).replace("folds: 5", "folds: 3")
    )
    (increment / "plan.md").write_text(re.sub(r"time_budget: \w+", "time_budget: 1s", plan))
    sw(folder, "do")
    run(folder, "git", "init", "-q")
    run(folder, "git", "add", "-A")
    run(folder, "git", "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "flats")
    target = tmp_path_factory.mktemp("mate") / "clone"
    run(folder, "git", "clone", "-q", str(folder), str(target))
    return target


@pytest.fixture
def increment(clone: Path) -> Path:
    return next(clone.glob(".specweave/increments/0001-*"))


def changed_files(clone: Path) -> list[str]:
    lines = run(clone, "git", "status", "--porcelain", "-uall").stdout.splitlines()
    return [line[3:].split("/", 3)[-1] for line in lines]


def test_a_fresh_clone_gives_every_number_to_the_last_digit(clone: Path, increment: Path) -> None:
    told = json.loads(sw(clone, "reproduce", "1", "--json").stdout)
    assert told["verdict"] == "reproduced" and told["differences"] == []
    assert told["largest"] == {"absolute": 0.0, "relative": 0.0} and told["tolerance"] == 0
    assert told["compared"] == told["equal"] > 150
    assert told["environment"]["same"] and told["commit"]
    assert json.loads((increment / "reports" / "reproduction.json").read_text()) == told
    assert changed_files(clone) == ["reports/reproduction.json"]
    not_compared = {name for group in told["not_compared"] for name in group["names"]}
    assert "reports/evaluation.json: metrics.latency_p95_ms.value" in not_compared
    [tuned] = increment.glob("experiments/*tuned-lightgbm")
    trials = json.loads((tuned / "metrics.json").read_text())["n_trials"]
    assert 1 <= trials < 36, "the search was to be ended by its time, not by its trials"


def test_a_metric_changed_by_hand_is_named_with_both_values(clone: Path, increment: Path) -> None:
    [folder] = increment.glob("experiments/exp-*[0-9]-lightgbm")
    path = folder / "metrics.json"
    before = path.read_text()
    value = json.loads(before)["cv_rmse"]
    path.write_text(before.replace(repr(value), repr(value + 1)))
    try:
        said = sw(clone, "reproduce", "1", "lightgbm", ok=(1,)).stdout
        assert f"experiments/{folder.name}/metrics.json: cv_rmse" in said
        assert repr(value) in said and repr(value + 1) in said
        told = json.loads((folder / "reproduction.json").read_text())
        assert (
            told["verdict"] == "differs"
            and told["experiment"] == folder.name
            and len(told["differences"]) == 1
        )
    finally:
        path.write_text(before)
    assert "reproduced" in sw(clone, "reproduce", "1", "tuned-lightgbm").stdout


def test_other_data_is_refused_with_both_hashes(clone: Path) -> None:
    data = clone / "flats.csv"
    before = data.read_bytes()
    data.write_bytes(before + b"30,1,flat,99\n")
    try:
        error = json.loads(sw(clone, "reproduce", "1", "--json", ok=(2,)).stdout)["errors"][0]
        assert error["code"] == "data" and error["message"].count("sha256") == 1
        assert len(re.findall(r"[0-9a-f]{64}", error["message"])) == 2
        assert re.search(r"git checkout \w+ -- flats\.csv", error["fix"])
    finally:
        data.write_bytes(before)
