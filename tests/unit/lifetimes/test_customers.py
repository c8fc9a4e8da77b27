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
    assert [a[c] for c in RFM] == pytest.approx([1, 2.0, 40 / 7, 25.0])
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
