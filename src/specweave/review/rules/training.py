"""Rules about the models that were trained: what failed, what was left out, which to prefer.

Reads: experiments, comparison, evaluation, plan. Writes: nothing. Never: trains anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from specweave.experiments.record import ExperimentRecord
from specweave.review.base import Doubt, rule
from specweave.review.evidence import CHOOSABLE, Evidence
from specweave.stages.numbers import short_number

_LINEAR = re.compile(r"linear|logistic|ridge|lasso|elastic|sgd", re.I)
_TREES = re.compile(r"lgbm|lightgbm|xgb|catboost|forest|boost|tree", re.I)
_TRAINING_TASKS = ("T-003", "T-004", "T-005")
_MB = 1_000_000


def is_linear(record: ExperimentRecord) -> bool:
    """Return whether an experiment's algorithm is a linear model, by the name of its class."""
    return bool(_LINEAR.search(record.tags.get("algorithm", "") or record.name))


def _not_replaced(e: Evidence, status: str) -> list[ExperimentRecord]:
    """Return training experiments that ended so, without a later one of that name that was completed."""
    done = {r.name: r.number for r in e.experiments if r.status == "completed"}
    last = {r.name: r for r in e.experiments if r.status == status and r.task in _TRAINING_TASKS}
    return [r for r in last.values() if done.get(r.name, -1) < r.number]


def _cut(record: ExperimentRecord) -> bool:
    return "NOT RUN" in record.last_note() or "budget" in record.last_note()


@rule(
    "SW120", "candidate failed", "warning",
    "A model of the plan could not be trained: it is missing from every comparison.",
)  # fmt: skip
def candidate_failed(e: Evidence) -> Iterator[Doubt]:
    """Failed training experiments, each with its reason."""
    for r in _not_replaced(e, "failed"):
        yield Doubt(
            message=f"{r.id} failed: {(r.last_note() or 'no reason was noted')[:200]}",
            where=f"experiments/{r.id}/experiment.json",
            evidence={"experiment": r.id, "error": r.error},
            advice=f"see experiments/{r.id}/logs/; mend its settings in plan.md, or take it out of the plan",
        )


@rule(
    "SW121", "candidates cut by the budget", "warning",
    "The time budget ended before some candidates were trained: the best may be among them.",
)  # fmt: skip
def cut_by_budget(e: Evidence) -> Iterator[Doubt]:
    """Candidates that were not run or were interrupted."""
    stopped = [r for r in _not_replaced(e, "interrupted") if r.tags.get("role") != "tuned"]
    if not stopped:
        return
    names = ", ".join(r.name for r in stopped)
    cut = [r.name for r in stopped if _cut(r)]
    yield Doubt(
        message=f"{len(stopped)} experiment{'s' * (len(stopped) > 1)} did not get to the end: {names}",
        where=f"experiments/{stopped[0].id}/notes.md",
        evidence={"experiments": [r.id for r in stopped], "cut_by_budget": cut},
        advice=f"give them time: sw do {e.number} --task {stopped[0].task or 'T-004'} --force"
        " (what is finished is kept)",
    )


@rule(
    "SW126", "overfitting gap", "info",
    "The model knows its training rows far better than new ones: part of its capacity is spent on noise.",
    needs=("evaluation",), covers=("SW320",),
)  # fmt: skip
def overfitting_gap(e: Evidence) -> Iterator[Doubt]:
    """A gap above 25 % of the room between training rows and validation folds."""
    gap = e.get("evaluation").at("overfitting")
    train, cv = gap.number("train"), gap.number("cv")
    if train is None or cv is None:
        return
    share = e.sign * (train - cv) / e.room(cv)
    if share <= 0.25:
        return
    simpler = next((r for r in e.of_role(*CHOOSABLE) if is_linear(r) and r is not e.best), None)
    score = e.score(simpler) if simpler else None
    beside = f"; {simpler.name} has {short_number(score)}" if simpler and score is not None else ""
    yield Doubt(
        message=f"{e.selection.label} is {short_number(train)} on training rows and {short_number(cv)} on validation "
        f"folds{beside}",
        where="reports/evaluation.json: overfitting",
        evidence={"train": train, "cv": cv, "share_of_room": share},
        advice="stronger regularisation or more rows can close some of it; the holdout value is what counts",
    )


