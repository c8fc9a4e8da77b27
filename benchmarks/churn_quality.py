"""Holdout ROC AUC of the whole pipeline on IBM Telco churn over five split seeds, beside plain scikit-learn.

Run: python benchmarks/churn_quality.py [--seeds 5] [--budget 120s]. Prints one line per seed and the means.
The peer is logistic regression on one-hot columns, fitted and scored on the very same rows.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parents[1] / "examples" / "churn" / "telco-churn.csv"


def run_seed(seed: int, budget: str) -> tuple[float, float, str]:
    """Return (our holdout ROC AUC, the peer's, the chosen experiment) for one split seed."""
    from specweave import (
        engineer_features,
        evaluate_models,
        explore_data,
        open_workspace,
        run_experiments,
        tune_best,
    )
    from specweave.increments.plan import parse_duration
    from specweave.increments.project import Project
    from specweave.pipeline.planning import Request, plan_increment

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        shutil.copy(DATA, root / DATA.name)
        os.environ["SPECWEAVE_PROJECT"] = folder
        os.environ["SPECWEAVE_BUDGET"] = str(parse_duration(budget))
        asked = Request("predict which telco customers will churn", str(root / DATA.name), "Churn")
        increment = plan_increment(Project(root), asked)
        text = increment.plan_path.read_text()
        increment.plan_path.write_text(text.replace("seed: 42", f"seed: {seed}"))
        explore_data()
        engineer_features()
        run_experiments()
        tune_best()
        record = evaluate_models(n_resamples=50, calls=20)
        ours = next(float(m["value"]) for m in record["metrics"] if m["name"] == "roc_auc")
        return ours, _peer(open_workspace()), str(record["experiment"])


def _peer(workspace: object) -> float:
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame, split = workspace.dataset.frame, workspace.split  # type: ignore[attr-defined]
    X = frame.drop(columns=["Churn", "customerID"])
    X["TotalCharges"] = pd.to_numeric(X["TotalCharges"], errors="coerce")
    numeric = ["tenure", "MonthlyCharges", "TotalCharges"]
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), numeric),
        (OneHotEncoder(handle_unknown="ignore"), [c for c in X if c not in numeric]),
    )
    y = (frame["Churn"].astype(str) == "Yes").to_numpy()
    model = make_pipeline(columns, LogisticRegression(max_iter=1000)).fit(X.iloc[split.train], y[split.train])
    return float(roc_auc_score(y[split.holdout], model.predict_proba(X.iloc[split.holdout])[:, 1]))


def main() -> None:
    """Run all seeds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budget", default="120s")
    options = parser.parse_args()
    found = []
    for seed in range(options.seeds):
        ours, peer, name = run_seed(seed, options.budget)
        found.append((ours, peer))
        print(f"seed {seed}: specweave {ours:.4f} ({name}), logistic regression {peer:.4f}", flush=True)
    mean = np.mean(found, axis=0)
    print(
        f"mean of {options.seeds}: specweave {mean[0]:.4f}, logistic regression {mean[1]:.4f}, ratio {mean[0] / mean[1]:.4f}"
    )


if __name__ == "__main__":
    main()
