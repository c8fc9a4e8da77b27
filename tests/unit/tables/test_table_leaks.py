from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from specweave.tables.kinds import infer_kinds
from specweave.tables.leaks import find_leaks

RNG = np.random.default_rng(3)
N = 300
Y = np.where(RNG.random(N) < 0.3, "Yes", "No")


def leaks(frame: pd.DataFrame, task: str = "classification") -> list[dict[str, Any]]:
    return find_leaks(frame, infer_kinds(frame, target="y"), "y", task)


def test_a_recoded_target_is_found_in_any_spelling() -> None:
    frame = pd.DataFrame(
        {
            "y": Y,
            "flag": (Y == "Yes").astype(int),
            "word": np.where(Y == "Yes", "gone", "here"),
            "x": RNG.normal(size=N),
        }
    )
    assert {(leak["columns"][0], leak["rule"]) for leak in leaks(frame)} == {
        ("flag", "recoded"),
        ("word", "recoded"),
    }


def test_a_recoded_target_with_a_rare_class_must_agree_in_that_class() -> None:
    y = np.where(np.arange(2000) < 40, "Yes", "No")
    near = y.copy()
    near[:20] = "No"  # 99 % of all rows agree, half of the rare class does not
    assert leaks(pd.DataFrame({"y": y, "near": near})) == []


def test_a_column_filled_only_for_one_class_is_found() -> None:
    reason = pd.Series(np.where(Y == "Yes", RNG.choice(["price", "moved", "service"], N), None), dtype=object)
    found = leaks(pd.DataFrame({"y": Y, "reason": reason}))
    assert [(leak["columns"], leak["rule"]) for leak in found] == [(["reason"], "presence")]


def test_a_number_that_is_cut_into_the_classes_is_found() -> None:
    score = np.where(Y == "Yes", 10.0, 0.0) + RNG.random(N)
    found = leaks(pd.DataFrame({"y": Y, "score": score}))
    assert [(leak["columns"], leak["rule"]) for leak in found] == [(["score"], "threshold")]


def test_strong_but_honest_columns_are_no_leaks() -> None:
    strong = np.where(Y == "Yes", 3.0, 0.0) + RNG.normal(size=N)
    habitat = np.where(RNG.random(N) < 0.9, Y, "No")
    assert leaks(pd.DataFrame({"y": Y, "strong": strong, "habitat": habitat})) == []


def test_columns_whose_sum_is_the_target_are_found_among_others() -> None:
    casual, registered = RNG.integers(0, 300, N), RNG.integers(0, 900, N)
    frame = pd.DataFrame(
        {
            "temp": RNG.normal(size=N),
            "hum": RNG.normal(size=N),
            "casual": casual,
            "registered": registered,
            "y": casual + registered,
        }
    )
    (leak,) = leaks(frame, "regression")
    assert leak["columns"] == ["casual", "registered"]
    assert leak["relation"] == "y = casual + registered"
    assert leak["strength"] == pytest.approx(1.0)


def test_a_product_and_a_monotone_copy_are_found() -> None:
    price, quantity = RNG.uniform(1, 50, N), RNG.integers(1, 40, N)
    frame = pd.DataFrame(
        {"price": price, "quantity": quantity, "x": RNG.normal(size=N), "y": price * quantity}
    )
    (leak,) = leaks(frame, "regression")
    assert (leak["rule"], leak["columns"]) == ("product", ["price", "quantity"])
    frame = pd.DataFrame({"log_y": np.log(price), "y": price})
    assert [leak["rule"] for leak in leaks(frame, "regression")] == ["monotone"]


def test_a_linear_target_with_noise_is_no_leak() -> None:
    a, b = RNG.normal(size=N), RNG.normal(size=N)
    frame = pd.DataFrame({"a": a, "b": b, "y": 2 * a + b + RNG.normal(0, 0.01, N)})
    assert leaks(frame, "regression") == []


def test_few_rows_accuse_nobody() -> None:
    y = np.asarray(["a", "b"] * 10)
    assert leaks(pd.DataFrame({"y": y, "x": y})) == []
    wide = pd.DataFrame(RNG.normal(size=(40, 60)), columns=[f"f{at}" for at in range(60)])
    assert leaks(wide.assign(y=RNG.normal(size=40)), "regression") == []
