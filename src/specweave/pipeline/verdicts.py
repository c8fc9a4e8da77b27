"""One criterion against the evidence: pass, fail, inconclusive or missing, with the numbers behind it.

Reads: the evaluation record and kept predictions. Writes: nothing. Never: runs a model or a task.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from specweave.errors import DataError, SpecError, did_you_mean
from specweave.experiments.record import ExperimentRecord
from specweave.increments.criteria import Criterion
from specweave.increments.project import Increment
from specweave.metrics.base import MetricRef, find_metric
from specweave.records import Metric
from specweave.stages.numbers import readable
from specweave.stages.records import find_explanation
from specweave.stages.workspace import Workspace

Judged = Literal["pass", "fail", "inconclusive", "missing"]
_EXACT = 1e-9


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one criterion.

    Attributes
    ----------
    criterion : Criterion
    verdict : {"pass", "fail", "inconclusive", "missing"}
    blocks : bool
        Whether the increment cannot be done because of it.
    metric : Metric or None
        The measured value with its interval.
    bar : float or None
        What the value must reach, in the metric's unit.
    experiment : str
    note : str
        What a reader needs beside the numbers: how the bar was set, how many more rows would settle it.
    fix : str
        The command that brings missing evidence.
    waived : str
        Reason, owner and expiry of the waiver that covers it.
    """

    criterion: Criterion
    verdict: Judged
    blocks: bool
    metric: Metric | None = None
    bar: float | None = None
    experiment: str = ""
    note: str = ""
    fix: str = ""
    waived: str = ""


class Evidence:
    """What a criterion is judged by; loaded on first use, so that a verdict costs only what it needs.

    Parameters
    ----------
    workspace : Workspace
    evaluation : mapping or None
        The record of ``reports/evaluation.json``; None where there is none yet.
    """

    def __init__(self, workspace: Workspace, evaluation: Mapping[str, Any] | None) -> None:
        self.workspace = workspace
        self.evaluation = evaluation

    @property
    def increment(self) -> Increment:
        """The increment."""
        return self.workspace.increment

    def record(self, experiment: str) -> ExperimentRecord:
        """Return an experiment."""
        return self.workspace.store.get(experiment)

    def outcome(self, experiment: str) -> Any:
        """Return the holdout predictions of an experiment.

        Raises
        ------
        DataError
            If they are gone.
        """
        from specweave.stages.training import load_predictions

        found = load_predictions(self.record(experiment), "holdout")
        if found is None:
            raise DataError(
                f"the holdout predictions of {experiment} are gone",
                where=experiment,
                hint="run: sw do --task T-006 --force",
            )
        return found

    def decision(self, experiment: str) -> dict[str, Any]:
        """Return what an experiment's validation folds decided (its threshold)."""
        from specweave.stages.training import load_predictions

        if self.evaluation and experiment == self.evaluation["experiment"]:
            return dict(self.evaluation["decision"])
        oof = load_predictions(self.record(experiment), "oof")
        if oof is None:
            raise DataError(f"the out-of-fold predictions of {experiment} are gone", where=experiment,
                            hint="run: sw do --task T-004 --force")  # fmt: skip
        w = self.workspace
        return w.problem.decide(oof, w.dataset, w.spec, w.plan)


def judge(criterion: Criterion, evidence: Evidence) -> Verdict:
    """Return the verdict of one criterion."""
    if evidence.evaluation is None:
        return Verdict(
            criterion=criterion, verdict="missing", blocks=True, note="nothing was evaluated yet",
            fix=f"sw do {evidence.increment.number} --task T-006",
        )  # fmt: skip
    try:
        if criterion.kind == "evidence":
            return _judge_explained(criterion, evidence)
        if criterion.kind == "relative":
            return _judge_relative(criterion, evidence)
        return _judge_absolute(criterion, evidence)
    except SpecError as error:
        raise SpecError(error.what, where=f"{criterion.source}:{criterion.line}", hint=error.hint) from error
    except DataError as error:
        return Verdict(
            criterion=criterion, verdict="missing", blocks=True, note=error.what, fix=error.hint or ""
        )


# -- absolute --------------------------------------------------------------------------------------


def _judge_absolute(criterion: Criterion, evidence: Evidence) -> Verdict:
    assert criterion.metric is not None
    metric = _measured(criterion.metric, criterion, evidence)
    experiment = _measured_by(criterion.metric, evidence)
    if metric is None:
        return Verdict(
            criterion=criterion, verdict="missing", blocks=True, experiment=experiment,
            note=f"{criterion.metric.label} was not measured", fix=_measure_with(evidence),
        )  # fmt: skip
    return verdict_of(criterion, metric, criterion.value, experiment)


def _measured_by(ref: MetricRef, evidence: Evidence) -> str:
    """Return the experiment whose value counts: the chosen one, or, of own scripts, the one that logged it."""
    evaluation = evidence.evaluation or {}
    logged = (m.get("logged_by") for m in evaluation["metrics"] if m["name"] == ref.key)
    return str(next(logged, None) or evaluation["experiment"])


