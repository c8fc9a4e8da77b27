"""Forecasting keeps the contract of problem types, with one series and with several."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from specweave.problems.contract import ProblemContract

SPEC = """\
## ML Problem Definition
- Problem type: Forecasting
## Data Requirements
- Training data: table.csv
- Target: sold
- Time column: month
- Series column: {series}
- Horizon: 6
- Known ahead: {known}
- Validation: rolling origin
## Model Requirements
"""


def months(shops: int, n: int = 72) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    t = np.arange(n)
    stamps = pd.date_range("2015-01-01", periods=n, freq="MS").strftime("%Y-%m-%d")
    parts = []
    for shop in range(shops):
        promo = (rng.random(n) < 0.2).astype(int)
        sold = (
            (50 + 30 * shop) * (1 + 0.3 * np.sin(2 * np.pi * t / 12))
            + 0.4 * t
            + 20 * promo
            + rng.normal(0, 3, n)
        )
        parts.append(
            pd.DataFrame({"shop": f"s{shop}", "month": stamps, "promo": promo, "sold": sold.round(2)})
        )
    return pd.concat(parts, ignore_index=True)


class TestSeveralSeries(ProblemContract):
    spec_text = SPEC.format(series="shop", known="promo")
    plan_text = "```yaml\nsplit: {folds: 2, seed: 7}\ncandidates:\n  - {name: lightgbm, params: {n_estimators: 40}}\n  - light-theta\n```\n"
    candidate = "lightgbm"

    @staticmethod
    def write_data(root: Path) -> None:
        months(4).sample(frac=1, random_state=0).to_csv(root / "table.csv", index=False)

    def test_every_fold_is_judged_on_what_came_next(self) -> None:
        """No training row lies after its series' origin, and each validation is one horizon long."""
        frame, split = self.made.dataset.frame, self.made.split
        for fit, valid in (*split.folds, (split.train, split.holdout)):
            last = frame.iloc[fit].groupby("shop")["month"].max()
            first = frame.iloc[valid].groupby("shop")["month"].min()
            assert (last < first).all()
            assert (frame.iloc[valid].groupby("shop").size() == 6).all()

    def test_units_are_series(self) -> None:
        """Four series are four independent units, however many steps they have."""
        units = self.made.problem.units(self.made.dataset, self.made.outcome)
        assert sorted(np.unique(units)) == ["s0", "s1", "s2", "s3"]


class TestOneSeries(ProblemContract):
    spec_text = SPEC.format(series="none", known="none")
    plan_text = "```yaml\nsplit: {folds: 3, seed: 7}\ncandidates: [light-theta, lightgbm]\n```\n"
    candidate = "light-theta"

    @staticmethod
    def write_data(root: Path) -> None:
        months(1)[["month", "sold"]].to_csv(root / "table.csv", index=False)
