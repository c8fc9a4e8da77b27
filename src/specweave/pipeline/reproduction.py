"""``sw reproduce``: run again from the recorded inputs, compare every recorded number, record the verdict.

Reads: an increment's documents, data and records. Writes: ``reports/reproduction.json`` (of one experiment:
``reproduction.json`` in its folder). Never: changes anything else of the increment.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from specweave.errors import StageError, StateError
from specweave.experiments.provenance import git_state
from specweave.experiments.record import ExperimentRecord
from specweave.experiments.store import ExperimentStore
from specweave.files.store import load_json, save_record
from specweave.increments.project import Increment
from specweave.increments.tasks import TaskLine, load_tasks
from specweave.pipeline.reproduction_environment import (
    build_environment,
    compare_environment,
    describe_environment,
    here,
)
from specweave.pipeline.reproduction_numbers import Compared, Value, numbers_in
from specweave.pipeline.reproduction_project import changed_code, changed_inputs, check_inputs, clean_project
from specweave.pipeline.runner import RunOptions, RunReport, run_increment
from specweave.stages.recorded import Recorded, save_recorded
from specweave.stages.tuning import JOURNAL

KIND, SCHEMA = "reproduction", 1
REPORT = "reports/reproduction.json"
LAST_TASK = "T-006"
_TRAINED = ("baseline", "candidate", "tuned")
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


@dataclass
class Chosen:
    """The recorded experiments that are compared, and why others are not."""

    compared: list[ExperimentRecord] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


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
    one = _one(increment, options.experiment, tasks) if options.experiment else None
    wanted = [one.task or ""] if one else _task_ids(tasks, options.all_tasks)
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


def _load(path: Path) -> dict[str, Any] | None:
    return load_json(path) if path.exists() else None


# -- what is repeated ------------------------------------------------------------------------------


def _task_ids(tasks: Sequence[TaskLine], everything: bool) -> list[str]:
    ids = [t.id for t in tasks]
    return ids if everything or LAST_TASK not in ids else ids[: ids.index(LAST_TASK) + 1]


def _one(increment: Increment, name: str, tasks: Sequence[TaskLine]) -> ExperimentRecord:
    """Return the experiment that is to be fitted again by itself."""
    record = ExperimentStore(increment.experiments).get(name)
    known = record.task in {t.id for t in tasks} and record.tags.get("role") in (*_TRAINED, "analysis")
    if record.status != "completed" or not known:
        why = f"it is {record.status}" if record.status != "completed" else "no task of tasks.md trains it"
        raise StateError(
            f"{record.id} cannot be repeated by itself: {why}", where=increment.id,
            hint=f"name a completed experiment (sw exp list {increment.number}), or run: sw reproduce {increment.number}",
        )  # fmt: skip
    return record


def choose_recorded(
    records: Sequence[ExperimentRecord], evaluation: dict[str, Any] | None, tasks: Sequence[str]
) -> Chosen:
    """Return which recorded experiments a repetition of `tasks` must come to again.

    Those of today's data, split and features; of several with one name the latest. Where time cut one off it is
    left out again.
    """
    generations = [r.tags["generation"] for r in records if "generation" in r.tags]
    current = str((evaluation or {}).get("generation") or (generations[-1] if generations else ""))
    chosen = Chosen()
    latest = {r.name: r for r in records if _is_current(r, current) and r.status == "completed"}
    for record in records:
        if not _is_current(record, current):
            chosen.skipped[record.id] = "made on earlier data, split or features"
        elif record.task is not None and record.task not in tasks:
            chosen.skipped[record.id] = f"{record.task} is not run again"
        elif latest.get(record.name) is record:
            chosen.compared.append(record)
        elif record.name in latest:
            chosen.skipped[record.id] = f"{latest[record.name].id} has taken its place"
        elif record.status == "interrupted":
            chosen.skipped[record.id] = (
                f"it was interrupted when it was recorded: {record.last_note() or 'no note'}"
            )
            chosen.left_out[record.name] = "it was interrupted when it was recorded"
        else:
            chosen.skipped[record.id] = f"it is {record.status}: {record.last_note() or 'no note'}"
    return chosen


def _is_current(record: ExperimentRecord, generation: str) -> bool:
    return record.tags.get("generation", generation) == generation


def repeat_all(chosen: Chosen) -> Recorded:
    """Return how the tasks went where time and machine had a say."""
    trials, points = {}, {}
    for record in chosen.compared:
        if record.tags.get("role") == "tuned":
            trials[record.name], points[record.name] = load_search(record)
    return Recorded(
        left_out=chosen.left_out,
        threads=_threads(chosen.compared),
        trials={n: t for n, t in trials.items() if t},
        points={n: p for n, p in points.items() if p},
    )


def repeat_one(
    one: ExperimentRecord, records: Sequence[ExperimentRecord], evaluation: dict[str, Any] | None
) -> Recorded:
    """Return how to fit one experiment without the others."""
    peers = [r for r in records if _is_current(r, one.tags.get("generation", "")) and r.status == "completed"]
    others = {r.name: "another experiment is repeated" for r in records if r.name != one.name}
    key = f"cv_{(evaluation or {}).get('selection_metric', '')}"
    scores = {
        r.name: float(r.metrics[key]) for r in peers if r.tags.get("role") == "candidate" and key in r.metrics
    }
    return Recorded(
        left_out=others,
        threads=_threads([one]),
        params={one.name: dict(one.params)} if one.tags.get("role") == "tuned" else {},
        scores={n: s for n, s in scores.items() if n != one.name},
    )


def _threads(records: Sequence[ExperimentRecord]) -> dict[str, int]:
    return {r.name: int(r.tags["threads"]) for r in records if r.tags.get("threads", "").isdecimal()}


def load_search(record: ExperimentRecord) -> tuple[int, list[dict[str, Any]]]:
    """Return how many trials a search made; their parameters too where it went on after a stop.

    Read from the search's journal, or where that is gone (``*.log`` is often ignored by git) from the metrics.
    """
    path = record.folder / JOURNAL
    if not path.exists():
        return int(record.metrics.get("n_trials", 0)), []
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    study = storage.get_all_studies()[0]
    states = optuna.trial.TrialState
    ended = [t for t in storage.get_all_trials(study._study_id, deepcopy=False) if t.state.is_finished()]
    workers = {
        json.loads(line)["worker_id"] for line in path.read_text(encoding="utf-8").splitlines() if line
    }
    if len(workers) <= 1:
        return len(ended), []
    useful = [dict(t.params) for t in ended if t.state in (states.COMPLETE, states.PRUNED)]
    return len(useful), useful


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
            before, after = _load(increment.folder / path), _load(clean.folder / path)
            if task in ran and before is not None:
                found.compare(path, numbers_in(before), numbers_in(after or {}), tolerance)
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
