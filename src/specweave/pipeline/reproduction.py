"""``sw reproduce``: run again from the recorded inputs, compare every recorded number, record the verdict.

Reads: an increment's documents, data and records. Writes: ``reports/reproduction.json`` (of one experiment:
``reproduction.json`` in its folder). Never: changes anything else of the increment.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from specweave.errors import StageError, StateError
from specweave.experiments.provenance import git_state
from specweave.experiments.record import ExperimentRecord
from specweave.experiments.store import ExperimentStore
from specweave.files.atomic import write_text
from specweave.files.store import load_json, save_record, sha256_file
from specweave.increments.project import Increment
from specweave.increments.tasks import find_task, load_tasks
from specweave.pipeline.reproduction_choice import (
    LAST_TASK,
    Chosen,
    choose_recorded,
    get_repeatable,
    repeat_all,
    repeat_one,
    task_ids,
)
from specweave.pipeline.reproduction_environment import (
    build_environment,
    compare_environment,
    describe_environment,
    here,
)
from specweave.pipeline.reproduction_numbers import Compared, Value, numbers_in
from specweave.pipeline.reproduction_project import changed_code, changed_inputs, check_inputs, clean_project
from specweave.pipeline.runner import RunOptions, RunReport, run_increment
from specweave.stages.recorded import save_recorded

KIND, SCHEMA = "reproduction", 1
REPORT = "reports/reproduction.json"
# What a search logs beside its result; one experiment by itself is fitted without a search.
_SEARCH = ("n_trials", "best_")
_REPORTS = {
    "T-006": "reports/evaluation.json",
    "T-007": "reports/explanation.json",
    "T-009": "reports/ab-test.json",
}
Event = dict[str, Any]


@dataclass(frozen=True)
class ReproduceOptions:
    """The switches of ``sw reproduce``.

    Attributes
    ----------
    experiment : str or None
        Fit this one only.
    all_tasks : bool
        Run what comes after the evaluation too.
    tolerance : float
        The largest relative difference that is let pass; 0 asks for the same digits.
    into : Path or None
        The clean folder; a temporary one where not given.
    keep : bool
        Leave it there.
    environment : bool
        Rebuild the recorded environment first.
    """

    experiment: str | None = None
    all_tasks: bool = False
    tolerance: float = 0.0
    into: Path | None = None
    keep: bool = False
    environment: bool = False


@dataclass
class Reproduction:
    """What came of it: `record` is None where it was interrupted; `folder` is the clean one, if kept."""

    record: dict[str, Any] | None
    folder: Path | None = None


def reproduce_increment(
    increment: Increment,
    options: ReproduceOptions | None = None,
    *,
    on_event: Callable[[Event], None] | None = None,
    now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
) -> Reproduction:
    """Run an increment, or one experiment of it, again in a clean folder, and compare.

    Parameters
    ----------
    increment : Increment
    options : ReproduceOptions, optional
    on_event : callable, optional
        Told what happens, as :func:`specweave.pipeline.runner.run_increment` tells it.

    Raises
    ------
    StateError
        If nothing is recorded, or the experiment is none that a task trains.
    DataError
        If the data is not the one that was trained on.
    StageError
        If a task fails that ended well when it was recorded.
    IntegrationError, MissingExtraError
        If the recorded environment cannot be rebuilt.
    """
    options = options or ReproduceOptions()
    tell = on_event or (lambda event: None)
    records = ExperimentStore(increment.experiments).list()
    evaluation = _load(increment.folder / _REPORTS["T-006"])
    tasks = load_tasks(increment.tasks_path)
    one = get_repeatable(increment, options.experiment, tasks) if options.experiment else None
    wanted = [one.task or ""] if one else task_ids(tasks, options.all_tasks)
    chosen = choose_recorded(records, evaluation, wanted) if one is None else Chosen([one])
    if not chosen.compared:
        raise StateError(
            "nothing is recorded that could be compared", where=increment.id, hint=f"run: sw do {increment.number}"
        )  # fmt: skip
    inputs = check_inputs(increment)
    reference = one or _reference(chosen.compared, evaluation)
    environment = here(reference)
    notes = _notes(increment, reference, wanted)
    for line in [*notes, *([] if options.environment else describe_environment(environment))]:
        tell({"event": "note", "task": "", "message": line})
    with clean_project(increment, inputs, into=options.into, keep=options.keep) as clean:
        base = clean.project.root.parent
        if one:
            _only_task(clean, one.task or "")
        python = build_environment(reference, base, tell) if options.environment else None
        recipe = repeat_one(one, records, evaluation) if one else repeat_all(chosen)
        steps = RunOptions(
            task=one.task if one else None,
            until=None if one or options.all_tasks or LAST_TASK not in wanted else LAST_TASK,
            recorded=save_recorded(base / "recorded.json", recipe),
            python=python,
        )
        report = run_increment(clean, steps, on_event=tell)
        if report.interrupted:
            return Reproduction(None, clean.project.root if options.keep else None)
        _check_ran(report, options)
        again = ExperimentStore(clean.experiments).list()
        compared = compare_increments(increment, clean, chosen, again, report.ran, options.tolerance, one)
        if options.environment and again:
            newest = again[-1]
            environment = compare_environment(reference, newest.load_requirements(), newest.python)
    body = _body(increment, one, wanted, compared, options, environment, notes, now())
    save_record(increment.experiments / one.id / "reproduction.json" if one else increment.folder / REPORT,
                KIND, SCHEMA, body)  # fmt: skip
    return Reproduction(body, clean.project.root if options.keep else None)


def load_reproduction(increment: Increment) -> dict[str, Any] | None:
    """Return the latest verdict on an increment as a whole, or None where there is none."""
    return _load(increment.folder / REPORT)


def render_reproduction(increment: Increment) -> str:
    """Return the latest verdict in a sentence; empty where there is none."""
    record = load_reproduction(increment)
    if record is None:
        return ""
    if record.get("evaluation") != _evaluation_digest(increment):
        return "Reproduction: the last one was of an earlier evaluation"
    told = (
        f"{record['compared']} recorded numbers came out the same"
        if record["verdict"] == "reproduced"
        else f"{len(record['differences'])} of {record['compared']} recorded numbers did not come out the same"
    )
    exact = f" within {record['tolerance']:g}" if record["tolerance"] else " to the last digit"
    return f"Reproduction: {told}{exact}, on {str(record['when'])[:10]}"


def _evaluation_digest(increment: Increment) -> str | None:
    path = increment.folder / _REPORTS["T-006"]
    return sha256_file(path) if path.exists() else None


def _load(path: Path) -> dict[str, Any] | None:
    return load_json(path) if path.exists() else None


# -- what is told ---------------------------------------------------------------------------------


def _only_task(clean: Increment, task_id: str) -> None:
    """Leave one task in the clean folder's tasks.md; one experiment is not all of its evidence."""
    task = find_task(load_tasks(clean.tasks_path), task_id)
    write_text(clean.tasks_path, f"# Tasks\n\n- [ ] {task.id}: {task.title}\n  - script: `{task.script}`\n")


