"""Fraud over repeated splits: average precision beside tuned, weighted LightGBM, and whether precision is kept.

Run: python benchmarks/fraud.py DATA.csv --target Class [--seeds 5] [--budget 60s] [--precision 0.9] [--drop A B].
Each split learns candidates, tuning, choice and threshold anew; the peer is searched on the same folds for as many
seconds on as many cores as that took. `--only lightgbm-weighted linear --no-peer` is the quick way to twenty splits
of the promised precision; `synthetic` in place of a file draws rows with 0.5 % positives. Data are not bundled: the
public fraud sets do not allow it; examples/fraud holds simulated rows.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def run_split(seed: int, frame: pd.DataFrame, options: Any) -> dict[str, Any]:
    """Return what one split gave."""
    from specweave import (
        candidate_experiments,
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
        os.environ["SPECWEAVE_PROJECT"] = folder
        os.environ["SPECWEAVE_BUDGET"] = str(parse_duration(options.budget))
        frame.to_csv(root / "rows.csv", index=False)
        demand = (f"Precision >= {options.precision:g}", "Average precision > 0.1")
        asked = Request(
            "build a fraud detection model", str(root / "rows.csv"), options.target, metrics=demand
        )
        increment = plan_increment(Project(root), asked)
        text = increment.plan_path.read_text()
        increment.plan_path.write_text(
            text.replace("seed: 42", f"seed: {seed}").replace("folds: 5", f"folds: {options.folds}")
        )
        explore_data()
        engineer_features()
        began = time.monotonic()
        chosen = [e for e in candidate_experiments() if not options.only or e.name in options.only]
        run_experiments(chosen)
        if not options.only:
            tune_best()
        seconds = time.monotonic() - began
        record = evaluate_models(n_resamples=20, calls=5)
        values = {m["name"]: float(m["value"]) for m in record["metrics"]}
        promise = record["decision"]["promise"]
        peer, trials = (float("nan"), 0) if options.no_peer else search_peer(open_workspace(), seconds)
        return {
            "ours": values["average_precision"], "peer": peer, "trials": trials, "seconds": seconds,
            "name": record["experiment"], "promised": promise["promised"], "precision": values["precision"],
            "recall": values["recall"], "alarms": values["alarms_per_thousand"], "log_loss": values["log_loss"],
            "kept": values["alarms_per_thousand"] == 0 or values["precision"] >= promise["promised"],
        }  # fmt: skip


def search_peer(workspace: Any, seconds: float) -> tuple[float, int]:
    """Return the holdout average precision of LightGBM with class weights, and how many trials it had.

    It is searched on the same folds and columns, for as long and on as many cores as ours.
    """
    import optuna
    from lightgbm import LGBMClassifier
    from sklearn.metrics import average_precision_score

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    data, split = workspace.dataset, workspace.split
    y = workspace.problem.encode(data)
    columns = workspace.features().fit(data.frame.iloc[split.train], y[split.train])
    X = np.asarray(columns.transform(data.frame), dtype=float)

    def model(params: dict[str, Any]) -> Any:
        return LGBMClassifier(class_weight="balanced", random_state=0, n_jobs=workspace.jobs, verbosity=-1,
                              subsample_freq=1, **params)  # fmt: skip

    def objective(trial: Any) -> float:
        params = {
            "n_estimators": trial.suggest_int("n_estimators", 80, 800, log=True),
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.2, log=True),
            "num_leaves": trial.suggest_int("num_leaves", 4, 64, log=True),
            "min_child_samples": trial.suggest_int("min_child_samples", 5, 100, log=True),
            "subsample": trial.suggest_float("subsample", 0.6, 1.0),
            "colsample_bytree": trial.suggest_float("colsample_bytree", 0.3, 1.0),
            "reg_lambda": trial.suggest_float("reg_lambda", 1e-3, 30.0, log=True),
        }
        return float(np.mean([
            average_precision_score(y[v], model(params).fit(X[f], y[f]).predict_proba(X[v])[:, 1]) for f, v in split.folds
        ]))  # fmt: skip

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(objective, timeout=seconds)
    best = model(study.best_params).fit(X[split.train], y[split.train])
    score = average_precision_score(y[split.holdout], best.predict_proba(X[split.holdout])[:, 1])
    return float(score), len(study.trials)


def synthetic_rows(n_rows: int = 40_000) -> pd.DataFrame:
    """Return rows with 0.5 % positives in a few clusters, and a little label noise."""
    from sklearn.datasets import make_classification

    X, y = make_classification(
        n_rows, 20, n_informative=8, n_redundant=4, weights=[0.995], class_sep=1.5, flip_y=0.001, random_state=3
    )  # fmt: skip
    return pd.DataFrame(X, columns=[f"x{i}" for i in range(20)]).assign(fraud=y)


def main() -> None:
    """Run all splits and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="a CSV file, or: synthetic")
    parser.add_argument("--target", default="fraud")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--budget", default="60s")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--precision", type=float, default=0.9)
    parser.add_argument("--only", nargs="*", default=[], help="train these candidates only, untuned")
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--drop", nargs="*", default=[])
    options = parser.parse_args()
    frame = synthetic_rows() if options.data == "synthetic" else pd.read_csv(options.data)
    frame = frame.drop(columns=options.drop)
    found = []
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        one = run_split(seed, frame, options)
        found.append(one)
        peer = "" if options.no_peer else f", tuned LightGBM {one['peer']:.4f} ({one['trials']} trials)"
        print(f"split {seed}: average precision {one['ours']:.4f} ({one['name']}, {one['seconds']:.0f} s){peer}; "
              f"promised {one['promised']:.2f}, came {one['precision']:.3f}, recall {one['recall']:.3f}, "
              f"{one['alarms']:.1f} alarms per thousand, log loss {one['log_loss']:.4f}, "
              f"{'kept' if one['kept'] else 'MISSED'}", flush=True)  # fmt: skip
    mean = {k: np.mean([f[k] for f in found]) for k in ("ours", "peer", "kept")}
    against = (
        ""
        if options.no_peer
        else (
            f", tuned LightGBM {mean['peer']:.4f}, ours at least as good in "
            f"{sum(f['ours'] >= f['peer'] for f in found)} of {len(found)}"
        )
    )
    print(f"mean of {len(found)}: average precision {mean['ours']:.4f}{against}; "
          f"promised precision kept in {mean['kept']:.0%}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
