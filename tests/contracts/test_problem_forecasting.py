"""Forecasting keeps the contract of problem types, with one series and with several."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from specweave.errors import DataError, SpecError
from specweave.increments.plan import parse_plan
from specweave.increments.spec import parse_spec
from specweave.problems.base import Dataset, Problem, Split, problem_for
from specweave.problems.contract import ProblemContract
from specweave.problems.forecast_candidates import plan_candidates

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


def load(root: Path, frame: pd.DataFrame) -> tuple[Problem, Dataset]:
    frame.to_csv(root / "table.csv", index=False)
    spec = parse_spec(SPEC.format(series="none", known="none"), root / "spec.md")
    problem = problem_for("Forecasting")
    return problem, problem.load(spec, parse_plan("```yaml\n{}\n```\n", root / "plan.md", ("gaps",)), root)


def split_as(root: Path, validation: str) -> Split:
    """Return the split of 72 months, 6 of them the horizon, under a Validation line."""
    problem, dataset = load(root, months(1)[["month", "sold"]])
    text = SPEC.format(series="none", known="none").replace(
        "Validation: rolling origin", f"Validation: {validation}"
    )
    plan = parse_plan("```yaml\nsplit: {folds: 3}\n```\n", root / "plan.md", ("gaps",))
    return problem.split(dataset, parse_spec(text, root / "spec.md"), plan)


@pytest.mark.parametrize(("validation", "origins"), [("rolling origin", 3), ("5 rolling origins", 5),
                         ("rolling origin, 2 origins", 2), ("rolling origin, the last 6 steps held out", 3)])  # fmt: skip
def test_the_validation_line_says_how_many_origins(tmp_path: Path, validation: str, origins: int) -> None:
    assert len(split_as(tmp_path, validation).folds) == origins


@pytest.mark.parametrize(("validation", "reason"), [
    ("random 20% holdout", "a forecast never has them"), ("5-fold cross-validation", "a forecast never has them"),
    ("last 20% held out", "one horizon of 6 steps"), ("the last 12 steps held out", "one horizon of 6 steps"),
    ("some other way", "no validation of forecasts")])  # fmt: skip
def test_a_validation_that_is_not_done_is_refused(tmp_path: Path, validation: str, reason: str) -> None:
    with pytest.raises(SpecError, match=reason) as error:
        split_as(tmp_path, validation)
    assert "rolling origin" in str(error.value.hint)


def test_cheap_candidates_come_first_and_zeros_bring_their_own() -> None:
    pytest.importorskip("statsforecast")
    one = [c["name"] for c in plan_candidates(1, 120)[0]]
    many = [c["name"] for c in plan_candidates(500, 25_000)[0]]
    spares = [c["name"] for c in plan_candidates(60, 4000, intermittent=True)[0]]
    assert one[:2] == ["ces", "ets"] and "prophet" not in one[:5]
    assert many.index("lightgbm") < many.index("ets"), "one model for all is cheaper than one for each of 500"
    assert {"croston", "tsb"} <= set(spares[:3]) and "croston" not in one


def test_rows_that_repeat_another_are_left_out_and_told(tmp_path: Path) -> None:
    rows = months(1)[["month", "sold"]]
    problem, dataset = load(tmp_path, pd.concat([rows, rows.iloc[[10, 11]]]))
    assert dataset.n_rows == len(rows)
    told = next(f for f in problem.check_data(dataset) if f.code == "SW251")
    assert told.evidence == {"rows": 2}


def test_series_that_never_change_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no series ever changes"):
        load(tmp_path, months(1)[["month", "sold"]].assign(sold=5.0))


def test_steps_beyond_the_validated_ones_are_answered_with_a_note(tmp_path: Path) -> None:
    problem, _ = load(tmp_path, months(1)[["month", "sold"]])
    rows = pd.DataFrame({"unique_id": ["series"] * 2, "h": [6, 7], "scale": 2.0, "prediction": 80.0})
    learned = {
        "levels": [80],
        "quantiles": {"80": 1.0},
        "growth": 0.0,
        "horizon": 6,
        "usual": 1.0,
        "spread": {},
        "floor": 0.1,
    }
    inside, beyond = problem.answers(rows, {"intervals": learned}) or []
    assert "note" not in inside and "beyond the 6 steps" in beyond["note"]
    assert beyond["interval"]["high80"] > inside["interval"]["high80"]
