"""The gates: is every task proven, is every criterion met, and what is missing.

Reads: documents, lock, evidence. Writes: the table of tests.md between its markers. Never: runs a task;
``sw done`` walks this same path, so that one can never contradict the other.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from specweave.errors import did_you_mean
from specweave.files.atomic import write_text
from specweave.files.documents import Document
from specweave.files.store import read_text
from specweave.increments.criteria import Criterion, parse_criteria
from specweave.increments.plan import load_plan
from specweave.increments.project import Increment
from specweave.increments.spec import Spec, load_spec
from specweave.increments.tasks import load_tasks
from specweave.increments.waivers import Waiver, load_waivers, waiver_name
from specweave.metrics.base import find_metric, is_percent, parse_metric_ref
from specweave.pipeline.documents import RESULTS_BLOCK, render_result_rows
from specweave.pipeline.lock import Lock, load_lock
from specweave.pipeline.staleness import TaskState, missing_evidence, task_states
from specweave.pipeline.system import waiting_elsewhere
from specweave.pipeline.verdicts import Evidence, Verdict, judge
from specweave.problems.base import problem_for
from specweave.records import Metric
from specweave.stages.numbers import short_number
from specweave.stages.records import EVALUATION, find_evaluation
from specweave.stages.workspace import workspace_of

AMENDMENTS_BLOCK = "amendments"
# A bar written as a percentage; a level of confidence or a segment is none.
_PERCENT = re.compile(r"[<>≤≥]=?\s*[\d.,]+\s*(?:%|percent)", re.I)


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that must be in the folder: passed or not, and the command that brings it."""

    name: str
    passed: bool
    note: str = ""
    fix: str = ""


@dataclass
class Validation:
    """What the gates found.

    Attributes
    ----------
    increment : str
    gates : list of Gate
        Tasks and evidence.
    verdicts : list of Verdict
        One per criterion of spec.md and tests.md.
    amendments : list of str
        What changed since the first candidate was trained.
    notes : list of str
        What a reader should look at though it blocks nothing, such as a waiver that covers no criterion.
    ok : bool
        Whether the increment can be done.
    """

    increment: str
    gates: list[Gate] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    amendments: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """True where nothing blocks."""
        return all(g.passed for g in self.gates) and not any(v.blocks for v in self.verdicts)


def validate_increment(
    increment: Increment, *, today: dt.date | None = None, write: bool = True
) -> Validation:
    """Judge an increment by its evidence.

    Parameters
    ----------
    increment : Increment
    today : date, optional
        By which waivers expire.
    write : bool
        Whether the table of tests.md is rewritten.

    Returns
    -------
    Validation

    Raises
    ------
    SpecError, CorruptFileError
        If a document or record cannot be read.
    """
    today = today or dt.date.today()
    spec = load_spec(increment.spec_path)
    problem = problem_for(spec.problem_type, where=spec.at("Problem type"))
    plan = load_plan(increment.plan_path, problem.plan_keys)
    tasks = load_tasks(increment.tasks_path)
    lock = load_lock(increment.lock_path)
    states = task_states(increment, spec, plan, tasks, lock, elsewhere=waiting_elsewhere(increment, spec))
    found = Validation(increment.id, gates=[_task_gate(increment, s, lock) for s in states])
    evaluation = find_evaluation(increment.folder) if problem.trains else logged_metrics(increment)
    if not problem.trains:
        found.gates.append(_experiments_gate(increment))
    elif evaluation is not None:
        found.gates += _evidence_gates(increment, evaluation)
        found.gates += _as_written(increment, lock)
    evidence = Evidence(workspace_of(increment), evaluation) if evaluation else None
    waivers = load_waivers(increment.folder)
    for criterion in all_criteria(increment, spec):
        verdict = judge(criterion, evidence) if evidence else _not_evaluated(criterion, increment)
        found.verdicts.append(_with_waiver(verdict, waivers, today))
    found.amendments = amendments(spec, lock, evaluation)
    found.notes = _idle_waivers(waivers, found.verdicts)
    if write:
        write_results(increment, found)
    return found


def all_criteria(increment: Increment, spec: Spec) -> list[Criterion]:
    """Return the criteria of spec.md and those that people added under "More criteria" in tests.md."""
    criteria = list(spec.criteria)
    if increment.tests_path.exists():
        document = Document(read_text(increment.tests_path), f"{increment.id}/tests.md")
        document.check_no_conflict()
        section = document.find_section("More criteria")
        ours = document.managed_block(AMENDMENTS_BLOCK)
        for bullet in document.bullets(section) if section else []:
            if ours and ours[1] <= bullet.line <= ours[2]:
                continue
            key, value = bullet.key, bullet.text.partition(":")[2].strip() if bullet.key else bullet.text
            named = f"{key}: " if key else ""
            for criterion in parse_criteria(value, key=key, where=document.where, line=bullet.line):
                text = criterion.text if criterion.text.startswith(named) else f"{named}{criterion.text}"
                criteria.append(msgspec.structs.replace(criterion, text=text))
    return criteria


