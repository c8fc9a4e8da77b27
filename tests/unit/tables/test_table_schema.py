from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from specweave.errors import DataError, StorageError
from specweave.tables.kinds import infer_kinds
from specweave.tables.schema import check_rows, coerce, load_schema, make_schema, save_schema

N = 60


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "key": [f"K{at:03d}" for at in range(N)],
            "tenure": rng.integers(0, 70, N),
            "fee": np.where(np.arange(N) % 9, rng.normal(50, 10, N), np.nan),
            "rate": [*(str(at / 8) for at in range(N - 1)), "n.k."],
            "active": ["Yes", "No"] * (N // 2),
            "flag": [True, False, True] * (N // 3),
            "plan": ["basic", "plus", "max"] * (N // 3),
            "since": pd.date_range("2020-01-15", periods=N).strftime("%d/%m/%Y"),
            "at": pd.date_range("2020-01-15", periods=N),
            "left": ["Yes", "No"] * (N // 2),
        }
    )


@pytest.fixture(scope="module")
def schema(frame: pd.DataFrame) -> dict[str, Any]:
    return make_schema(frame, infer_kinds(frame, target="left"), "left")


def test_the_schema_says_what_each_column_must_be(schema: dict[str, Any], frame: pd.DataFrame) -> None:
    columns = schema["columns"]
    assert (schema["kind"], schema["schema"], schema["target"], schema["rows"]) == (
        "table-schema",
        1,
        "left",
        N,
    )
    assert list(columns) == frame.columns.tolist()
    assert columns["tenure"] == {
        "kind": "numeric", "dtype": "integer", "required": True, "nullable": False,
        "min": int(frame["tenure"].min()), "max": int(frame["tenure"].max()),
    }  # fmt: skip
    assert columns["fee"]["nullable"] and columns["fee"]["dtype"] == "number"
    assert columns["rate"]["placeholders"] == ["n.k."]
    assert columns["plan"]["values"] == ["basic", "max", "plus"]
    assert columns["since"]["format"] == "%d/%m/%Y"
    assert columns["at"]["dtype"] == "date" and columns["flag"]["dtype"] == "boolean"
    assert not columns["key"]["required"] and not columns["left"]["required"]


def test_it_survives_being_saved(schema: dict[str, Any], tmp_path: Path) -> None:
    for name in ("schema.yaml", "schema.json"):
        assert load_schema(save_schema(tmp_path / name, schema)) == schema
    with pytest.raises(StorageError, match="no such file"):
        load_schema(tmp_path / "other.yaml")


def test_the_training_rows_themselves_pass(schema: dict[str, Any], frame: pd.DataFrame) -> None:
    assert check_rows(schema, frame) == []
    assert check_rows(schema, frame.drop(columns=["key", "left"])) == []
    assert check_rows(schema, frame.astype(str)) == []


@pytest.mark.parametrize(
    ("column", "value", "code", "severity"),
    [
        ("tenure", "soon", "SW223", "error"),
        ("tenure", None, "SW226", "warning"),
        ("tenure", 999, "SW225", "warning"),
        ("tenure", "999", "SW225", "warning"),
        ("tenure", float("inf"), "SW226", "warning"),
        ("active", "perhaps", "SW223", "error"),
        ("plan", "gold", "SW224", "warning"),
        ("plan", " ", "SW226", "warning"),
        ("since", "31 of May", "SW223", "error"),
    ],
)
def test_a_departure_is_named_by_column_and_row(
    schema: dict[str, Any], frame: pd.DataFrame, column: str, value: Any, code: str, severity: str
) -> None:
    rows = frame.astype(object)
    rows.loc[7, column] = value
    (finding,) = check_rows(schema, rows)
    assert (finding.code, finding.severity, finding.where) == (code, severity, column)
    assert finding.evidence["rows"] == [8] and finding.evidence["count"] == 1
    assert "row 8" in finding.message


@pytest.mark.parametrize(
    ("column", "value"),
    [("fee", None), ("fee", " "), ("rate", "n.k."), ("active", True), ("active", 0), ("since", "2020-02-01"),
     ("tenure", "12"), ("plan", " plus ")],
)  # fmt: skip
def test_other_spellings_of_good_values_pass(
    schema: dict[str, Any], frame: pd.DataFrame, column: str, value: Any
) -> None:
    rows = frame.astype(object)
    rows.loc[7, column] = value
    assert check_rows(schema, rows) == []


def test_missing_and_unknown_columns_are_told_apart(schema: dict[str, Any], frame: pd.DataFrame) -> None:
    found = check_rows(schema, frame.rename(columns={"tenure": "Tenure"}))
    assert [(f.code, f.severity, f.where) for f in found] == [
        ("SW221", "error", "tenure"),
        ("SW222", "info", "Tenure"),
    ]
    assert found[0].advice == "rename 'Tenure' to 'tenure'"


def test_raw_rows_of_any_shape_come_to_the_training_types(
    schema: dict[str, Any], frame: pd.DataFrame
) -> None:
    expected = coerce(frame, schema)
    assert expected.columns.tolist() == frame.columns.tolist()
    assert expected["tenure"].dtype == np.int64 and expected["flag"].dtype == bool
    assert expected["at"].tolist() == frame["at"].tolist()
    assert expected["rate"].tolist()[-1] == "n.k."  # text in training, so text now
    as_text = coerce(frame.astype(str).to_dict("records"), schema)
    pd.testing.assert_frame_equal(as_text, expected)
    shuffled = coerce(frame[frame.columns[::-1]].assign(extra=1), schema)
    pd.testing.assert_frame_equal(shuffled, expected)
    one = coerce(frame.iloc[3].to_dict(), schema)
    assert one.iloc[0].tolist()[1:] == expected.iloc[3].tolist()[1:]


def test_what_cannot_be_read_becomes_missing(schema: dict[str, Any], frame: pd.DataFrame) -> None:
    rows = frame.head(2).astype(object)
    rows.loc[0, ["tenure", "at", "flag"]] = ["soon", "never", "perhaps"]
    clean = coerce(rows, schema)
    assert clean.loc[0, ["tenure", "at", "flag"]].isna().all()
    assert clean.loc[1, "tenure"] == frame.loc[1, "tenure"]


def test_columns_that_may_be_lacking_are_filled_and_others_refused(
    schema: dict[str, Any], frame: pd.DataFrame
) -> None:
    clean = coerce(frame.drop(columns=["key", "left"]), schema)
    assert clean["key"].isna().all() and "left" not in clean
    with pytest.raises(DataError, match="the column 'plan' is missing"):
        coerce(frame.drop(columns="plan"), schema)
    with pytest.raises(DataError, match="rows must be objects"):
        coerce([1, 2], schema)  # type: ignore[list-item]
    free = make_schema(frame, infer_kinds(frame), optional=["plan"])
    assert coerce(frame.drop(columns="plan"), free)["plan"].isna().all()


def test_a_number_without_an_upper_bound_is_only_held_to_its_lower_one() -> None:
    entry = {"kind": "numeric", "dtype": "integer", "required": False, "nullable": True, "min": 1}
    schema = {"target": None, "columns": {"k": entry}}
    assert check_rows(schema, pd.DataFrame({"k": [1, 5000]})) == []
    (found,) = check_rows(schema, pd.DataFrame({"k": [0, 5]}))
    assert found.code == "SW225" and "below 1" in found.message