@rule(
    "SW127", "simpler model as good", "info",
    "The holdout cannot tell the winner from a runner-up that is far smaller or faster: prefer the simpler.",
    needs=("evaluation",), covers=("SW323",),
)  # fmt: skip
def simpler_as_good(e: Evidence) -> Iterator[Doubt]:
    """A runner-up that is not told apart and is linear, or at most a third of the size."""
    evaluation = e.get("evaluation")
    lines = {m.text("experiment"): m for m in evaluation.rows("models")}
    ours = lines.get(evaluation.text("experiment"))
    for rival in evaluation.rows("comparisons"):
        theirs = lines.get(rival.text("against"))
        if (
            rival.text("role") != "runner-up"
            or rival.text("verdict") == "better"
            or ours is None
            or theirs is None
        ):
            continue
        linear = bool(_LINEAR.search(theirs.text("algorithm"))) and not _LINEAR.search(ours.text("algorithm"))
        sizes = [m.number("model_bytes") for m in (ours, theirs)]
        ratio = sizes[0] / sizes[1] if sizes[0] and sizes[1] else 1.0
        p_value = rival.number("p_value")
        told = f" (p = {p_value:.2g})" if p_value is not None else ""
        simpler = linear or ratio >= 3
        why = "a linear model" if linear else f"{ratio:.0f} times smaller"
        yield Doubt(
            message=f"the holdout does not tell {evaluation.text('experiment')} from {rival.text('against')}{told}"
            + (f", {why}" if simpler else ""),
            where=f"{evaluation.where}: comparisons",
            evidence={"against": rival.text("against"), "difference": rival.number("difference"), "p_value": p_value,
                      "size_ratio": ratio, "linear": linear},
            advice="take the simpler one: it is cheaper to run and to explain" if simpler
            else "treat them as equal: more tuning of either is unlikely to show",
        )  # fmt: skip


@rule(
    "SW128", "linear model ties with trees", "info",
    "A linear model does as well as the best tree ensemble within the noise: there is little curvature left to find, "
    "better columns help more than bigger models.",
    needs=("experiments",),
)  # fmt: skip
def linear_ties(e: Evidence) -> Iterator[Doubt]:
    """A linear score within one standard error of the best tree ensemble, or above it."""
    ranked = e.of_role(*CHOOSABLE)
    linear = next((r for r in ranked if is_linear(r)), None)
    trees = next(
        (r for r in ranked if not is_linear(r) and _TREES.search(r.tags.get("algorithm", "") or r.name)), None
    )
    if linear is None or trees is None or e.noise is None:
        return
    a, b = e.score(linear), e.score(trees)
    if a is None or b is None or e.sign * (b - a) > e.noise:
        return
    yield Doubt(
        message=f"{linear.name} ({short_number(a)}) does as well as {trees.name} ({short_number(b)}), one standard error "
        f"being {e.noise:.2g}",
        where="experiments/comparison.json",
        evidence={"linear": a, "trees": b, "noise": e.noise},
        advice="spend the next hours on columns, not on models; and consider the linear one for its clarity",
    )


@rule(
    "SW129", "large model for a small gain", "warning",
    "The chosen model is many times larger than one that scores nearly the same.",
    needs=("experiments",),
)  # fmt: skip
def large_model(e: Evidence) -> Iterator[Doubt]:
    """10 MB or more, and ten times the size of a model within one standard error."""
    best = e.best
    size = best.metrics.get("model_bytes") if best else None
    value = e.score(best) if best else None
    if (
        best is None
        or value is None
        or e.noise is None
        or not isinstance(size, int | float)
        or size < 10 * _MB
    ):
        return
    close = [
        (float(other), r, s)
        for r in e.of_role(*CHOOSABLE)
        if r.id != best.id and (s := e.score(r)) is not None and e.sign * (value - s) <= e.noise
        and isinstance(other := r.metrics.get("model_bytes"), int | float) and 0 < 10 * other <= size
    ]  # fmt: skip
    if not close:
        return
    other, record, score = min(close, key=lambda x: x[0])
    yield Doubt(
        message=f"{best.name} takes {size / _MB:,.0f} MB for {e.selection.label} {short_number(value)}; {record.name} "
        f"takes {other / _MB:,.1f} MB for {short_number(score)}",
        where=f"experiments/{best.id}/metrics.json",
        evidence={
            "bytes": size,
            "smaller": record.id,
            "smaller_bytes": other,
            "gain": e.sign * (value - score),
        },
        advice="serve the smaller one unless the difference, less than one standard error, is worth the memory",
    )


