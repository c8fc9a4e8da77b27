"""What is told of transactions before anything is learned: cohorts as tables and pictures, and doubts.

Reads: customers with their transactions. Writes: nothing. Never: shows a purchase after the calibration period.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from specweave.lifetimes.customers import cohort_table
from specweave.problems.base import Dataset, Table
from specweave.problems.lifetime_data import WINDOW, past_of, transactions_of
from specweave.records import Figure, Finding


def cohort_tables(dataset: Dataset) -> list[Table]:
    """Return the cohorts of the calibration period: who still buys, and for how much."""
    past = past_of(dataset)
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
            (name, int(row["size"]), *(None if pd.isna(v) else round(float(v), 3) for v in row.iloc[1:]))[:16]
            for name, row in wide.iterrows()
        )
        shown.append(Table(title, columns, rows, note))
    return shown


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
    wide = cohort_table(past_of(dataset)).iloc[-12:]

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