# -- gates -----------------------------------------------------------------------------------------


def _task_gate(increment: Increment, state: TaskState, lock: Lock) -> Gate:
    task = state.task
    name = f"{task.id} {task.title}"
    fix = f"sw do {increment.number}"
    missing = missing_evidence(increment.folder, task)
    if not state.stale:
        return Gate(name=name, passed=True)
    if task.id in lock.tasks and lock.tasks[task.id].status == "done" and not missing:
        return Gate(name=name, passed=False, note=f"out of date: {', '.join(state.reasons)}", fix=fix)
    ticked = "ticked, but " if task.ticked else ""
    note = f"{ticked}no evidence: {', '.join(missing)}" if missing else f"{ticked}{', '.join(state.reasons)}"
    return Gate(name=name, passed=False, note=note, fix=f"{fix} --task {task.id}")


def _evidence_gates(increment: Increment, evaluation: dict[str, Any]) -> list[Gate]:
    """Check what the seed names: experiments logged, best model saved, metrics documented, explained."""
    number = increment.number
    best = str(evaluation["experiment"])
    folder = increment.experiments / best
    return [
        _experiments_gate(increment),
        Gate(name="Best model saved", passed=(folder / "model.pkl").exists(), note=best,
             fix=f"sw do {number} --from T-004 --force"),
        Gate(name="Evaluation metrics documented", passed=bool(evaluation.get("metrics")),
             note="reports/evaluation-report.md", fix=f"sw do {number} --task T-006 --force"),
        Gate(name="Model explainability artifacts present", passed=(folder / "shap_values.pkl").exists(),
             note=f"experiments/{best}/shap_values.pkl", fix=f"sw do {number} --task T-007 --force"),
    ]  # fmt: skip


def _as_written(increment: Increment, lock: Lock) -> list[Gate]:
    """Check that the numbers judged are those that the task wrote, not edited since."""
    path = increment.folder / EVALUATION
    writer = next((name for name, record in lock.tasks.items() if EVALUATION in record.outputs), None)
    if writer is None or not path.exists():
        return []
    # git may have changed the line endings on its way here.
    raw = path.read_bytes()
    hashes = {hashlib.sha256(data).hexdigest() for data in (raw, raw.replace(b"\r\n", b"\n"))}
    passed = lock.tasks[writer].outputs[EVALUATION] in hashes
    return [Gate(name="Evaluation is as it was written", passed=passed,
                 note="" if passed else f"{EVALUATION} was changed since {writer} wrote it",
                 fix="" if passed else f"sw do {increment.number} --task {writer} --force")]  # fmt: skip


def _experiments_gate(increment: Increment) -> Gate:
    from specweave.experiments.store import ExperimentStore

    records = ExperimentStore(increment.experiments).list()
    open_ones = [r.id for r in records if r.status == "running"]
    note = f"still running: {', '.join(open_ones)}" if open_ones else f"{len(records)} experiments"
    return Gate(name="All experiments logged", passed=bool(records) and not open_ones, note=note,
                fix="wait for them" if open_ones else "")  # fmt: skip


def logged_metrics(increment: Increment) -> dict[str, Any] | None:
    """Return what an increment's own scripts logged, in the shape of an evaluation; None where nothing was.

    Of each metric the latest completed experiment that logged it counts.
    """
    from specweave.experiments.store import ExperimentStore

    latest: dict[str, tuple[float, str]] = {}
    experiment = ""
    for record in sorted(
        ExperimentStore(increment.experiments).list(), key=lambda r: (r.ended or "", r.number)
    ):
        if record.status == "completed" and record.metrics:
            latest |= {name: (float(value), record.id) for name, value in record.metrics.items()}
            experiment = record.id
    if not latest:
        return None
    metrics = [_logged(name, value) | {"logged_by": by} for name, (value, by) in latest.items()]
    return {"experiment": experiment, "metrics": metrics, "decision": {}}


def _logged(name: str, value: float) -> dict[str, Any]:
    try:
        definition = find_metric(parse_metric_ref(name).name)
    except LookupError:
        return {"name": name, "value": value, "higher_is_better": True}
    return {"name": parse_metric_ref(name).key, "value": value,
            "higher_is_better": definition.higher_is_better, "unit": definition.unit}  # fmt: skip


# -- criteria --------------------------------------------------------------------------------------


def _not_evaluated(criterion: Criterion, increment: Increment) -> Verdict:
    return Verdict(criterion=criterion, verdict="missing", blocks=True, note="nothing was evaluated yet",
                   fix=f"sw do {increment.number}")  # fmt: skip


