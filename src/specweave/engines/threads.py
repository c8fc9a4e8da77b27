"""Cores are shared once: either by our workers or by an estimator's own threads, never by both.

Reads: the number of cores. Writes: environment of workers, params of estimators. Never: more threads
in total than cores.
"""

from __future__ import annotations

import os
from typing import Any

# Settings by which estimators take a number of threads of their own.
_THREAD_PARAMS = ("n_jobs", "thread_count", "num_threads", "nthread")
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "LOKY_MAX_CPU_COUNT",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
)


def core_count() -> int:
    """Return how many cores this process may use (affinity, cgroup limits and LOKY_MAX_CPU_COUNT heeded)."""
    from joblib import cpu_count

    return max(1, int(cpu_count()))


def inner_threads(jobs: int) -> int:
    """Return how many threads each of `jobs` workers may use."""
    return max(1, core_count() // max(1, jobs))


def worker_environment(threads: int) -> dict[str, str]:
    """Return the environment variables that hold a worker's libraries to `threads`."""
    return dict.fromkeys(_THREAD_VARIABLES, str(threads))


def limit_threads(estimator: Any, threads: int) -> Any:
    """Set every thread-count param of an estimator, nested ones included, to `threads`.

    Parameters
    ----------
    estimator : object
        Anything with scikit-learn's ``get_params`` and ``set_params``; others are returned as they are.
    threads : int

    Returns
    -------
    object
        The same estimator.
    """
    if not (hasattr(estimator, "get_params") and hasattr(estimator, "set_params")):
        return estimator
    params = estimator.get_params(deep=True)
    found = {name: threads for name in params if name.rpartition("__")[2] in _THREAD_PARAMS}
    return estimator.set_params(**found) if found else estimator


def current_limit() -> int | None:
    """Return the number of threads this worker was given, or None outside a worker."""
    text = os.environ.get("SPECWEAVE_WORKER_THREADS", "")
    return int(text) if text.isdigit() else None
