"""Amounts: the bands of the truth that errors are told by."""

from __future__ import annotations

import numpy as np
import pandas as pd

from specweave.problems.lifetime_value import LifetimeValue


def _bands_of(truth: list[float]) -> list[tuple[object, ...]]:
    outcome = pd.DataFrame({"truth": truth, "prediction": np.zeros(len(truth))})
    tables = {table.title: table for table in LifetimeValue().breakdowns(outcome, {})}
    return [row[:2] for row in tables["By band of the target"].rows]


def test_a_value_that_many_share_is_a_band_of_its_own() -> None:
    assert _bands_of([0.0] * 60 + list(range(1, 41))) == [
        ("0", 60),
        ("1 to 10", 10),
        ("11 to 20", 10),
        ("21 to 30", 10),
        ("31 to 40", 10),
    ]
    refunded = _bands_of([-5.0, -3.0] + [0.0] * 60 + list(range(1, 39)))
    assert [name for name, _ in refunded][:3] == ["-5", "-3", "0"] and sum(n for _, n in refunded) == 100


def test_bands_end_at_values_that_are_there() -> None:
    assert _bands_of(list(range(10))) == [
        ("0 to 1", 2),
        ("2 to 3", 2),
        ("4 to 5", 2),
        ("6 to 7", 2),
        ("8 to 9", 2),
    ]
    assert _bands_of([3.0, 3.0]) == [("3", 2)]


def test_an_interval_of_what_was_never_negative_does_not_begin_below_nothing() -> None:
    problem, unused = LifetimeValue(), object()
    truth = np.arange(20.0)
    outcome = pd.DataFrame({"truth": truth, "prediction": truth + np.resize([3.0, -3.0], 20)})
    decision = problem.decide(outcome, unused, unused, unused)  # type: ignore[arg-type]
    low, high = (
        problem.answers(pd.DataFrame({"prediction": [p]}), decision)[0]["interval"] for p in (1.0, 10.0)
    )
    assert (low["low"], low["high"]) == (0.0, 4.0) and high["low"] == 7.0
    with_refunds = outcome.assign(truth=truth - 1)
    decision = problem.decide(with_refunds, unused, unused, unused)  # type: ignore[arg-type]
    assert problem.answers(pd.DataFrame({"prediction": [1.0]}), decision)[0]["interval"]["low"] < 0
