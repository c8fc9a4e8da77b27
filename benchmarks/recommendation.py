"""The pipeline's own choice on interactions, beside peers on the very same rows, over several split seeds.

Run: python benchmarks/recommendation.py --data RATINGS.csv [--seeds 5] [--budget 150s] [--validation "random 25% per user"]
Peers: popularity, item-kNN, EASE, and implicit's ALS and BPR where that package is installed; each learns from
the same training rows and is measured by the same code. Prints Precision, Recall and NDCG at 10 per seed, their
means, the chosen models, seconds, and users per second of the chosen model on one thread.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

METRICS = ("precision@10", "recall@10", "ndcg@10")


class ImplicitPeer:
    """A model of the package ``implicit``, as its documentation uses it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def fit(self, history: Any) -> ImplicitPeer:
        """Fit on binary histories."""
        from implicit.cpu.als import AlternatingLeastSquares
        from implicit.cpu.bpr import BayesianPersonalizedRanking

        if self.name == "als":
            self.model = AlternatingLeastSquares(factors=64, regularization=20.0, alpha=2.0, iterations=15,
                                                 random_state=0, num_threads=1)  # fmt: skip
        else:
            self.model = BayesianPersonalizedRanking(
                factors=64, iterations=150, random_state=0, num_threads=1
            )
        ones = history.copy()
        ones.data[:] = 1.0
        self.model.fit(ones, show_progress=False)
        return self

    def scores(self, history: Any, users: np.ndarray) -> np.ndarray:
        """Return products of factors."""
        return np.asarray(self.model.user_factors[users] @ self.model.item_factors.T)


def run_seed(
    data: Path, seed: int, budget: str, validation: str
) -> tuple[dict[str, float], dict[str, dict[str, float]], str, float, float]:
    """Return (our metrics, the peers', the chosen experiment, our seconds, users per second)."""
    from specweave import (
        engineer_features,
        evaluate_models,
        explore_data,
        open_workspace,
        run_experiments,
        train_baseline_model,
        tune_best,
    )
    from specweave.increments.plan import parse_duration
    from specweave.increments.project import Project
    from specweave.pipeline.planning import Request, plan_increment

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for file in data.parent.glob("*.csv"):
            shutil.copy(file, root / file.name)
        os.environ["SPECWEAVE_PROJECT"] = folder
        os.environ["SPECWEAVE_BUDGET"] = str(parse_duration(budget))
        increment = plan_increment(
            Project(root), Request("build a recommendation model", str(root / data.name))
        )
        text = increment.spec_path.read_text()
        line = next(x for x in text.splitlines() if x.startswith("- Validation:"))
        text = text.replace(line, f"- Validation: {validation}")
        for side in ("users", "items"):
            if (root / f"{side}.csv").exists() and f"- {side[:-1].capitalize()} attributes:" not in text:
                text = text.replace(
                    "- Validation:", f"- {side[:-1].capitalize()} attributes: {side}.csv\n- Validation:"
                )
        increment.spec_path.write_text(text)
        increment.plan_path.write_text(increment.plan_path.read_text().replace("seed: 42", f"seed: {seed}"))
        began = time.perf_counter()
        explore_data()
        engineer_features()
        train_baseline_model()
        run_experiments()
        tune_best()
        record = evaluate_models(n_resamples=50, calls=20)
        seconds = time.perf_counter() - began
        ours = {m["name"]: float(m["value"]) for m in record["metrics"] if m["name"] in METRICS}
        return (
            ours,
            _peers(open_workspace()),
            str(record["experiment"]),
            seconds,
            float(record["latency"]["batch"]["rows_per_s"]),
        )


def _peers(workspace: Any) -> dict[str, dict[str, float]]:
    from functools import partial

    from specweave.metrics.base import parse_metric_ref
    from specweave.problems.base import ModelExperiment
    from specweave.recommenders.linear import EASE, ItemKNN
    from specweave.recommenders.popularity import Popularity

    classes: dict[str, Any] = {"popularity": Popularity, "item-kNN": ItemKNN, "EASE": EASE}
    if find_spec("implicit"):
        classes |= {
            "implicit ALS": partial(ImplicitPeer, "als"),
            "implicit BPR": partial(ImplicitPeer, "bpr"),
        }
    problem, found = workspace.problem, {}
    for name, cls in classes.items():
        model = problem.fit(
            ModelExperiment(name, cls), workspace.dataset, workspace.split.train, None, seed=0, threads=1
        )
        outcome = problem.predict(model, workspace.dataset, workspace.split.holdout)
        found[name] = {key: problem.measure(parse_metric_ref(key), outcome, {}) for key in METRICS}
    return found


def main() -> None:
    """Read the command line, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, required=True, help="interactions; users.csv and items.csv beside it are used"
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--budget", default="150s")
    parser.add_argument("--validation", default="random 25% per user")
    arguments = parser.parse_args()
    ours: list[list[float]] = []
    peers: dict[str, list[list[float]]] = {}
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        mine, others, chosen, seconds, rate = run_seed(
            arguments.data, seed, arguments.budget, arguments.validation
        )
        ours.append([mine[m] for m in METRICS])
        for name, values in others.items():
            peers.setdefault(name, []).append([values[m] for m in METRICS])
        shown = " ".join(f"{v:.4f}" for v in ours[-1])
        print(f"seed {seed}: {shown}  {chosen}, {seconds:.0f} s, {rate:,.0f} users/s", flush=True)
    print(f"\nmeans over {arguments.seeds} seeds, {arguments.validation}: {', '.join(METRICS)}")
    for name, rows in {"ours": ours, **peers}.items():
        print(f"{name:<14} " + " ".join(f"{v:.4f}" for v in np.mean(rows, axis=0)))


if __name__ == "__main__":
    main()
