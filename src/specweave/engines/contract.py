"""What every engine must pass; run by tests/contracts over each registered one.

Reads: nothing. Writes: nothing. Never: knows which engine it has before it.
"""

from __future__ import annotations

import os
import time
from typing import Any

from specweave.engines.base import Engine, TaskResult


def square(number: int) -> int:
    """Return the square; refuse 3, to see what an engine does with an exception."""
    if number == 3:
        raise ValueError("three is refused")
    return number * number


def add_shared(number: int, shared: list[int]) -> int:
    """Return the item plus the sum of the shared data."""
    return number + sum(shared)


def die_on_two(number: int) -> int:
    """End the whole process at 2, as running out of memory would."""
    if number == 2:
        os._exit(9)
    time.sleep(0.05)
    return number


def wait_a_little(number: int) -> int:
    """Return the item after a tenth of a second."""
    time.sleep(0.1)
    return number


def inner_thread_limit(_: int) -> str | None:
    """Return what OpenMP is told in the place where tasks run."""
    return os.environ.get("OMP_NUM_THREADS")


class EngineContract:
    """Subclass it as a test class with `engine` set; every method is one promise."""

    engine: Engine
    jobs = 2

    def map(self, *arguments: Any, **options: Any) -> list[TaskResult]:
        """Call the engine with the jobs under test."""
        return self.engine.map(*arguments, **{"jobs": self.jobs, **options})

    def test_results_come_back_in_the_order_of_the_items(self) -> None:
        """Values keep their places whatever finishes first."""
        assert [r.value for r in self.map(square, [5, 1, 4, 2])] == [25, 1, 16, 4]

    def test_an_exception_is_a_record_and_the_others_go_on(self) -> None:
        """One failed item costs nothing but itself."""
        results = self.map(square, [1, 3, 2], labels=["one", "three", "two"])
        assert [r.status for r in results] == ["ok", "failed", "ok"]
        assert results[1].label == "three"
        assert results[1].error == "ValueError: three is refused"
        assert "Traceback" in results[1].trace

    def test_each_result_is_handed_over_as_it_finishes(self) -> None:
        """`on_result` sees every item exactly once."""
        seen: list[int] = []
        results = self.map(wait_a_little, [0, 1, 2], on_result=lambda r: seen.append(r.index))
        assert sorted(seen) == [0, 1, 2]
        assert all(r.seconds >= 0.09 for r in results)

    def test_shared_data_reaches_every_item(self) -> None:
        """What all items need is passed once."""
        assert [r.value for r in self.map(add_shared, [1, 2, 3], shared=[10, 20])] == [31, 32, 33]

    def test_nothing_starts_after_the_deadline(self) -> None:
        """Items that did not start are cancelled."""
        results = self.map(wait_a_little, list(range(50)), deadline=time.monotonic() - 1)
        assert {r.status for r in results} == {"cancelled"}

    def test_no_items_are_no_results(self) -> None:
        """An empty list is no error."""
        assert self.map(square, []) == []

    def test_what_cannot_be_sent_fails_alone(self) -> None:
        """A result that cannot be pickled is a failed item where workers are other processes."""
        results = self.map(lambda n: n if n else (i for i in range(3)), [0, 1])
        assert results[1].value == 1

    def test_a_worker_that_dies_fails_its_item_only(self) -> None:
        """A crash in one task loses no other."""
        if self.jobs == 1:
            return
        results = self.map(die_on_two, list(range(5)))
        assert [r.status for r in results] == ["ok", "ok", "failed", "ok", "ok"]
        assert "died" in results[2].error

    def test_workers_do_not_take_each_others_cores(self) -> None:
        """With as many workers as cores, each library gets one thread."""
        if self.jobs == 1:
            return
        from specweave.engines.threads import inner_threads

        assert {r.value for r in self.map(inner_thread_limit, [0, 1])} == {str(inner_threads(self.jobs))}
