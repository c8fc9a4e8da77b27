from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from specweave.files.store import render_json
from specweave.tables.kinds import infer_kinds
from specweave.tables.profile import guess_task, make_profile


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 400
    age = rng.normal(40, 10, n)
    plan = rng.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1])
    frame = pd.DataFrame(
        {
            "key": [f"K{at:04d}" for at in range(n)],
            "age": age,
            "months": 12 * age + rng.normal(0, 1, n),
            "plan": plan,
            "since": pd.date_range("2020-01-01", periods=n).strftime("%Y-%m-%d"),
            "nothing": [None] * n,
            "mixed": ["7" if at % 50 else "unknown" for at in range(n)],
            "noise": rng.normal(size=n),
            "left": np.where((age > 45) ^ (rng.random(n) < 0.1), "Yes", "No"),
        }
    )
    frame.loc[:9, "age"] = np.nan
    frame.loc[10, "noise"] = np.inf
    frame.loc[11, "noise"] = 1e6
    frame["mixed"] = frame["mixed"].where(frame.index % 3 > 0, "8")
    return frame


@pytest.fixture(scope="module")
def profile(frame: pd.DataFrame) -> dict[str, Any]:
    return make_profile(frame, infer_kinds(frame, target="left"), target="left")


def test_the_profile_is_plain_json_and_the_same_each_time(
    frame: pd.DataFrame, profile: dict[str, Any]
) -> None:
    again = make_profile(frame, infer_kinds(frame, target="left"), target="left")
    assert render_json(profile) == render_json(again)


def test_numbers_are_described_over_finite_values(frame: pd.DataFrame, profile: dict[str, Any]) -> None:
    age, noise = profile["columns"]["age"], profile["columns"]["noise"]
    finite = frame["age"].dropna()
    assert (age["missing"], age["count"], age["distinct"]) == (10, 390, 390)
    assert age["mean"] == pytest.approx(finite.mean())
    assert age["std"] == pytest.approx(finite.std())
    assert age["skew"] == pytest.approx(finite.skew(), abs=0.01)
    assert age["quantiles"]["p50"] == pytest.approx(finite.median())
    assert sum(age["histogram"]["counts"]) == 390
    assert len(age["histogram"]["edges"]) == len(age["histogram"]["counts"]) + 1
    assert (noise["infinite"], noise["max"], noise["missing"]) == (1, 1e6, 0)
    assert noise["outliers"] >= 1


def test_words_among_numbers_are_counted_and_shown(profile: dict[str, Any]) -> None:
    mixed = profile["columns"]["mixed"]
    assert mixed["kind"] == "numeric"
    assert mixed["coerced"] > 0 and mixed["coerced_values"] == ["unknown"]


def test_levels_dates_and_empty_columns_are_described(frame: pd.DataFrame, profile: dict[str, Any]) -> None:
    columns = profile["columns"]
    counts = frame["plan"].value_counts()
    assert [top["value"] for top in columns["plan"]["top"]] == counts.index.tolist()
    assert [top["count"] for top in columns["plan"]["top"]] == counts.tolist()
    assert columns["since"]["min"].startswith("2020-01-01") and columns["since"]["span_days"] == 399
    assert columns["since"]["sorted"] and not columns["since"]["has_clock"]
    assert columns["nothing"]["missing_share"] == 1.0
    assert "top" not in columns["key"]  # keys are personal


def test_the_strongest_pair_comes_first(profile: dict[str, Any]) -> None:
    first = profile["correlations"][0]
    assert {first["a"], first["b"]} == {"age", "months"}
    assert first["pearson"] > 0.99 and first["spearman"] > 0.99


def test_the_target_is_summed_up_and_columns_are_scored(profile: dict[str, Any], frame: pd.DataFrame) -> None:
    target, columns = profile["target"], profile["columns"]
    assert target["task"] == "classification"
    assert target["classes"] == frame["left"].value_counts().to_dict()
    score = {name: c["association"]["score"] for name, c in columns.items() if "association" in c}
    assert score["age"] > 0.6 and score["noise"] < 0.2
    assert set(score) == {"age", "months", "plan", "since", "mixed", "noise"}
    assert columns["age"]["association"]["mutual_information"] > 0.2


def test_a_numeric_target_has_a_distribution() -> None:
    frame = pd.DataFrame({"x": np.arange(100) / 7, "y": np.arange(100) ** 2.0})
    found = make_profile(frame, infer_kinds(frame, target="y"), target="y")
    assert found["target"]["task"] == "regression"
    assert found["target"]["max"] == 9801.0
    assert found["columns"]["x"]["association"]["score"] > 0.8


@pytest.mark.parametrize(
    ("values", "task"),
    [([0, 1, 2] * 20, "classification"), (range(60), "regression"), ([0.5, 1.5] * 30, "regression")],
)
def test_the_task_is_guessed_from_the_target(values: Any, task: str) -> None:
    frame = pd.DataFrame({"y": list(values)})
    profile = make_profile(frame, infer_kinds(frame, target="y"), target="y")
    assert guess_task(profile["columns"]["y"]) == task


def test_duplicate_rows_are_counted_and_one_row_is_enough() -> None:
    frame = pd.DataFrame({"a": [1, 1, 2], "b": ["x", "x", "y"]})
    assert make_profile(frame, infer_kinds(frame))["duplicate_rows"] == 1
    one = frame.head(1)
    assert make_profile(one, infer_kinds(one), target="b")["rows"] == 1