def _measure_with(evidence: Evidence) -> str:
    if evidence.workspace.problem.trains:
        return f"sw do {evidence.increment.number} --task T-006 --force"
    return f"log it in one of the scripts, then: sw do {evidence.increment.number}"


def verdict_of(criterion: Criterion, metric: Metric, bar: float, experiment: str, note: str = "") -> Verdict:
    """Return the verdict of a measured value against its bar.

    The point and its interval must agree for ``pass`` or ``fail``; where the interval straddles the bar
    the verdict is ``inconclusive``. It then blocks if the point misses the bar, or if the criterion asks
    for confidence, which only the interval's bound can give.
    """
    from specweave.statistics.settling import rows_to_settle

    point = _meets(metric.value, criterion.op, bar)
    low, high = metric.low, metric.high
    if low is None or high is None or criterion.op == "=":
        sure_bound = criterion.confidence is None
        told = "" if sure_bound else "no interval can be given, so confidence cannot be shown"
        good = point and sure_bound
        return Verdict(criterion=criterion, verdict="pass" if good else "fail", blocks=not good, metric=metric, bar=bar,
                       experiment=experiment, note="; ".join(x for x in (note, told) if x))  # fmt: skip
    both = (_meets(low, criterion.op, bar), _meets(high, criterion.op, bar))
    if all(both) and point:
        return Verdict(
            criterion=criterion,
            verdict="pass",
            blocks=False,
            metric=metric,
            bar=bar,
            experiment=experiment,
            note=note,
        )
    if not any(both) and not point:
        return Verdict(
            criterion=criterion,
            verdict="fail",
            blocks=True,
            metric=metric,
            bar=bar,
            experiment=experiment,
            note=note,
        )
    more = rows_to_settle(metric.value, low, high, bar, metric.n or 0) if metric.n else None
    parts = [
        note,
        "the point meets the bar, its interval straddles it"
        if point
        else "the point misses the bar, its interval straddles it",
    ]
    if more:
        parts.append(f"about {more:,} more holdout rows would settle it")
    if criterion.confidence is not None:
        parts.append(f"{criterion.confidence:.0%} confidence is not reached")
    blocks = not point or criterion.confidence is not None
    return Verdict(criterion=criterion, verdict="inconclusive", blocks=blocks, metric=metric, bar=bar,
                   experiment=experiment, note="; ".join(p for p in parts if p))  # fmt: skip


def _meets(value: float, op: str, bar: float) -> bool:
    if math.isnan(value):
        return False
    if op == "=":
        return math.isclose(value, bar, rel_tol=1e-6, abs_tol=_EXACT)
    return {">": value > bar, ">=": value >= bar - _EXACT, "<": value < bar, "<=": value <= bar + _EXACT}[op]


def _measured(ref: MetricRef, criterion: Criterion, evidence: Evidence) -> Metric | None:
    """Return the value of a metric: from the record, or computed anew from kept predictions."""
    level = criterion.confidence or 0.95
    if criterion.where is None:
        for item in (evidence.evaluation or {})["metrics"]:
            if item["name"] == ref.key and math.isclose(item.get("level", 0.95), level):
                return metric_from(item)
    if find_metric(ref.name).measure is None or not evidence.workspace.problem.trains:
        found = next((m for m in (evidence.evaluation or {})["metrics"] if m["name"] == ref.key), None)
        return metric_from(found) if found else None
    return measure_now(ref, evidence, criterion.where, level)


def metric_from(item: Mapping[str, Any]) -> Metric:
    """Return the Metric that a record holds."""
    from specweave.files.store import number

    return msgspec.convert({k: number(v) for k, v in item.items() if k != "logged_by"}, Metric)


def measure_now(ref: MetricRef, evidence: Evidence, segment: tuple[str, str] | None, level: float) -> Metric:
    """Measure a metric on the kept holdout predictions, in a segment where one is given.

    Raises
    ------
    DataError
        If it is not defined there, or the segment is empty.
    """
    from specweave.stages.measuring import measure_with_interval

    workspace = evidence.workspace
    experiment = str((evidence.evaluation or {})["experiment"])
    outcome = evidence.outcome(experiment)
    if segment:
        outcome = outcome[_in_segment(workspace, outcome, segment)].reset_index(drop=True)
        if outcome.empty:
            raise DataError(
                f"no holdout row has {segment[0]} == {segment[1]}",
                hint="look at the values in data/profile.json",
            )
    try:
        workspace.problem.measure(ref, outcome, evidence.decision(experiment))
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        # A metric of another problem type meets columns that it does not know.
        raise DataError(
            f"{ref.label} cannot be measured on {workspace.spec.problem_type.casefold()}",
            hint=f"remove it from {workspace.spec.where}, or demand another metric",
        ) from error
    units = workspace.problem.units(workspace.dataset, outcome)
    return measure_with_interval(
        workspace.problem,
        ref,
        outcome,
        evidence.decision(experiment),
        units,
        level=level,
        seed=workspace.seed,
    )


