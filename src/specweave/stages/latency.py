"""How fast a model answers raw rows: one at a time, and in batches, on one thread.

Reads: a loaded model and raw rows. Writes: nothing. Never: times the first, cold calls.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd

from specweave.engines.threads import limit_threads
from specweave.problems.base import Problem
from specweave.records import Metric

Clock = Callable[[], float]
_LEVEL = 0.95


def time_answers(
    problem: Problem,
    model: Any,
    rows: pd.DataFrame,
    decision: Mapping[str, Any],
    *,
    calls: int = 200,
    warm_up: int = 10,
    batch: int = 1000,
    limit_s: float = 8.0,
    clock: Clock = time.perf_counter,
) -> dict[str, Any]:
    """Time `problem.respond` on single rows and on batches.

    Parameters
    ----------
    model : object
        Held to one thread while it is timed.
    rows : DataFrame, shape (n_rows, n_columns)
        Raw rows as a request carries them; they are gone through in turn.
    calls : int
        Single-row calls, after `warm_up` that do not count.
    batch : int
        Rows per batch.
    limit_s : float
        Single-row calls stop after this many seconds, but not before 20 were made.
    clock : callable
        Seconds.

    Returns
    -------
    dict
        ``single`` with ``p50_ms``, ``p95_ms``, ``p99_ms``, ``mean_ms``, ``calls``, ``low`` and ``high``
        (intervals of each percentile); ``batch`` with ``rows_per_s``, its ``low`` and ``high``, ``rows``,
        ``repeats``; ``threads``.
    """
    with one_thread(model):
        single = _single(problem, model, rows, decision, calls, warm_up, limit_s, clock)
        together = _batches(problem, model, rows, decision, batch, clock)
    return {"single": single, "batch": together, "threads": 1}


@contextmanager
def one_thread(model: Any) -> Iterator[None]:
    """Hold a model and the numeric libraries to one thread."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    before = dict(model.get_params(deep=True)) if hasattr(model, "get_params") else {}
    limit_threads(model, 1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        after = model.get_params(deep=True) if before else {}
        changed = {k: v for k, v in before.items() if isinstance(v, int | None) and after.get(k) != v}
        if changed:
            model.set_params(**changed)


def _single(
    problem: Problem, model: Any, rows: pd.DataFrame, decision: Mapping[str, Any], calls: int, warm_up: int,
    limit_s: float, clock: Clock,
) -> dict[str, Any]:  # fmt: skip
    # Cut beforehand: taking the row out of a frame is not the model's time.
    requests = [rows.iloc[[i]] for i in range(min(len(rows), calls))]
    for i in range(warm_up):
        problem.respond(model, requests[i % len(requests)], decision)
    seconds: list[float] = []
    began = clock()
    for i in range(calls):
        start = clock()
        problem.respond(model, requests[i % len(requests)], decision)
        end = clock()
        seconds.append(end - start)
        if end - began > limit_s and len(seconds) >= 20:
            break
    taken = np.asarray(seconds) * 1000.0
    low, high = _percentile_intervals(taken)
    names = ("p50_ms", "p95_ms", "p99_ms")
    values = dict(zip(names, map(float, np.percentile(taken, (50, 95, 99))), strict=True))
    return {
        **values, "mean_ms": float(taken.mean()), "calls": len(seconds),
        "low": dict(zip(names, low, strict=True)), "high": dict(zip(names, high, strict=True)),
    }  # fmt: skip


def _percentile_intervals(taken: Any, seed: int = 0) -> tuple[list[float], list[float]]:
    rng = np.random.default_rng(seed)
    drawn = rng.choice(taken, size=(400, len(taken)))
    values = np.percentile(drawn, (50, 95, 99), axis=1)
    bounds = np.quantile(values, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2], axis=1)
    return bounds[0].tolist(), bounds[1].tolist()


def _batches(
    problem: Problem, model: Any, rows: pd.DataFrame, decision: Mapping[str, Any], batch: int, clock: Clock
) -> dict[str, Any]:
    part = rows.iloc[np.arange(batch) % len(rows)]
    problem.respond(model, part, decision)
    rates: list[float] = []
    began = clock()
    while len(rates) < 3 or (clock() - began < 1.0 and len(rates) < 50):
        start = clock()
        problem.respond(model, part, decision)
        # A clock may not tick during a very fast call.
        rates.append(batch / max(clock() - start, 1e-9))
    medians = np.median(np.random.default_rng(0).choice(rates, size=(400, len(rates))), axis=1)
    low, high = np.quantile(medians, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return {
        "rows_per_s": float(np.median(rates)), "low": float(low), "high": float(high),
        "rows": batch, "repeats": len(rates),
    }  # fmt: skip


def operational_metrics(
    latency: Mapping[str, Any], model_bytes: float, train_seconds: float | None
) -> list[Metric]:
    """Return latency, throughput, size and training time as metrics, for criteria to be judged by."""
    single, batch = latency["single"], latency["batch"]
    method = f"{single['calls']} calls of one raw row, one thread, after warm-up"
    metrics = [
        Metric(
            name=f"latency_{p}_ms", value=single[f"{p}_ms"], higher_is_better=False, unit="ms",
            low=single["low"][f"{p}_ms"], high=single["high"][f"{p}_ms"], n=single["calls"], method=method,
        )
        for p in ("p50", "p95", "p99")
    ]  # fmt: skip
    batches = f"median of {batch['repeats']} batches of {batch['rows']} rows, one thread"
    metrics.append(
        Metric(
            name="throughput", value=batch["rows_per_s"], unit="req/sec", low=batch["low"],
            high=batch["high"], n=batch["repeats"], method=batches,
        )
    )  # fmt: skip
    metrics.append(
        Metric(name="model_mb", value=model_bytes / 1e6, higher_is_better=False, unit="MB", n=1,
               method="bytes of model.pkl")
    )  # fmt: skip
    if train_seconds is not None:
        metrics.append(
            Metric(name="train_seconds", value=train_seconds, higher_is_better=False, unit="s", n=1,
                   method="final fit on all training rows")
        )  # fmt: skip
    return metrics