def _reference(records: Sequence[ExperimentRecord], evaluation: dict[str, Any] | None) -> ExperimentRecord:
    """Return the experiment whose environment counts: the one that was chosen, else the latest."""
    named = (evaluation or {}).get("experiment")
    return next((r for r in records if r.id == named), records[-1])


def _notes(increment: Increment, reference: ExperimentRecord, tasks: list[str]) -> list[str]:
    git = reference.git or {}
    notes = changed_inputs(increment, tasks)
    notes += changed_code(increment, git.get("commit"))
    if git.get("dirty") and git.get("commit"):
        notes.append(
            f"it ran on uncommitted changes, kept in experiments/{reference.id}/git.patch"
            if (reference.folder / "git.patch").exists()
            else "it ran on uncommitted changes that were not kept"
        )
    return notes


def _check_ran(report: RunReport, options: ReproduceOptions) -> None:
    if report.failed is None:
        return
    error = report.failed["error"]
    told = error["message"] if isinstance(error, dict) else str(error)
    where = error.get("where") if isinstance(error, dict) else None
    raise StageError(
        f"{report.failed['task']} fails when it is run again: {told}",
        where=where,
        hint="look into the clean folder"
        if options.keep
        else "run again with --keep and look into the clean folder",
    )


# -- comparing -------------------------------------------------------------------------------------


