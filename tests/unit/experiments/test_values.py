"""What may be logged: numbers of any library, params of any kind."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from specweave.errors import DataError
from specweave.experiments.values import inputs_digest, metric_value, param_value, step_number, text_of


class Color(enum.Enum):
    RED = 1


class Shouting:
    def __repr__(self) -> str:
        raise RuntimeError("no repr today")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (1, 1),
        (True, 1),
        (0.5, 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(11), 11),
        (np.bool_(True), 1),
        (np.array(3.0), 3.0),
        (np.array([3.0]), 3.0),
        (decimal.Decimal("0.25"), 0.25),
        (fractions.Fraction(1, 4), 0.25),
        (2**60, float(2**60)),
        (math.inf, math.inf),
    ],
)
def test_numbers_of_any_library_are_metrics(given: Any, expected: float) -> None:
    found = metric_value("m", given)
    assert found == expected
    assert type(found) in (int, float)


def test_a_whole_number_stays_whole() -> None:
    assert repr(metric_value("rows", np.int64(11))) == "11"


def test_nan_is_a_metric() -> None:
    assert math.isnan(metric_value("m", np.float64("nan")))


def test_a_torch_scalar_with_a_gradient_is_a_metric() -> None:
    torch = pytest.importorskip("torch")
    assert metric_value("loss", torch.tensor(0.5, requires_grad=True) * 2) == 1.0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (1 + 2j, "complex"),
        (np.complex128(1j), "complex"),
        ("0.5", "str '0.5'"),
        (None, "NoneType"),
        (np.array([1.0, 2.0]), "more than one value"),
        ([1.0], "list"),
        ({"a": 1}, "dict"),
        (10**400, "is a int"),
        (np.array("x"), "ndarray"),
    ],
)
def test_run_refuses_a_metric_that_is_not_a_number(given: Any, said: str) -> None:
    with pytest.raises(DataError, match="must be one real number") as caught:
        metric_value("loss", given)
    assert said in str(caught.value)
    assert "'loss'" in str(caught.value)


@pytest.mark.parametrize("given", [3, np.int32(3), 3.0, np.float64(3.0)])
def test_whole_numbers_of_any_library_are_steps(given: Any) -> None:
    assert step_number(given) == 3


@pytest.mark.parametrize("given", [0.5, "3", None, math.nan])
def test_a_step_that_is_not_whole_is_refused(given: Any) -> None:
    with pytest.raises(DataError):
        step_number(given)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.int64(3), 3),
        (np.array([1, 2]), [1, 2]),
        (np.str_("x"), "x"),
        (float("nan"), "NaN"),
        ((1, {"a": Path("x/y")}), [1, {"a": "x/y"}]),
        ({3, 1, 2}, [1, 2, 3]),
        ({1: 2}, {"1": 2}),
        (Path, "pathlib.Path"),
        (len, "builtins.len"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
    ],
)
def test_params_become_plain_values(given: Any, expected: Any) -> None:
    assert param_value(given) == (expected, True)


@pytest.mark.parametrize("given", [object(), Color.RED, [object()], {"a": object()}, np.zeros(5000), 1j])
def test_params_that_json_cannot_hold_are_kept_as_text_and_said_to_be(given: Any) -> None:
    text, kept = param_value(given)
    assert not kept
    assert " at 0x" not in str(text)


def test_an_object_whose_repr_raises_is_still_named() -> None:
    assert text_of(Shouting()) == "<Shouting: repr failed with RuntimeError>"


def test_the_digest_of_inputs_ignores_the_order_of_keys_and_memory_addresses() -> None:
    assert inputs_digest({"a": 1, "b": object()}) == inputs_digest({"b": object(), "a": 1})
    assert inputs_digest({"a": 1}) != inputs_digest({"a": 2})
    assert inputs_digest(None) is None
