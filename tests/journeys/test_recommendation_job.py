"""Recommendation as a user runs it: four commands on visits of a web site, then strangers and a changed plan."""

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

VISITS = Path(__file__).resolve().parents[2] / "examples" / "recommend" / "web-visits.csv"


def sw(folder: Path, *arguments: str) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SPECWEAVE_")}
    done = subprocess.run(
        [sys.executable, "-m", "specweave", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"sw {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project whose increment went from the request to the completion summary."""
    folder = tmp_path_factory.mktemp("visits")
    visits = pd.read_csv(VISITS)
    visits[visits["user_id"].isin(visits["user_id"].unique()[:900])].to_csv(
        folder / "visits.csv", index=False
    )
    sw(folder, "inc", "recommend page areas to visitors", "--data", "visits.csv", "--metric", "Recall@10 > 0.5",
       "--metric", "NDCG@10 > 0.3")  # fmt: skip
    plan = next((folder / ".specweave/increments").glob("*/plan.md"))
    text = plan.read_text()
    block = re.search(r"^candidates:\n(?:  .*\n)+", text, re.M)
    assert block
    short = "candidates:\n  - name: edlae\n    params: {l2: 20.0}\n  - name: two-stage-lightgbm\n    params: {n_estimators: 30}\n    search: {}\n"
    text = text.replace(block[0], short).replace("trials: 20", "trials: 2").replace("rows: 200", "rows: 40")
    plan.write_text(text.replace("examples: 5", "examples: 2"))
    sw(folder, "do")
    sw(folder, "done")
    return folder


@pytest.fixture
def increment(project: Path) -> Path:
    return next((project / ".specweave/increments").glob("*/spec.md")).parent


def test_the_drafted_spec_reads_as_the_seed_has_it(increment: Path) -> None:
    spec = (increment / "spec.md").read_text()
    assert "- Problem type: Recommendation (collaborative filtering)" in spec
    assert "- Output: Top-N product recommendations" in spec
    assert "- Accuracy: Better than random baseline by 3x" in spec
    assert "- Explainability: Must explain top-3 recommendations" in spec
    assert "- User column: user_id" in spec and "- Item column: page" in spec and "Target" not in spec


def test_every_task_left_its_evidence_and_the_increment_is_done(increment: Path) -> None:
    assert (increment / "tasks.md").read_text().count("- [x] T-00") == 9
    assert "COMPLETE" in (increment / "COMPLETION-SUMMARY.md").read_text()
    for name in ("sparsity.png", "long-tail.png", "histories.png"):
        assert (increment / "data" / "figures" / name).stat().st_size > 1000


def test_the_chosen_model_beats_chance_threefold_and_popularity(increment: Path) -> None:
    record = json.loads((increment / "reports" / "evaluation.json").read_text())
    scores = {m["experiment"].partition("-baseline-")[2] or "model": m["holdout"] for m in record["models"]}
    value = next(m["value"] for m in record["metrics"] if m["name"] == "ndcg@10")
    assert value > 3 * scores["random"] and value > scores["popularity"]
    assert record["decision"]["protocol"] == "a random 25% of each user's interactions held out"
    assert next(m for m in record["metrics"] if m["name"] == "coverage@10").get("low") is None


def test_stored_predictions_alone_give_the_measured_value(increment: Path) -> None:
    record = json.loads((increment / "reports" / "evaluation.json").read_text())
    table = pd.read_parquet(increment / "experiments" / record["experiment"] / "predictions.parquet")
    held = table[table["part"] == "holdout"]
    hits = held[[f"hit:{r}" for r in range(1, 11)]].to_numpy()
    recall = np.mean(hits.sum(axis=1) / held["n_relevant"])
    measured = next(m["value"] for m in record["metrics"] if m["name"] == "recall@10")
    assert measured == pytest.approx(recall)


def test_examples_name_the_past_areas_behind_three_recommendations(increment: Path) -> None:
    record = json.loads((increment / "reports" / "explanation.json").read_text())
    for example in record["examples"]:
        assert len(example["reasons"]) == 3
        assert all(r["recommendation"] and r["because"] for r in example["reasons"])


def test_the_package_answers_known_users_and_strangers(project: Path) -> None:
    known = pd.read_csv(project / "visits.csv")["user_id"].iloc[0]
    (project / "ask.csv").write_text(f"user_id,k\n{known},3\nnobody,5\n")
    sw(project, "predict", "1", "ask.csv", "-o", "answers.csv")
    answers = pd.read_csv(project / "answers.csv")
    assert answers["prediction"].str.split(" | ", regex=False).map(len).tolist() == [3, 5]
    assert answers["cold_start"].tolist() == [False, True]
    assert answers["user"].astype(str).tolist() == [str(known), "nobody"]
    seen = pd.read_csv(project / "visits.csv").query("user_id == @known")["page"]
    assert not set(answers["prediction"][0].split(" | ")) & set(seen)


def test_every_user_gets_a_list_of_what_is_new_to_them_held_out_visits_too(
    project: Path, increment: Path
) -> None:
    lists = pd.read_csv(increment / "reports" / "recommendations.csv")
    visits = pd.read_csv(project / "visits.csv")
    assert set(lists["user"]) == set(visits["user_id"])
    shown = lists.assign(page=lists["prediction"].str.split(" | ", regex=False)).explode("page")
    both = shown.merge(visits, left_on=["user", "page"], right_on=["user_id", "page"])
    assert len(shown) > 5 * len(lists) and both.empty
    assert "reports/recommendations.csv" in (increment / "COMPLETION-SUMMARY.md").read_text()
    sw(project, "predict", "1", "--no-reasons")
    again = pd.read_csv(project / "visits-recommendations.csv")
    assert again["prediction"].tolist() == lists["prediction"].tolist()


def test_a_longer_list_in_the_plan_makes_what_depends_on_it_stale(project: Path, increment: Path) -> None:
    plan = increment / "plan.md"
    before = plan.read_text()
    try:
        plan.write_text(before.replace("k: 10", "k: 12"))
        told = sw(project, "do", "--dry-run")
        assert "T-003" in told and "plan.md changed" in told
    finally:
        plan.write_text(before)