@rule(
    "SW131", "no baseline worth the name", "warning",
    "Without a baseline, or with chance alone, 'better than the baseline' says nothing.",
    fixes=True,
)  # fmt: skip
def weak_baselines(e: Evidence) -> Iterator[Doubt]:
    """No baseline planned, or fewer than the problem type knows and none above chance."""
    planned = [str(b) for b in e.plan.get("baselines", [])]
    drafted = [str(b) for b in e.drafted.get("baselines") or [] if isinstance(b, str)]
    missing = [b for b in drafted if b not in planned]
    trained = e.of_role("baseline")
    strongest = e.score(trained[0]) if trained else None
    at_chance = strongest is not None and abs(strongest - e.metric.floor) < 1e-6 and e.metric.higher_is_better
    if planned and (not missing or (trained and not at_chance) or len(planned) > 1):
        return
    yield Doubt(
        message="no baseline is planned" if not planned else f"the only baseline is '{planned[0]}'"
        + (", at the level of chance" if at_chance else ""),
        where=e.plan.at("baselines"),
        evidence={"planned": planned, "known": drafted},
        advice="add the strongest simple rule: it may be all that is needed",
        severity="warning" if not planned else "info",
        changes=tuple(e.plan_change(("baselines",), b, how="append") for b in missing),
    )  # fmt: skip


@rule(
    "SW132", "few kinds of model", "info",
    "Fewer than three algorithms were compared: no kind of model is best everywhere.",
    fixes=True,
)  # fmt: skip
def few_algorithms(e: Evidence) -> Iterator[Doubt]:
    """Fewer than three candidates in the plan, or trained."""
    planned = [c.get("name") if isinstance(c, dict) else c for c in e.plan.get("candidates", [])]
    trained = {r.tags.get("algorithm") or r.name for r in e.of_role("candidate")}
    count = len(trained) if trained else len(planned)
    if count >= 3:
        return
    known: list[Any] = [c for c in e.drafted.get("candidates") or [] if isinstance(c, dict)]
    more = [c for c in known if c.get("name") not in planned][: max(0, 3 - count)]
    yield Doubt(
        message=f"{count} algorithm{'s' * (count != 1)} {'compared' if trained else 'planned'}: "
        + (", ".join(sorted(map(str, trained or planned))) or "none"),
        where=e.plan.at("candidates"),
        evidence={"algorithms": sorted(map(str, trained or planned))},
        advice="compare at least one linear model, one boosted and one of another kind",
        changes=tuple(e.plan_change(("candidates",), c, how="append") for c in more),
    )


@rule(
    "SW133", "records out of step", "warning",
    "Evaluation, explanation and comparison do not speak of the same model or data: the report describes another one.",
    needs=("evaluation",),
)  # fmt: skip
def out_of_step(e: Evidence) -> Iterator[Doubt]:
    """Experiment and data hash of each record against the evaluation's."""
    evaluation = e.get("evaluation")
    ours, data = evaluation.text("experiment"), evaluation.text("data_sha256")
    apart: dict[str, str] = {}
    chosen = e.get("comparison").text("comparison", "best")
    if chosen and chosen != ours:
        apart["experiments/comparison.json"] = f"the best is {chosen} now"
    explained = e.get("explanation").text("experiment")
    if explained and explained != ours:
        apart["reports/explanation.json"] = f"explains {explained}"
    deployed = e.get("deployment").text("experiment")
    if deployed and deployed != ours:
        apart["reports/deployment.json"] = f"packages {deployed}"
    locked = e.get("data_lock").text("sha256")
    if locked and data and locked != data:
        apart["data/data.lock.yaml"] = "holds another version of the data"
    if apart:
        yield Doubt(
            message=f"the evaluation is of {ours}, but " + "; ".join(f"{f} {w}" for f, w in apart.items()),
            where=evaluation.where,
            evidence=apart,
            advice=f"run the tasks that are out of date: sw do {e.number}",
        )


@rule(
    "SW152", "tuning brought nothing", "info",
    "A tuned model is no better than its untuned candidate: its settings were good, or the space is wrong.",
    needs=("tuned",),
)  # fmt: skip
def tuning_in_vain(e: Evidence) -> Iterator[Doubt]:
    """Tuned against untuned of the same name, on the same folds."""
    plain = {r.name: r for r in e.of_role("candidate")}
    for r in e.of_role("tuned"):
        before = plain.get(r.name.removeprefix("tuned-"))
        a, b = e.score(r), e.score(before) if before else None
        if a is None or b is None or e.sign * (a - b) > 0:
            continue
        yield Doubt(
            message=f"{r.name} has {short_number(a)} after {r.metrics.get('n_trials', 0):.0f} trials, "
            f"{before.name if before else ''} had {short_number(b)}",
            where=f"experiments/{r.id}/metrics.json",
            evidence={"tuned": a, "untuned": b, "trials": r.metrics.get("n_trials")},
            advice="narrow the search around what works, or spend the time on columns",
        )
