"""Worker processes on this machine (loky), or this process where one job is asked for.

Reads: nothing. Writes: shared data to a temporary file for the time of a call. Never: leaves a process
behind, neither after Ctrl-C nor when this process is killed.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cloudpickle
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import BrokenProcessPool

from specweave.engines.base import OnResult, TaskResult, check_labels, one_line, trace_text
from specweave.engines.call import Call
from specweave.engines.threads import core_count, inner_threads, worker_environment
from specweave.engines.worker import run_task, start_worker

_IDLE_S = 60


class LocalEngine:
    """Runs tasks in worker processes of this machine.

    With more than one job, each worker's libraries are held to its share of the cores. A worker that
    dies (out of memory, a crash in C) fails its own item only: what was running beside it is run again.
    """

    name = "local"

    def capacity(self) -> int:
        """Return how many cores this process may use."""
        return core_count()

    def threads_each(self, workers: int) -> int:
        """Return each worker's share of the cores."""
        return inner_threads(workers)

    def map(
        self,
        function: Callable[..., Any],
        items: Sequence[Any],
        *,
        jobs: int | None = None,
        on_result: OnResult | None = None,
        deadline: float | None = None,
        labels: Sequence[str] | None = None,
        shared: Any = None,
    ) -> list[TaskResult]:
        """Run the function over the items; see `specweave.engines.base.Engine.map`."""
        workers = min(jobs or core_count(), max(1, len(items)))
        call = _LocalCall(function, items, check_labels(items, labels), on_result, deadline)
        if workers <= 1:
            call.run_here(shared)
        else:
            with _shared_file(shared) as path:
                call.run_workers(workers, path)
        return call.results


class _LocalCall(Call):
    """A call whose items run in this process, or in workers of this machine."""

    threads = 1

    def run_here(self, shared: Any) -> None:
        """Run everything in this process, one after another."""
        function = self.function if shared is None else lambda item: self.function(item, shared)
        while self.waiting and not self.too_late:
            index = self.waiting.popleft()
            self.finish(run_task(function, self.items[index], index, self.labels[index]))
        self.cancel_waiting()

    def run_workers(self, workers: int, shared_file: str | None) -> None:
        """Run everything in worker processes, never more items in flight than workers."""
        self.threads = inner_threads(workers)
        while self.waiting and not self.too_late:
            suspects = self._run_pool(workers, shared_file)
            # One of those in flight killed its worker: alone, the guilty one shows itself.
            for index in suspects:
                self.waiting.appendleft(index)
                if self._run_pool(1, shared_file, only=index):
                    self.fail(index, "the worker process died while it ran this (out of memory, or a crash)")
        self.cancel_waiting()

    def _run_pool(self, workers: int, shared_file: str | None, only: int | None = None) -> list[int]:
        """Run what waits (or one item); return the items in flight when a worker died, if one did."""
        executor = get_reusable_executor(
            max_workers=workers,
            timeout=_IDLE_S,
            env=worker_environment(self.threads),
            initializer=start_worker,
            initargs=(os.getpid(), self.threads),
        )
        running: dict[Any, int] = {}
        try:
            while True:
                while len(running) < workers and self.waiting and not self.too_late:
                    if only is not None and self.waiting[0] != only:
                        break
                    if not self._submit(executor, running, shared_file):
                        return sorted(running.values(), reverse=True)
                if not running:
                    return []
                for future in _finished(running):
                    index = running.pop(future)
                    try:
                        self.finish(future.result())
                    except BrokenProcessPool:
                        return sorted([index, *running.values()], reverse=True)
                    except Exception as error:  # the result could not be pickled back, for any reason
                        self.fail(index, one_line(error), trace_text(error))
        except BaseException:
            # Ctrl-C, or an exception of the caller's own on_result: nothing may go on behind its back.
            executor.shutdown(wait=True, kill_workers=True)
            raise

    def _submit(self, executor: Any, running: dict[Any, int], shared_file: str | None) -> bool:
        """Send the next item to the pool; False where the pool is broken (the item waits on)."""
        index = self.waiting.popleft()
        try:
            future = executor.submit(
                _call_pickled,
                cloudpickle.dumps((self.function, self.items[index])),
                index,
                self.labels[index],
                shared_file,
            )
        except BrokenProcessPool:
            self.waiting.appendleft(index)
            return False
        except Exception as error:  # whatever the item's own pickling raises
            self.fail(index, one_line(error), trace_text(error))
            return True
        running[future] = index
        return True


def _call_pickled(data: bytes, index: int, label: str, shared_file: str | None) -> TaskResult:
    def load_and_run(_: Any, *shared: Any) -> Any:
        function, item = cloudpickle.loads(data)
        return function(item, *shared)

    return run_task(load_and_run, None, index, label, shared_file)


def _finished(running: dict[Any, int]) -> list[Any]:
    """Wait until something finishes; wakes up now and then so that Ctrl-C is heard at once."""
    from concurrent.futures import FIRST_COMPLETED, wait

    while True:
        done, _ = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
        if done:
            return sorted(done, key=lambda future: running[future])


@contextlib.contextmanager
def _shared_file(shared: Any) -> Iterator[str | None]:
    if shared is None:
        yield None
        return
    handle, name = tempfile.mkstemp(prefix="specweave-shared-", suffix=".pkl")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(cloudpickle.dumps(shared, protocol=5))
        yield name
    finally:
        Path(name).unlink(missing_ok=True)
