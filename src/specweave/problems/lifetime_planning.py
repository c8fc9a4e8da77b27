"""How lifetime value is planned: whether a request asks for it, which columns it needs, the drafted bullets.

Reads: a request and a table of transactions. Writes: nothing. Never: takes a column of the table for the target.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from specweave.lifetimes.transactions import (
    TIMES,
    Columns,
    find_columns,
    names_customer,
    parse_horizon,
    parse_transactions,
)
from specweave.problems.base import Choice
from specweave.problems.lifetime_data import usual_day

_WORDS = re.compile(r"life[- _]?time|\bltv\b|\bclv\b|\bcltv\b|repeat (purchase|buy)|customer[ _]value", re.I)
_WHO = r"(?:customer|client|user|buyer|shopper|member|household|subscriber|guest|account)s?"
_DOES = r"(?:spend|spent|spending|buy|purchase|revenue|worth|bring in)s?"
# "how much each customer will spend", "spend per customer", "purchases of every client"
_PER_CUSTOMER = re.compile(
    rf"\b(?:each|every|per|a|our|single|individual|which)\s+(?:\w+\s+)?{_WHO}\s+(?:\w+\s+){{0,3}}?{_DOES}\b"
    rf"|\bhow (?:much|many|often)\b.*\b{_WHO}\s+(?:\w+\s+){{0,3}}?{_DOES}\b"
    rf"|\b{_DOES}\s+(?:\w+\s+){{0,2}}?(?:per|of each|of every|by|for each|for every)\s+{_WHO}\b", re.I)  # fmt: skip
_COUNTED = re.compile(r"\b(?:purchases|transactions|orders|visits)\b|\bhow (?:often|many times)\b", re.I)
_PAID = re.compile(r"spen[dt]|value|revenue|worth|money|amount|\b[cl]t?l?v\b", re.I)
_AHEAD = re.compile(
    r"\b(?:next|coming|following|within|over|in)\s+(?:the\s+)?(?:next\s+)?(?P<n>\d+|one|two|three|six|twelve)?\s*"
    r"(?P<unit>day|week|month|quarter|year)s?\b|\b(?P<m>\d+)[- ](?P<of>day|week|month|quarter|year)s?\b", re.I)  # fmt: skip
_NUMBERS = {"one": 1, "two": 2, "three": 3, "six": 6, "twelve": 12}


def match_words(request: str) -> float:
    """Return how strongly a request's words ask for the value of customers, 0 to 1."""
    if _WORDS.search(request):
        return 0.9
    # A forecast per customer asks for series; what each customer will spend, for customers.
    return 0.9 if _PER_CUSTOMER.search(request) and "forecast" not in request.casefold() else 0.0


def match_transactions(request: str, frame: pd.DataFrame, roles: Mapping[str, Any]) -> tuple[float, str]:
    """Return (how well a table fits such a request, 0 to 1; why): customers return in it."""
    columns = find_columns(frame, roles.get("asked_time"))
    asked, target = roles.get("asked_target"), roles.get("target")
    if (target and _WORDS.search(target)) or (asked and (columns is None or asked not in columns.names())):
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


def find_roles(frame: pd.DataFrame, roles: Mapping[str, Any]) -> list[Choice]:
    """Return the columns of customer, time and amount, each with its reason."""
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


def draft_bullets(problem_type: str, request: str, roles: Mapping[str, Any]) -> dict[str, Any]:
    """Return the drafted bullets of spec.md; calibration is two thirds of the span unless someone says better."""
    spend = roles.get("amount") is not None or roles.get("frame") is None
    spend = spend and not (_COUNTED.search(request) and not _PAID.search(request))
    data: dict[str, Any] = {
        "Target": "spend" if spend else "transactions",
        "Customer column": roles.get("customer") or "(fill in: the column of customers)",
        "Time column": roles.get("time") or "(fill in: the column of days)",
        "Amount column": roles.get("amount") or "none",
        "Identifier": None,
    }
    ahead, bought = "the horizon", ""
    if roles.get("frame") is not None and roles.get("customer"):
        columns = Columns(roles["customer"], roles["time"], roles.get("amount"))
        table = parse_transactions(roles["frame"], columns)
        until = usual_day(table)
        bought = f"{len(table.table):,} transactions of {table.table['customer'].nunique():,} customers"
        ahead = f"{int((table.end - until).days // 7)} weeks"
        asked = _asked_horizon(request)
        if (
            asked
            and table.end - pd.Timedelta(weeks=parse_horizon(asked))
            >= table.start + (table.end - table.start) / 2
        ):
            until = table.end - pd.Timedelta(days=round(7 * parse_horizon(asked)))
            ahead = asked
        data |= {"Calibration": f"until {until:%Y-%m-%d}", "Horizon": ahead}
    data["Validation"] = "earlier windows by time where they fit, else 20% of the customers"
    what = "spend" if spend else "number of purchases"
    problem = {
        "Problem type": problem_type,
        **({"Input": bought} if bought else {}),
        "Output": f"Expected {what} of each customer in the {ahead} after the calibration period",
        "Success metrics": "R² > 0.2",
    }
    return {"problem": problem, "data": data, "model": {"Accuracy": "Better than best baseline by 5%"}}


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
