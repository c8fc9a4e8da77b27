"""The records of an increment in their real formats, written without running anything.

As it stands, the project is sound: every rule of the review judges it and none fires. Tests spoil one thing.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from specweave.experiments.record import KIND, SCHEMA, Header
from specweave.files.store import save_json, save_record
from specweave.files.yamlio import render_yaml
from specweave.increments.project import Increment
from specweave.review.base import Review, Stated
from specweave.review.reviewing import review_increment

TODAY = dt.date(2026, 11, 24)
GENERATION = "aaaabbbbccccdddd"
HOLDOUT = "1111222233334444"
SEGMENTS = {"checked": 4, "min_rows": 30, "too_small": 0, "undefined": 0}
PAIRED = {"n": 400, "test": "paired bootstrap"}
SHA = "ab" * 32

SPEC = """\
---
id: "0001"
title: Churn
status: active
created: 2026-01-01
---

# Churn

## ML Problem Definition
- Problem type: Binary classification
- Success metrics: ROC AUC > 0.75

## Data Requirements
- Training data: churn.csv
- Target: churn
- Identifier: key
- Time column: none
- Validation: stratified 20% holdout

## Model Requirements
- Latency: <100ms inference
- Accuracy: Better than best baseline by 20%
- Explainability: Must explain top-3 features
"""

SEARCH = {"max_depth": {"low": 2, "high": 10}, "learning_rate": {"low": 0.01, "high": 0.3, "log": True}}


@dataclass
class Model:
    """One trained experiment."""

    name: str
    role: str
    algorithm: str
    value: float
    std: float = 0.01
    size: float = 100_000.0
    status: str = "completed"
    task: str = "T-004"
    error: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    trials: list[tuple[float | None, dict[str, Any]]] = field(default_factory=list)
    history: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    duration_s: float = 20.0


def _models() -> list[Model]:
    tuned = [
        (0.80 + 0.045 * min(i, 8) / 8 - 0.001 * (i > 8), {"max_depth": 5, "learning_rate": 0.05})
        for i in range(24)
    ]
    return [
        Model("baseline-random", "baseline", "DummyClassifier", 0.5, task="T-003"),
        Model("baseline-rule", "baseline", "SingleFeatureClassifier", 0.62, task="T-003"),
        Model("linear", "candidate", "LinearClassifier", 0.80, params={"C": 1.0}),
        Model("lightgbm", "candidate", "LGBMClassifier", 0.84),
        Model("random-forest", "candidate", "RandomForestClassifier", 0.82, size=300_000.0),
        Model("tuned-lightgbm", "tuned", "LGBMClassifier", 0.845, task="T-005", metrics={"n_trials": 24}, trials=list(tuned)),
    ]  # fmt: skip


def _column(kind: str = "numeric", score: float = 0.3, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "count": 2000, "missing": 0, "missing_share": 0.0, "distinct": 300, "distinct_share": 0.15,
            "association": {"score": score}, **more}  # fmt: skip


class Records:
    """An increment's records as plain values; `write` puts them on disk."""

    def __init__(self, root: Path) -> None:
        self.folder = root / ".specweave" / "increments" / "0001-churn"
        self.spec = SPEC
        self.plan: dict[str, Any] = {
            "split": {"folds": 5, "seed": 42},
            "features": {"drop": {}},
            "tuning": {"trials": 40, "time_budget": "5m", "top": 1},
            "selection_metric": "roc_auc",
            "baselines": ["random", "majority", "rule-based"],
            "candidates": [
                {"name": "linear", "search": {"C": {"low": 0.01, "high": 100.0, "log": True}}},
                {"name": "lightgbm", "search": SEARCH},
                {"name": "random-forest"},
            ],
            "threshold": {"maximise": "f1"},
        }
        self.models = _models()
        names = ["age", "income", "plan"]
        self.profile: dict[str, Any] = {
            "rows": 2000, "column_count": 5, "duplicate_rows": 0, "findings": [], "correlations": [], "leaks": [],
            "columns": {
                "key": _column("identifier", distinct=2000, distinct_share=1.0),
                "age": _column(), "income": _column(score=0.2), "plan": _column("category", distinct=3, distinct_share=0.002),
                "churn": _column("boolean", distinct=2),
            },
            "roles": {"target": "churn", "identifiers": ["key"], "time": None, "group": None},
            "split": {"strategy": "stratified 20% holdout (400 of 2000 rows), 5 folds, seed 42", "train": 1600,
                      "holdout": 400, "folds": 5},
            "target": {"name": "churn", "task": "classification", "kind": "boolean", "rows": 1600, "missing": 0, "distinct": 2,
                       "classes": {"No": 1100, "Yes": 500}, "majority_share": 0.6875, "minority_share": 0.3125},
        }  # fmt: skip
        self.definitions: dict[str, Any] = {
            "settings": {}, "columns": {"key": {"action": "drop"}, **{n: {"action": "numeric"} for n in names}},
        }  # fmt: skip
        self.importance: dict[str, Any] = {
            "columns": [{"column": n, "gain": g} for n, g in zip(names, (5, 3, 2), strict=True)]
        }
        self.validation: dict[str, Any] = {"checks": [], "drift": [], "findings": []}
        self.explanation: dict[str, Any] = {
            "experiment": "", "of": "column", "findings": [], "examples": [],
            "importance": [
                {"feature": n, "share": s, "permutation": 0.02, "permutation_std": 0.002, "rank": i}
                for i, (n, s) in enumerate(zip(names, (0.5, 0.3, 0.2), strict=True), 1)
            ],
        }  # fmt: skip
        self.deployment: dict[str, Any] = {"experiment": "", "findings": []}
        self.data_lock: dict[str, Any] = {"path": "churn.csv", "sha256": SHA, "rows": 2000}
        self.lock: dict[str, Any] = {"tasks": {}, "fixed": {}}
        self.ledger: list[dict[str, Any]] = []
        self.evaluation: dict[str, Any] = {}
        self.best = "tuned-lightgbm"
        self.outcome: Any = None
        self.waivers: dict[str, str] = {}
        self.without: set[str] = set()
        self._evaluate()

    def _evaluate(self) -> None:
        metric = {"name": "roc_auc", "value": 0.842, "low": 0.80, "high": 0.88, "n": 400, "level": 0.95,
                  "higher_is_better": True, "unit": "", "method": "bootstrap"}  # fmt: skip
        self.evaluation = {
            "algorithm": "LGBMClassifier", "selection_metric": "roc_auc", "n_holdout": 400, "n_train": 1600,
            "holdout": HOLDOUT, "generation": GENERATION, "data_sha256": SHA, "undefined": {}, "findings": [],
            "split": self.profile["split"]["strategy"], "role": "tuned", "problem": "classification", "tables": [],
            "model_bytes": 1000, "train_seconds": 1.5, "latency": {},
            "decision": {"labels": ["No", "Yes"], "positive": "Yes", "threshold": 0.4, "rule": "best F1"},
            "metrics": [
                metric,
                {**metric, "name": "latency_p95_ms", "value": 3.0, "low": 2.5, "high": 3.5, "higher_is_better": False, "unit": "ms"},
                {**metric, "name": "expected_calibration_error", "value": 0.02, "low": 0.01, "high": 0.03,
                 "higher_is_better": False},
            ],
            "overfitting": {"metric": "roc_auc", "train": 0.88, "cv": 0.845, "cv_std": 0.01, "holdout": 0.842, "n_folds": 5},
            "segments": {"metric": "roc_auc", "overall": 0.842, "worst": [], **SEGMENTS},
            "errors": {"mean_loss": 0.4, "columns": [{"column": "plan", "explained": 0.1, "worst_value": "basic"}], "worst": []},
            "comparisons": [
                {"role": "best baseline", "ours": 0.842, "theirs": 0.62, "difference": 0.222, "low": 0.18, "high": 0.26,
                 "p_value": 0.004, "verdict": "better", "metric": "roc_auc", **PAIRED},
                {"role": "runner-up", "ours": 0.842, "theirs": 0.82, "difference": 0.022, "low": 0.01, "high": 0.03,
                 "p_value": 0.01, "verdict": "better", "metric": "roc_auc", **PAIRED},
            ],
        }  # fmt: skip

    # -- writing ---------------------------------------------------------------------------------

    def model(self, name: str) -> Model:
        return next(m for m in self.models if m.name == name)

    def id_of(self, name: str) -> str:
        return next((f"exp-{i:03d}-{m.name}" for i, m in enumerate(self.models, 2) if m.name == name), name)

    def metric(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(m for m in self.evaluation["metrics"] if m["name"] == name)
        return found

    def write(self) -> Increment:
        folder, best = self.folder, self.id_of(self.best)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "spec.md").write_text(self.spec)
        if not (folder / "plan.md").exists():
            (folder / "plan.md").write_text(
                f"# Plan\n\nWhy it is so.\n\n```yaml\n{render_yaml(self.plan)}```\n\nMore prose.\n"
            )
        lines = [
            {"experiment": self.id_of(m.name), "algorithm": m.algorithm, "role": m.role, "validation": m.value,
             "holdout": m.value - 0.003, "model_bytes": m.size, "validation_std": 0.01, "train_seconds": 1.5}
            for m in self.models if m.status == "completed" and m.role in ("baseline", "candidate", "tuned")
        ]  # fmt: skip
        evaluation = {"experiment": best, "models": lines, **self.evaluation}
        for rival, name in zip(evaluation["comparisons"], ("baseline-rule", "lightgbm"), strict=False):
            rival.setdefault("against", self.id_of(name))
        for body in (self.explanation, self.deployment):
            body["experiment"] = body["experiment"] or best
        comparison = {
            "metric": "roc_auc",
            "higher_is_better": True,
            "best": best,
            "runner_up": None,
            "reason": "",
            "rows": [],
        }
        for file, kind, record in (
            ("data/profile.json", "profile", self.profile),
            ("data/data.lock.yaml", "data-lock", self.data_lock),
            ("features/feature_definitions.yaml", "feature-definitions", self.definitions),
            ("features/importance.json", "feature-importance", self.importance),
            ("features/validation.json", "feature-validation", self.validation),
            ("experiments/comparison.json", "comparison", {"comparison": comparison}),
            ("reports/evaluation.json", "evaluation", evaluation),
            ("reports/explanation.json", "explanation", self.explanation),
            ("reports/deployment.json", "deployment", self.deployment),
            ("pipeline.lock.json", "pipeline-lock", self.lock),
        ):
            if file not in self.without:
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                save_record(folder / file, kind, 1, record)
        if "experiments" not in self.without:
            for i, m in enumerate(self.models, 2):
                self._write_model(i, m)
        readers = self.ledger or [{"experiment": line["experiment"], "holdout": HOLDOUT} for line in lines]
        (folder / "holdout-ledger.jsonl").write_bytes(
            b"".join(msgspec.json.encode(r) + b"\n" for r in readers)
        )
        for name, text in self.waivers.items():
            (folder / "waivers").mkdir(exist_ok=True)
            (folder / "waivers" / f"{name}.md").write_text(text)
        return Increment(folder)

    def _write_model(self, number: int, m: Model) -> None:
        name = f"exp-{number:03d}-{m.name}"
        folder = self.folder / "experiments" / name
        if (folder / "experiment.json").exists():
            return
        folder.mkdir(parents=True)
        tags = {"role": m.role, "algorithm": m.algorithm, "generation": GENERATION} if m.role else {}
        header = Header(id=name, name=m.name, number=number, kind=KIND, schema=SCHEMA, status=m.status, task=m.task or None,
                        tags=tags, error=m.error, duration_s=m.duration_s)  # fmt: skip
        save_json(folder / "experiment.json", msgspec.to_builtins(header))
        save_json(folder / "params.json", m.params)
        if m.status == "completed":
            save_json(folder / "metrics.json", {"cv_roc_auc": m.value, "cv_roc_auc_std": m.std, "model_bytes": m.size,
                                                "train_seconds": 1.0, **m.metrics})  # fmt: skip
            self._outcome(m).to_parquet(folder / "predictions.parquet", index=False)
        if m.history:
            lines = [msgspec.json.encode({"step": s, "time": 1.0, "values": v}) for s, v in m.history]
            (folder / "history.jsonl").write_bytes(b"\n".join(lines) + b"\n")
        if m.trials:
            write_journal(folder / "optuna-journal.log", m)

    def _outcome(self, m: Model) -> pd.DataFrame:
        if m.name == self.best and self.outcome is not None:
            found: pd.DataFrame = self.outcome
            return found
        rng = np.random.default_rng(len(m.name))
        n = 40
        truth = np.where(np.arange(n) % 3 == 0, "Yes", "No")
        score = np.clip(0.3 + 0.3 * (truth == "Yes") + rng.normal(0, 0.1, n), 0.01, 0.99)
        frame = pd.DataFrame({"row": np.arange(n), "fold": np.arange(n) % 5 + 1, "part": "oof", "truth": truth,
                              "p:No": 1 - score, "p:Yes": score})  # fmt: skip
        holdout = frame.head(20).assign(row=np.arange(n, n + 20), part="holdout", fold=np.nan)
        return pd.concat([frame, holdout], ignore_index=True)

    # -- asking ----------------------------------------------------------------------------------

    def review(self) -> Review:
        return review_increment(self.write(), today=TODAY)

    def rules(self) -> list[Stated]:
        """Return what the rules found; what the stages recorded is left out."""
        return [f for f in self.review().findings if f.source == "rule"]


def recorded(code: str, severity: str = "warning", where: str = "", **evidence: Any) -> dict[str, Any]:
    """Return a finding as a stage writes it."""
    return {
        "code": code,
        "severity": severity,
        "message": f"said by {code}",
        "where": where,
        "evidence": evidence,
        "advice": "",
    }


def write_journal(path: Path, m: Model) -> None:
    """Write the journal of a search, as the search itself does."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    study = optuna.create_study(study_name=m.name, storage=storage, direction="maximize")
    spaces: dict[str, Any] = {
        "max_depth": optuna.distributions.IntDistribution(2, 10),
        "learning_rate": optuna.distributions.FloatDistribution(0.01, 0.3, log=True),
        "colsample": optuna.distributions.FloatDistribution(0.3, 1.0),
        "booster": optuna.distributions.CategoricalDistribution(["gbtree", "dart"]),
    }
    trials = []
    for value, params in m.trials:
        state = optuna.trial.TrialState.COMPLETE if value is not None else optuna.trial.TrialState.PRUNED
        own = {k: spaces[k] for k in params}
        trials.append(optuna.trial.create_trial(state=state, value=value, params=params, distributions=own))
    study.add_trials(trials)
