"""From trained experiments to a package that answers in a fresh process, on one small increment."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from specweave.errors import StageError
from specweave.experiments.versions import ModelVersions
from specweave.publish.deployment_docs import publish_deployment_docs
from specweave.publish.explainability_report import publish_explainability_report
from specweave.serving.monitoring import monitor_batch
from specweave.stages.candidates import run_experiments
from specweave.stages.deployment import prepare_deployment
from specweave.stages.evaluation import evaluate_models
from specweave.stages.explanation import explain_model
from specweave.stages.training import load_predictions
from specweave.stages.workspace import open_workspace

SPEC = """---
id: 0007-churn
title: Churn
status: active
created: 2026-01-01
---
# Churn

## Request
predict churn

## ML Problem Definition
- Problem type: Binary classification
- Success metrics: ROC AUC > 0.7

## Data Requirements
- Training data: churn.csv
- Target: churn
- Identifier: customer
- Validation: stratified 25% holdout

## Model Requirements
- Latency: <100ms inference
"""
PLAN = """# Plan

```yaml
split: {folds: 3, seed: 1}
candidates:
  - {name: lightgbm, params: {n_estimators: 25}}
selection_metric: roc_auc
threshold: {maximise: f1}
explain: {rows: 60, examples: 5, top: 3}
```
"""


def make_data(path: Path) -> None:
    rng = np.random.default_rng(0)
    n = 600
    frame = pd.DataFrame(
        {
            "customer": [f"c-{i}" for i in range(n)],
            "tenure": rng.integers(0, 70, n),
            "contract": rng.choice(["month", "year", "two years"], n),
            "since": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 400, n), unit="D"),
            "charge": rng.normal(60, 20, n).round(2),
        }
    )
    signal = 2 * (frame["contract"] == "month") - frame["tenure"] / 20 + rng.normal(size=n)
    frame["churn"] = np.where(signal > 0, "Yes", "No")
    frame["charge"] = frame["charge"].astype(str).where(rng.random(n) > 0.1, " ")
    frame.to_csv(path, index=False)


@pytest.fixture(scope="module")
def increment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("project")
    folder = root / ".specweave" / "increments" / "0007-churn"
    folder.mkdir(parents=True)
    make_data(root / "churn.csv")
    (folder / "spec.md").write_text(SPEC)
    (folder / "plan.md").write_text(PLAN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPECWEAVE_PROJECT", str(root))
        patch.setenv("SPECWEAVE_JOBS", "1")
        run_experiments(jobs=1)
        evaluate_models(n_resamples=20, calls=20)
        explain_model()
        prepare_deployment()
        yield folder


def test_the_package_reproduces_stored_predictions_in_a_fresh_process(increment: Path) -> None:
    record = json.loads((increment / "reports" / "deployment.json").read_text())
    parity = record["parity"]
    assert parity["passed"] is True and parity["largest_difference"] == 0.0
    assert parity["stored_predictions"] == 50
    assert parity["rows_with_missing_values"] > 1 and parity["rows_with_unseen_levels"] == 1
    assert "lightgbm" in record["requirements"]


def test_the_packages_script_answers_a_file_with_the_stored_probabilities(
    increment: Path, tmp_path: Path
) -> None:
    workspace = open_workspace("0007")
    stored = load_predictions(workspace.store.get("lightgbm"), "holdout").head(20)
    rows = workspace.dataset.frame.iloc[stored["row"]].drop(columns="churn")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    done = subprocess.run(
        [sys.executable, str(increment / "deploy" / "inference.py"), "rows.csv", "-o", "out.csv"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = pd.read_csv(tmp_path / "out.csv")
    np.testing.assert_allclose(answers["probability:Yes"], stored["p:Yes"])
    assert list(answers["customer"]) == list(rows["customer"])
    assert answers["reason_1"].str.contains("=").all()


def test_the_explanation_stands_in_the_best_experiments_folder(increment: Path) -> None:
    record = json.loads((increment / "reports" / "explanation.json").read_text())
    assert (increment / record["shap_values"]["file"]).name == "shap_values.pkl"
    assert record["experiment"] == "exp-001-lightgbm"
    assert [e["why"] for e in record["examples"]][:1] == ["sure and right"]
    report, *pictures = publish_explainability_report(increment)
    assert report.exists() and len(pictures) == 3 + len(record["examples"])


def test_the_documentation_tells_what_was_measured(increment: Path) -> None:
    record = json.loads((increment / "reports" / "deployment.json").read_text())
    text = publish_deployment_docs(increment)[0].read_text()
    assert f"p95 {record['latency']['p95_ms']:.1f} ms" in text
    assert json.dumps(record["example"]["request"], indent=2)[:40].splitlines()[1].strip() in text
    assert "reproduced 50 stored" in text


def test_a_registered_version_can_be_packaged_by_its_name(increment: Path) -> None:
    metadata = ModelVersions(increment / "models").latest().metadata
    assert metadata["threshold"] == metadata["decision"]["threshold"]
    assert metadata["metrics"]["roc_auc"]["low"] < metadata["metrics"]["roc_auc"]["value"]
    record = prepare_deployment(version="v1", parity_rows=5)
    assert record["version"] == "0007-v1" and record["parity"]["stored_predictions"] == 5


def test_a_batch_is_compared_with_the_training_rows(increment: Path) -> None:
    workspace = open_workspace("0007")
    batch = workspace.dataset.frame.iloc[workspace.split.holdout]
    calm = monitor_batch("0007", batch)
    assert [f for f in calm["findings"] if f["severity"] != "info"] == []
    assert {p["metric"] for p in calm["performance"]} >= {"roc_auc", "log_loss"}
    moved = monitor_batch("0007", batch.assign(tenure=batch["tenure"] + 50))
    assert "tenure" in [f["where"] for f in moved["findings"] if f["code"] == "SW711"]


def test_a_package_that_answers_otherwise_is_refused_and_the_record_says_so(increment: Path) -> None:
    script = increment / "deploy" / "inference.py"
    original = script.read_text()
    wrong = original.replace("return predictor.predict(rows)", 'return [{"prediction": "No"}] * len(rows)')
    assert wrong != original
    script.write_text(wrong)
    with pytest.raises(StageError, match="answers otherwise than measured"):
        prepare_deployment(parity_rows=5)
    record = json.loads((increment / "reports" / "deployment.json").read_text())
    assert record["parity"]["passed"] is False
    assert [f["code"] for f in record["findings"]] == ["SW721"]
    # Prepared twice from the same model: still one version.
    assert [v.version for v in ModelVersions(increment / "models").list()] == ["0007-v1"]
