"""How an increment stands: criteria with verdicts, tasks, best model, as issues and pull requests show it.

Reads: documents and records of one increment, its data only where a verdict needs it. Writes: nothing.
Never: runs a task, or calls a verdict missing only because the data is not in this checkout.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from specweave.experiments.store import ExperimentStore
from specweave.experiments.versions import ModelVersions
from specweave.files.documents import Document
from specweave.files.store import read_text
from specweave.increments.criteria import Criterion
from specweave.increments.plan import load_plan
from specweave.increments.project import Increment
from specweave.increments.spec import Spec, load_spec
from specweave.increments.tasks import TaskLine, load_tasks
from specweave.pipeline.documents import RESULTS_BLOCK
from specweave.pipeline.lock import load_lock
from specweave.pipeline.staleness import TaskState, data_fingerprint, task_states
from specweave.pipeline.system import ordered
from specweave.pipeline.validation import Validation, describe, logged_metrics, validate_increment
from specweave.pipeline.verdicts import Verdict, metric_from
from specweave.problems.base import problem_for
from specweave.records import Metric
from specweave.stages.records import find_evaluation

AS_RECORDED = "as recorded in tests.md; its data is not in this checkout"
_WILL_RUN = re.compile(r"^(.+) will run$")


@dataclass(frozen=True)
class CriterionLine:
    """One criterion as a reader sees it.

    Attributes
    ----------
    text : str
    document : str
        ``spec.md`` or ``tests.md``, from the project's root.
    line : int
    measured, note, experiment : str
    verdict : {"pass", "fail", "inconclusive", "missing"}
    blocks : bool
        Whether the increment cannot be done because of it.
    waived : str
        Reason, owner and expiry of its waiver.
    fix : str
    """

    text: str
    document: str
    line: int
    measured: str
    verdict: str
    blocks: bool
    experiment: str = ""
    note: str = ""
    waived: str = ""
    fix: str = ""


@dataclass(frozen=True)
class GateLine:
    """One thing that must be in the folder, and the line of a document that asks for it."""

    name: str
    passed: bool
    note: str
    fix: str
    document: str
    line: int


@dataclass(frozen=True)
class BestModel:
    """The chosen model with its value of the metric that chose it; `holdout` is the digest of its rows."""

    experiment: str
    algorithm: str
    metric: Metric
    holdout: str
    version: str = ""


@dataclass(frozen=True)
class Standing:
    """One increment, judged.

    Attributes
    ----------
    increment : Increment
    spec : Spec
    tasks, evidence : list of GateLine
        The tasks in order of ``tasks.md``; what else must be there.
    criteria : list of CriterionLine
    metrics : list of Metric
        Of the best model, the choosing one first.
    best : BestModel or None
    evaluation : mapping or None
        The record of ``reports/evaluation.json``.
    experiments : mapping of str to int
        Status -> number of experiments, analyses left out.
    amendments : list of str
    trains : bool
        Whether there is a model; else `metrics` hold what scripts of its own logged.
    """

    increment: Increment
    spec: Spec
    tasks: list[GateLine]
    evidence: list[GateLine]
    criteria: list[CriterionLine]
    metrics: list[Metric] = field(default_factory=list)
    best: BestModel | None = None
    evaluation: Mapping[str, Any] | None = None
    experiments: Mapping[str, int] = field(default_factory=dict)
    amendments: list[str] = field(default_factory=list)
    trains: bool = True

    @property
    def phase(self) -> Literal["abandoned", "planned", "judged"]:
        """``planned`` where nothing ran yet, so that there is nothing to judge."""
        if self.spec.status == "abandoned":
            return "abandoned"
        begun = self.experiments or any(t.passed for t in self.tasks) or self.spec.status == "done"
        return "judged" if begun else "planned"

    @property
    def failing(self) -> list[str]:
        """What stands in the way, in words."""
        if self.phase != "judged":
            return []
        gates = [g.name for g in [*self.tasks, *self.evidence] if not g.passed]
        return [c.text for c in self.criteria if c.blocks] + gates


def load_standing(increment: Increment) -> Standing:
    """Judge an increment by its records.

    Raises
    ------
    SpecError, StorageError
        If a document or record cannot be read; names file and line.
    """
    spec = load_spec(increment.spec_path)
    found = validate_increment(increment, write=False)
    evaluation = find_evaluation(increment.folder)
    tasks = load_tasks(increment.tasks_path)
    here = _data_here(increment, spec)
    lines = _task_lines(increment, found, tasks)
    if not here:
        lines = _without_data(increment, spec, tasks, lines)
    recorded = {} if here or evaluation is None else _recorded_rows(increment)
    best, metrics = _best(increment, evaluation)
    trains = problem_for(spec.problem_type, where=spec.at("Problem type")).trains
    if not trains:
        logged = logged_metrics(increment) or {"metrics": []}
        metrics = [metric_from(m) for m in logged["metrics"]]
    records, _ = ExperimentStore(increment.experiments, watchers=()).readable()
    return Standing(
        increment=increment,
        spec=spec,
        tasks=lines,
        evidence=[
            _gate_line(increment, g.name, g.passed, g.note, g.fix, 1) for g in found.gates[len(tasks) :]
        ],
        criteria=[_criterion_line(increment, v, recorded, best) for v in found.verdicts],
        metrics=metrics,
        best=best,
        evaluation=evaluation,
        experiments=Counter(r.status for r in records if r.tags.get("role") != "analysis"),
        amendments=found.amendments,
        trains=trains,
    )


# -- tasks -----------------------------------------------------------------------------------------


def _gate_line(increment: Increment, name: str, passed: bool, note: str, fix: str, line: int) -> GateLine:
    return GateLine(
        name, passed, "" if passed else note, "" if passed else fix, _document(increment, "tasks.md"), line
    )


def _document(increment: Increment, name: str) -> str:
    return increment.project.relative(increment.folder / name)


def _task_lines(increment: Increment, found: Validation, tasks: Sequence[TaskLine]) -> list[GateLine]:
    return [
        _gate_line(increment, g.name, g.passed, g.note, g.fix, t.line)
        for t, g in zip(tasks, found.gates[: len(tasks)], strict=True)
    ]


def _data_here(increment: Increment, spec: Spec) -> bool:
    """Return whether the data of an increment, and of all that it builds on, is in this checkout."""
    specs = [spec, *(load_spec(i.spec_path) for i in ordered([increment]) if i.id != increment.id)]
    owners = [Increment(s.path.parent) for s in specs]
    return not any(_data_missing(owner, s) for owner, s in zip(owners, specs, strict=True))


def _data_missing(increment: Increment, spec: Spec) -> bool:
    problem = problem_for(spec.problem_type, where=spec.at("Problem type"))
    keys = [key for key in ("Training data", *problem.data_fields) if spec.get(key) is not None]
    prints = [data_fingerprint(increment, spec, key) for key in keys]
    return any(p == "not fetched" or p.partition(":")[0] == "missing" for p in prints)


def _without_data(
    increment: Increment, spec: Spec, tasks: Sequence[TaskLine], lines: Sequence[GateLine]
) -> list[GateLine]:
    """Return the lines with those passed that are open only since the data is not in this checkout."""
    problem = problem_for(spec.problem_type, where=spec.at("Problem type"))
    plan = load_plan(increment.plan_path, problem.plan_keys)
    ignored = {f"{name} changed" for name in ("data", *problem.data_fields)}
    open_tasks: set[str] = set()
    found = []
    for state, line in zip(
        task_states(increment, spec, plan, tasks, load_lock(increment.lock_path)), lines, strict=True
    ):
        if _open_anyway(state, ignored, open_tasks):
            open_tasks.add(state.task.id)
            found.append(line)
        else:
            found.append(_gate_line(increment, line.name, True, "", "", line.line))
    return found


def _open_anyway(state: TaskState, ignored: set[str], open_tasks: set[str]) -> bool:
    for reason in state.reasons:
        upstream = _WILL_RUN.match(reason)
        if upstream and not open_tasks.intersection(upstream[1].split(", ")):
            continue
        if reason not in ignored:
            return True
    return False


# -- criteria --------------------------------------------------------------------------------------


def _criterion_line(
    increment: Increment, verdict: Verdict, recorded: Mapping[str, Sequence[str]], best: BestModel | None
) -> CriterionLine:
    criterion = verdict.criterion
    name = criterion.source.rpartition("/")[2] or "spec.md"
    row = recorded.get(" ".join(criterion.text.split()))
    if verdict.verdict == "missing" and row is not None and best is not None and row[4] == best.experiment:
        return _from_row(increment, criterion, row)
    cells = describe(verdict)
    return CriterionLine(
        text=criterion.text, document=_document(increment, name), line=criterion.line, measured=cells["measured"],
        verdict=verdict.verdict, blocks=verdict.blocks, experiment=verdict.experiment, note=verdict.note,
        waived=verdict.waived, fix=verdict.fix,
    )  # fmt: skip


def _recorded_rows(increment: Increment) -> dict[str, list[str]]:
    """Return the rows of the table in tests.md by criterion."""
    if not increment.tests_path.exists():
        return {}
    found = Document(read_text(increment.tests_path), f"{increment.id}/tests.md").managed_block(RESULTS_BLOCK)
    rows = [line for line in (found[0] if found else "").splitlines() if line.startswith("|")][2:]
    cells = [
        [c.strip().replace("\0", "|") for c in row.replace("\\|", "\0").split("|")[1:-1]] for row in rows
    ]
    return {row[0]: row for row in cells if len(row) == 5}


def _from_row(increment: Increment, criterion: Criterion, row: Sequence[str]) -> CriterionLine:
    """Return what `sw validate` wrote where the data was at hand."""
    head, _, note = row[3].partition(":")
    waived = head.endswith("(waived)")
    verdict = head.removesuffix("(waived)").strip()
    # An inconclusive verdict blocks as in pipeline.verdicts: where confidence was asked for, or the point misses.
    missed = "point misses the bar" in note or criterion.confidence is not None
    blocks = not waived and (verdict in ("fail", "missing") or (verdict == "inconclusive" and missed))
    name = criterion.source.rpartition("/")[2] or "spec.md"
    return CriterionLine(
        text=criterion.text, document=_document(increment, name), line=criterion.line, measured=row[2],
        verdict=verdict if verdict in ("pass", "fail", "inconclusive") else "missing", blocks=blocks,
        experiment=row[4], note="; ".join(x for x in (note.strip(), AS_RECORDED) if x), waived=note.strip() if waived else "",
    )  # fmt: skip


# -- the best model --------------------------------------------------------------------------------


def _best(
    increment: Increment, evaluation: Mapping[str, Any] | None
) -> tuple[BestModel | None, list[Metric]]:
    if evaluation is None:
        return None, []
    metrics = [metric_from(m) for m in evaluation["metrics"]]
    key = str(evaluation.get("selection_metric", ""))
    metrics.sort(key=lambda m: m.name != key)
    experiment = str(evaluation["experiment"])
    versions = [v for v in ModelVersions(increment.folder / "models").list()
                if v.metadata.get("experiment") == experiment]  # fmt: skip
    best = BestModel(
        experiment=experiment,
        algorithm=str(evaluation.get("algorithm", "")),
        metric=metrics[0],
        holdout=str(evaluation.get("holdout", "")),
        version=versions[-1].version if versions else "",
    )
    return best, metrics
