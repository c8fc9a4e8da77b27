"""Transactions as a plain table: who bought, when, for how much. Names are inferred, doubts are counted.

Reads: raw tables. Writes: nothing. Never: invents a date or an amount.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from specweave.errors import DataError
from specweave.tables.dates import find_date_format, find_number_date, to_instants
from specweave.tables.kinds import infer_kinds
from specweave.tables.values import is_text_like, levels_of, missing_mask, to_numbers

_NAMES = {
    "customer": ("customerid", "customer", "clientid", "client", "userid", "user", "memberid", "cardholder",
                 "accountid", "account", "buyer", "masterid", "kundennummer", "kundeid", "kunde", "cliente", "klant",
                 "acheteur", "shopper", "member", "household", "id"),
    "time": ("invoicedate", "orderdate", "transactiondate", "purchasedate", "date", "datetime", "timestamp", "time",
             "day", "ds", "datum", "fecha", "data", "createdat"),
    "amount": ("amount", "dollarvalue", "spend", "revenue", "total", "totalamount", "value", "price", "sales",
               "ordervalue", "paid", "monetaryvalue", "betrag", "umsatz", "montant", "importe", "importo", "bedrag",
               "valor"),
}  # fmt: skip
_PIECES = ("quantity", "qty", "pieces", "menge", "anzahl", "quantite", "cantidad", "quantita", "stueck")
_UNIT_PRICES = ("unitprice", "priceperunit", "itemprice", "price", "stueckpreis", "einzelpreis", "preis", "prix",
                "precio", "prezzo", "prijs")  # fmt: skip
_CURRENCIES = ("currency", "currencycode", "waehrung", "wahrung", "devise", "moneda", "valuta", "moeda")
# A key that names a purchase tells no customer from another.
_NO_CUSTOMER = re.compile(
    r"invoice|order|transaction|basket|receipt|product|item|stock|sku|article|bestell|beleg|artikel"
)
_OFFSET = re.compile(r"(?:Z| ?[+-]\d{2}:?\d{2})$")
TIMES = " * "


@dataclass(frozen=True)
class Columns:
    """Which column is what; `amount` is None where only purchases are counted, ``A * B`` for a product of two.

    `form` is how the days are written, where that is known: new rows may be too few to tell day from month.
    """

    customer: str
    time: str
    amount: str | None
    form: str = field(default="", compare=False)

    def names(self) -> list[str]:
        """Return the columns of the table that are needed."""
        return [self.customer, self.time, *amount_columns(self.amount)]


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
    currencies : tuple of str
        Those that are added up, where a column tells of more than one.
    """

    table: pd.DataFrame
    columns: Columns
    refunds: int = 0
    zeros: int = 0
    dropped: int = 0
    currencies: tuple[str, ...] = ()

    @property
    def start(self) -> pd.Timestamp:
        """The first day."""
        return pd.Timestamp(self.table["day"].min())

    @property
    def end(self) -> pd.Timestamp:
        """The last day."""
        return pd.Timestamp(self.table["day"].max())


def find_columns(frame: pd.DataFrame, time: str | None = None) -> Columns | None:
    """Return which columns hold customer, time and amount, or None where that cannot be told.

    Names are looked at first, then what columns hold. A customer column must repeat: one row per customer is no
    history. Where rows are lines of pieces and a price each, the amount is their product. `time` is the column of
    days where that is known.
    """
    folded = {_fold(c): str(c) for c in frame.columns}

    def named(words: Sequence[str], fits: Callable[[pd.Series], bool]) -> str | None:
        names = [n for n in words if n in folded]
        names += [f for known in words if len(known) > 3 for f in folded if known in f and f not in names]
        return next((folded[n] for n in names if fits(frame[folded[n]])), None)

    def dated(column: pd.Series) -> bool:
        return bool(to_days(column).notna().mean() > 0.95)

    time = (
        time
        or named(_NAMES["time"], dated)
        or _only([c for c in map(str, frame.columns) if _may_be_date(frame[c]) and dated(frame[c])])
    )
    if time is None:
        return None
    buyers = [w for w in _NAMES["customer"] if w not in ("id", "account", "accountid")]
    customer = (
        named(_NAMES["customer"], lambda c: c.name != time and 1 < c.nunique() < 0.9 * len(c))
        or named(buyers, lambda c: c.name != time and 1 < c.nunique() < c.notna().sum())
        or _customer_by_content(frame, time)
    )
    if customer is None:
        return None

    def priced(column: pd.Series) -> bool:
        return column.name not in (customer, time) and _quantities(column)

    amount = named([w for w in _NAMES["amount"] if w != "price"], lambda c: priced(c) and not _of_a_piece(c))
    pieces, price = named(_PIECES, priced), named(_UNIT_PRICES, priced)
    if amount is None and price is not None:
        amount = f"{pieces}{TIMES}{price}" if pieces and pieces != price else price
    if amount is None:
        amount = _only([
            c for c in map(str, frame.columns)
            if pd.api.types.is_float_dtype(frame[c]) and priced(frame[c]) and not _is_whole(frame[c])
        ])  # fmt: skip
    return Columns(customer, time, amount)


def names_customer(name: str) -> bool:
    """Return whether a column is called like a key of customers."""
    return any(w in _fold(name) for w in _NAMES["customer"] if len(w) > 3)


def amount_columns(amount: str | None) -> list[str]:
    """Return the columns that an amount is made of: none, one, or the two of a product."""
    return [] if amount is None else [part.strip().strip("`") for part in amount.split(TIMES)]


