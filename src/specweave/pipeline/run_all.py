"""``sw do --all``: every increment after those that it builds on; what waits for a failed one is left out.

Reads: documents of all increments. Writes: what ``run_increment`` writes. Never: runs an increment on the
output of one that failed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from specweave.errors import SpecweaveError
from specweave.increments.project import Project
from specweave.pipeline.runner import Event, RunOptions, RunReport, run_increment
from specweave.pipeline.system import dependencies_of, run_order


@dataclass
class SystemReport:
    """What a run over all increments did.

    Attributes
    ----------
    reports : list of RunReport
        One per increment that was begun, in running order.
    failed : dict of str to dict
        The error record of each increment that failed.
    waiting : dict of str to str
        Increments that were left out, with the one they wait for.
    interrupted : bool
    """

    reports: list[RunReport] = field(default_factory=list)
    failed: dict[str, dict[str, object]] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False


def run_all(
    project: Project, options: RunOptions, *, on_event: Callable[[Event], None] | None = None
) -> SystemReport:
    """Run what is stale in every increment, in the order in which they build on each other.

    Raises
    ------
    SpecError
        If they build on each other in a circle; nothing ran then.
    """
    result = SystemReport()
    for increment in run_order(project):
        blocked = [d.increment.id for d in dependencies_of(increment)
                   if d.increment.id in result.failed or d.increment.id in result.waiting]  # fmt: skip
        if blocked:
            result.waiting[increment.id] = blocked[0]
            continue
        try:
            report = run_increment(increment, options, on_event=on_event)
        except SpecweaveError as error:
            result.failed[increment.id] = error.to_record()
            continue
        result.reports.append(report)
        if report.interrupted:
            result.interrupted = True
            break
        if report.failed:
            result.failed[increment.id] = dict(report.failed["error"])
    return result