def _in_segment(workspace: Workspace, outcome: Any, segment: tuple[str, str]) -> Any:
    column, value = segment
    frame, _ = workspace.problem.segment_table(workspace.dataset, outcome)
    if column not in frame.columns:
        raise SpecError(
            f"'{column}' is no column of the data",
            where=workspace.spec.where,
            hint=did_you_mean(column, map(str, frame.columns)),
        )
    found = frame[column].astype(str).str.strip()
    same = found == value
    try:
        wanted = float(value)
    except ValueError:
        return same.to_numpy()
    import pandas as pd

    return (same | (pd.to_numeric(found, errors="coerce") == wanted)).to_numpy()


# -- relative --------------------------------------------------------------------------------------


def _judge_relative(criterion: Criterion, evidence: Evidence) -> Verdict:
    from specweave.stages.measuring import compare_relative

    workspace = evidence.workspace
    ref = criterion.metric or workspace.problem.selection_metric(workspace.spec, workspace.plan)
    ours = str((evidence.evaluation or {})["experiment"])
    theirs = _reference(criterion, ref, evidence)
    if theirs is None:
        return _nothing_to_compare(criterion, evidence, ours)
    a, b = evidence.outcome(ours), evidence.outcome(theirs)
    dataset = workspace.dataset
    result = compare_relative(
        workspace.problem, ref, a, b, evidence.decision(ours), evidence.decision(theirs),
        workspace.problem.units(dataset, a), workspace.problem.units(dataset, b),
        amount=criterion.value, unit=criterion.unit or "%", level=criterion.confidence or 0.95, seed=workspace.seed,
    )  # fmt: skip
    definition = find_metric(ref.name)
    # Shown in the metric's own terms: the value and its distance to the bar shifted by the bar.
    sign = 1.0 if definition.higher_is_better else -1.0
    bounds = sorted((result.bar + sign * result.low, result.bar + sign * result.high))
    metric = Metric(
        name=ref.key, value=result.ours, higher_is_better=definition.higher_is_better, unit=definition.unit,
        low=bounds[0], high=bounds[1], level=criterion.confidence or 0.95, n=result.n, method=result.method,
    )  # fmt: skip
    gain = (
        ""
        if result.gain is None
        else (f"{result.gain:.0%} better" if criterion.unit != "x" else f"{result.gain:.1f} times")
    )
    note = f"{theirs} has {readable(result.theirs)}; {result.rule}" + (f"; measured: {gain}" if gain else "")
    op = ">=" if definition.higher_is_better else "<="
    shown = msgspec.structs.replace(criterion, op=op)
    found = verdict_of(shown, metric, result.bar, ours, note)
    return msgspec.structs.replace(found, criterion=criterion)


def _reference(criterion: Criterion, ref: MetricRef, evidence: Evidence) -> str | None:
    """Return the experiment that a relative criterion compares with, or None where there is none."""
    from specweave.stages.choice import choose_best
    from specweave.stages.training import best_of, trained

    workspace = evidence.workspace
    baselines = trained(workspace, ["baseline"])
    if criterion.reference == "best baseline":
        return best_of(workspace, baselines).id if baselines else None
    if criterion.reference == "previous version":
        return _previous(evidence, choose_best(workspace).id)
    word = criterion.reference.removesuffix(" baseline").strip()
    return next((r.id for r in baselines if word in r.name), None)


def _previous(evidence: Evidence, best: str) -> str | None:
    from specweave.experiments.versions import ModelVersions

    versions = ModelVersions(evidence.increment.folder / "models").list()
    known = set(evidence.workspace.store.folder_names())
    named = [str(v.metadata.get("experiment")) for v in versions]
    earlier = [name for name in named if name != best and name in known]
    return earlier[-1] if earlier else None


def _nothing_to_compare(criterion: Criterion, evidence: Evidence, ours: str) -> Verdict:
    if criterion.reference == "previous version":
        return Verdict(criterion=criterion, verdict="pass", blocks=False, experiment=ours,
                       note="this is the first version; there is nothing to be better than")  # fmt: skip
    return Verdict(
        criterion=criterion, verdict="missing", blocks=True, experiment=ours,
        note=f"no {criterion.reference} was trained", fix=f"sw do {evidence.increment.number} --task T-003",
    )  # fmt: skip


# -- evidence --------------------------------------------------------------------------------------


def _judge_explained(criterion: Criterion, evidence: Evidence) -> Verdict:
    experiment = str((evidence.evaluation or {})["experiment"])
    found = find_explanation(evidence.increment.folder)
    fix = f"sw do {evidence.increment.number} --task T-007"
    if found is None or found["experiment"] != experiment:
        return Verdict(criterion=criterion, verdict="missing", blocks=True, experiment=experiment,
                       note="the chosen model is not explained", fix=fix)  # fmt: skip
    counts = [len(example.get("reasons", [])) for example in found["examples"]]
    wanted, names = int(criterion.value), len(found["importance"])
    # A model of two columns cannot give three reasons; it then gives all it has.
    good = bool(counts) and min(counts) >= min(wanted, names or wanted)
    note = f"{len(counts)} example predictions, each with at least {min(counts) if counts else 0} reasons"
    return Verdict(criterion=criterion, verdict="pass" if good else "fail", blocks=not good, experiment=experiment,
                   note=note, fix="" if good else fix)  # fmt: skip