def compare_increments(
    increment: Increment,
    clean: Increment,
    chosen: Chosen,
    again: Sequence[ExperimentRecord],
    ran: Sequence[str],
    tolerance: float,
    one: ExperimentRecord | None = None,
) -> Compared:
    """Compare every recorded number of an increment with those of its repetition.

    Parameters
    ----------
    chosen : Chosen
        The recorded experiments that count.
    again : sequence of ExperimentRecord
        Those of the repetition.
    ran : sequence of str
        The tasks that were run; their reports are compared.
    one : ExperimentRecord, optional
        Where only this one was repeated.
    """
    found = Compared()
    for name, reason in chosen.skipped.items():
        found.skip(f"experiments/{name}", reason)
    repeated = {r.name: r for r in again if r.status == "completed"}
    for record in chosen.compared:
        _compare_experiment(found, record, repeated.get(record.name), tolerance, alone=one is not None)
    if one is None:
        for task, path in _REPORTS.items():
            before = _load(increment.folder / path) if task in ran else None
            if before is not None:
                found.compare(
                    path, numbers_in(before), numbers_in(_load(clean.folder / path) or {}), tolerance
                )
        _compare_choice(found, increment, clean)
    return found


def _compare_experiment(
    found: Compared, record: ExperimentRecord, now: ExperimentRecord | None, tolerance: float, *, alone: bool
) -> None:
    where = f"experiments/{record.id}"
    if now is None:
        if record.task is None:
            found.skip(where, "it was tracked outside the tasks")
        else:
            found.compare(where, {"status": record.status}, {"status": "not trained"})
        return
    metrics: dict[str, Value] = dict(record.metrics)
    if alone and record.tags.get("role") == "tuned":
        for name in [n for n in metrics if n.startswith(_SEARCH) and n not in now.metrics]:
            found.skip(f"{where}/metrics.json: {name}", "one experiment is fitted without its search")
            del metrics[name]
    found.compare(f"{where}/metrics.json", metrics, dict(now.metrics), tolerance)
    digests = {"data_sha256": record.data_sha256, "holdout": record.tags.get("holdout")}
    found.compare(
        f"{where}/experiment.json",
        digests,
        {"data_sha256": now.data_sha256, "holdout": now.tags.get("holdout")},
    )


def _compare_choice(found: Compared, increment: Increment, clean: Increment) -> None:
    """Compare which experiment came out best."""
    before, after = (_load(i.experiments / "comparison.json") for i in (increment, clean))
    if before is not None:
        found.compare(
            "experiments/comparison.json", numbers_in({"best": before.get("best")}),
            numbers_in({"best": (after or {}).get("best")}),
        )  # fmt: skip


def _body(
    increment: Increment,
    one: ExperimentRecord | None,
    tasks: Sequence[str],
    compared: Compared,
    options: ReproduceOptions,
    environment: dict[str, Any],
    notes: Sequence[str],
    when: dt.datetime,
) -> dict[str, Any]:
    git = git_state(increment.folder)
    return {
        "increment": increment.id,
        "experiment": one.id if one else None,
        "verdict": compared.verdict,
        "when": when.isoformat(timespec="seconds"),
        "commit": git.commit if git else None,
        "dirty": git.dirty if git else None,
        "evaluation": _evaluation_digest(increment),
        "tasks": list(tasks),
        "tolerance": options.tolerance,
        "compared": compared.n,
        "equal": compared.n - len(compared.differences),
        "largest": {"absolute": compared.largest_absolute, "relative": compared.largest_relative},
        "differences": [asdict(d) for d in compared.differences],
        "not_compared": [{"reason": r, "names": names} for r, names in compared.skipped.items()],
        "environment": {**environment, "rebuilt": options.environment},
        "notes": list(notes),
    }
