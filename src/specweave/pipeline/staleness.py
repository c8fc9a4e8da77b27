"""Which tasks must run: what decides their result has changed, or their evidence is gone.

Reads: documents, scripts, data, the lock. Writes: nothing. Never: runs a task, or trusts a clock.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from specweave.files.store import digest, load_json, save_json, sha256_file
from specweave.increments.plan import Plan
from specweave.increments.project import Increment
from specweave.increments.spec import Spec
from specweave.increments.tasks import TaskLine
from specweave.pipeline.lock import Lock
from specweave.pipeline.tasktable import TASKS, TaskDef, find_definition
from specweave.problems.base import Problem, problem_for
from specweave.tables.sources.base import is_source
from specweave.tables.sources.snapshots import snapshot_fingerprint

# Settings that the table of tasks hands out by itself.
_TABLED = frozenset(key for task in TASKS for key in task.plan)
# The setting of the plan by which predictions become decisions.
_DECISION = "threshold"


@dataclass(frozen=True)
class TaskState:
    """One task with whether it must run; `reasons` say why, in words."""

    task: TaskLine
    stale: bool
    reasons: tuple[str, ...]


def task_states(
    increment: Increment,
    spec: Spec,
    plan: Plan,
    tasks: Sequence[TaskLine],
    lock: Lock,
    *,
    elsewhere: Callable[[TaskLine], Sequence[str]] = lambda task: (),
) -> list[TaskState]:
    """Return the state of each task, in order of the document.

    Parameters
    ----------
    elsewhere : callable, optional
        Returns why a task must run because of other increments (``system.waiting_elsewhere``). Without it a task
        is judged by its own inputs as they lie there now.
    """
    states: list[TaskState] = []
    will_run: set[str] = set()
    for task in tasks:
        reasons = _reasons(increment, spec, plan, task, tasks, lock)
        if not any(r.startswith("never") for r in reasons):
            reasons += elsewhere(task)
        upstream = [t for t in upstream_of(task, tasks) if t in will_run]
        if upstream and not any(r.startswith("never") for r in reasons):
            reasons.append(f"{', '.join(upstream)} will run")
        if reasons:
            will_run.add(task.id)
        states.append(TaskState(task, bool(reasons), tuple(reasons)))
    return states


def upstream_of(task: TaskLine, tasks: Sequence[TaskLine]) -> list[str]:
    """Return the tasks whose outputs a task reads; one that a person added reads all before it."""
    known = [t.id for t in tasks]
    definition = find_definition(task.id)
    if definition is not None:
        return [t for t in definition.after if t in known]
    return known[: known.index(task.id)]


def definition_of(task: TaskLine) -> TaskDef:
    """Return what a task reads; one that a person added reads the data and all before it."""
    return find_definition(task.id) or TaskDef(
        task.id, task.title, task.script, (), spec=TASKS[0].spec, decisions="always"
    )


def _reasons(
    increment: Increment, spec: Spec, plan: Plan, task: TaskLine, tasks: Sequence[TaskLine], lock: Lock
) -> list[str]:
    record = lock.tasks.get(task.id)
    if record is None:
        return ["never run"]
    if record.status != "done":
        return [f"it failed: {record.error}" if record.error else "it was interrupted"]
    now = input_fingerprints(increment, spec, plan, task, tasks, lock)
    changed = [name for name in {**record.inputs, **now} if record.inputs.get(name) != now.get(name)]
    reasons = [f"{name} changed" for name in changed]
    gone = [path for path in record.outputs if not (increment.folder / path).exists()]
    reasons += [f"{path} is gone" for path in gone[:3]]
    if not gone:
        reasons += [f"no evidence matches {pattern}" for pattern in missing_evidence(increment.folder, task)]
    return reasons


def input_fingerprints(
    increment: Increment, spec: Spec, plan: Plan, task: TaskLine, tasks: Sequence[TaskLine], lock: Lock
) -> dict[str, str]:
    """Return a fingerprint of everything that decides a task's result, by name."""
    definition = definition_of(task)
    found = {"script": _file(increment.folder / task.script)}
    reads_data = "Training data" in definition.spec
    problem = problem_for(spec.problem_type, where=spec.at("Problem type"))
    decides = _reads_decisions(problem, definition, spec, plan)
    if definition.spec:
        own = (*problem.spec_keys, *(problem.decision_fields if decides else ())) if reads_data else ()
        found["spec.md"] = spec.fingerprint((*definition.spec, *own))
    if definition.plan:
        own = tuple(k for k in problem.plan_keys if k not in _TABLED) if reads_data else ()
        found["plan.md"] = plan.fingerprint((*definition.plan, *((_DECISION,) if decides else ()), *own))
    if reads_data:
        found["data"] = data_fingerprint(increment, spec)
        if of_criteria := problem.read_of_criteria(spec, plan):
            found[f"{' and '.join(of_criteria)} asked for"] = digest(of_criteria)
        found |= {
            name: data_fingerprint(increment, spec, name) for name in problem.data_fields if spec.get(name)
        }
    for name in upstream_of(task, tasks):
        record = lock.tasks.get(name)
        if record is not None and record.status == "done":
            found[name] = digest(record.outputs)
    for name in definition.files:
        found[name] = _file(increment.folder / name)
    for name in task.inputs:
        found[name] = content_fingerprint(increment, name)
    return found


def _reads_decisions(problem: Problem, definition: TaskDef, spec: Spec, plan: Plan) -> bool:
    if definition.decisions == "choice":
        return problem.decides_before(problem.selection_metric(spec, plan))
    return definition.decisions == "always"


def data_fingerprint(increment: Increment, spec: Spec, key: str = "Training data") -> str:
    """Return the SHA-256 of the data that a field of the spec names."""
    named = spec.get(key)
    return "not filled in" if named is None else content_fingerprint(increment, named)


def content_fingerprint(increment: Increment, named: str) -> str:
    """Return the SHA-256 of the file or address, as seen from the project's root; a file is hashed anew only
    when its size or time changed."""
    named = named.strip("`")
    if is_source(named):
        return snapshot_fingerprint(increment.project.root, named)
    path = Path(os.path.expanduser(named))
    path = path if path.is_absolute() else increment.project.root / path
    if not path.is_file():
        return "missing"
    stat = path.stat()
    stamp = [stat.st_size, stat.st_mtime_ns]
    cache = increment.project.cache / "data-hashes.json"
    try:
        known = load_json(cache) if cache.exists() else {}
    except OSError:
        known = {}  # disposable: a damaged cache only costs the hashing
    place = digest(named)
    entry = known.get(place)
    if isinstance(entry, list) and entry[:2] == stamp:
        return str(entry[2])
    sha = sha256_file(path)
    try:
        save_json(cache, {**known, place: [*stamp, sha]})
    except OSError:
        return sha  # a read-only project can still be looked at
    return sha


def missing_evidence(folder: Path, task: TaskLine) -> list[str]:
    """Return the patterns of a task's evidence that match no file."""
    return [pattern for pattern in task.evidence if not any(folder.glob(pattern))]


def outputs_of(folder: Path, task: TaskLine) -> dict[str, str]:
    """Return the SHA-256 of every file of a task's evidence."""
    files = sorted({path for pattern in task.evidence for path in folder.glob(pattern) if path.is_file()})
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in files}


def _file(path: Path) -> str:
    return sha256_file(path)[:16] if path.is_file() else "missing"
