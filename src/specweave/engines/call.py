"""One call of an engine's `map`: what waits, what is done, and when it is too late to begin.

Reads: the monotonic clock. Writes: nothing. Never: knows where the work is done.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from specweave.engines.base import OnResult, TaskResult


class Call:
    """The items of one call and how each went.

    Parameters
    ----------
    function : callable
    items : sequence
    labels : list of str
        One per item.
    on_result : callable, optional
        Called with each `TaskResult` as it comes.
    deadline : float, optional
        A value of ``time.monotonic()`` after which nothing begins.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        items: Sequence[Any],
        labels: list[str],
        on_result: OnResult | None,
        deadline: float | None,
    ) -> None:
        self.function = function
        self.items = list(items)
        self.labels = labels
        self.on_result = on_result
        self.deadline = deadline
        self.done: dict[int, TaskResult] = {}
        self.waiting = deque(range(len(self.items)))

    @property
    def results(self) -> list[TaskResult]:
        """What came of each item, in the order of the items."""
        return [self.done[index] for index in range(len(self.items))]

    @property
    def too_late(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and time.monotonic() >= self.deadline

    def finish(self, result: TaskResult) -> None:
        """Keep a result and tell who asked for it."""
        self.done[result.index] = result
        if self.on_result is not None:
            self.on_result(result)

    def fail(self, index: int, error: str, trace: str = "") -> None:
        """Finish an item as failed."""
        self.finish(
            TaskResult(index=index, label=self.labels[index], status="failed", error=error, trace=trace)
        )

    def cancel_waiting(self) -> None:
        """Finish everything that waits as cancelled."""
        while self.waiting:
            index = self.waiting.popleft()
            self.finish(TaskResult(index=index, label=self.labels[index], status="cancelled"))
