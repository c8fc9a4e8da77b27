"""What runs inside a worker process: one task, its exceptions caught, its data loaded once.

Reads: the shared data's file. Writes: nothing. Never: outlives the process that started it.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from specweave.engines.base import TaskResult, one_line, trace_text

_shared: tuple[str, Any] | None = None


def start_worker(parent: int, threads: int) -> None:
    """Prepare a worker process: Ctrl-C is the parent's, and a dead parent is no reason to go on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["SPECWEAVE_WORKER_THREADS"] = str(threads)
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def run_task(
    function: Callable[..., Any], item: Any, index: int, label: str, shared_file: str | None = None
) -> TaskResult:
    """Run one task and return how it went; only a dying process or Ctrl-C gets out."""
    began = time.perf_counter()
    try:
        arguments = (item,) if shared_file is None else (item, _load_shared(shared_file))
        value = function(*arguments)
    except Exception as error:  # the task is the user's code, which may raise anything
        return TaskResult(
            index=index,
            label=label,
            status="failed",
            error=one_line(error),
            trace=trace_text(error),
            seconds=time.perf_counter() - began,
        )
    except SystemExit as error:
        return TaskResult(index=index, label=label, status="failed", error=f"SystemExit: {error.code}")
    return TaskResult(index=index, label=label, status="ok", value=value, seconds=time.perf_counter() - began)


def _load_shared(path: str) -> Any:
    global _shared
    if _shared is None or _shared[0] != path:
        _shared = (path, pickle.loads(Path(path).read_bytes()))
    return _shared[1]
