"""The whole evaluation on a small increment: the holdout is read once, the record holds what it must."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from specweave.errors import CorruptFileError, StageError
from specweave.files.store import load_json
from specweave.publish.ab_test_report import publish_ab_test_plan
from specweave.publish.evaluation_report import publish_evaluation_report
from specweave.stages.ab_test import plan_ab_test
from specweave.stages.baselines import train_baseline_model
from specweave.stages.candidates import run_experiments
from specweave.stages.evaluation import evaluate_models
from specweave.stages.holdout import load_trained
from specweave.stages.training import load_predictions
from specweave.stages.workspace import open_workspace

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
SPEC = """---
id: 0001-visits
title: Visits
status: active
created: 2026-01-01
depends_on: []
---
# Visits

predict who comes back

## ML Problem Definition
- Problem type: Binary classification
- Success metrics: ROC AUC > 0.7, Recall@precision=0.6 >= 0.3
## Data Requirements
- Training data: visits.csv
- Target: back
- Positive class: yes
- Identifier: visitor_id
- Validation: stratified 30% holdout
## Model Requirements
- Latency: <250ms
- Accuracy: Better than best baseline by 5%
"""
PLAN = """# Plan

```yaml
split: {folds: 3, seed: 7}
selection_metric: roc_auc
baselines: [random, rule-based]
candidates:
  - name: linear
  - {name: small-tree, estimator: sklearn.tree.DecisionTreeClassifier, params: {max_depth: 3}}
ab_test: {daily_traffic: 500}
```
"""


def make_increment(root: Path, n: int = 500) -> Path:
    """Write data, spec and plan under `root`; return the increment's folder."""
    rng = np.random.default_rng(0)
    age, visits = rng.normal(40, 12, n), rng.poisson(3, n).astype(float)
    region = rng.choice(["north", "south", "west"], n)
    odds = 0.05 * (age - 40) + 0.6 * (visits - 3) + np.where(region == "north", 1.0, 0.0)
    back = np.where(rng.random(n) < 1 / (1 + np.exp(-odds)), "yes", "no")
    visits[::17] = np.nan
    frame = pd.DataFrame(
        {"visitor_id": [f"v{i:05d}" for i in range(n)], "age": age.round(1), "visits": visits,
         "region": region, "back": back}
    )  # fmt: skip
    folder = root / ".specweave" / "increments" / "0001-visits"
    folder.mkdir(parents=True)
    frame.to_csv(root / "visits.csv", index=False)
    (folder / "spec.md").write_text(SPEC, encoding="utf-8")
    (folder / "plan.md").write_text(PLAN, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Train two baselines and two candidates once, and evaluate them."""
    root = tmp_path_factory.mktemp("visits")
    made = make_increment(root)
    before = {k: os.environ.get(k) for k in ("SPECWEAVE_PROJECT", "SPECWEAVE_JOBS")}
    os.environ.update(SPECWEAVE_PROJECT=str(root), SPECWEAVE_JOBS="1")
    try:
        train_baseline_model()
        run_experiments(jobs=1)
        evaluate_models(n_resamples=60, calls=25, now=lambda: NOON)
        yield made
    finally:
        for key, value in before.items():
            os.environ.pop(key, None) if value is None else os.environ.update({key: value})


def record_of(folder: Path) -> dict[str, Any]:
    return dict(load_json(folder / "reports" / "evaluation.json"))


def test_every_metric_asked_for_is_measured_with_an_interval(folder: Path) -> None:
    metrics = {m["name"]: m for m in record_of(folder)["metrics"]}
    assert next(iter(metrics)) == "roc_auc"  # the selection metric comes first
    for name in ("roc_auc", "recall@precision=0.6", "log_loss", "latency_p95_ms", "throughput"):
        assert metrics[name]["low"] <= metrics[name]["value"] <= metrics[name]["high"], name
    assert metrics["roc_auc"]["n"] == 150
    assert metrics["model_mb"]["value"] > 0


def test_the_choice_follows_validation_folds_whatever_the_holdout_says(folder: Path) -> None:
    record = record_of(folder)
    choosable = [m for m in record["models"] if m["role"] in ("candidate", "tuned")]
    best = max(choosable, key=lambda m: m["validation"])
    assert record["experiment"] == best["experiment"]
    assert {c["role"] for c in record["comparisons"]} == {"best baseline", "runner-up"}


def test_every_experiment_read_the_holdout_once_and_the_ledger_says_so(folder: Path) -> None:
    evaluate_models(n_resamples=20, calls=20)
    lines = [json.loads(x) for x in (folder / "holdout-ledger.jsonl").read_text().splitlines()]
    workspace = open_workspace()
    assert sorted(x["experiment"] for x in lines) == sorted(r.id for r in workspace.store.list())
    assert {x["holdout"] for x in lines} == {workspace.split.digest()}
    assert {x["when"] for x in lines} == {"2026-01-02T12:00:00+00:00"}


def test_holdout_predictions_stand_beside_the_out_of_fold_ones(folder: Path) -> None:
    workspace = open_workspace()
    for record in workspace.store.list():
        every = load_predictions(record)
        assert every is not None
        assert every["part"].value_counts().to_dict() == {"oof": 350, "holdout": 150}
        assert set(every.query("part == 'holdout'")["row"]) == set(workspace.split.holdout.tolist())
        assert not every["row"].duplicated().any()


def test_a_second_evaluation_gives_the_same_numbers(folder: Path) -> None:
    first = evaluate_models(n_resamples=30, calls=20)
    second = evaluate_models(n_resamples=30, calls=20)
    for key in ("comparisons", "segments", "errors", "tables", "models", "decision", "overfitting"):
        assert first[key] == second[key], key


def test_errors_and_segments_name_raw_columns_and_never_the_key(folder: Path) -> None:
    record = record_of(folder)
    columns = {s["column"] for s in record["segments"]["worst"]}
    assert columns <= {"age", "visits", "region"}
    worst = record["errors"]["worst"][0]
    frame = pd.read_csv(folder.parent.parent.parent / "visits.csv")
    assert frame["visitor_id"].iloc[worst["row"]] == worst["values"]["visitor_id"]
    assert worst["loss"] == max(w["loss"] for w in record["errors"]["worst"])


def test_the_report_is_the_same_bytes_when_made_again(folder: Path) -> None:
    first = {p.name: p.read_bytes() for p in publish_evaluation_report(folder)}
    second = {p.name: p.read_bytes() for p in publish_evaluation_report(folder)}
    assert first == second
    text = first["evaluation-report.md"].decode()
    for name in first:
        assert name in text or name == "evaluation-report.md"
    auc = next(m for m in record_of(folder)["metrics"] if m["name"] == "roc_auc")
    assert f"ROC AUC {auc['value']:.4f}" in text
    assert "/tmp" not in text and str(folder) not in text


def test_a_metric_that_people_read_in_percent_stands_so_in_every_table(folder: Path, tmp_path: Path) -> None:
    copied = tmp_path / folder.name
    shutil.copytree(folder, copied)
    record = record_of(copied)
    chosen = record["selection_metric"]
    text = (copied / "reports" / "evaluation.json").read_text(encoding="utf-8")
    (copied / "reports" / "evaluation.json").write_text(
        text.replace(f'"{chosen}"', '"mape"'), encoding="utf-8"
    )
    told = publish_evaluation_report(copied)[0].read_text(encoding="utf-8")
    mine = next(m for m in record["models"] if m["experiment"] == record["experiment"])
    assert f"{100 * mine['holdout']:.2f} %" in told.split("## Against the others")[1].split("##")[0]
    assert f"{100 * record['overfitting']['cv']:.2f} ±" in told.split("## Overfitting")[1]


def test_the_ab_test_is_planned_from_measured_levels(folder: Path) -> None:
    record = plan_ab_test()
    evaluation = record_of(folder)
    baseline = next(c["against"] for c in evaluation["comparisons"] if c["role"] == "best baseline")
    assert record["primary"]["measured_on"].startswith(baseline)
    assert 0 < record["primary"]["baseline"] < 1
    assert record["assignment"]["unit"] == "visitor_id"
    assert record["guardrails"][0]["bar"] == "below 250 ms"
    assert record["sizing"]["days"] % 7 == 0
    text = publish_ab_test_plan(folder)[0].read_text()
    assert f"{record['sizing']['per_arm']:,} per arm" in text
    assert "sw model rollback" in text


def test_the_assignment_in_the_plan_runs_and_splits_in_half(folder: Path) -> None:
    plan_ab_test()
    text = publish_ab_test_plan(folder)[0].read_text()
    code = text.split("```python\n")[1].split("```")[0]
    scope: dict[str, Any] = {}
    exec(code, scope)
    arms = [scope["arm"](f"v{i}") for i in range(2000)]
    assert 0.46 < arms.count("treatment") / 2000 < 0.54
    assert arms == [scope["arm"](f"v{i}") for i in range(2000)]


def test_a_model_file_that_was_changed_is_not_loaded(folder: Path) -> None:
    record = open_workspace().store.get("small-tree")
    path = record.folder / "model.pkl"
    kept = path.read_bytes()
    try:
        path.write_bytes(kept + b"x")
        with pytest.raises(CorruptFileError, match="not the model file that was trained"):
            load_trained(record)
    finally:
        path.write_bytes(kept)


def test_without_trained_models_the_next_command_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_increment(tmp_path)
    monkeypatch.setenv("SPECWEAVE_PROJECT", str(tmp_path))
    with pytest.raises(StageError, match="--task T-004"):
        evaluate_models()
    with pytest.raises(StageError, match="--task T-006"):
        publish_evaluation_report(made)
    with pytest.raises(StageError, match="--task T-009"):
        publish_ab_test_plan(made)
