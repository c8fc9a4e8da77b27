"""What is told of transactions before anything is learned: cohorts as tables and pictures, and doubts.

Reads: customers with their transactions. Writes: nothing. Never: shows a purchase after the calibration period.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from specweave.lifetimes.customers import cohort_table
from specweave.lifetimes.transactions import Transactions
from specweave.problems.base import Dataset, Table
from specweave.problems.lifetime_data import WINDOW, past_of, transactions_of
from specweave.records import Figure, Finding


def cohort_tables(dataset: Dataset) -> list[Table]:
    """Return what the calibration period holds, and its cohorts: who still buys, and for how much."""
    past, note = _whole_months(past_of(dataset), pd.Timestamp(dataset.settings["until"]))
    shown = [_overview(dataset)]
    for what, title, reading in (
        ("customers", "Cohorts: share of customers who buy", "Rows are months of first purchase, columns months since."),
        ("spend", "Cohorts: spend per customer", "Mean over all customers of the cohort, those who bought nothing too."),
    ):  # fmt: skip
        if what == "spend" and not dataset.settings["spend"]:
            continue
        wide = cohort_table(past, what=what).iloc[-24:]
        columns = ("cohort", *(f"+{c}" if c != "size" else "customers" for c in wide.columns))[:16]
        rows = tuple(
            (name, int(row["size"]), *(None if pd.isna(v) else round(float(v), 3) for v in row.iloc[1:]))[:16]
            for name, row in wide.iterrows()
        )
        shown.append(Table(title, columns, rows, reading + note))
    return shown


def _whole_months(past: Transactions, until: pd.Timestamp) -> tuple[Transactions, str]:
    """Return the transactions of whole months and a word on what is left out: a month cut short looks like a fall."""
    if (until + pd.Timedelta(days=1)).day == 1:
        return past, ""
    table = past.table[past.table["day"] < until.replace(day=1)]
    if table["day"].dt.to_period("M").nunique() < 2:
        return past, f" The last month ends on {until:%Y-%m-%d}: it is not whole."
    kept = Transactions(table, past.columns, past.refunds, past.zeros, past.dropped)
    return kept, f" {until:%Y-%m} is left out: the period ends on {until:%Y-%m-%d}."


def _overview(dataset: Dataset) -> Table:
    """Return how many bought, how often and for how much until the last day of the calibration period."""
    past = past_of(dataset)
    table = past.table
    rows = dataset.frame[dataset.frame[WINDOW] == dataset.settings["until"]]
    n, purchases = len(rows), rows["frequency"].to_numpy() + 1
    facts: list[tuple[str, str]] = [
        ("transactions", f"{len(table):,} from {past.start:%Y-%m-%d} to {dataset.settings['until']}"),
        ("customers", f"{n:,}"),
        ("bought on one day only", f"{(purchases == 1).mean():.1%}"),
        ("purchases per customer", f"{purchases.mean():.2f} on average, {np.median(purchases):.0f} in the middle, "
                                   f"{purchases.max():.0f} at most"),
        ("weeks since the first purchase", f"{rows['age_weeks'].median():.1f} in the middle"),
    ]  # fmt: skip
    spent = rows["total_spend"].to_numpy() if dataset.settings["spend"] else np.zeros(0)
    if spent.sum() > 0:
        best = np.sort(spent)[::-1]
        facts += [
            ("spend per purchase", f"{spent.sum() / purchases.sum():,.2f} on average"),
            ("spend per customer", f"{spent.mean():,.2f} on average, {np.median(spent):,.2f} in the middle"),
            ("the best 10 % of customers", f"{best[: max(1, n // 10)].sum() / spent.sum():.1%} of all spend"),
            ("the best 20 % of customers", f"{best[: max(1, n // 5)].sum() / spent.sum():.1%} of all spend"),
        ]
    return Table("Transactions of the calibration period", ("what", "value"), tuple(facts),
                 "Purchases of one day are one purchase.")  # fmt: skip


def check_transactions(dataset: Dataset) -> list[Finding]:
    """Say how many rows are refunds, nothing, or unusable, and how many customers never came back."""
    bought = transactions_of(dataset)
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
        Finding(code=code, severity="info", message=message, where="data", evidence=evidence, advice=advice)
        for found, code, message, advice, evidence in doubts
        if found
    ]


def cohort_figures(dataset: Dataset) -> list[Figure]:
    """Return who still buys, by cohort, and how often customers return."""
    past, _ = _whole_months(past_of(dataset), pd.Timestamp(dataset.settings["until"]))
    wide = cohort_table(past).iloc[-12:]

    def retention(ax: Any) -> None:
        # In the month of the first purchase everybody buys: drawn, it would flatten all that follows.
        for name, row in wide.iterrows():
            values = 100 * row.iloc[2:].to_numpy(float)
            if np.isfinite(values).any():
                ax.plot(
                    np.arange(1, len(values) + 1), values, marker=".", label=f"{name} (n={row['size']:.0f})"
                )
        ax.set_xlabel("months since the first purchase")
        ax.set_ylabel("% of the cohort who buy")
        ax.set_ylim(bottom=0)
        ax.xaxis.get_major_locator().set_params(integer=True)
        if ax.lines:
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
