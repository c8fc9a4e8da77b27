"""Fraud and lifetime value from the request to the evaluation, on small cuts of the bundled files."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from specweave import evaluate_models, prepare_deployment, run_experiments
from specweave.increments.project import Increment, Project
from specweave.pipeline.planning import Request, plan_increment
from specweave.publish.deployment_docs import publish_deployment_docs
from specweave.serving.batch import predict_file
from specweave.serving.http import make_app
from specweave.serving.inference import Predictor
from specweave.serving.monitoring import monitor_batch

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def keep_candidates(increment: Increment, *names: str) -> None:
    """Leave only some candidates in the plan: tests must be quick."""
    text = increment.plan_path.read_text()
    block = re.search(r"^candidates:\n(?:  .*\n|    .*\n)+", text, re.M)
    assert block and all(f"name: {name}" in block[0] for name in names)
    text = text.replace(block[0], "candidates:\n" + "".join(f"  - name: {n}\n" for n in names))
    increment.plan_path.write_text(text.replace("folds: 5", "folds: 2"))


def test_fraud_promises_a_precision_counts_alarms_and_learns_from_the_past(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPECWEAVE_PROJECT", str(tmp_path))
    monkeypatch.setenv("SPECWEAVE_JOBS", "1")
    pd.read_csv(EXAMPLES / "fraud" / "transactions.csv").iloc[::3].to_csv(tmp_path / "rows.csv", index=False)
    asked = Request(
        "build a fraud detection model", str(tmp_path / "rows.csv"), "is_fraud", metrics=("Precision > 0.6",)
    )
    increment = plan_increment(Project(tmp_path), asked)
    plan, spec = increment.plan_path.read_text(), increment.spec_path.read_text()
    assert "selection_metric: average_precision" in plan and "confidence: 0.9" in plan
    assert "lightgbm-weighted" in plan and "lightgbm-undersampled" in plan
    assert "last 20% by time" in spec
    keep_candidates(increment, "linear", "lightgbm-undersampled")
    run_experiments()
    record = evaluate_models(n_resamples=20, calls=5)
    values = {m["name"]: float(m["value"]) for m in record["metrics"]}
    promise = record["decision"]["promise"]
    assert 0 <= promise["promised"] <= 0.6 and promise["low"] <= promise["observed"] <= promise["high"]
    assert values["average_precision"] > 0.1
    table = next(t for t in record["tables"] if t["title"] == "Alarms and their promise")
    alarms = next(r for r in table["rows"] if r[0] == "alarms per thousand rows")
    assert alarms[2] == pytest.approx(values["alarms_per_thousand"])


def test_lifetime_value_comes_from_raw_transactions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPECWEAVE_PROJECT", str(tmp_path))
    monkeypatch.setenv("SPECWEAVE_JOBS", "1")
    rows = pd.read_csv(EXAMPLES / "ltv" / "cdnow-sample.csv")
    rows[rows["sample_id"] % 3 == 0].to_csv(tmp_path / "rows.csv", index=False)
    increment = plan_increment(
        Project(tmp_path), Request("predict customer lifetime value", str(tmp_path / "rows.csv"))
    )
    spec = increment.spec_path.read_text()
    for bullet in ("Problem type: Customer lifetime value", "Customer column: master_id", "Time column: date",
                   "Amount column: dollar_value", "Target: spend", "Horizon: 25 weeks"):  # fmt: skip
        assert f"- {bullet}" in spec
    assert re.search(r"- Input: [\d,]+ transactions of [\d,]+ customers", spec)
    assert "time-based validation" in increment.plan_path.read_text()
    keep_candidates(increment, "linear", "bg-nbd", "lifetime-blend")
    run_experiments()
    record = evaluate_models(n_resamples=20, calls=5)
    values = {m["name"]: float(m["value"]) for m in record["metrics"]}
    assert values["r2"] > 0 and values["rmse"] > values["mae"] > 0
    told = prepare_deployment()["ahead"]
    valued = pd.read_csv(increment.folder / told["file"], dtype={"customer": str})
    assert told["file"] == "reports/customers.csv"
    assert (increment.folder / "deploy" / "current.pkl").stat().st_size > 1000
    assert set(valued["customer"].astype(int)) == set(rows.loc[rows["sample_id"] % 3 == 0, "master_id"])
    assert (valued["prediction"] >= 0).all() and (valued["interval:low"] <= valued["prediction"]).all()
    newer = rows[rows["sample_id"] % 3 == 1].head(300)
    newer.to_csv(tmp_path / "newer.csv", index=False)
    predictor = Predictor.load(increment.folder / "deploy")
    done = predict_file(predictor, tmp_path / "newer.csv", tmp_path / "answers.csv")
    answers = pd.read_csv(tmp_path / "answers.csv", dtype={"customer": str})
    assert done["rows"] == len(answers) == newer["master_id"].nunique()
    assert set(answers["customer"].astype(int)) == set(newer["master_id"])
    assert {"prediction", "interval:low", "reason_1"} <= set(answers.columns)
    assert_the_service_takes_transactions(predictor, newer, answers)
    (document, *_) = publish_deployment_docs(increment.folder)
    assert '"master_id": "c-1"' in document.read_text()
    often = newer.groupby("master_id")["date"].nunique()
    answers.index = pd.Index(answers["customer"].astype(int))
    assert (
        answers["prediction"][often[often > 3].index].mean()
        > answers["prediction"][often[often == 1].index].mean()
    )
    watched = monitor_batch(increment.id, newer)
    assert watched["rows"] == len(answers) and watched["performance"] is None


def assert_the_service_takes_transactions(
    predictor: Predictor, newer: pd.DataFrame, answers: pd.DataFrame
) -> None:
    client = TestClient(make_app(predictor))
    rows = newer[["master_id", "date", "dollar_value"]].to_dict("records")
    body = client.post("/predict", json={"rows": rows, "reasons": False}).json()
    served = {a["customer"]: a["prediction"] for a in body["answers"]}
    assert served == pytest.approx(
        dict(zip(answers["customer"], answers["prediction"], strict=True)), rel=1e-6
    )
    refused = client.post("/predict", json={"rows": [{"master_id": 1, "date": rows[0]["date"]}]})
    assert refused.status_code == 422 and "lack dollar_value" in refused.json()["error"]["message"]
    shown = client.get("/openapi.json").json()["components"]["schemas"]["Body_predict_predict_post"]
    example = shown["properties"]["rows"]["examples"][0]
    assert len(client.post("/predict", json={"rows": example}).json()["answers"]) == 1
