"""What a request and a table say by themselves, and where nothing is guessed."""

from __future__ import annotations

import pandas as pd
import pytest

from specweave.errors import UnknownNameError
from specweave.pipeline.inference import infer_problem, infer_target, infer_time
from specweave.tables.kinds import infer_kinds


@pytest.mark.parametrize(
    ("request_text", "columns", "target"),
    [
        ("predict house prices", ["area", "price"], "price"),
        ("predict which telco customers will churn", ["customerID", "tenure", "Churn"], "Churn"),
        ("estimate the sale price of a house", ["SalePrice", "LotArea", "Price"], "SalePrice"),
        ("predict the median house value", ["median_house_value", "median_income"], "median_house_value"),
        ("classify iris species", ["petal_length", "species"], "species"),
        ("predict who churned", ["x", "churn"], "churn"),
        ("do something clever", ["a", "target"], "target"),
        ("do something clever", ["a", "b"], None),
        ("predict price or cost", ["price", "cost"], None),
        ("predict the rent", ["current", "parent"], None),
        ("forecast sunspots for the next 10 years", ["YEAR", "SUNACTIVITY"], None),
        ("forecast realgdp next 4 quarters", ["year", "quarter", "realgdp", "cpi"], "realgdp"),
        ("forecast units per sku for the next 2 weeks", ["d", "sku", "units", "week"], "units"),
        (
            "detect fraud in card transactions",
            ["transaction_id", "trans_date", "amt", "is_fraud"],
            "is_fraud",
        ),
        ("find fraudulent claims", ["claim_id", "amount", "fraud_reported"], "fraud_reported"),
        ("detect fraudulent transactions", ["type", "amount", "isFraud", "isFlaggedFraud"], "isFraud"),
        ("flag suspicious claims", ["age", "total_claim_amount", "fraud_reported"], "fraud_reported"),
        ("LTV of clients", ["client_id", "purchased_on", "net_amount"], None),
    ],
)
def test_the_target_is_the_one_column_that_the_request_names(
    request_text: str, columns: list[str], target: str | None
) -> None:
    found = infer_target(request_text, columns)
    assert (found and found[0]) == target


def test_a_key_that_the_request_names_too_gives_way_to_what_is_asked() -> None:
    columns = ["customer", "tenure", "churn"]
    assert infer_target("predict which customer will churn", columns) is None
    found = infer_target("predict which customer will churn", columns, ["customer"])
    assert found is not None and found[0] == "churn"


def table(n: int = 60) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": [f"c-{i:04d}" for i in range(n)],
            "when": pd.date_range("2026-01-01", periods=n).strftime("%Y-%m-%d"),
            "born": [f"19{50 + (i * 7) % 49}-01-{1 + i % 28:02d}" for i in range(n)],
            "price": [100.5 + (i * 37) % 59 for i in range(n)],
            "bought": ["yes" if i % 3 else "no" for i in range(n)],
            "grade": [i % 5 for i in range(n)],
        }
    )


def test_rows_that_follow_their_dates_are_ordered_in_time() -> None:
    frame = table()
    found = infer_time(frame, infer_kinds(frame))
    assert found is not None and found[0] == "when"
    backwards = frame.iloc[::-1].reset_index(drop=True)
    found = infer_time(backwards, infer_kinds(backwards))
    assert found is not None and found[0] == "when"
    shuffled = frame.sample(frac=1, random_state=1).reset_index(drop=True)
    assert infer_time(shuffled, infer_kinds(shuffled)) is None


def test_rows_that_follow_a_clock_of_seconds_are_ordered_in_time_and_shuffled_ones_are_not() -> None:
    n = 400
    frame = pd.DataFrame(
        {"Time": [i // 2 * 7.0 for i in range(n)], "Amount": [(i * 37) % 59 + 0.5 for i in range(n)]}
    )
    found = infer_time(frame, infer_kinds(frame))
    assert found == ("Time", "the rows follow 'Time', which counts time")
    shuffled = frame.sample(frac=1, random_state=1).reset_index(drop=True)
    assert infer_time(shuffled, infer_kinds(shuffled)) is None
    delays = frame.rename(columns={"Time": "delivery_time"})
    assert infer_time(delays, infer_kinds(delays)) is None


def test_a_key_column_is_seen_as_one() -> None:
    assert infer_kinds(table())["id"].kind == "identifier"


@pytest.mark.parametrize(
    ("target", "name"),
    [("price", "regression"), ("bought", "classification"), ("grade", "classification")],
)
def test_the_problem_type_follows_from_the_target(target: str, name: str) -> None:
    found, reason = infer_problem("predict it", table(), {"target": target, "identifiers": []}, None)
    assert found.name == name
    assert target in reason


def test_without_data_the_words_decide() -> None:
    assert infer_problem("predict house prices", None, {}, None)[0].name == "regression"
    assert infer_problem("detect fraud", None, {}, None)[0].name == "classification"


def test_what_was_asked_for_goes_before_what_was_inferred() -> None:
    found, reason = infer_problem("predict it", table(), {"target": "grade"}, "Regression")
    assert (found.name, reason) == ("regression", "as asked")
    with pytest.raises(UnknownNameError, match="'Regresion' is not a problem type") as caught:
        infer_problem("predict it", None, {}, "Regresion")
    assert caught.value.where == "--problem"
    assert "Regression" in str(caught.value.hint)
