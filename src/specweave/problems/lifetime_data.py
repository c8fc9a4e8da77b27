"""Customers as they are read: transactions, calibration windows, one row per customer and window.

Reads: the file that the spec names. Writes: nothing. Never: lets a purchase after the calibration period into a
feature.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from specweave.errors import DataError, SpecError
from specweave.lifetimes.customers import PURCHASES, SPEND, add_outcome, make_customers
from specweave.lifetimes.transactions import (
    Columns,
    Transactions,
    amount_columns,
    cut_offs,
    find_columns,
    find_form,
    parse_horizon,
    parse_transactions,
    to_days,
)
from specweave.problems.base import Dataset, Source
from specweave.problems.roles import check_column
from specweave.tables.kinds import infer_kinds
from specweave.tables.locating import find_data_file
from specweave.tables.reading import read_table
from specweave.tables.splitting import check_enough_rows

if TYPE_CHECKING:
    from specweave.increments.spec import Spec

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


def load_customers(spec: Spec, root: Path) -> CustomerData:
    """Read the transactions and make one row per customer and calibration window.

    Raises
    ------
    DataError, SpecError
        With file and line and how to mend it.
    """
    named = spec.require("Training data")
    where = spec.at("Training data")
    read = read_table(find_data_file(root, named.value, where))
    bought = parse_transactions(read.frame, _stated_columns(spec, read.frame), where)
    until, weeks = _stated_windows(spec, bought)
    column = _stated_target(spec, bought)
    cuts = cut_offs(bought.start, until, weeks)
    parts = [
        add_outcome(make_customers(bought, c), bought, c, weeks).assign(**{WINDOW: f"{c:%Y-%m-%d}"})
        for c in cuts
    ]
    if not parts[0][column].any():
        raise DataError(
            f"none of the {len(parts[0]):,} customers seen until {until:%Y-%m-%d} bought anything in the {weeks:g} weeks "
            "after it: there is nothing to learn", where=spec.at("Calibration"),
            hint="end the calibration earlier, or bring transactions of customers who return on other days",
        )  # fmt: skip
    frame = pd.concat(parts, ignore_index=True)
    frame = frame.drop(columns=[c for c in _TARGETS.values() if c != column])
    check_enough_rows(len(parts[0]), where)
    kinds = infer_kinds(frame, target=column, identifiers=("customer",), time=None)
    notes = [
        *read.notes,
        _told(bought, until, len(parts[0]), weeks),
    ]
    source = Source(named.value, read.bytes, read.sha256, len(frame), tuple(notes))
    roles = {"target": column, "identifiers": ["customer"], "time": None, "group": None}
    settings = {
        "until": f"{until:%Y-%m-%d}",
        "horizon_weeks": weeks,
        "windows": len(cuts),
        "spend": column == SPEND,
    }
    return CustomerData(frame, dict(kinds), roles, source, settings, transactions=bought)


def _told(bought: Transactions, until: pd.Timestamp, customers: int, weeks: float) -> str:
    before = int((bought.table["day"] <= until).sum())
    return (
        f"{len(bought.table):,} transactions: {before:,} until {until:%Y-%m-%d} make {customers:,} customers, "
        f"the {weeks:g} weeks after it what is to be predicted"
    )


def _stated_columns(spec: Spec, frame: pd.DataFrame) -> Columns:
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
            if part is not None:
                check_column(part, frame, spec.at(key))
        chosen[key] = name
    time = str(chosen["Time column"])
    return Columns(
        str(chosen["Customer column"]), time, chosen["Amount column"], find_form(frame[time])
    )  # fmt: skip


def usual_day(bought: Transactions) -> pd.Timestamp:
    """Return the day after which a third of the span lies, in whole weeks: an earlier window of that length fits
    before it, so that validation is by time."""
    weeks = (bought.end - bought.start).days // 21
    return bought.end - pd.Timedelta(weeks=max(1, weeks))


def _stated_windows(spec: Spec, bought: Transactions) -> tuple[pd.Timestamp, float]:
    """Return (the last day of the calibration period, weeks of the horizon).

    Raises
    ------
    SpecError
        If a bullet cannot be read, or both do not fit into the data.
    """
    until, written = usual_day(bought), spec.get("Calibration")
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
                        hint=f"write a day between them, for example: - Calibration: until {usual_day(bought):%Y-%m-%d}")  # fmt: skip
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


def _stated_target(spec: Spec, bought: Transactions) -> str:
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


def transactions_of(dataset: Dataset) -> Transactions:
    """Return the transactions that a dataset's customers were made from."""
    if not isinstance(dataset, CustomerData) or dataset.transactions is None:
        raise DataError("these rows carry no transactions", hint="load them with this problem type")
    return dataset.transactions


def past_of(dataset: Dataset) -> Transactions:
    """Return the transactions of the calibration period: pictures must not show what is to be predicted."""
    bought = transactions_of(dataset)
    table = bought.table[bought.table["day"] <= pd.Timestamp(dataset.settings["until"])]
    return Transactions(table, bought.columns, bought.refunds, bought.zeros, bought.dropped)
