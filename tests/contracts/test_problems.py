"""Every registered problem type keeps the contract that is shipped with the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from specweave import registry
from specweave.problems.contract import ProblemContract

SPEC = """\
## ML Problem Definition
- Problem type: {type}
## Data Requirements
- Training data: table.csv
- Target: {target}
- Identifier: key
- Group column: {group}
- Validation: {validation}
## Model Requirements
"""


def table(n: int = 160) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "key": [f"k{i:05d}" for i in range(n)],
            "age": rng.integers(18, 80, n).astype(float),
            "income": rng.lognormal(8, 0.4, n).round(2),
            "plan": rng.choice(["basic", "plus", "premium"], n),
            "team": rng.integers(0, 20, n),
            "since": pd.date_range("2024-01-01", periods=n, freq="D").strftime("%Y-%m-%d"),
        }
    )
    score = 0.05 * (frame["age"] - 50) + (frame["plan"] == "plus") * 1.5 + rng.normal(0, 0.7, n)
    frame["bought"] = np.where(score > 0, "Yes", "No")
    frame["grade"] = np.digitize(score, [-0.7, 0.7])
    frame["spent"] = (100 + 30 * score + 0.01 * frame["income"]).round(3)
    frame.loc[rng.choice(n, 12, replace=False), "income"] = np.nan
    return frame


def write(root: Path, drop: list[str]) -> None:
    table().drop(columns=drop).to_csv(root / "table.csv", index=False)


class TestBinaryClassification(ProblemContract):
    spec_text = SPEC.format(
        type="Binary classification", target="bought", group="none", validation="stratified 25% holdout"
    )
    plan_text = "```yaml\nsplit: {folds: 3, seed: 7}\nthreshold: {maximise: recall, subject_to: precision >= 0.6}\n```\n"

    @staticmethod
    def write_data(root: Path) -> None:
        write(root, ["grade", "spent"])


class TestMulticlassByGroup(ProblemContract):
    spec_text = SPEC.format(
        type="Multiclass classification", target="grade", group="team", validation="25% by group"
    )
    candidate = "lightgbm"

    @staticmethod
    def write_data(root: Path) -> None:
        write(root, ["bought", "spent"])

    def test_no_group_is_on_both_sides(self) -> None:
        """Rows of one team stay together, in the holdout as in the folds."""
        team = self.made.dataset.frame["team"].to_numpy()
        split = self.made.split
        assert not set(team[split.train]) & set(team[split.holdout])
        assert all(not set(team[fit]) & set(team[valid]) for fit, valid in split.folds)


class TestRegression(ProblemContract):
    spec_text = SPEC.format(type="Regression", target="spent", group="none", validation="random 25% holdout")
    plan_text = "```yaml\nsplit: {folds: 3, seed: 7}\ntarget_transform: log1p\n```\n"

    @staticmethod
    def write_data(root: Path) -> None:
        write(root, ["bought", "grade"])


class TestRegressionByTime(ProblemContract):
    spec_text = SPEC.format(
        type="Regression", target="spent", group="none", validation="last 2 months"
    ).replace("- Group column: none", "- Time column: since")
    candidate = "lightgbm"

    @staticmethod
    def write_data(root: Path) -> None:
        write(root, ["bought", "grade"])

    def test_nothing_is_learned_from_the_future(self) -> None:
        """Each part is judged on what came after it."""
        since = self.made.dataset.frame["since"].to_numpy()
        split = self.made.split
        assert max(since[split.train]) < min(since[split.holdout])
        assert all(max(since[fit]) < min(since[valid]) for fit, valid in split.folds)


def test_tables_have_no_type_without_a_contract() -> None:
    covered = {type(c().made.problem).name for c in ProblemContract.__subclasses__()}
    assert {"classification", "regression"} <= covered
    assert covered <= set(registry.names("problems"))


def interactions(n_users: int = 60, n_items: int = 40) -> pd.DataFrame:
    """Return visits of two tastes: users of either take the items of their half, popular ones first."""
    rng = np.random.default_rng(11)
    rows = []
    for user in range(n_users):
        taste = user % 2
        share = np.r_[np.linspace(3, 1, n_items // 2), np.full(n_items // 2, 0.15)]
        share = share if taste == 0 else np.roll(share, n_items // 2)
        taken = rng.choice(n_items, size=rng.integers(4, 15), replace=False, p=share / share.sum())
        rows += [(f"u{user}", f"i{item}", rng.integers(1, 6), len(rows) + n) for n, item in enumerate(taken)]
    return pd.DataFrame(rows, columns=["user_id", "item_id", "rating", "step"])


class TestRecommendation(ProblemContract):
    spec_text = """\
## ML Problem Definition
- Problem type: Recommendation (collaborative filtering)
- Success metrics: Precision@5 > 0.1
## Data Requirements
- Training data: visits.csv
- User column: user_id
- Item column: item_id
- Rating column: rating
- Time column: none
- User attributes: users.csv
- Item attributes: items.csv
- Validation: random 25% per user
## Model Requirements
"""
    plan_text = "```yaml\nsplit: {folds: 2, seed: 7}\nrecommend: {k: 5}\nselection_metric: ndcg@5\n```\n"
    candidate = "blend"

    @staticmethod
    def write_data(root: Path) -> None:
        interactions().to_csv(root / "visits.csv", index=False)
        ages = np.random.default_rng(1).integers(18, 80, 60)
        pd.DataFrame({"user_id": [f"u{i}" for i in range(60)], "age": ages}).to_csv(
            root / "users.csv", index=False
        )
        names = pd.DataFrame(
            {"item_id": [f"i{i}" for i in range(40)], "title": [f"Item {i}" for i in range(40)]}
        )
        names.assign(kind=["a"] * 20 + ["b"] * 20).to_csv(root / "items.csv", index=False)


class TestRecommendationByTime(ProblemContract):
    spec_text = TestRecommendation.spec_text.replace("Time column: none", "Time column: step").replace(
        "random 25% per user", "leave last out"
    )
    plan_text = TestRecommendation.plan_text
    candidate = "two-stage-lightgbm"
    write_data = staticmethod(TestRecommendation.write_data)

    def test_each_user_is_tested_on_the_latest_interaction(self) -> None:
        """Nothing that came later is left in training."""
        frame, split = self.made.dataset.frame, self.made.split
        latest = frame.groupby("user_id")["step"].max()
        held = frame.iloc[split.holdout]
        assert (held["step"].to_numpy() == latest[held["user_id"]].to_numpy()).all()
