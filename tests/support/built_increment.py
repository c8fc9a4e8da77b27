"""An increment made of its record files, in the formats that the stages write; nothing is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from specweave.files.store import save_json, save_record
from specweave.increments.plan import load_plan
from specweave.increments.project import Increment, Project
from specweave.increments.spec import load_spec
from specweave.increments.tasks import load_tasks, set_tick
from specweave.pipeline.lock import Lock, TaskRecord
from specweave.pipeline.staleness import input_fingerprints, outputs_of
from specweave.pipeline.tasktable import TASKS
from specweave.problems.base import problem_for

SPEC = """\
---
id: "{number}"
title: {title}
status: active
created: 2026-01-02
depends_on: []
---

# {title}

## Request

> {request}

## ML Problem Definition

- Problem type: Binary classification
- Output: probability of churn
- Success metrics: {metrics}

## Data Requirements

- Training data: data/churn.csv
- Target: churn

## Model Requirements

- Latency: {latency}
"""
PLAN = "# Plan\n\n```yaml\nsplit:\n  seed: 42\n```\n"


def metric(
    name: str, value: float, low: float | None = None, high: float | None = None, **more: Any
) -> dict[str, Any]:
    """Return a metric as evaluation.json holds it."""
    return {"name": name, "value": value, "higher_is_better": True, "unit": "", "low": low, "high": high,
            "level": 0.95, "n": 400, "method": "bootstrap", **more}  # fmt: skip


ROC = metric("roc_auc", 0.84, 0.81, 0.87)
LATENCY = metric("latency_p95_ms", 12.5, 11.0, 14.0, unit="ms", higher_is_better=False)


def build_project(root: Path) -> Project:
    """Make a project with a table of data."""
    project = Project(root)
    (root / "data").mkdir(parents=True)
    (root / "data" / "churn.csv").write_text("age,churn\n" + "31,Yes\n47,No\n" * 20, encoding="utf-8")
    project.init()
    return project


def build_increment(
    project: Project, name: str = "0042-churn-model", *, title: str = "Churn model",
    request: str = "predict which customers will churn", metrics: str = "ROC AUC > 0.8", latency: str = "<100ms",
) -> Increment:  # fmt: skip
    """Make an increment of which nothing ran."""
    folder = project.increments_folder / name
    folder.mkdir(parents=True)
    increment = Increment(folder)
    spec = SPEC.format(
        number=increment.number, title=title, request=request, metrics=metrics, latency=latency
    )
    increment.spec_path.write_text(spec, encoding="utf-8")
    increment.plan_path.write_text(PLAN, encoding="utf-8")
    lines = [f"- [ ] {t.id}: {t.title.partition(' (')[0]}\n  - script: `{t.script}`\n  - evidence: "
             + ", ".join(f"`{e}`" for e in t.evidence) + "\n" for t in TASKS]  # fmt: skip
    increment.tasks_path.write_text("# Tasks\n\n" + "".join(lines), encoding="utf-8")
    increment.tests_path.write_text("# Tests\n\n## Evaluation criteria\n", encoding="utf-8")
    for task in TASKS:
        script = folder / task.script
        script.parent.mkdir(exist_ok=True)
        script.write_text(f"# {task.id}\n", encoding="utf-8")
    return increment


def run_tasks(increment: Increment) -> None:
    """Leave the evidence of every task and a lock that says so."""
    for task in TASKS:
        for pattern in task.evidence:
            path = increment.folder / pattern.replace(
                "experiments/*/", "experiments/exp-002-baseline/"
            ).replace("*", "x")
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.write_text(
                    "kind: feature-definitions\nschema: 1\n" if path.suffix == ".yaml" else "made",
                    encoding="utf-8",
                )
    lock_up(increment)


def lock_up(increment: Increment) -> None:
    """Write the lock of an increment in which everything is up to date."""
    spec = load_spec(increment.spec_path)
    problem = problem_for(spec.problem_type)
    plan = load_plan(increment.plan_path, problem.plan_keys)
    tasks = load_tasks(increment.tasks_path)
    lock = Lock(increment.lock_path)
    for task in tasks:
        inputs = input_fingerprints(increment, spec, plan, task, tasks, lock)
        lock.tasks[task.id] = TaskRecord("done", inputs, outputs_of(increment.folder, task))
        set_tick(increment.tasks_path, task.id, True)
    lock.save()


def evaluate(
    increment: Increment, experiment: str = "exp-004-lightgbm", *, metrics: list[dict[str, Any]] | None = None,
    algorithm: str = "lightgbm", holdout: str = "h1",
) -> None:  # fmt: skip
    """Write an experiment and an evaluation that chose it."""
    folder = increment.experiments / experiment
    folder.mkdir(parents=True, exist_ok=True)
    save_record(folder / "experiment.json", "experiment", 1, {
        "id": experiment, "number": int(experiment.split("-")[1]), "name": experiment.split("-", 2)[2], "status": "completed",
        "started": "2026-01-02T10:00:00+00:00", "ended": "2026-01-02T10:00:05+00:00", "duration_s": 5.0,
        "increment": increment.id, "tags": {"role": "candidate", "algorithm": algorithm},
    })  # fmt: skip
    save_json(folder / "metrics.json", {"cv_roc_auc": 0.83})
    save_json(folder / "params.json", {})
    for name in ("model.pkl", "shap_values.pkl"):
        (folder / name).write_bytes(b"made")
    measured = metrics if metrics is not None else [ROC, LATENCY]
    save_record(increment.folder / "reports" / "evaluation.json", "evaluation", 1, {
        "experiment": experiment, "algorithm": algorithm, "selection_metric": measured[0]["name"], "metrics": measured,
        "holdout": holdout, "n_holdout": 400, "n_train": 1600, "model_bytes": 1000, "decision": {}, "role": "candidate",
        "problem": "classification", "generation": "g1", "split": "stratified 20% holdout", "data_sha256": "0" * 64,
        "undefined": {}, "models": [], "comparisons": [], "tables": [], "segments": None, "latency": {},
        "errors": {"mean_loss": 0.4, "columns": [], "worst": []}, "train_seconds": 1.5, "findings": [],
        "overfitting": {"metric": measured[0]["name"], "train": None, "cv": None, "cv_std": None, "holdout": None,
                        "n_folds": 5},
    })  # fmt: skip


def build_evaluated(project: Project, name: str = "0042-churn-model", **options: Any) -> Increment:
    """Make an increment in which every task is done and a model was evaluated."""
    increment = build_increment(project, name, **options)
    evaluate(increment)
    run_tasks(increment)
    return increment
