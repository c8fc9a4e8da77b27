"""One row per customer: what the purchases until a day tell, and what came in the weeks after it.

Reads: transactions. Writes: nothing. Never: lets a purchase after the day into a feature.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from specweave.lifetimes.transactions import Transactions

RFM = ("frequency", "recency_weeks", "age_weeks", "mean_repeat_spend", "mean_spend")
SPEND, PURCHASES = "future_spend", "future_transactions"
_WEEK = 7.0


def make_customers(transactions: Transactions, until: pd.Timestamp) -> pd.DataFrame:
    """Return one row per customer seen until a day, with features of recency, frequency, money and trend.

    Purchases of one day are one purchase. Negative amounts (refunds) lower the spend and are no purchase.

    Returns
    -------
    DataFrame
        ``customer``, ``cohort`` (month of the first purchase), then numbers: weeks and money.
    """
    table = transactions.table
    past = table[table["day"] <= until]
    bought = past[past["amount"] >= 0]
    days = bought.groupby(["customer", "day"], sort=True)["amount"].sum().reset_index()
    by = days.groupby("customer", sort=True)
    first, last, n = by["day"].min(), by["day"].max(), by.size()
    age = (until - first).dt.days / _WEEK
    recency = (last - first).dt.days / _WEEK
    days["order"] = by.cumcount()
    repeat = days[days["order"] > 0].groupby("customer")["amount"].mean().reindex(n.index).fillna(0.0)
    gaps = by["day"].diff().dt.days.div(_WEEK).groupby(days["customer"])
    span = max(1.0, float((until - transactions.start).days))
    late = days[days["day"] > until - pd.Timedelta(days=round(span / 3))].groupby("customer")["amount"]
    refunds = past[past["amount"] < 0].groupby("customer")["amount"]
    frame = pd.DataFrame(
        {
            "cohort": first.dt.strftime("%Y-%m"),
            "frequency": (n - 1).astype(float),
            "recency_weeks": recency,
            "age_weeks": age,
            "mean_repeat_spend": repeat,
            "since_last_weeks": age - recency,
            "total_spend": by["amount"].sum(),
            "mean_spend": by["amount"].mean(),
            "first_spend": by["amount"].first(),
            "last_spend": by["amount"].last(),
            "largest_spend": by["amount"].max(),
            "purchases_late": late.size().reindex(n.index).fillna(0).astype(float),
            "spend_late": late.sum().reindex(n.index).fillna(0.0),
            "mean_gap_weeks": gaps.mean().reindex(n.index),
            "gap_spread_weeks": gaps.std().reindex(n.index),
            "refunds": (-refunds.sum()).reindex(n.index).fillna(0.0),
        }
    )
    frame["purchase_rate"] = n / np.maximum(age, 1.0)
    frame["rate_trend"] = frame["purchases_late"] / (span / 3 / _WEEK) - frame["purchase_rate"]
    return frame.rename_axis("customer").reset_index()


def add_outcome(
    customers: pd.DataFrame, transactions: Transactions, until: pd.Timestamp, weeks: float
) -> pd.DataFrame:
    """Return the customers with what they bought in the weeks after `until`: purchases (days) and spend."""
    table = transactions.table
    ahead = table[(table["day"] > until) & (table["day"] <= until + pd.Timedelta(days=round(weeks * _WEEK)))]
    bought = ahead[ahead["amount"] >= 0].groupby("customer")["day"].nunique()
    spent = ahead.groupby("customer")["amount"].sum()
    keys = customers["customer"]
    return customers.assign(
        **{
            PURCHASES: keys.map(bought).fillna(0).astype(float),
            SPEND: keys.map(spent).fillna(0.0).astype(float),
        }
    )


def cohort_table(transactions: Transactions, *, what: str = "customers") -> pd.DataFrame:
    """Return, per cohort (month of first purchase) and month since, the buyers or their spend.

    Parameters
    ----------
    what : {"customers", "spend"}
        Share of the cohort's customers who bought that month, or mean spend per customer of the cohort.

    Returns
    -------
    DataFrame, shape (n_cohorts, 1 + n_months)
        ``size``, then one column per month since the first purchase; NaN where it lies ahead.
    """
    table = transactions.table[transactions.table["amount"] >= 0]
    month = table["day"].dt.year * 12 + table["day"].dt.month
    first = month.groupby(table["customer"]).transform("min")
    since = month - first
    size = table.groupby(first)["customer"].nunique()
    cells: Any = table["customer"].groupby([first, since]).nunique() if what == "customers" else table["amount"].groupby([first, since]).sum()  # fmt: skip
    wide: pd.DataFrame = cells.unstack().reindex(columns=range(int(since.max()) + 1)).div(size, axis=0)
    last = int(month.max())
    for cohort in wide.index:
        seen = wide.columns <= last - cohort
        wide.loc[cohort, seen] = wide.loc[cohort, seen].fillna(0.0)
    wide.insert(0, "size", size)
    wide.index = [f"{(c - 1) // 12}-{(c - 1) % 12 + 1:02d}" for c in wide.index]
    return wide
