"""Increments that build on each other: who reads whom, in which order they run, what waits for what.

Reads: documents and locks of all increments. Writes: snapshots of data. Never: runs a task (see ``runner``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from specweave.errors import SpecError, SpecweaveError
from specweave.increments.plan import load_plan
from specweave.increments.project import Increment, Project
from specweave.increments.references import (
    OUTPUTS,
    Reference,
    check_not_abandoned,
    get_referred,
    parse_reference,
)
from specweave.increments.spec import Spec, load_spec, read_status
from specweave.increments.tasks import TaskLine, load_tasks
from specweave.pipeline.lock import load_lock
from specweave.pipeline.staleness import TaskState, definition_of, task_states
from specweave.pipeline.tasktable import TASKS, find_definition
from specweave.problems.base import problem_for
from specweave.tables.sources.base import find_source
from specweave.tables.sources.snapshots import find_snapshot, take_snapshot

Elsewhere = Callable[[TaskLine], list[str]]


@dataclass(frozen=True)
class Dependency:
    """One increment that another builds on.

    Attributes
    ----------
    increment : Increment
    what : str
        What is taken from it: ``data``, ``features``, a path; empty where only the order is declared.
    where : str
        The line that says so.
    """

    increment: Increment
    what: str
    where: str


def dependencies_of(increment: Increment) -> list[Dependency]:
    """Return what an increment builds on: ``depends_on`` and every ``increment:`` address it reads.

    Raises
    ------
    SpecError
        If one of them does not exist or was abandoned.
    """
    spec = load_spec(increment.spec_path)
    project = increment.project
    found: list[Dependency] = []
    for reference, where in _references(increment, spec):
        found.append(Dependency(get_referred(project, reference, where), reference.what, where))
    where = f"{spec.where}:{_front_line(increment)}"
    for number in spec.depends_on:
        other = get_referred(project, Reference(number, "data"), where)
        if other.id not in {d.increment.id for d in found}:
            found.append(Dependency(other, "", where))
    return found


def check_dependencies(increment: Increment) -> None:
    """Raise SpecError where what an increment builds on is missing, abandoned, or builds on it in turn."""
    for dependency in dependencies_of(increment):
        check_not_abandoned(dependency.increment, dependency.where)
    ordered([increment])


def ordered(increments: Sequence[Increment]) -> list[Increment]:
    """Return increments and all they build on, each after those.

    Raises
    ------
    SpecError
        If some build on each other in a circle; names it.
    """
    done: dict[str, Increment] = {}

    def visit(increment: Increment, path: tuple[str, ...]) -> None:
        if increment.id in done:
            return
        if increment.id in path:
            circle = " -> ".join((*path[path.index(increment.id) :], increment.id))
            raise SpecError(
                f"increments build on each other in a circle: {circle}",
                where=f"{increment.id}/spec.md:{_front_line(increment)}",
                hint="take one of them out of depends_on, or out of 'Training data'",
            )
        for dependency in dependencies_of(increment):
            visit(dependency.increment, (*path, increment.id))
        done[increment.id] = increment

    for increment in increments:
        visit(increment, ())
    return list(done.values())


def run_order(project: Project) -> list[Increment]:
    """Return every increment that was not abandoned, each after those that it builds on."""
    return ordered([i for i in project.increments() if read_status(i.spec_path) != "abandoned"])


def states_across(increment: Increment) -> list[TaskState]:
    """Return the state of each task, waiting for other increments included."""
    return _states(increment, ())


def waiting_elsewhere(increment: Increment, spec: Spec, seen: tuple[str, ...] = ()) -> Elsewhere:
    """Return a function of a task: why it must run because an increment whose output it reads must run."""
    problem = problem_for(spec.problem_type, where=spec.at("Problem type"))
    known: dict[str, list[str]] = {}

    def waits(reference: Reference) -> list[str]:
        key = f"{reference.name} {reference.what}"
        if key not in known:
            known[key] = _upstream_reasons(increment, reference, (*seen, increment.id))
        return known[key]

    def elsewhere(task: TaskLine) -> list[str]:
        named = [parse_reference(text) for text in task.inputs]
        if "Training data" in definition_of(task).spec:
            named += [parse_reference(spec.get(key)) for key in ("Training data", *problem.data_fields)]
        return [reason for reference in named if reference for reason in waits(reference)]

    return elsewhere


def _upstream_reasons(increment: Increment, reference: Reference, seen: tuple[str, ...]) -> list[str]:
    try:
        other = get_referred(increment.project, reference, increment.id)
        if other.id in seen:
            return []
        states = {s.task.id: s for s in _states(other, seen)}
        wanted = _producers(reference, [s.task for s in states.values()])
        if wanted is None:
            # Its own training table is handed on as it is: what makes that one is asked in turn.
            named = parse_reference(load_spec(other.spec_path).get("Training data"))
            return _upstream_reasons(other, named, (*seen, other.id)) if named else []
    except SpecweaveError as error:
        return [f"{reference.name} cannot be read: {error.what}"]
    return [f"{other.number} {task} will run" for task in wanted if states[task].stale]


def _states(increment: Increment, seen: tuple[str, ...]) -> list[TaskState]:
    spec = load_spec(increment.spec_path)
    problem = problem_for(spec.problem_type, where=spec.at("Problem type"))
    plan = load_plan(increment.plan_path, problem.plan_keys)
    tasks, lock = load_tasks(increment.tasks_path), load_lock(increment.lock_path)
    return task_states(increment, spec, plan, tasks, lock, elsewhere=waiting_elsewhere(increment, spec, seen))


def _producers(reference: Reference, tasks: Sequence[TaskLine]) -> list[str] | None:
    """Return the tasks that make what is referred to; None where it is a table that none of them makes."""
    made_by = {"features": TASKS[1].id, "predictions": TASKS[5].id}
    if reference.what in made_by:
        return [t.id for t in tasks if t.id == made_by[reference.what]]
    paths = OUTPUTS if reference.what == "data" else (reference.what,)
    makers = [t.id for t in tasks if any(PurePosixPath(p).match(e) for p in paths for e in t.evidence)]
    if makers or reference.what == "data":
        return makers or None
    # No task claims the file: any that a person added may write it.
    return [t.id for t in tasks if find_definition(t.id) is None]


def _references(increment: Increment, spec: Spec) -> list[tuple[Reference, str]]:
    problem = problem_for(spec.problem_type, where=spec.at("Problem type"))
    found = [
        (reference, spec.at(key))
        for key in ("Training data", *problem.data_fields)
        if (reference := parse_reference(spec.get(key)))
    ]
    for task in load_tasks(increment.tasks_path) if increment.tasks_path.exists() else []:
        where = f"{increment.id}/tasks.md:{task.line}"
        found += [(reference, where) for text in task.inputs if (reference := parse_reference(text))]
    return found


def _front_line(increment: Increment) -> int:
    try:
        lines = increment.spec_path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return 1
    return next((n for n, line in enumerate(lines, 1) if line.startswith("depends_on:")), 1)


def fetch_data(increment: Increment, spec: Spec, tell: Callable[[dict[str, Any]], None]) -> None:
    """Fetch what the spec names by an address and is not there yet, so that tasks read files alone.

    Raises
    ------
    DataError, IntegrationError, MissingExtraError
        If it cannot be had.
    """
    problem = problem_for(spec.problem_type, where=spec.at("Problem type"))
    root = increment.project.root
    for key in ("Training data", *problem.data_fields):
        text = (spec.get(key) or "").strip("`")
        source = find_source(text) if text else None
        if source is None:
            continue
        if not source.follows and find_snapshot(root, text) is None:
            tell({"event": "output", "task": "", "message": f"fetching {source.shown(text)}"})
        take_snapshot(root, text, spec.at(key))


def system_record(project: Project) -> dict[str, Any]:
    """Return every increment with what it builds on and which of its tasks are out of date, in running order.

    A document that cannot be read stands in the row's ``error``.
    """
    rows = []
    for increment in run_order(project):
        row: dict[str, Any] = {
            "id": increment.id, "status": read_status(increment.spec_path), "after": [], "stale": [], "error": None,
        }  # fmt: skip
        try:
            row["after"] = [{"id": d.increment.id, "what": d.what} for d in dependencies_of(increment)]
            states = states_across(increment)
            row["stale"] = [{"task": s.task.id, "reasons": list(s.reasons)} for s in states if s.stale]
            row["tasks"] = len(states)
        except SpecweaveError as error:
            row["error"] = str(error).replace("\n", " ")
        rows.append(row)
    return {"increments": rows}
