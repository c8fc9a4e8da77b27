"""One call of an engine: results stand in the order of the items, whatever order they came in."""

from __future__ import annotations

from specweave.engines.base import TaskResult
from specweave.engines.call import Call


def test_results_stand_in_the_order_of_items_and_are_told_as_they_come() -> None:
    told: list[str] = []
    call = Call(len, ["a", "bb", "ccc"], ["first", "second", "third"], lambda r: told.append(r.label), None)
    call.waiting.remove(2)
    call.finish(TaskResult(index=2, label="third", status="ok", value=3))
    call.waiting.remove(0)
    call.fail(0, "ValueError: no", "trace")
    call.cancel_waiting()
    assert [r.status for r in call.results] == ["failed", "cancelled", "ok"]
    assert told == ["third", "first", "second"]
    assert call.results[0].error == "ValueError: no"


def test_it_is_too_late_once_the_deadline_has_passed() -> None:
    assert Call(len, [], [], None, deadline=0.0).too_late
    assert not Call(len, [], [], None, deadline=float("inf")).too_late
    assert not Call(len, [], [], None, deadline=None).too_late
