"""The promises of a problem type, kept by customer lifetime value on a small shop's transactions."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from specweave.errors import DataError, SpecError
from specweave.increments.plan import parse_plan
from specweave.increments.spec import parse_spec
from specweave.lifetimes.customers import SPEND
from specweave.problems.base import problem_for
from specweave.problems.contract import ProblemContract
from specweave.problems.lifetime_value import WINDOW, LifetimeValue

SPEC = """---
id: 0001-ltv
---
## Request
> predict customer lifetime value
## ML Problem Definition
- Problem type: Customer lifetime value
- Success metrics: R² > 0.1
## Data Requirements
- Training data: shop.csv
- Target: spend
- Customer column: customer_id
- Time column: date
- Amount column: amount
- Calibration: until 2024-06-30
- Horizon: 26 weeks
## Model Requirements
"""


def shop(customers: int = 120) -> pd.DataFrame:
    """Return a year of purchases: some customers come often, some once, a few return what they bought."""
    rng = np.random.default_rng(3)
    rows = []
    for number in range(customers):
        first, rate, usual = rng.integers(0, 150), rng.gamma(0.8, 0.02), rng.lognormal(3, 0.4)
        days = [first, *(d for d in range(first + 1, 366) if rng.random() < rate)]
        rows += [(f"c{number:03d}", d, round(float(usual * rng.lognormal(0, 0.3)), 2)) for d in days]
    rows += [("c000", 170, -15.0), ("c001", 171, 0.0)]
    frame = pd.DataFrame(rows, columns=["customer_id", "day", "amount"])
    frame["date"] = (pd.Timestamp("2024-01-01") + pd.to_timedelta(frame.pop("day"), unit="D")).dt.strftime(
        "%Y-%m-%d"
    )
    return frame


class TestLifetimeValueByCustomer(ProblemContract):
    spec_text = SPEC
    plan_text = "```yaml\nsplit: {folds: 3, seed: 7}\n```\n"
    candidate = "bg-nbd"

    @staticmethod
    def write_data(root: Path) -> None:
        shop().to_csv(root / "shop.csv", index=False)

    def test_no_customer_is_on_both_sides(self) -> None:
        """With one window, customers are held out, in folds as in the holdout."""
        keys, split = self.made.dataset.frame["customer"].to_numpy(), self.made.split
        assert not set(keys[split.train]) & set(keys[split.holdout])
        assert all(not set(keys[fit]) & set(keys[valid]) for fit, valid in split.folds)

    def test_doubts_about_refunds_and_zeros_are_told_and_cohorts_shown(self) -> None:
        """Nothing odd in the transactions passes in silence."""
        made = self.made
        assert {"SW261", "SW262"} <= {f.code for f in made.problem.check_data(made.dataset)}
        tables = made.problem.data_tables(made.dataset, made.split)
        assert [t.title.split()[0] for t in tables] == ["Transactions", "Cohorts:", "Cohorts:"]
        assert all(len(row) == len(t.columns) for t in tables for row in t.rows)
        assert len(made.problem.data_figures(made.dataset)) == 2

    def test_a_month_that_is_cut_short_is_no_fall_of_the_cohorts(self, tmp_path: Path) -> None:
        """The tables end with the last whole month, and say so."""
        self.write_data(tmp_path)
        spec = parse_spec(
            SPEC.replace("until 2024-06-30", "until 2024-06-09"), tmp_path / "0001-ltv" / "spec.md"
        )
        data = self.made.problem.load(spec, self.made.plan, tmp_path)
        cohorts = self.made.problem.data_tables(data, self.made.split)[1]
        assert cohorts.columns[-1] == "+4" and "2024-06 is left out" in cohorts.note
        whole = self.made.problem.data_tables(self.made.dataset, self.made.split)[1]
        assert whole.columns[-1] == "+5" and "left out" not in whole.note

    def test_the_report_says_what_budgets_and_campaigns_need(self) -> None:
        """The total beside what came, deciles with their lift, and what the best tenth holds."""
        rng = np.random.default_rng(0)
        truth = np.where(rng.random(500) < 0.4, 10 + rng.gamma(1, 50, 500), 0)
        outcome = pd.DataFrame(
            {"row": range(500), "truth": truth, "prediction": 0.7 * truth + rng.gamma(2, 1, 500)}
        )
        problem, decision = self.made.problem, {"interval": {"level": 0.9, "half_width": 40.0}}
        total, deciles, best = problem.breakdowns(outcome, decision)[:3]
        assert float(total.rows[0][3]) == pytest.approx(outcome["prediction"].sum() / truth.sum(), abs=1e-3)
        assert sum(row[1] for row in deciles.rows) == 500
        lifts = [float(row[-1].rstrip("x")) for row in deciles.rows]
        assert lifts[0] > 2 > lifts[-1] and lifts[:4] == sorted(lifts[:4], reverse=True)
        assert best.rows[-1][1:3] == ("100.0%", "100.0%")  # four in ten buy, and half the customers are asked
        told = [f for f in problem.check(outcome, decision, self.made.dataset) if f.code == "SW314"]
        assert len(told) == 1 and "less than what the customers brought" in told[0].message
        fair = outcome.assign(prediction=truth)
        assert not [f for f in problem.check(fair, decision, self.made.dataset) if f.code == "SW314"]
        assert [f.name for f in problem.figures(outcome, decision)][:2] == ["gains", "deciles"]

    def test_newer_transactions_are_answered_as_of_their_last_day(self) -> None:
        """A raw history becomes one row per customer, ready to be answered."""
        made = self.made
        model, rows = made.problem.continue_from(made.model, shop(), None)
        answers = made.problem.respond(model, rows, {})
        assert len(answers) == shop()["customer_id"].nunique()
        assert set(made.problem.request_columns(made.dataset)) <= set(rows.columns)
        assert made.problem.continue_from(made.model, shop(), 26)[1].equals(rows)
        with pytest.raises(DataError, match="answers the next 26 weeks, not 12"):
            made.problem.continue_from(made.model, shop(), 12)

    def test_a_file_holds_transactions_or_rows_of_customers_and_nothing_else(self) -> None:
        """Transactions become customers; customers stay as they are; another table is refused by its columns."""
        made = self.made
        rows = made.problem.rows_of(made.model, shop())
        assert rows["customer"].is_unique and set(rows["customer"]) == set(shop()["customer_id"])
        assert made.problem.rows_of(made.model, rows) is rows
        with pytest.raises(DataError, match="the transactions lack amount"):
            made.problem.rows_of(made.model, shop().drop(columns="amount"))

    def test_the_blend_is_taken_where_chance_alone_puts_another_before_it(self) -> None:
        """Few customers excuse much, many little; other models are excused nothing."""
        problem = self.made.problem
        few, many = (pd.DataFrame({"row": range(n)}) for n in (400, 40_000))
        assert problem.allowance("LifetimeBlend") >= problem.allowance("LifetimeBlend", few)
        assert problem.allowance("LifetimeBlend", few) > 5 * problem.allowance("LifetimeBlend", many) > 0
        assert problem.allowance("LGBMRegressor", few) == 0


class TestLifetimeValueByTime(ProblemContract):
    spec_text = SPEC.replace("until 2024-06-30", "until 2024-10-31").replace("26 weeks", "8 weeks")
    plan_text = "```yaml\nsplit: {folds: 3, seed: 7}\n```\n"
    candidate = "lifetime-blend"

    @staticmethod
    def write_data(root: Path) -> None:
        shop().to_csv(root / "shop.csv", index=False)

    def test_the_last_window_is_held_out_and_earlier_outcomes_end_before_it(self) -> None:
        """Where earlier windows fit, nothing is learned from the period that is judged."""
        made = self.made
        until = pd.to_datetime(made.dataset.frame[WINDOW])
        train, holdout = until.iloc[made.split.train], until.iloc[made.split.holdout]
        assert holdout.nunique() == 1 and train.nunique() >= 2
        assert train.max() + pd.Timedelta(weeks=8) <= holdout.min()


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("until 2024-06-30", "until 2026-01-01", "the calibration period ends on 2026-01-01"),
        ("until 2024-06-30", "the first half", "is no calibration period"),
        ("26 weeks", "40 weeks", "are not in the data"),
        ("26 weeks", "long", "is no horizon"),
        ("Target: spend", "Target: churn", "nothing that can be predicted"),
        ("Amount column: amount", "Amount column: amuont", "no column of the data"),
    ],
)
def test_a_bullet_that_does_not_fit_the_data_is_named(tmp_path: Path, old: str, new: str, where: str) -> None:
    shop(60).to_csv(tmp_path / "shop.csv", index=False)
    spec = parse_spec(SPEC.replace(old, new), tmp_path / "0001-ltv" / "spec.md")
    plan = parse_plan("```yaml\nsplit: {folds: 3}\n```\n", tmp_path / "0001-ltv" / "plan.md")
    with pytest.raises(SpecError, match=re.escape(where)) as caught:
        problem_for(spec.problem_type).load(spec, plan, tmp_path)
    assert caught.value.where and caught.value.hint


def test_customers_who_all_stay_away_are_told_as_such(tmp_path: Path) -> None:
    rows = shop(60)
    last = rows[rows["date"] > "2024-06-30"]["date"].max()
    kept = rows[rows["date"] <= "2024-06-30"]
    new = pd.DataFrame({"customer_id": ["new"], "amount": [5.0], "date": [last]})
    pd.concat([kept, new]).to_csv(tmp_path / "shop.csv", index=False)
    spec = parse_spec(SPEC, tmp_path / "0001-ltv" / "spec.md")
    plan = parse_plan("```yaml\nsplit: {folds: 3}\n```\n", tmp_path / "0001-ltv" / "plan.md")
    with pytest.raises(DataError, match="bought anything in the 26 weeks after it") as caught:
        problem_for(spec.problem_type).load(spec, plan, tmp_path)
    assert "calibration earlier" in str(caught.value.hint)


def test_a_request_for_lifetime_value_over_transactions_is_recognised() -> None:
    frame = shop(60)
    score, reason = LifetimeValue.match_data("predict customer lifetime value", frame, {"target": None})
    assert score == 1.0 and "customer_id" in reason
    assert LifetimeValue.match_data("forecast sales", frame, {})[0] == 0
    once = frame.drop_duplicates("customer_id")
    assert LifetimeValue.match_data("predict ltv", once, {"target": "amount"})[0] == 0
    # Nothing else is named to predict: the type is right, and planning says what the table lacks.
    assert LifetimeValue.match_data("predict ltv", once, {})[0] > 0.9
    with pytest.raises(DataError, match="in which customers return"):
        LifetimeValue().check_planned(once, {}, "x.csv")


def test_what_each_customer_will_spend_is_a_lifetime_value_with_the_horizon_asked_for() -> None:
    frame = shop(60)
    for request in (
        "predict how much each customer will spend in the next 90 days",
        "spend per customer over the next quarter",
        "which customers will buy again",
    ):
        assert LifetimeValue.match_request(request) > 0, request
        assert LifetimeValue.match_data(request, frame, {"target": None})[0] == 1.0
    assert LifetimeValue.match_request("forecast revenue per customer for the next 4 weeks") == 0
    assert LifetimeValue.match_request("predict which customers will churn") == 0
    roles = {"frame": frame, "customer": "customer_id", "time": "date", "amount": "amount"}
    drafted = LifetimeValue.draft_spec("spend of each customer in the next 4 weeks", None, roles)["data"]
    end = pd.to_datetime(frame["date"]).max()
    assert drafted["Horizon"] == "4 weeks" and drafted["Target"] == "spend"
    for asked, target in (("purchases of each customer", "transactions"), ("LTV from transactions", "spend")):
        assert LifetimeValue.draft_spec(asked, None, roles)["data"]["Target"] == target
    assert drafted["Calibration"] == f"until {end - pd.Timedelta(weeks=4):%Y-%m-%d}"
    assert SPEND == "future_spend"
