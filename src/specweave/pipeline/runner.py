"""``sw do``: run what is stale, in order, in one child process; record each task as it ends.

Reads: documents, lock. Writes: ``pipeline.lock.json``, ticks in tasks.md, the spec's status. Never: runs
two at once on one increment, or counts a task as done without its evidence.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from specweave.errors import SpecError, StateError, StorageError
from specweave.files.atomic import storage_errors
from specweave.increments.plan import load_plan
from specweave.increments.project import Increment
from specweave.increments.spec import Spec, load_spec, set_status
from specweave.increments.tasks import TaskLine, find_task, load_tasks, set_tick
from specweave.pipeline.child import describe_death, end_child, go_on, start_child
from specweave.pipeline.lock import Lock, TaskRecord, load_lock
from specweave.pipeline.staleness import (
    TaskState,
    input_fingerprints,
    missing_evidence,
    outputs_of,
    task_states,
)
from specweave.pipeline.system import check_dependencies, fetch_data, waiting_elsewhere
from specweave.problems.base import problem_for

Event = dict[str, Any]


@dataclass
class RunReport:
    """What a run did.

    Attributes
    ----------
    increment : str
    ran, cached, waiting : list of str
        Task ids: run now, still valid, not reached.
    failed : dict or None
        ``{task, error, trace}`` of the task that stopped the run.
    interrupted : bool
    seconds : dict of str to float
    """

    increment: str
    ran: list[str] = field(default_factory=list)
    cached: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    failed: dict[str, Any] | None = None
    interrupted: bool = False
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RunOptions:
    """The switches of ``sw do``; the last three are those of a repetition.

    Attributes
    ----------
    until : str or None
        The last task that is run.
    recorded : Path or None
        What the run that is repeated had done (``stages.recorded``).
    python : str or None
        The interpreter that runs the scripts, where not this one.
    """

    task: str | None = None
    from_task: str | None = None
    force: bool = False
    budget_s: float | None = None
    jobs: int | None = None
    engine: str | None = None
    until: str | None = None
    recorded: Path | None = None
    python: str | None = None


@dataclass(frozen=True)
class Documents:
    """The parsed documents of one run."""

    spec: Spec
    plan: Any
    tasks: list[TaskLine]


def load_documents(increment: Increment) -> Documents:
    """Read and check spec, plan and tasks before anything runs.

    Raises
    ------
    SpecError
        Names the line to mend or to fill.
    """
    increment.project.config()
    spec = load_spec(increment.spec_path)
    problem = problem_for(spec.problem_type, where=spec.at("Problem type"))
    plan = load_plan(increment.plan_path, problem.plan_keys)
    for name in problem.required:
        spec.require(name)
    return Documents(spec, plan, load_tasks(increment.tasks_path))


def plan_run(increment: Increment, options: RunOptions, *, across: bool = False) -> list[TaskState]:
    """Return every task with whether this run would run it, and why (``--dry-run``).

    With `across`, tasks also wait for increments whose outputs they read (``sw do --all``).
    """
    documents = load_documents(increment)
    lock = load_lock(increment.lock_path)
    elsewhere = waiting_elsewhere(increment, documents.spec) if across else lambda task: ()
    states = task_states(
        increment, documents.spec, documents.plan, documents.tasks, lock, elsewhere=elsewhere
    )
    return _chosen(states, documents.tasks, options)


def _chosen(states: Sequence[TaskState], tasks: Sequence[TaskLine], options: RunOptions) -> list[TaskState]:
    chosen = list(states)
    if options.task:
        only = find_task(tasks, options.task)
        chosen = [s for s in states if s.task.id == only.id]
    elif options.from_task:
        first = find_task(tasks, options.from_task)
        at = [t.id for t in tasks].index(first.id)
        chosen = list(states[at:])
    if options.until:
        last = [t.id for t in tasks].index(find_task(tasks, options.until).id)
        within = {t.id for t in tasks[: last + 1]}
        chosen = [s for s in chosen if s.task.id in within]
    if options.force:
        chosen = [TaskState(s.task, True, s.reasons or ("forced",)) for s in chosen]
    elif options.from_task and chosen and not chosen[0].stale:
        chosen[0] = TaskState(chosen[0].task, True, ("asked for",))
        chosen = [
            chosen[0],
            *[TaskState(s.task, True, s.reasons or ("an earlier task runs",)) for s in chosen[1:]],
        ]
    return chosen


def run_increment(
    increment: Increment,
    options: RunOptions | None = None,
    *,
    on_event: Callable[[Event], None] | None = None,
) -> RunReport:
    """Run the stale tasks of an increment.

    Parameters
    ----------
    increment : Increment
    options : RunOptions, optional
    on_event : callable, optional
        Told what happens, as mappings with an ``event``.

    Raises
    ------
    SpecError, DataError
        If a document cannot be used; nothing ran then.
    StateError
        If another run is at work on this increment, or it was abandoned.
    """
    options = options or RunOptions()
    tell = on_event or (lambda event: None)
    documents = load_documents(increment)
    if documents.spec.status == "abandoned":
        raise StateError(
            f"{increment.id} is abandoned",
            where=documents.spec.where,
            hint="set 'status: active' in spec.md to go on",
        )
    with _only_run(increment):
        check_dependencies(increment)
        fetch_data(increment, documents.spec, tell)
        states = plan_run(increment, options)
        _check_scripts(increment, states)
        report = RunReport(increment.id, cached=[s.task.id for s in states if not s.stale])
        stale = [s for s in states if s.stale]
        tell({"event": "run-started", "increment": increment.id, "tasks": [
            {"id": s.task.id, "title": s.task.title, "stale": s.stale, "reasons": list(s.reasons)} for s in states]})  # fmt: skip
        if documents.spec.status == "planned" or (stale and documents.spec.status == "done"):
            set_status(increment.spec_path, "active")
        if stale:
            _run_child(increment, documents, stale, options, report, tell)
        tell({"event": "run-ended", **vars(report)})
    return report


def _check_scripts(increment: Increment, states: Sequence[TaskState]) -> None:
    for state in states:
        if state.stale and not (increment.folder / state.task.script).is_file():
            raise SpecError(
                f"the script of {state.task.id} is missing: {state.task.script}",
                where=f"{increment.id}/tasks.md:{state.task.line}",
                hint="restore it from git, or name another script there",
            )


@contextlib.contextmanager
def _only_run(increment: Increment) -> Iterator[None]:
    """Hold the increment for this run; the system lets go when the process dies."""
    import fcntl

    path = increment.project.cache / f"{increment.id}.lock"
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a+")
    try:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StateError(
                "another 'sw do' is at work on this increment",
                where=increment.id,
                hint="wait for it, or stop it",
            ) from error
        if not os.access(increment.folder, os.W_OK):
            raise StorageError("cannot write: the folder is read-only", where=increment.folder,
                               hint=f"make it writable: chmod u+w {increment.folder}")  # fmt: skip
        yield
    finally:
        stream.close()


def _run_child(
    increment: Increment,
    documents: Documents,
    stale: Sequence[TaskState],
    options: RunOptions,
    report: RunReport,
    tell: Callable[[Event], None],
) -> None:
    lock = load_lock(increment.lock_path)
    waiting = [s.task for s in stale]
    before = dict(_inputs_of(increment, documents, waiting[0], lock))
    read_fd, write_fd = os.pipe()
    log_path = increment.project.cache / f"{increment.id}.worker.log"
    with log_path.open("w", encoding="utf-8") as log, os.fdopen(read_fd, encoding="utf-8") as events:
        switches = {
            "BUDGET": options.budget_s, "JOBS": options.jobs, "ENGINE": options.engine, "RECORDED": options.recorded,
        }  # fmt: skip
        child = start_child(increment, waiting, switches, write_fd, log, python=options.python)
        try:
            for line in events:
                event: Event = json.loads(line)
                kind = event["event"]
                if kind == "task-started":
                    before = _inputs_of(increment, documents, waiting[0], lock)
                    # Whoever kills us from here on leaves a task that has to run again.
                    lock.tasks[waiting[0].id] = TaskRecord("running")
                    lock.save()
                if kind != "task-done":
                    tell(event)
                if kind == "task-done":
                    task = waiting.pop(0)
                    problem = _record_done(increment, documents, task, lock, before, event["seconds"])
                    report.seconds[task.id] = event["seconds"]
                    if problem:
                        report.failed = {"task": task.id, "error": problem, "trace": ""}
                        tell(
                            {
                                "event": "task-failed",
                                "task": task.id,
                                "error": problem,
                                "seconds": event["seconds"],
                            }
                        )
                        break
                    tell(event)
                    report.ran.append(task.id)
                    if not waiting:
                        break
                    go_on(child)
                elif kind == "task-failed":
                    task = waiting.pop(0)
                    _record_failed(lock, task, event["error"]["message"], event["seconds"])
                    report.failed = {
                        "task": task.id,
                        "error": event["error"],
                        "trace": event.get("trace", ""),
                    }
                    break
                elif kind == "task-interrupted":
                    report.interrupted = True
                    break
        except KeyboardInterrupt:
            report.interrupted = True
        finally:
            end_child(child)
    if waiting and not report.failed and not report.interrupted:
        # The child died without a word: killed, out of memory, or a crash in native code.
        report.failed = {
            "task": waiting[0].id,
            "error": describe_death(child.returncode, waiting[0], log_path),
            "trace": "",
        }
        _record_failed(lock, waiting[0], report.failed["error"]["message"], 0.0)
    report.waiting = [t.id for t in waiting if not report.failed or t.id != report.failed["task"]]


def _inputs_of(increment: Increment, documents: Documents, task: TaskLine, lock: Lock) -> dict[str, str]:
    return input_fingerprints(increment, documents.spec, documents.plan, task, documents.tasks, lock)


def _record_done(
    increment: Increment,
    documents: Documents,
    task: TaskLine,
    lock: Lock,
    before: dict[str, str],
    seconds: float,
) -> dict[str, Any] | None:
    """Record a task that ended well; return an error record where its evidence is missing."""
    missing = missing_evidence(increment.folder, task)
    if missing:
        message = f"{task.id} ended, but its evidence is missing: {', '.join(missing)}"
        _record_failed(lock, task, message, seconds)
        return {"severity": "error", "code": "stage", "message": message, "where": f"{increment.id}/{task.script}",
                "fix": "let the script write it, or change the evidence in tasks.md"}  # fmt: skip
    # Files that the task itself wrote count as they are now; everything else as it was at the start.
    after = _inputs_of(increment, documents, task, lock)
    inputs = {name: after[name] if "/" in name else before.get(name, value) for name, value in after.items()}
    lock.tasks[task.id] = TaskRecord("done", inputs, outputs_of(increment.folder, task), round(seconds, 3))
    if task.id == "T-004" and not lock.fixed:
        lock.fixed = what_is_fixed(increment, documents.spec)
    lock.save()
    set_tick(increment.tasks_path, task.id, True)
    return None


def what_is_fixed(increment: Increment, spec: Spec, today: dt.date | None = None) -> dict[str, Any]:
    """Return criteria, split and holdout as they are now; recorded when the first candidate is trained."""
    from specweave.experiments.provenance import git_state
    from specweave.experiments.store import ExperimentStore

    records = [r for r in ExperimentStore(increment.experiments).list() if r.tags.get("generation")]
    git = git_state(increment.folder)
    return {
        "criteria": [c.text for c in spec.criteria],
        "validation": spec.get("Validation", ""),
        "generation": records[-1].tags["generation"] if records else "",
        "holdout": records[-1].tags.get("holdout", "") if records else "",
        "on": (today or dt.date.today()).isoformat(),
        "commit": git.commit if git else None,
    }


def _record_failed(lock: Lock, task: TaskLine, message: str, seconds: float) -> None:
    lock.tasks[task.id] = TaskRecord("failed", seconds=round(seconds, 3), error=message)
    lock.save()
    with contextlib.suppress(SpecError, StorageError):
        set_tick(lock.path.parent / "tasks.md", task.id, False)
