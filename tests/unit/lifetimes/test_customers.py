"""Customers from transactions: columns, windows, features, outcomes, cohorts."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from specweave.errors import DataError
from specweave.lifetimes.bgnbd import fit_bgnbd, fit_gamma_gamma
from specweave.lifetimes.customers import PURCHASES, RFM, SPEND, add_outcome, cohort_table, make_customers
from specweave.lifetimes.transactions import (
    Columns,
    cut_offs,
    find_columns,
    find_form,
    parse_horizon,
    parse_transactions,
    to_days,
)

ROWS = pd.DataFrame(
    {
        "client_id": ["a", "a", "a", "b", "b", "c", "c", "a", "b"],
        "when": ["2024-01-01", "2024-01-15", "2024-01-15", "2024-01-08", "2024-02-05", "2024-02-01", "2024-02-03",
                 "2024-03-01", "2024-03-20"],
        "amount": [10.0, 20.0, 5.0, 0.0, 40.0, 30.0, -30.0, 7.0, 9.0],
    }
)  # fmt: skip
COLUMNS = Columns("client_id", "when", "amount")


def test_columns_are_found_by_name_and_content() -> None:
    assert find_columns(ROWS.rename(columns={"when": "order_date"})) == Columns(
        "client_id", "order_date", "amount"
    )
    single = pd.DataFrame({"customer_id": range(5), "date": ["2024-01-01"] * 5, "amount": range(5)})
    assert find_columns(single) is None


def test_days_are_read_from_numbers_and_text_alike() -> None:
    assert (
        to_days(pd.Series([19970101, 19971231])).tolist()
        == to_days(pd.Series(["1997-01-01", "1997-12-31 23:10"])).tolist()
    )
    assert to_days(pd.Series([1, 2])).isna().all()


def test_features_and_outcome_are_those_of_the_windows() -> None:
    bought = parse_transactions(ROWS, COLUMNS)
    until = pd.Timestamp("2024-02-10")
    rows = add_outcome(make_customers(bought, until), bought, until, 6).set_index("customer")
    assert (bought.refunds, bought.zeros, bought.dropped) == (1, 1, 0)
    a = rows.loc["a"]
    assert [a[c] for c in RFM] == pytest.approx([1, 2.0, 40 / 7, 25.0, 17.5])
    assert (a["cohort"], a["total_spend"], a["largest_spend"]) == ("2024-01", 35.0, 25.0)
    assert (rows.loc["c", "refunds"], rows.loc["c", "frequency"]) == (30.0, 0)
    assert rows[PURCHASES].to_dict() == {"a": 1.0, "b": 1.0, "c": 0.0}
    assert rows[SPEND].to_dict() == {"a": 7.0, "b": 9.0, "c": 0.0}


def test_no_feature_knows_what_comes_after_the_day() -> None:
    until = pd.Timestamp("2024-02-10")
    before = ROWS[pd.to_datetime(ROWS["when"]) <= until]
    whole = make_customers(parse_transactions(ROWS, COLUMNS), until)
    pd.testing.assert_frame_equal(whole, make_customers(parse_transactions(before, COLUMNS), until))


def test_earlier_windows_end_a_horizon_apart_and_have_a_history() -> None:
    start, until = pd.Timestamp("2024-01-01"), pd.Timestamp("2024-06-30")
    cuts = cut_offs(start, until, 8)
    assert cuts[0] == until and all((x - y).days == 56 for x, y in pairwise(cuts))
    assert all((c - start).days >= 56 for c in cuts)
    assert len(cut_offs(start, until, 26)) == 1
    assert parse_horizon("6 months") == pytest.approx(26.09, abs=0.01)
    with pytest.raises(ValueError, match="soon"):
        parse_horizon("soon")


def test_cohorts_start_whole_and_end_where_the_data_does() -> None:
    wide = cohort_table(parse_transactions(ROWS, COLUMNS))
    assert wide["size"].to_dict() == {"2024-01": 2, "2024-02": 1}
    assert wide[0].tolist() == [1.0, 1.0]
    assert wide.loc["2024-01", 2] == 1.0 and np.isnan(wide.loc["2024-02", 2])
    spend = cohort_table(parse_transactions(ROWS, COLUMNS), what="spend")
    assert spend.loc["2024-01", 0] == pytest.approx(17.5)


def test_unusable_transactions_are_refused_by_name() -> None:
    with pytest.raises(DataError, match="data row 1"):
        parse_transactions(ROWS.assign(amount=["ten", *ROWS["amount"][1:].astype(str)]), COLUMNS)
    with pytest.raises(DataError, match="no row has a customer"):
        parse_transactions(ROWS.assign(when=None), COLUMNS)
    with pytest.raises(DataError, match="every amount in 'amount' is negative"):
        parse_transactions(ROWS.assign(amount=-ROWS["amount"].abs() - 1), COLUMNS)
    with pytest.raises(DataError, match="a second time"):
        fit_bgnbd([0, 0], [0, 0], [5, 6])
    with pytest.raises(DataError, match="repeat purchase"):
        fit_gamma_gamma([0, 1], [0, 0])


def test_columns_are_found_in_other_languages_and_by_what_they_hold() -> None:
    german = pd.DataFrame(
        {"kunde": ["a", "b"] * 20, "datum": ["05.03.2024", "13.03.2024"] * 20, "betrag": [1.5, 2.0] * 20}
    )
    assert find_columns(german) == Columns("kunde", "datum", "betrag")
    nameless = pd.DataFrame(
        {
            "order": range(100),
            "wer": [f"w{i % 40}" for i in range(100)],
            "wann": [f"2024-03-{1 + i % 28:02d}" for i in range(100)],
            "wieviel": [i + 0.5 for i in range(100)],
        }
    )
    assert find_columns(nameless) == Columns("wer", "wann", "wieviel")


def test_lines_of_pieces_and_prices_are_worth_their_product() -> None:
    lines = pd.DataFrame(
        {
            "InvoiceNo": ["1", "1", "C2", "3"] * 5,
            "Quantity": [6, 1, -2, 3] * 5,
            "InvoiceDate": ["12/1/2010 8:26", "12/1/2010 8:26", "12/13/2010 9:00", "1/5/2011 10:00"] * 5,
            "UnitPrice": [2.5, 10.0, 2.5, 1.0] * 5,
            "CustomerID": [17850.0, 17850.0, 17850.0, 13047.0] * 5,
        }
    )
    columns = find_columns(lines)
    assert columns == Columns("CustomerID", "InvoiceDate", "Quantity * UnitPrice")
    bought = parse_transactions(lines.iloc[:4], columns)
    assert bought.table["amount"].tolist() == [15.0, 10.0, -5.0, 3.0]
    assert bought.table["customer"].tolist() == ["17850", "17850", "17850", "13047"]
    assert bought.refunds == 1
    total = find_columns(lines.assign(Total=lines["Quantity"] * lines["UnitPrice"]))
    assert total is not None and total.amount == "Total"


def test_day_and_month_are_told_apart_by_all_values_and_new_rows_are_read_alike() -> None:
    days = pd.Series(["03/04/2024", "05/04/2024", "25/04/2024"])
    assert to_days(days).dt.strftime("%m-%d").tolist() == ["04-03", "04-05", "04-25"]
    assert to_days(days.iloc[:2], find_form(days)).dt.strftime("%m-%d").tolist() == ["04-03", "04-05"]
    assert to_days(pd.Series(["03.04.2024", "05.04.2024"])).dt.month.tolist() == [4, 4]


def test_stamps_with_a_time_zone_keep_their_local_day() -> None:
    text = pd.Series(["2024-03-30T00:30:00+01:00", "2024-04-01T00:30:00+02:00"])
    assert to_days(text).dt.day.tolist() == [30, 1]
    aware = pd.Series(pd.to_datetime(["2024-03-30 00:30", "2024-04-01 00:30"]).tz_localize("Europe/Berlin"))
    assert to_days(aware).dt.day.tolist() == [30, 1]


def test_seconds_since_1970_are_days() -> None:
    assert to_days(pd.Series([1709251200, 1711929600])).dt.strftime("%Y-%m-%d").tolist() == [
        "2024-03-01",
        "2024-04-01",
    ]


def test_several_currencies_are_noticed() -> None:
    assert parse_transactions(ROWS.assign(currency="EUR"), COLUMNS).currencies == ()
    mixed = ROWS.assign(currency=["EUR", "USD", "EUR"] * 3)
    assert parse_transactions(mixed, COLUMNS).currencies == ("EUR", "USD")