def _fold(name: Any) -> str:
    plain = unicodedata.normalize("NFKD", str(name).casefold().replace("ü", "ue"))
    return re.sub(r"[^a-z0-9]", "", plain)


def _of_a_piece(column: pd.Series) -> bool:
    return any(w in _fold(column.name) for w in ("unit", "each", "perpiece", "stueck", "einzel"))


def _quantities(column: pd.Series) -> bool:
    return not pd.api.types.is_bool_dtype(column) and bool(np.isfinite(to_numbers(column)[0]).mean() > 0.95)


def _is_whole(column: pd.Series) -> bool:
    values = to_numbers(column)[0]
    return bool(np.all(values[np.isfinite(values)] == np.round(values[np.isfinite(values)])))


def _only(names: Sequence[str]) -> str | None:
    return names[0] if len(names) == 1 else None


def _may_be_date(column: pd.Series) -> bool:
    """Return whether a column is of dates by what it holds; numbers are, only where their name says so."""
    return infer_kinds(column.to_frame())[str(column.name)].kind == "datetime"


def _customer_by_content(frame: pd.DataFrame, time: str) -> str | None:
    """Return the key that repeats over days and is no key of purchases, None where several are as likely."""
    found = []
    for name in map(str, frame.columns):
        column = frame[name]
        if name == time or _NO_CUSTOMER.search(_fold(name)) or pd.api.types.is_float_dtype(column):
            continue
        distinct = column.nunique()
        if 20 <= distinct < 0.9 * len(column) and not column.isna().any() and not _may_be_date(column):
            found.append(name)
    return _only(found)


def to_days(column: pd.Series, form: str = "") -> pd.Series:
    """Return the day of each value as it is written there, NaT where it is none.

    Day and month are told apart by all values together. Whole numbers are dates like 19970101, or seconds or
    milliseconds since 1970. Stamps with a time zone keep their local day.

    Parameters
    ----------
    form : str, optional
        How the days are written, as :func:`find_form` says; found where not given.
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        return pd.to_datetime(column).dt.tz_localize(None).dt.normalize().astype("datetime64[ns]")
    form = form or find_form(column)
    if not form:
        if pd.api.types.is_numeric_dtype(column):
            return pd.Series(pd.NaT, index=column.index, dtype="datetime64[ns]")
        found = pd.to_datetime(_local(column), errors="coerce", format="mixed", utc=True)
        return pd.Series(found, index=column.index).dt.tz_localize(None).dt.normalize()
    if is_text_like(column) and not form.startswith("unix"):
        column = _local(column)
        form = form.removesuffix(" %z").removesuffix("%z")
    days = pd.Series(to_instants(column, form), index=column.index).astype("datetime64[ns]")
    return days.dt.normalize()


def find_form(column: pd.Series) -> str:
    """Return how a column writes its days, "" where that cannot be told or the column holds real dates."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return ""
    if is_text_like(column):
        dates = find_date_format(levels_of(column)[1])
        return dates.format if dates else ""
    values = to_numbers(column)[0]
    values = values[np.isfinite(values)]
    if not len(values) or np.any(values != np.floor(values)):
        return ""
    stamps = find_number_date(values, named_as_time=True)
    return stamps.format if stamps else ""


def _local(column: pd.Series) -> pd.Series:
    return column.astype("object").map(
        lambda v: _OFFSET.sub("", v.strip()) if isinstance(v, str) and ":" in v else v
    )


def _amounts(frame: pd.DataFrame, columns: Columns, where: str | None) -> pd.Series:
    """Return what each row is worth: 1 where there are no amounts, NaN where it is not told."""
    made = pd.Series(1.0, index=frame.index)
    for name in amount_columns(columns.amount):
        raw = frame[name]
        values = pd.Series(to_numbers(raw)[0], index=frame.index)
        bad = values.isna() & ~missing_mask(raw)
        if bad.any():
            row = int(np.flatnonzero(bad.to_numpy())[0])
            raise DataError(
                f"the amount '{name}' is no number in {int(bad.sum())} rows, first in data row {row + 1} ({raw.iloc[row]!r})",
                where=where, hint="mend these rows, or name another column: - Amount column: NAME",
            )  # fmt: skip
        made = made * values
    return made


def parse_transactions(frame: pd.DataFrame, columns: Columns, where: str | None = None) -> Transactions:
    """Return the transactions of a raw table.

    Raises
    ------
    DataError
        If no row has customer and date, or amounts are no numbers; names the first.
    """
    day = to_days(frame[columns.time], columns.form)
    customer = pd.Series(_labels(frame[columns.customer]), index=frame.index)
    amount = _amounts(frame, columns, where)
    known = day.notna() & customer.notna() & amount.notna()
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
    table = pd.DataFrame({"customer": customer, "day": day, "amount": amount})[known]
    table = table.sort_values(["day", "customer"], kind="stable").reset_index(drop=True)
    priced = columns.amount is not None
    return Transactions(
        table, columns, int((table["amount"] < 0).sum()), int((table["amount"] == 0).sum()) if priced else 0,
        int((~known).sum()), _currencies(frame) if priced else (),
    )  # fmt: skip


def _labels(column: pd.Series) -> Any:
    """Return keys as text (17850.0 and 17850 are the same), None where missing."""
    codes, levels = levels_of(column)
    return np.asarray([*levels, None], dtype=object)[codes]


def _currencies(frame: pd.DataFrame) -> tuple[str, ...]:
    named = [c for c in frame.columns if _fold(c) in _CURRENCIES]
    found = levels_of(frame[named[0]])[1] if named else []
    return tuple(sorted(found)) if len(found) > 1 else ()


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
