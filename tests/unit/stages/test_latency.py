"""Timing: warm-up does not count, percentiles are of single rows, threads are given back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

from specweave.problems.regression import Regression
from specweave.stages.latency import one_thread, operational_metrics, time_answers


class Clockwork(Regression):
    """Answers take a time of our own making: 100 ms while cold, then 1 ms, every 20th call 9 ms."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.sizes: list[int] = []

    def respond(self, model: Any, rows: pd.DataFrame, decision: Mapping[str, Any]) -> list[dict[str, Any]]:
        self.sizes.append(len(rows))
        calls = len(self.sizes)
        self.now += 0.1 if calls <= 10 else 0.009 if calls % 20 == 0 else 0.001
        return [{"prediction": 0.0}] * len(rows)

    def clock(self) -> float:
        return self.now


def test_cold_calls_do_not_count_and_percentiles_see_the_slow_ones() -> None:
    problem = Clockwork()
    rows = pd.DataFrame({"x": np.arange(7.0)})
    record = time_answers(problem, None, rows, {}, calls=100, warm_up=10, batch=50, clock=problem.clock)
    single = record["single"]
    assert single["calls"] == 100
    assert single["p50_ms"] == pytest.approx(1.0)
    assert single["p99_ms"] == pytest.approx(9.0)
    assert single["low"]["p50_ms"] <= single["p50_ms"] <= single["high"]["p50_ms"]
    assert set(problem.sizes[:110]) == {1} and set(problem.sizes[110:]) == {50}
    assert record["batch"]["rows_per_s"] == pytest.approx(50_000)


def test_a_slow_model_is_not_timed_for_ever() -> None:
    problem = Clockwork()
    record = time_answers(
        problem, None, pd.DataFrame({"x": [1.0]}), {}, calls=10_000, limit_s=0.05, clock=problem.clock
    )
    assert 20 <= record["single"]["calls"] < 100


def test_a_model_is_held_to_one_thread_and_gets_its_threads_back() -> None:
    model = RandomForestClassifier(n_jobs=4)
    with one_thread(model):
        assert model.n_jobs == 1
    assert model.n_jobs == 4


def test_operational_metrics_carry_units_and_directions() -> None:
    problem = Clockwork()
    record = time_answers(problem, None, pd.DataFrame({"x": [1.0]}), {}, calls=30, clock=problem.clock)
    metrics = {m.name: m for m in operational_metrics(record, 2_500_000, 1.5)}
    assert metrics["model_mb"].value == 2.5 and metrics["model_mb"].unit == "MB"
    assert metrics["throughput"].higher_is_better and not metrics["latency_p95_ms"].higher_is_better
    assert metrics["train_seconds"].value == 1.5
