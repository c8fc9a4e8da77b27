"""Which recorded experiments a repetition must come to again, and how they went where time and machine had a say.

Reads: experiments, journals of searches. Writes: nothing. Never: decides by a metric's value.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from specweave.errors import StateError
from specweave.experiments.record import ExperimentRecord
from specweave.experiments.store import ExperimentStore
from specweave.increments.project import Increment
from specweave.increments.tasks import TaskLine
from specweave.stages.recorded import Recorded
from specweave.stages.tuning import JOURNAL

LAST_TASK = "T-006"
_TRAINED = ("baseline", "candidate", "tuned")


@dataclass
class Chosen:
    """The recorded experiments that are compared, and why others are not."""

    compared: list[ExperimentRecord] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def task_ids(tasks: Sequence[TaskLine], everything: bool) -> list[str]:
    """Return the tasks that are run: up to the evaluation, or all."""
    ids = [t.id for t in tasks]
    return ids if everything or LAST_TASK not in ids else ids[: ids.index(LAST_TASK) + 1]


def get_repeatable(increment: Increment, name: str, tasks: Sequence[TaskLine]) -> ExperimentRecord:
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
