"""Customer lifetime value: what each customer will spend in the weeks ahead, from raw transactions.

Reads: a table of transactions. Writes: nothing. Never: lets a purchase after the calibration period into a
feature, or a customer of the holdout into training unless the windows lie apart in time.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from specweave.errors import DataError
from specweave.lifetimes.customers import RFM, make_customers
from specweave.lifetimes.transactions import Columns, find_columns, parse_transactions
from specweave.metrics.base import MetricRef
from specweave.problems.amounts import AmountProblem
from specweave.problems.base import Choice, Dataset, ModelExperiment, Split, Table
from specweave.problems.choosing import candidates_choice, common_choices, selection_first
from specweave.problems.fitting import fit_estimator, make_estimator
from specweave.problems.lifetime_candidates import TRIED, lifetime_candidates
from specweave.problems.lifetime_data import WINDOW, CustomerData, load_customers
from specweave.problems.lifetime_estimators import WithRfm
from specweave.problems.lifetime_outcomes import check_total, value_figures, value_tables
from specweave.problems.lifetime_planning import draft_bullets, find_roles, match_transactions, match_words
from specweave.problems.lifetime_reports import check_transactions, cohort_figures, cohort_tables
from specweave.problems.lifetime_splitting import split_customers
from specweave.records import Figure, Finding

if TYPE_CHECKING:
    from specweave.increments.plan import Plan
    from specweave.increments.spec import Spec
    from specweave.tables.kinds import ColumnKind

_REASONS = {
    "split.folds": Choice("split.folds", 5, "time-based validation: features end with a calibration period, the target lies after it, "
                          "the latest window is held out; 5 folds keep all windows of a customer together"),
    "features.drop": Choice("features.drop", {}, "feature engineering: recency, frequency, money, gaps, trend and age are made from "
                            "the purchases of the calibration period"),
}  # fmt: skip

# Of the best score; by 2,000 customers a twentieth of the RMSE is chance, since a few of them make most of it.
_ALLOWED, _MOST_ALLOWED = 2.2, 0.1


class LifetimeValue(AmountProblem):
    """Spend or number of purchases of each customer in a horizon after the calibration period."""

    name = "lifetime_value"
    types = ("Customer lifetime value", "Lifetime value", "LTV", "CLV")
    words = ("lifetime", "life time", "ltv", "clv", "customer value", "repeat purchase")
    required = ("Training data",)
    plan_keys = ()
    covers: ClassVar[Mapping[str, str]] = {
        "T-001": "customer cohort analysis, refunds, who never came back",
        "T-002": "recency, frequency and amount in the calibration period",
        "T-006": "errors per customer, the total, how well the best customers are found",
        "T-007": "feature importance",
        "T-008": "the value of every customer, in reports/customers.csv",
    }
    ahead = "customers"
    answered = "customer"
    # Gaps of those who bought once, refunds where there are none, months as dates, columns that say the same, two
    # who bought once on the same day for the same amount.
    explained = ("SW201", "SW203", "SW208", "SW209", "SW215", "SW218", "SW228")
    spec_keys = ("Customer column", "Amount column", "Calibration", "Horizon")
    default_validation = "random"

    # -- planning ----------------------------------------------------------------------------------

    @classmethod
    def match_request(cls, request: str) -> float:
        """Return how strongly the request's words suggest this type."""
        return match_words(request)

    @classmethod
    def match_data(cls, request: str, frame: pd.DataFrame, roles: Mapping[str, Any]) -> tuple[float, str]:
        """A request for lifetime value over a table in which customers return."""
        if not cls.match_request(request):
            return 0.0, "the request does not speak of lifetime value"
        return match_transactions(request, frame, roles)

    def check_planned(self, frame: pd.DataFrame, roles: Mapping[str, Any], where: str) -> None:
        """Refuse a table in which no customer, date or amount can be found."""
        columns = find_columns(frame, roles.get("asked_time"))
        if columns is None:
            raise DataError(
                "no columns of customer and date were found in which customers return", where=where,
                hint="bring one row per transaction, in columns like customer_id, date and amount; where nearly all "
                "bought once, bring a longer history",
            )  # fmt: skip
        parse_transactions(frame, columns, where)

    @classmethod
    def infer_roles(
        cls, request: str, frame: pd.DataFrame, kinds: Mapping[str, ColumnKind], roles: Mapping[str, Any]
    ) -> list[Choice]:
        """Return the columns of customer, time and amount."""
        return find_roles(frame, roles)

    @classmethod
    def draft_spec(
        cls, request: str, profile: Mapping[str, Any] | None, roles: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Draft the bullets; the calibration period is two thirds of the span unless someone says better."""
        return draft_bullets(cls.types[0], request, roles)

    def draft_plan(self, spec: Spec, profile: Mapping[str, Any] | None) -> list[Choice]:
        """Choose metric, baselines and candidates, each with its reason."""
        table = self.candidate_table(2_000)
        return [
            *(_REASONS.get(c.key, c) for c in common_choices(None, {})),
            Choice(
                "selection_metric", "rmse", "a few customers bring most of the money: large errors weigh most"
            ),
            Choice("baselines", ["random", "mean", "rule-based"],
                   "a random customer's value, the mean, and the best single feature: what any model must beat"),
            candidates_choice([table[name] for name in TRIED]),
        ]  # fmt: skip

    # -- data --------------------------------------------------------------------------------------

    def load(self, spec: Spec, plan: Plan, root: Path) -> CustomerData:
        """Read the transactions and make one row per customer and calibration window."""
        data = load_customers(spec, root)
        self.check_target_values(data, spec.at("Target"))
        return data

    def split(self, dataset: Dataset, spec: Spec, plan: Plan) -> Split:
        """Hold out the last window where earlier ones fit, else customers; folds never part a customer."""
        return split_customers(dataset, spec, plan)

    def units(self, dataset: Dataset, outcome: pd.DataFrame) -> np.ndarray | None:
        """Return the customer of each row."""
        return np.asarray(pd.factorize(dataset.frame["customer"].iloc[outcome["row"].to_numpy()])[0])

    def drops(self, dataset: Dataset, plan: Plan) -> dict[str, str]:
        """Leave out who the customer is, and names of periods: the age in weeks says it for any period."""
        return {
            **super().drops(dataset, plan),
            WINDOW: "names a period that never comes again",
            "cohort": "the age in weeks says it for any period",
        }

    def data_tables(self, dataset: Dataset, split: Split) -> list[Table]:
        """Return the cohorts of the calibration period: who still buys, and for how much."""
        return cohort_tables(dataset)

    def check_data(self, dataset: Dataset) -> list[Finding]:
        """Say how many rows are refunds, nothing, or unusable, and how many customers never came back."""
        return check_transactions(dataset)

    def data_figures(self, dataset: Dataset) -> list[Figure]:
        """Return the cohorts as pictures."""
        return cohort_figures(dataset)

    # -- measuring ---------------------------------------------------------------------------------

    def metrics(self, spec: Spec, plan: Plan) -> list[MetricRef]:
        """Return errors per customer, of the total, and how well the best are found; percentage errors say nothing
        of customers who buy nothing."""
        names = (
            "rmse",
            "mae",
            "r2",
            "total_error",
            "value_captured@10",
            "gini",
            "median_ae",
            "max_error",
            "bias",
        )
        return selection_first(names, plan)

    def breakdowns(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> list[Table]:
        """Return the total, deciles and the share that the best hold, then errors by band and the interval."""
        return [*value_tables(outcome), *super().breakdowns(outcome, decision)]

    def check(self, outcome: pd.DataFrame, decision: Mapping[str, Any], dataset: Dataset) -> list[Finding]:
        """Say so where the interval, or the total, is not what came."""
        return [*super().check(outcome, decision, dataset), *check_total(outcome)]

    def figures(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> list[Figure]:
        """Return the gains curve and deciles, then predicted against actual and residuals."""
        return [*value_figures(outcome), *super().figures(outcome, decision)]

    # -- models ------------------------------------------------------------------------------------

    def candidate_table(self, n_rows: int) -> dict[str, ModelExperiment]:
        """The regressors for tables, Tweedie trees, BG/NBD with Gamma-Gamma, and their blend."""
        return lifetime_candidates(n_rows)

    def candidates(self, dataset: Dataset, spec: Spec, plan: Plan) -> list[ModelExperiment]:
        """Return the plan's candidates, told the horizon where they need it."""
        found = super().candidates(dataset, spec, plan)
        if plan.get("candidates") is None:
            found = [e for e in found if e.name in TRIED]
        facts = {
            "horizon": float(dataset.settings["horizon_weeks"]),
            "spend": bool(dataset.settings["spend"]),
        }
        return [e.with_params(facts) if getattr(e.estimator_class, "wants_rfm", False) else e for e in found]

    def allowance(self, algorithm: str, outcome: pd.DataFrame | None = None) -> float:
        """Allow the blend 2.2 / sqrt(customers): it leans on how customers come and go, not on the few who spent
        most in this window."""
        if algorithm != "LifetimeBlend":
            return 0.0
        rows = 1 if outcome is None else max(1, len(outcome))
        return float(min(_MOST_ALLOWED, _ALLOWED / np.sqrt(rows)))

    def fit(
        self,
        experiment: ModelExperiment,
        dataset: Dataset,
        rows: np.ndarray,
        features: Any,
        *,
        seed: int,
        threads: int,
    ) -> Any:
        """Fit on these rows; probabilistic models get frequency, recency, age and spend as they are."""
        from sklearn.pipeline import Pipeline

        if getattr(experiment.estimator_class, "wants_rfm", False):
            y = self.encode(dataset)[rows]
            step, _ = self._fitted.fit(dataset, rows, features, y)
            whole = WithRfm(step)
            estimator = make_estimator(experiment, seed=seed, threads=threads)
            fit_estimator(estimator, whole.transform(dataset.frame.iloc[rows]), y)
            model: Any = Pipeline([("features", whole), ("model", estimator)])
        else:
            model = super().fit(experiment, dataset, rows, features, seed=seed, threads=threads)
        if isinstance(dataset, CustomerData) and dataset.transactions is not None:
            model.columns_ = dataset.transactions.columns
            model.horizon_weeks_ = float(dataset.settings["horizon_weeks"])
        return model

    def bring_up_to_date(
        self, model: Any, dataset: Dataset, features: Any, *, seed: int, threads: int
    ) -> Any:
        """Fit the recipe to every window and customer: the latest window is most like the one to come."""
        steps = getattr(model, "named_steps", None)
        if steps is None:  # a rule of the user's learns nothing
            return model
        # `adapt` puts the target's transformation around it again.
        estimator = getattr(steps["model"], "regressor", steps["model"])
        recipe = ModelExperiment(type(estimator).__name__, type(estimator), estimator.get_params(deep=False))
        return self.fit(recipe, dataset, np.arange(dataset.n_rows), features, seed=seed, threads=threads)

    def request_columns(self, dataset: Dataset) -> list[str]:
        """Return who it is and the numbers; names of periods are no input."""
        return [c for c in super().request_columns(dataset) if c not in (WINDOW, "cohort")]

    def rows_of(self, model: Any, table: pd.DataFrame) -> pd.DataFrame:
        """Return one row per customer as of the last day of these transactions; rows of customers as they are.

        Raises
        ------
        DataError
            If the table holds neither; names the columns it needs.
        """
        if set(RFM) <= set(map(str, table.columns)):
            return table
        columns: Columns = getattr(model, "columns_", None) or Columns("customer", "date", "amount")
        wanted = columns.names()
        missing = [c for c in wanted if c not in table.columns]
        if missing:
            raise DataError(
                f"the transactions lack {', '.join(missing)}",
                hint=f"bring the columns of the training data: {', '.join(wanted)}",
            )
        bought = parse_transactions(table, columns)
        return make_customers(bought, bought.end).assign(**{WINDOW: f"{bought.end:%Y-%m-%d}"})

    def example_events(self, model: Any) -> list[dict[str, Any]]:
        """Return three purchases of one customer."""
        columns: Columns = getattr(model, "columns_", None) or Columns("customer", "date", "amount")
        customer, time, *amounts = columns.names()
        days = (pd.Timestamp(2026, month, 5) for month in (1, 2, 4))
        shown = (day.strftime(columns.form) if "%" in columns.form else f"{day:%Y-%m-%d}" for day in days)
        return [{customer: "c-1", time: day, **dict.fromkeys(amounts, 20.0)} for day in shown]

    def continue_from(
        self, model: Any, history: pd.DataFrame, horizon: int | None
    ) -> tuple[Any, pd.DataFrame]:
        """Return (the model, one row per customer at the end of these transactions).

        Raises
        ------
        DataError
            If the table holds no transactions, or another horizon is asked for than was learned.
        """
        weeks = getattr(model, "horizon_weeks_", None)
        if horizon is not None and weeks is not None and abs(horizon - weeks) > 0.5:
            raise DataError(
                f"this model answers the next {weeks:g} weeks, not {horizon}",
                hint=f"leave out --horizon; or write - Horizon: {horizon} weeks in spec.md, and run: sw do",
            )
        return model, self.rows_of(model, history)
