"""What every engine promises: run a function over items, hand back each result as it finishes.

Reads: nothing. Writes: nothing. Never: lets one failed item stop the others.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import msgspec

from specweave.errors import DataError

TaskStatus = Literal["ok", "failed", "cancelled"]
OnResult = Callable[["TaskResult"], None]


class TaskResult(msgspec.Struct, frozen=True, kw_only=True):
    """How one item went.

    Attributes
    ----------
    index : int
        Position of the item.
    label : str
        The item's name for people.
    status : str
        ``ok``; ``failed`` (an exception, or its worker died); ``cancelled`` (the deadline came first).
    value : object
        What the function returned; None unless ``ok``.
    error : str
        One line: type and message of the exception.
    trace : str
        The traceback as text.
    seconds : float
        Time the function took.
    """

    index: int
    label: str
    status: TaskStatus
    value: Any = None
    error: str = ""
    trace: str = ""
    seconds: float = 0.0


class Engine(Protocol):
    """Runs tasks.

    An engine is done when it passes ``specweave.engines.contract``.
    """

    name: str

    def capacity(self) -> int:
        """Return how many tasks of one thread each can run at once."""

    def threads_each(self, workers: int) -> int:
        """Return how many threads each of `workers` tasks at once may use."""

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
        """Run ``function(item)`` for every item and return the results in order of the items.

        Parameters
        ----------
        function : callable
            Picklable. Called as ``function(item, shared)`` where `shared` is given.
        items : sequence
        jobs : int, optional
            Workers; all cores where not given. With 1 everything runs in this process.
        on_result : callable, optional
            Called in this process with each `TaskResult` as it finishes, in whatever order.
        deadline : float, optional
            A value of ``time.monotonic()``: no item starts after it, those that did not are
            ``cancelled``; what runs may finish.
        labels : sequence of str, optional
            Names for messages.
        shared : object, optional
            Data that all items need; it reaches each worker once.

        Raises
        ------
        KeyboardInterrupt
            After the workers have ended.
        """


def check_labels(items: Sequence[Any], labels: Sequence[str] | None) -> list[str]:
    """Return one label per item.

    Raises
    ------
    DataError
        If there are more or fewer labels than items.
    """
    if labels is None:
        return [f"item {number}" for number in range(len(items))]
    if len(labels) != len(items):
        raise DataError(f"{len(items)} items but {len(labels)} labels")
    return [str(label) for label in labels]


def one_line(error: BaseException) -> str:
    """Return an exception as one line."""
    first = str(error).strip().splitlines()[:1]
    return f"{type(error).__name__}: {first[0]}" if first else type(error).__name__


def trace_text(error: BaseException) -> str:
    """Return the traceback of an exception."""
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))
