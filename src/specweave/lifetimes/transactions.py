"""Transactions as a plain table: who bought, when, for how much. Names are inferred, doubts are counted.

Reads: raw tables. Writes: nothing. Never: invents a date or an amount.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from specweave.errors import DataError

_NAMES = {
    "customer": ("customerid", "customer", "clientid", "client", "userid", "user", "memberid", "cardholder",
                 "accountid", "account", "buyer", "masterid", "id"),
    "time": ("invoicedate", "orderdate", "transactiondate", "purchasedate", "date", "datetime", "timestamp", "time",
             "day", "ds"),
    "amount": ("amount", "dollarvalue", "spend", "revenue", "total", "totalamount", "value", "price", "sales",
               "ordervalue", "paid", "monetaryvalue"),
}  # fmt: skip


@dataclass(frozen=True)
class Columns:
    """Which column is what; `amount` is None where only purchases are counted."""

    customer: str
    time: str
    amount: str | None


@dataclass(frozen=True)
class Transactions:
    """Purchases of customers in order of time.

    Attributes
    ----------
    table : DataFrame
        ``customer`` (text), ``day`` (datetime, midnight), ``amount`` (float); one row per raw row.
    columns : Columns
    refunds, zeros, dropped : int
        Rows with a negative amount, with none, and rows left out for want of customer or date.
    """

    table: pd.DataFrame
    columns: Columns
    refunds: int = 0
    zeros: int = 0
    dropped: int = 0

    @property
    def start(self) -> pd.Timestamp:
        """The first day."""
        return pd.Timestamp(self.table["day"].min())

    @property
    def end(self) -> pd.Timestamp:
        """The last day."""
        return pd.Timestamp(self.table["day"].max())


def find_columns(frame: pd.DataFrame) -> Columns | None:
    """Return which columns hold customer, time and amount, or None where that cannot be told.

    A customer column must repeat: one row per customer is no history.
    """
    folded = {re.sub(r"[^a-z0-9]", "", str(c).casefold()): str(c) for c in frame.columns}

    def first(role: str, fits: Any) -> str | None:
        names = [n for n in _NAMES[role] if n in folded]
        names += [
            f for known in _NAMES[role] if len(known) > 3 for f in folded if known in f and f not in names
        ]
        return next((folded[n] for n in names if fits(frame[folded[n]])), None)

    time = first("time", lambda c: to_days(c).notna().mean() > 0.95)
    customer = first("customer", lambda c: 1 < c.nunique() < 0.9 * len(c))
    amount = first("amount", lambda c: pd.Series(pd.to_numeric(c, errors="coerce")).notna().mean() > 0.95)
    if time is None or customer is None or customer == time:
        return None
    return Columns(customer, time, None if amount in (customer, time) else amount)


def to_days(column: pd.Series) -> pd.Series:
    """Return the day of each value, NaT where it is none; whole numbers like 19970101 are dates."""
    values = column
    if pd.api.types.is_numeric_dtype(values):
        whole = pd.to_numeric(values, errors="coerce")
        if not whole.dropna().between(19_000_101, 21_001_231).all():
            return pd.Series(pd.NaT, index=column.index, dtype="datetime64[ns]")
        values = whole.astype("Int64").astype("string")
    text = values.astype("string").str.strip()
    if text.dropna().str.fullmatch(r"\d{8}").all():
        found = pd.to_datetime(text, format="%Y%m%d", errors="coerce")
    else:
        found = pd.to_datetime(values, errors="coerce", format="mixed", utc=True).dt.tz_localize(None)
    return found.dt.normalize()


def parse_transactions(frame: pd.DataFrame, columns: Columns, where: str | None = None) -> Transactions:
    """Return the transactions of a raw table.

    Raises
    ------
    DataError
        If no row has customer and date, or amounts are no numbers; names the first.
    """
    day = to_days(frame[columns.time])
    amount = pd.Series(1.0, index=frame.index)
    if columns.amount is not None:
        raw = frame[columns.amount]
        amount = pd.Series(pd.to_numeric(raw, errors="coerce"), index=frame.index, dtype=float)
        bad = amount.isna() & raw.notna()
        if bad.any():
            row = int(np.flatnonzero(bad.to_numpy())[0])
            raise DataError(
                f"the amount '{columns.amount}' is no number in {int(bad.sum())} rows, first in data row {row + 1} ({raw.iloc[row]!r})",
                where=where, hint="mend these rows, or name another column: - Amount column: NAME",
            )  # fmt: skip
    known = day.notna() & frame[columns.customer].notna() & amount.notna()
    if not known.any():
        raise DataError(
            f"no row has a customer ('{columns.customer}'), a date ('{columns.time}') and an amount", where=where,
            hint="name the columns in spec.md: - Customer column: ..., - Time column: ..., - Amount column: ...",
        )  # fmt: skip
    if columns.amount is not None and not (amount[known] >= 0).any():
        raise DataError(
            f"every amount in '{columns.amount}' is negative: nothing was ever bought", where=where,
            hint="turn the sign of the amounts, or name another column: - Amount column: NAME",
        )  # fmt: skip
    table = pd.DataFrame({"customer": frame[columns.customer].astype(str), "day": day, "amount": amount})[
        known
    ]
    table = table.sort_values(["day", "customer"], kind="stable").reset_index(drop=True)
    priced = columns.amount is not None
    return Transactions(
        table, columns, int((table["amount"] < 0).sum()), int((table["amount"] == 0).sum()) if priced else 0,
        int((~known).sum()),
    )  # fmt: skip


def parse_horizon(text: str) -> float:
    """Return weeks for ``39 weeks``, ``6 months``, ``90 days`` or ``1 year``.

    Raises
    ------
    ValueError
        If it is none of these.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(day|week|month|quarter|year)s?\s*", text, re.I)
    if match is None or float(match[1]) <= 0:
        raise ValueError(text)
    days = {"day": 1, "week": 7, "month": 30.4375, "quarter": 91.3125, "year": 365.25}[match[2].lower()]
    return float(match[1]) * days / 7


def cut_offs(start: pd.Timestamp, until: pd.Timestamp, weeks: float, most: int = 3) -> Sequence[pd.Timestamp]:
    """Return the ends of the calibration windows that fit, latest first.

    Each earlier one ends a horizon before the next, so that its outcome is known when the next begins, and
    has at least a horizon of history itself.
    """
    step = pd.Timedelta(days=round(weeks * 7))
    found = [until]
    while len(found) <= most and found[-1] - step - start >= step:
        found.append(found[-1] - step)
    return found