def _with_waiver(verdict: Verdict, waivers: dict[str, Waiver], today: dt.date) -> Verdict:
    if not verdict.blocks:
        return verdict
    waiver = waivers.get(waiver_name(verdict.criterion.key))
    if waiver is None:
        return verdict
    told = f"{waiver.reason} ({waiver.owner}, until {waiver.expires.isoformat()})"
    if waiver.expired(today):
        note = "; ".join(x for x in (verdict.note, f"its waiver has expired: {told}") if x)
        return msgspec.structs.replace(
            verdict, note=note, fix=f"renew waivers/{waiver.name}.md, or meet the criterion"
        )
    return msgspec.structs.replace(verdict, blocks=False, waived=told)


def _idle_waivers(waivers: dict[str, Waiver], verdicts: list[Verdict]) -> list[str]:
    """Name the waivers whose name is that of no criterion; those of the review have names of their own."""
    names = {waiver_name(v.criterion.key) for v in verdicts}
    idle = [w for w in waivers if w not in names and not re.fullmatch(r"SW\d+", w)]
    return [f"waivers/{name}.md covers no criterion: {did_you_mean(name, sorted(names))}" for name in idle]


def amendments(spec: Spec, lock: Lock, evaluation: Mapping[str, Any] | None = None) -> list[str]:
    """Return, in words, what changed in criteria, validation and holdout since the first candidate was trained."""
    fixed = lock.fixed
    if not fixed:
        return []
    before, now = list(fixed.get("criteria", [])), [c.text for c in spec.criteria]
    since = f"(fixed on {fixed.get('on', '?')}" + (
        f", commit {str(fixed['commit'])[:10]})" if fixed.get("commit") else ")"
    )
    changes = [f"criterion removed: {text} {since}" for text in before if text not in now]
    changes += [f"criterion added: {text} {since}" for text in now if text not in before]
    if fixed.get("validation", "") != spec.get("Validation", ""):
        changes.append(
            f"validation changed from '{fixed['validation']}' to '{spec.get('Validation', '')}' {since}"
        )
    holdout = str((evaluation or {}).get("holdout") or "")
    if holdout and fixed.get("holdout") and holdout != fixed["holdout"]:
        changes.append(f"the holdout holds other rows: hash {holdout}, was {fixed['holdout']} {since}")
    return changes


# -- tests.md --------------------------------------------------------------------------------------


def write_results(increment: Increment, found: Validation) -> None:
    """Rewrite the managed blocks of tests.md; every other byte stays."""
    path = increment.tests_path
    where = f"{increment.id}/tests.md"
    text = read_text(path) if path.exists() else f"# Tests: {increment.id}\n"
    rows = [(v.criterion, describe(v)) for v in found.verdicts]
    document = Document(text, where).with_managed_block(RESULTS_BLOCK, render_result_rows(rows, where))
    if found.amendments or document.managed_block(AMENDMENTS_BLOCK):
        body = "\n".join(f"- {line}" for line in found.amendments) or "none"
        document = document.with_managed_block(
            AMENDMENTS_BLOCK,
            f"Changed after the first candidate was trained:\n\n{body}",
            before=document.find_section("More criteria"),
        )
    if document.text != text:
        write_text(path, document.text)


def describe(verdict: Verdict) -> dict[str, str]:
    """Return one verdict as the cells of its row."""
    said = verdict.verdict + (" (waived)" if verdict.waived else "")
    notes = "; ".join(x for x in (verdict.note, verdict.waived) if x)
    percent = True if _PERCENT.search(verdict.criterion.text) else None
    measured = value_text(verdict.metric, percent=percent) if verdict.metric else "not measured"
    if verdict.criterion.kind == "evidence" and verdict.verdict in ("pass", "fail"):
        measured = verdict.note
        notes = verdict.waived
    return {
        "measured": measured,
        "verdict": f"{said}: {notes}" if notes else said,
        "experiment": verdict.experiment,
    }


def value_text(metric: Metric, *, percent: bool | None = None) -> str:
    """Return a value with its interval for people: ``0.846 [0.825, 0.866], 95% of n = 1409``.

    `percent` shows a fraction as a percentage, as the criterion asks for it; by default where the metric is read so.
    """
    if percent is None:
        percent = is_percent(metric.name)
    if percent and not metric.unit:
        low, high = (None if v is None else 100 * v for v in (metric.low, metric.high))
        metric = msgspec.structs.replace(metric, value=100 * metric.value, low=low, high=high, unit="%")
    unit = f" {metric.unit}" if metric.unit and metric.unit != "%" else metric.unit
    text = f"{short_number(metric.value)}{unit}"
    if metric.low is not None and metric.high is not None:
        text += f" [{short_number(metric.low)}, {short_number(metric.high)}]"
    return text + (f", n = {metric.n}" if metric.n else "")


def metric_label(name: str) -> str:
    """Return a metric's name as people write it."""
    try:
        return parse_metric_ref(name).label
    except LookupError:
        return name
