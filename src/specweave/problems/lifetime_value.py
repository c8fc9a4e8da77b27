"""Customer lifetime value: what each customer will spend in the weeks ahead, from raw transactions.

Reads: a table of transactions. Writes: nothing. Never: lets a purchase after the calibration period into a
feature, or a customer of the holdout into training unless the windows lie apart in time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from specweave.errors import DataError, SpecError, did_you_mean
from specweave.increments.plan import Plan
from specweave.increments.spec import Spec
from specweave.lifetimes.customers import PURCHASES, RFM, SPEND, add_outcome, cohort_table, make_customers
from specweave.lifetimes.transactions import (
    TIMES,
    Columns,
    Transactions,
    amount_columns,
    cut_offs,
    find_columns,
    find_form,
    names_customer,
    parse_horizon,
    parse_transactions,
    to_days,
)
from specweave.metrics.base import MetricRef
from specweave.problems.amounts import AmountProblem
from specweave.problems.base import Choice, Dataset, ModelExperiment, Source, Split, Table
from specweave.problems.tabular import common_choices
from specweave.records import Figure, Finding
from specweave.tables.kinds import ColumnKind
from specweave.tables.splitting import check_enough_rows

_WORDS = re.compile(r"life[- _]?time|\bltv\b|\bclv\b|\bcltv\b|repeat (purchase|buy)|customer[ _]value", re.I)
_WHO = r"(?:customer|client|user|buyer|shopper|member|household|subscriber|guest|account)s?"
_DOES = r"(?:spend|spent|spending|buy|purchase|revenue|worth|bring in)s?"
# "how much each customer will spend", "spend per customer", "purchases of every client"
_PER_CUSTOMER = re.compile(
    rf"\b(?:each|every|per|a|our|single|individual|which)\s+(?:\w+\s+)?{_WHO}\s+(?:\w+\s+){{0,3}}?{_DOES}\b"
    rf"|\bhow (?:much|many|often)\b.*\b{_WHO}\s+(?:\w+\s+){{0,3}}?{_DOES}\b"
    rf"|\b{_DOES}\s+(?:\w+\s+){{0,2}}?(?:per|of each|of every|by|for each|for every)\s+{_WHO}\b", re.I)  # fmt: skip
_AHEAD = re.compile(
    r"\b(?:next|coming|following|within|over|in)\s+(?:the\s+)?(?:next\s+)?(?P<n>\d+|one|two|three|six|twelve)?\s*"
    r"(?P<unit>day|week|month|quarter|year)s?\b|\b(?P<m>\d+)[- ](?P<of>day|week|month|quarter|year)s?\b", re.I)  # fmt: skip
_NUMBERS = {"one": 1, "two": 2, "three": 3, "six": 6, "twelve": 12}
_TARGETS = {"spend": SPEND, "transactions": PURCHASES}
WINDOW = "calibration_until"


@dataclass(frozen=True)
class CustomerData(Dataset):
    """Customers as rows, with the transactions that they were made from.

    Attributes
    ----------
    transactions : Transactions
    """

    transactions: Transactions | None = None


class LifetimeValue(AmountProblem):
    """Spend or number of purchases of each customer in a horizon after the calibration period."""

    name = "lifetime_value"
    types = ("Customer lifetime value", "Lifetime value", "LTV", "CLV")
    words = ("lifetime", "life time", "ltv", "clv", "customer value", "repeat purchase")
    required = ("Training data",)
    plan_keys = ()
    spec_keys = ("Customer column", "Amount column", "Calibration", "Horizon")
    default_validation = "random"

    # -- planning ----------------------------------------------------------------------------------

    @classmethod
    def match_request(cls, request: str) -> float:
        """Return how strongly the request's words suggest this type."""
        if _WORDS.search(request):
            return 0.9
        # A forecast per customer asks for series; what each customer will spend, for customers.
        return 0.9 if _PER_CUSTOMER.search(request) and "forecast" not in request.casefold() else 0.0

    @classmethod
    def match_data(cls, request: str, frame: pd.DataFrame, roles: Mapping[str, Any]) -> tuple[float, str]:
        """A request for lifetime value over a table in which customers return."""
        if not cls.match_request(request):
            return 0.0, "the request does not speak of lifetime value"
        columns = find_columns(frame, roles.get("asked_time"))
        asked, target = roles.get("asked_target"), roles.get("target")
        if (target and _WORDS.search(target)) or (
            asked and (columns is None or asked not in columns.names())
        ):
            return 0.0, f"'{target}' is to be predicted, a column of the table"
        if (
            columns is None
            and _WORDS.search(request)
            and _dates(frame)
            and (not target or names_customer(target))
        ):
            # Asked for by name over a table with dates: better say what is missing than predict something else.
            return 0.99, "its lifetime value is asked for"
        if columns is None:
            return 0.0, "no columns of customer and date in which customers return"
        return (
            1.0,
            f"'{columns.customer}' buys again and again on '{columns.time}', and its lifetime value is asked for",
        )

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
        columns = find_columns(frame, roles.get("asked_time"))
        if columns is None:
            return []
        return [
            Choice(
                "customer", columns.customer, f"`{columns.customer}` repeats: one customer, several purchases"
            ),
            Choice("time", columns.time, f"`{columns.time}` holds the day of the purchase"),
            Choice("amount", columns.amount, _amount_words(columns.amount)),
            Choice("target", None, "made from the transactions after the calibration period"),
            Choice("identifiers", [], ""),
        ]

    @classmethod
    def draft_spec(
        cls, request: str, profile: Mapping[str, Any] | None, roles: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Draft the bullets; the calibration period is the first half of the span unless someone says better."""
        spend = roles.get("amount") is not None or roles.get("frame") is None
        data: dict[str, Any] = {
            "Target": "spend" if spend else "transactions",
            "Customer column": roles.get("customer") or "(fill in: the column of customers)",
            "Time column": roles.get("time") or "(fill in: the column of days)",
            "Amount column": roles.get("amount") or "none",
            "Identifier": None,
        }
        ahead = "the horizon"
        if roles.get("frame") is not None and roles.get("customer"):
            columns = Columns(roles["customer"], roles["time"], roles.get("amount"))
            table = parse_transactions(roles["frame"], columns)
            until = _middle(table)
            ahead = f"{int((table.end - until).days // 7)} weeks"
            asked = _asked_horizon(request)
            if asked and table.end - pd.Timedelta(weeks=parse_horizon(asked)) >= until:
                until = table.end - pd.Timedelta(days=round(7 * parse_horizon(asked)))
                ahead = asked
            data |= {"Calibration": f"until {until:%Y-%m-%d}", "Horizon": ahead}
        data["Validation"] = "earlier windows by time where they fit, else 20% of the customers"
        what = "spend" if spend else "number of purchases"
        problem = {
            "Problem type": cls.types[0],
            "Output": f"Expected {what} of each customer in the {ahead} after the calibration period",
            "Success metrics": "R² > 0.2",
        }
        return {"problem": problem, "data": data, "model": {"Accuracy": "Better than best baseline by 5%"}}

    def draft_plan(self, spec: Spec, profile: Mapping[str, Any] | None) -> list[Choice]:
        """Choose metric, baselines and candidates, each with its reason."""
        choices = common_choices(None, {})
        choices.append(
            Choice(
                "selection_metric", "rmse", "a few customers bring most of the money: large errors weigh most"
            )
        )
        choices.append(
            Choice("baselines", ["random", "mean", "rule-based"],
                   "a random customer's value, the mean, and the best single feature: what any model must beat")
        )  # fmt: skip
        tried = [self.candidate_table(2_000)[n] for n in _TRIED]
        choices.append(
            Choice("candidates", [
                {"name": e.name, **({"search": dict(e.search)} if e.search else {})} for e in tried
            ], "; ".join(f"{e.name}: {e.note}" for e in tried))
        )  # fmt: skip
        return choices

    # -- data --------------------------------------------------------------------------------------

    def load(self, spec: Spec, plan: Plan, root: Path) -> CustomerData:
        """Read the transactions and make one row per customer and calibration window."""
        from specweave.tables.kinds import infer_kinds
        from specweave.tables.locating import find_data_file
        from specweave.tables.reading import read_table

        named = spec.require("Training data")
        where = spec.at("Training data")
        read = read_table(find_data_file(root, named.value, where))
        bought = parse_transactions(read.frame, _columns(spec, read.frame), where)
        until, weeks = _windows(spec, bought)
        column = _target(spec, bought)
        cuts = cut_offs(bought.start, until, weeks)
        parts = [
            add_outcome(make_customers(bought, c), bought, c, weeks).assign(**{WINDOW: f"{c:%Y-%m-%d}"})
            for c in cuts
        ]
        frame = pd.concat(parts, ignore_index=True)
        frame = frame.drop(columns=[c for c in _TARGETS.values() if c != column])
        check_enough_rows(len(parts[0]), where)
        kinds = infer_kinds(frame, target=column, identifiers=("customer",), time=None)
        notes = [
            *read.notes,
            f"{len(bought.table):,} transactions of {len(parts[0]):,} customers until {until:%Y-%m-%d}",
        ]
        source = Source(named.value, read.bytes, read.sha256, len(frame), tuple(notes))
        roles = {"target": column, "identifiers": ["customer"], "time": None, "group": None}
        settings = {
            "until": f"{until:%Y-%m-%d}",
            "horizon_weeks": weeks,
            "windows": len(cuts),
            "spend": column == SPEND,
        }
        data = CustomerData(frame, dict(kinds), roles, source, settings, transactions=bought)
        self.check_target_values(data, spec.at("Target"))
        return data

    def split(self, dataset: Dataset, spec: Spec, plan: Plan) -> Split:
        """Hold out the last window where earlier ones fit, else customers; folds never part a customer."""
        from sklearn.model_selection import GroupKFold, ShuffleSplit

        seed, folds = int(plan.get("split.seed", 42)), int(plan.get("split.folds", 5))
        text = (spec.get("Validation") or "").casefold()
        last = (dataset.frame[WINDOW] == dataset.settings["until"]).to_numpy()
        by_time = dataset.settings["windows"] > 1 and not (
            text and "customer" in text and "window" not in text
        )
        if by_time:
            train, holdout = np.flatnonzero(~last), np.flatnonzero(last)
            words = (
                f"by time: learned from {dataset.settings['windows'] - 1} earlier calibration windows, held out the one "
                f"until {dataset.settings['until']} ({len(holdout)} customers)"
            )
        else:
            percent = re.search(r"(\d+(?:\.\d+)?)\s*%", text)
            share = float(percent[1]) / 100 if percent else 0.2
            if not 0.01 <= share <= 0.9:
                raise SpecError(f"a holdout of {share:.0%} leaves too little", where=spec.at("Validation"),
                                hint="choose 10% to 50% of the customers")  # fmt: skip
            rows = np.flatnonzero(last)
            pick, held = next(ShuffleSplit(1, test_size=share, random_state=seed).split(rows))
            train, holdout = np.sort(rows[pick]), np.sort(rows[held])
            words = (
                f"{share:.0%} of the customers held out ({len(holdout)} of {len(rows)}); no earlier window of "
                f"{dataset.settings['horizon_weeks']:g} weeks fits, so training and holdout share one period"
            )
        keys = pd.factorize(dataset.frame["customer"].iloc[train])[0]
        folds = max(2, min(folds, len(np.unique(keys))))
        rng = np.random.default_rng(seed)
        keys = rng.permutation(keys.max() + 1)[keys]
        pairs = tuple((train[a], train[b]) for a, b in GroupKFold(folds).split(train, groups=keys))
        return Split(train, holdout, pairs, f"{words}; {folds} folds by customer, seed {seed}")

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
        past = _past(dataset)
        shown = []
        for what, title, note in (
            ("customers", "Cohorts: share of customers who buy", "Rows are months of first purchase, columns months since."),
            ("spend", "Cohorts: spend per customer", "Mean over all customers of the cohort, those who bought nothing too."),
        ):  # fmt: skip
            if what == "spend" and not dataset.settings["spend"]:
                continue
            wide = cohort_table(past, what=what).iloc[-24:]
            columns = ("cohort", *(f"+{c}" if c != "size" else "customers" for c in wide.columns))[:16]
            rows = tuple(
                (name, int(row["size"]), *(None if pd.isna(v) else round(float(v), 3) for v in row.iloc[1:]))[
                    :16
                ]
                for name, row in wide.iterrows()
            )
            shown.append(Table(title, columns, rows, note))
        return shown

    def check_data(self, dataset: Dataset) -> list[Finding]:
        """Say how many rows are refunds, nothing, or unusable, and how many customers never came back."""
        bought = _transactions(dataset)
        rows = dataset.frame[dataset.frame[WINDOW] == dataset.settings["until"]]
        once = float((rows["frequency"] == 0).mean())
        n = len(bought.table)
        doubts: Sequence[tuple[bool, str, str, str, dict[str, Any]]] = (
            (bought.refunds > 0, "SW261", f"{bought.refunds:,} of {n:,} transactions are refunds (negative amounts)",
             "they lower the spend and are no purchase; check that this is what they mean", {"refunds": bought.refunds}),
            (bought.zeros > 0, "SW262", f"{bought.zeros:,} of {n:,} transactions have an amount of zero",
             "they count as purchases that cost nothing", {"zeros": bought.zeros}),
            (bought.dropped > 0, "SW263", f"{bought.dropped:,} rows lack customer, date or amount and are left out",
             "mend them in the source", {"dropped": bought.dropped}),
            (len(bought.currencies) > 1, "SW265",
             f"amounts in {len(bought.currencies)} currencies ({', '.join(bought.currencies[:5])}) are added up as if one",
             "bring them to one currency first", {"currencies": list(bought.currencies)}),
            (once > 0.5, "SW264", f"{once:.0%} of the customers bought on one day only",
             "little tells them apart: judge the model on those who returned, too", {"share": once}),
        )  # fmt: skip
        return [
            Finding(
                code=code, severity="info", message=message, where="data", evidence=evidence, advice=advice
            )
            for found, code, message, advice, evidence in doubts
            if found
        ]

    def data_figures(self, dataset: Dataset) -> list[Figure]:
        """Return the cohorts as pictures."""
        wide = cohort_table(_past(dataset)).iloc[-12:]

        def retention(ax: Any) -> None:
            for name, row in wide.iterrows():
                ax.plot(
                    np.arange(len(row) - 1),
                    row.iloc[1:].to_numpy(float),
                    marker=".",
                    label=f"{name} (n={row['size']:.0f})",
                )
            ax.set_xlabel("months since the first purchase")
            ax.set_ylabel("share of the cohort who buy")
            ax.set_ylim(0, 1.02)
            ax.legend(fontsize=7)

        def purchases(ax: Any) -> None:
            rows = dataset.frame[dataset.frame[WINDOW] == dataset.settings["until"]]
            counts = np.bincount(np.minimum(rows["frequency"].to_numpy(int), 10), minlength=11)
            ax.bar(np.arange(11), counts)
            ax.set_xticks(np.arange(11), [*map(str, range(10)), "10+"])
            ax.set_xlabel("repeat purchases in the calibration period")
            ax.set_ylabel("customers")

        return [
            Figure(name="cohort-retention", title="Who still buys, by cohort", draw=retention,
                   alt="Share of each cohort's customers who buy, by months since the first purchase"),
            Figure(name="repeat-purchases", title="How often customers return", draw=purchases,
                   alt="Number of customers by repeat purchases in the calibration period"),
        ]  # fmt: skip

    # -- measuring ---------------------------------------------------------------------------------

    def metrics(self, spec: Spec, plan: Plan) -> list[MetricRef]:
        """Return the usual metrics; percentage errors are not defined for customers who buy nothing."""
        return [ref for ref in super().metrics(spec, plan) if ref.name != "mape"]

    # -- models ------------------------------------------------------------------------------------

    def candidate_table(self, n_rows: int) -> dict[str, ModelExperiment]:
        """The regressors for tables, Tweedie trees, BG/NBD with Gamma-Gamma, and their blend."""
        from specweave.problems import estimators
        from specweave.problems.lifetime_estimators import BuyTillYouDie, LifetimeBlend, TweedieLightGBM

        plain = estimators.regressors(n_rows)
        trees = plain["lightgbm"]
        small = {"n_estimators": 150, "num_leaves": 7, "learning_rate": 0.03, "min_child_samples": 40}
        own = [
            ModelExperiment("bg-nbd", BuyTillYouDie, {}, {},
                            "BG/NBD with Gamma-Gamma: the probabilistic standard, it learns from the past alone"),
            ModelExperiment("lightgbm-tweedie", TweedieLightGBM, {**trees.params, **small}, trees.search,
                            "boosted trees with a Tweedie deviance: many customers at zero, few far above"),
            ModelExperiment("lifetime-blend", LifetimeBlend, small,
                            {"num_leaves": {"low": 3, "high": 15}, "min_child_samples": {"low": 20, "high": 200, "log": True}},
                            "three quarters BG/NBD and a quarter Tweedie trees, moved by folds inside the training rows"),
        ]  # fmt: skip
        return {e.name: e for e in (*own, *plain.values())}

    def candidates(self, dataset: Dataset, spec: Spec, plan: Plan) -> list[ModelExperiment]:
        """Return the plan's candidates, told the horizon where they need it."""
        found = super().candidates(dataset, spec, plan)
        if plan.get("candidates") is None:
            found = [e for e in found if e.name in _TRIED]
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

        from specweave.problems.lifetime_estimators import WithRfm
        from specweave.problems.tabular import fit_estimator, make_estimator

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


# Of the best score; by 2,000 customers a twentieth of the RMSE is chance, since a few of them make most of it.
_ALLOWED, _MOST_ALLOWED = 2.2, 0.1
_TRIED = ("linear", "bg-nbd", "lifetime-blend", "lightgbm-tweedie", "lightgbm", "random-forest")


def _asked_horizon(request: str) -> str | None:
    """Return ``3 months`` where a request asks for the next three months, None where it names no time.

    Examples
    --------
    >>> _asked_horizon("what each client spends in the next quarter"), _asked_horizon("6-month CLV")
    ('1 quarter', '6 months')
    """
    found = _AHEAD.search(request)
    if found is None:
        return None
    word, unit = (found["n"] or found["m"] or "1").casefold(), (found["unit"] or found["of"]).casefold()
    n = _NUMBERS.get(word) or int(word)
    return f"{n} {unit}{'s' if n != 1 else ''}" if n else None


def _dates(frame: pd.DataFrame) -> bool:
    """Return whether some column of the table holds dates."""
    from specweave.tables.kinds import infer_kinds

    return any(kind.kind == "datetime" for kind in infer_kinds(frame).values())


def _amount_words(amount: str | None) -> str:
    if amount is None:
        return ""
    return f"`{amount}` is what was paid" if TIMES in amount else f"`{amount}` holds what was paid"


def _columns(spec: Spec, frame: pd.DataFrame) -> Columns:
    found = find_columns(frame)
    chosen: dict[str, str | None] = {}
    guesses: dict[str, str | None] = {"Customer column": None, "Time column": None, "Amount column": None}
    if found is not None:
        guesses = {
            "Customer column": found.customer, "Time column": found.time, "Amount column": found.amount
        }  # fmt: skip
    for key, guess in guesses.items():
        written = spec.get(key)
        name = written.strip("`") if written else guess
        if key == "Amount column" and written is None and "amountcolumn" in spec.fields:
            name = None
        if name is None and key != "Amount column":
            raise SpecError(f"no column of the data looks like it: {key}", where=spec.where,
                            hint=f"add under '## Data Requirements': - {key}: NAME")  # fmt: skip
        parts = amount_columns(name) if key == "Amount column" and name not in frame.columns else [name]
        for part in parts:
            if part is not None and part not in frame.columns:
                raise SpecError(f"'{part}' is no column of the data", where=spec.at(key),
                                hint=did_you_mean(part, map(str, frame.columns)))  # fmt: skip
        chosen[key] = name
    time = str(chosen["Time column"])
    return Columns(
        str(chosen["Customer column"]), time, chosen["Amount column"], find_form(frame[time])
    )  # fmt: skip


def _middle(bought: Transactions) -> pd.Timestamp:
    """Return the day that halves the span, so that whole weeks lie after it."""
    weeks = (bought.end - bought.start).days // 14
    return bought.end - pd.Timedelta(weeks=max(1, weeks))


def _windows(spec: Spec, bought: Transactions) -> tuple[pd.Timestamp, float]:
    """Return (the last day of the calibration period, weeks of the horizon).

    Raises
    ------
    SpecError
        If a bullet cannot be read, or both do not fit into the data.
    """
    until, written = _middle(bought), spec.get("Calibration")
    if written is not None:
        day = re.search(r"\d{4}-\d{2}-\d{2}", written)
        parsed = to_days(pd.Series([day[0]])).iloc[0] if day else pd.NaT
        if pd.isna(parsed):
            raise SpecError(f"'{written}' is no calibration period", where=spec.at("Calibration"),
                            hint="write the last day: until 1997-09-30")  # fmt: skip
        until = pd.Timestamp(parsed)
    span = f"the data covers {bought.start:%Y-%m-%d} to {bought.end:%Y-%m-%d}"
    if not bought.start < until < bought.end:
        raise SpecError(f"the calibration period ends on {until:%Y-%m-%d}, but {span}", where=spec.at("Calibration"),
                        hint=f"write a day between them, for example: - Calibration: until {_middle(bought):%Y-%m-%d}")  # fmt: skip
    left = (bought.end - until).days / 7
    text = spec.get("Horizon")
    try:
        weeks = parse_horizon(text) if text else max(1.0, float(int(left)))
    except ValueError as error:
        raise SpecError(
            f"'{text}' is no horizon", where=spec.at("Horizon"), hint="write for example: 39 weeks"
        ) from error
    if weeks > left + 1:  # the last week may end without a purchase
        raise SpecError(
            f"{weeks:g} weeks after {until:%Y-%m-%d} are not in the data: {span}", where=spec.at("Horizon"),
            hint=f"write at most {int(left)} weeks, or end the calibration earlier",
        )  # fmt: skip
    return until, weeks


def _target(spec: Spec, bought: Transactions) -> str:
    asked = (
        (spec.get("Target") or ("spend" if bought.columns.amount else "transactions")).strip("`").casefold()
    )
    column = _TARGETS.get(asked) or next((c for c in _TARGETS.values() if c == asked), None)
    if column is None:
        raise SpecError(f"'{asked}' is nothing that can be predicted of a customer", where=spec.at("Target"),
                        hint="write spend or transactions")  # fmt: skip
    if column == SPEND and bought.columns.amount is None:
        raise SpecError("spend needs a column of amounts", where=spec.at("Target"),
                        hint="add: - Amount column: NAME, or write: - Target: transactions")  # fmt: skip
    return column


def _transactions(dataset: Dataset) -> Transactions:
    if not isinstance(dataset, CustomerData) or dataset.transactions is None:
        raise DataError("these rows carry no transactions", hint="load them with this problem type")
    return dataset.transactions


def _past(dataset: Dataset) -> Transactions:
    """Return the transactions of the calibration period: pictures must not show what is to be predicted."""
    bought = _transactions(dataset)
    table = bought.table[bought.table["day"] <= pd.Timestamp(dataset.settings["until"])]
    return Transactions(table, bought.columns, bought.refunds, bought.zeros, bought.dropped)
