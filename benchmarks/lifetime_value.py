"""CDNOW, 39 weeks of calibration and 39 of holdout: the pipeline's choice beside BG/NBD with Gamma-Gamma.

Run: python benchmarks/lifetime_value.py [--seeds 5] [--first 0] [--data examples/ltv/cdnow-sample.csv]. Prints MAE and RMSE
of holdout transactions and spend per seed (another fifth of the customers held out), and their means. The peer
is fitted in the same call on the calibration purchases of *all* customers, the held-out ones too.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

DATA = Path(__file__).resolve().parents[1] / "examples" / "ltv" / "cdnow-sample.csv"


def run_seed(seed: int, data: Path, target: str) -> tuple[list[float], list[float], str]:
    """Return ([our MAE, RMSE], [the peer's], the chosen experiment) for one split of the customers."""
    from specweave import engineer_features, evaluate_models, explore_data, open_workspace, run_experiments
    from specweave.increments.project import Project
    from specweave.pipeline.planning import Request, plan_increment

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["SPECWEAVE_PROJECT"] = folder
        increment = plan_increment(
            Project(root), Request("predict customer lifetime value", str(data.resolve()))
        )
        _rewrite(increment.plan_path, {"seed: 42": f"seed: {seed}"})
        lines = [_bullet(line, target) for line in increment.spec_path.read_text().splitlines()]
        increment.spec_path.write_text("\n".join(lines) + "\n")
        explore_data()
        engineer_features()
        run_experiments()
        record = evaluate_models(n_resamples=50, calls=20)
        ours = [next(float(m["value"]) for m in record["metrics"] if m["name"] == n) for n in ("mae", "rmse")]
        return ours, _peer(open_workspace()), str(record["experiment"])


def _bullet(line: str, target: str) -> str:
    wanted = {"- Calibration:": "until 1997-09-30", "- Horizon:": "39 weeks", "- Target:": target}
    return next((f"{key} {value}" for key, value in wanted.items() if line.startswith(key)), line)


def _rewrite(path: Path, changes: dict[str, str]) -> None:
    text = path.read_text()
    for old, new in changes.items():
        text = text.replace(old, new)
    path.write_text(text)


def _peer(workspace: Any) -> list[float]:
    from specweave.lifetimes.bgnbd import fit_bgnbd, fit_gamma_gamma

    frame, target = workspace.dataset.frame, workspace.dataset.roles["target"]
    x, t_x, age = frame["frequency"], frame["recency_weeks"], frame["age_weeks"]
    expected = fit_bgnbd(x, t_x, age).expected_purchases(39.0, x, t_x, age)
    if target == "future_spend":
        expected = expected * fit_gamma_gamma(x, frame["mean_repeat_spend"]).expected_spend(
            x, frame["mean_repeat_spend"]
        )
    error = (expected - frame[target].to_numpy())[workspace.split.holdout]
    return [float(np.abs(error).mean()), float(np.sqrt((error**2).mean()))]


def main() -> None:
    """Run all seeds for both targets and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    for target in ("transactions", "spend"):
        found = []
        for seed in range(options.first, options.first + options.seeds):
            ours, peer, name = run_seed(seed, options.data, target)
            found.append((ours, peer))
            print(f"{target} seed {seed}: MAE {ours[0]:.4f} against {peer[0]:.4f}, RMSE {ours[1]:.4f} against "
                  f"{peer[1]:.4f} ({name})", flush=True)  # fmt: skip
        mean = np.mean(found, axis=0)
        print(f"{target} mean of {options.seeds}: MAE {mean[0, 0]:.4f} against {mean[1, 0]:.4f}, RMSE {mean[0, 1]:.4f} "
              f"against {mean[1, 1]:.4f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
