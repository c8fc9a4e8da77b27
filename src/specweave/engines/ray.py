"""Workers of a Ray cluster, or of a small one on this machine where no address is given.

Reads: ``SPECWEAVE_RAY_ADDRESS``. Writes: shared data to Ray's object store, once per call. Never: leaves a
task running after Ctrl-C, reports usage to anyone.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import cloudpickle

from specweave.engines.base import OnResult, TaskResult, check_labels, one_line, trace_text
from specweave.engines.call import Call
from specweave.engines.threads import core_count, worker_environment
from specweave.engines.worker import run_task
from specweave.errors import IntegrationError, MissingExtraError

VARIABLE = "SPECWEAVE_RAY_ADDRESS"
# A killed worker, or a node that goes away, costs an item one more attempt.
RETRIES = 1
_DIED = (
    f"the worker died while it ran this, {RETRIES + 1} times (out of memory, a crash, or its node was lost)"
)


class RayEngine:
    """Runs tasks on a Ray cluster.

    Each node needs the same Python, specweave and packages as this machine.

    Parameters
    ----------
    address : str, optional
        ``ray://host:10001`` (Ray's client port), ``host:6379`` (from a machine of the cluster), ``auto``;
        ``$SPECWEAVE_RAY_ADDRESS`` or ``$RAY_ADDRESS`` where not given, else a cluster is started here and
        ends with this process.

    Raises
    ------
    MissingExtraError
        If Ray is not installed.
    """

    name = "ray"
    takes_address = True

    def __init__(self, address: str | None = None) -> None:
        if find_spec("ray") is None:
            raise MissingExtraError.for_package("ray", "ray", "the ray engine")
        self._address = address or os.environ.get(VARIABLE) or os.environ.get("RAY_ADDRESS")

    def capacity(self) -> int:
        """Return how many cores the cluster has."""
        return max(1, sum(self._cores()))

    def threads_each(self, workers: int) -> int:
        """Return how many threads each of `workers` may use, so that any node can hold one."""
        cores = self._cores()
        return max(1, min(sum(cores) // max(1, workers), min(cores)))

    def _cores(self) -> list[int]:
        ray = self._connect()
        nodes = [int(n["Resources"].get("CPU", 0)) for n in ray.nodes() if n["Alive"]]
        cores = [n for n in nodes if n > 0]
        if not cores:
            raise IntegrationError(
                "the Ray cluster has no cores to run on",
                where=self._address,
                hint="start a node: ray start --address=HOST:PORT --num-cpus=2",
            )
        return cores

    def _connect(self) -> Any:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        if ray.is_initialized():
            return ray
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
        if self._address is None:
            # "local", or Ray would join whatever cluster was started here last, dead ones included.
            ray.init(address="local", num_cpus=core_count(), include_dashboard=False, **quiet)
            return ray
        _check_answers(self._address)
        try:
            ray.init(address=self._address, **quiet)
        except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            raise _no_cluster(self._address, one_line(error)) from error
        return ray

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
        """Run the function over the items; see `specweave.engines.base.Engine.map`.

        Raises
        ------
        IntegrationError
            If no cluster answers.
        """
        names = check_labels(items, labels)
        if not items:
            return []
        ray = self._connect()
        workers = max(1, min(jobs or self.capacity(), len(items)))
        call = _RayCall(ray, function, items, names, on_result, deadline)
        call.run(workers, self.threads_each(workers), self.capacity(), shared)
        return call.results


class _RayCall(Call):
    """A call whose items run as tasks of a cluster; `ray` is the connected module, then as `Call`."""

    def __init__(self, ray: Any, *call: Any) -> None:
        super().__init__(*call)
        self.ray = ray
        self.running: dict[Any, int] = {}

    def run(self, workers: int, threads: int, capacity: int, shared: Any) -> None:
        """Run everything, never more items in flight than workers and cores."""
        environment = {**worker_environment(threads), "SPECWEAVE_WORKER_THREADS": str(threads)}
        task = self.ray.remote(_run_remote).options(
            num_cpus=threads,
            max_retries=RETRIES,
            retry_exceptions=False,
            runtime_env={"env_vars": environment},
        )
        # In a list Ray hands the reference on as it is, and each worker fetches the data once.
        box = [] if shared is None else [self.ray.put(shared)]
        slots = max(1, min(workers, capacity // threads))
        try:
            while True:
                while self.waiting and len(self.running) < slots and not self.too_late:
                    self._submit(task, box)
                if not self.running:
                    break
                # Wakes up now and then, so that Ctrl-C is heard at once.
                ready, _ = self.ray.wait(list(self.running), num_returns=1, timeout=0.5)
                for reference in ready:
                    self._take(reference)
        except BaseException:
            # Ctrl-C, or an exception of the caller's own on_result: nothing may go on behind its back.
            for reference in self.running:
                self.ray.cancel(reference, force=True)
            raise
        self.cancel_waiting()

    def _submit(self, task: Any, box: list[Any]) -> None:
        index = self.waiting.popleft()
        try:
            data = cloudpickle.dumps((self.function, self.items[index]))
        except Exception as error:  # whatever the item's own pickling raises
            self.fail(index, one_line(error), trace_text(error))
            return
        self.running[task.remote(data, index, self.labels[index], box)] = index

    def _take(self, reference: Any) -> None:
        from ray.exceptions import RayError, RayTaskError

        index = self.running.pop(reference)
        try:
            result = self.ray.get(reference)
        except RayTaskError as error:
            # The function's own exceptions come back as results: this is a result that cannot be sent,
            # or a worker that could not load the function.
            cause = error.cause if isinstance(getattr(error, "cause", None), Exception) else error
            self.fail(index, one_line(cause), str(error))
        except RayError as error:
            self.fail(index, f"{_DIED}: {type(error).__name__}", str(error))
        else:
            self.finish(result)


_shared: tuple[str, Any] | None = None


def _run_remote(data: bytes, index: int, label: str, box: list[Any]) -> TaskResult:
    """Run one task in a worker of the cluster."""

    def load_and_run(_: Any) -> Any:
        function, item = cloudpickle.loads(data)
        return function(item, *[_load_shared(reference) for reference in box])

    return run_task(load_and_run, None, index, label)


def _load_shared(reference: Any) -> Any:
    import ray

    global _shared
    key = reference.hex()
    if _shared is None or _shared[0] != key:
        _shared = (key, ray.get(reference))
    return _shared[1]


def _check_answers(address: str) -> None:
    """Check that somebody listens; Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address in ("auto", "local") or not host:
        return
    if not port.isdecimal():
        raise _no_cluster(address, "not an address")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError as error:
        raise _no_cluster(address, error.strerror or str(error)) from error


def _no_cluster(address: str, reason: str) -> IntegrationError:
    return IntegrationError(
        f"no Ray cluster answers: {reason}",
        where=address,
        hint="start one: ray start --head, or give ray://HOST:10001 or HOST:6379",
    )
