"""Rules about what is aimed at: the metric, the balance of the labels, the criteria themselves.

Reads: spec, plan, profile, evaluation. Writes: nothing. Never: asks which problem type it is; the records say
what the target looks like.
"""

from __future__ import annotations

from collections.abc import Iterator

from specweave.metrics.base import find_metric, parse_metric_ref
from specweave.pipeline.validation import amendments
from specweave.records import Severity
from specweave.review.base import Change, Doubt, rule
from specweave.review.evidence import Evidence
from specweave.stages.numbers import short_number

_RARE = 0.1
_TREATED = ("weight", "balanced", "undersampl", "oversampl", "smote", "pos_weight")
# Metrics that a useless model can have at its best: alone they choose nothing.
_ONE_SIDED = {
    "recall": "a model that calls everything positive has a recall of 1",
    "precision": "a model that calls one sure row positive has a precision of 1",
    "specificity": "a model that calls nothing positive has a specificity of 1",
    "fpr": "a model that calls nothing positive has no false positive",
    "bias": "errors of both signs cancel",
    "max_error": "it hangs on a single row",
    "coverage": "random lists have the most coverage",
    "diversity": "random lists are the most diverse",
    "novelty": "random lists are the most novel",
    "interval_coverage": "an interval that is wide enough always covers",
}


@rule(
    "SW108", "imbalance untreated", "warning",
    "One label is rare, and neither weights or resampling among the candidates nor a tuned threshold answers that.",
    needs=("profile",), settles=("SW212",), fixes=True,
)  # fmt: skip
def imbalance_untreated(e: Evidence) -> Iterator[Doubt]:
    """Less than 10 % of one of two labels, nothing weighted, no threshold rule."""
    target = e.get("profile").at("target")
    share, classes = target.number("minority_share"), target.numbers("classes")
    if share is None or share >= _RARE or len(classes) != 2:
        return
    planned = e.plan.get("candidates", [])
    words = " ".join([*map(str, planned), *(f"{r.name} {r.params}" for r in e.models)]).casefold()
    weighted, tuned = any(w in words for w in _TREATED), bool(e.plan.get("threshold"))
    if weighted and tuned:
        return
    rare = min(classes, key=lambda label: classes[label])
    missing = [
        *([] if weighted else ["no candidate weighs or resamples"]),
        *([] if tuned else ["no threshold is tuned"]),
    ]
    changes: list[Change] = []
    if not weighted:
        changes += [e.plan_change(("candidates",), c, how="append") for c in _drafted_for(e, _TREATED)[:1]]
    if not tuned:
        changes.append(e.plan_change(("threshold", "maximise"), "f1"))
    yield Doubt(
        message=f"'{rare}' is {share:.2%} of the rows, and {' and '.join(missing)}",
        where="data/profile.json: target",
        evidence={
            "label": rare,
            "share": share,
            "rows": classes[rare],
            "weighted": weighted,
            "threshold": tuned,
        },
        advice="let one candidate weigh the rare label, and tune the threshold on validation folds",
        severity=None if len(missing) == 2 else "info",
        changes=tuple(changes),
    )


def _drafted_for(e: Evidence, words: tuple[str, ...]) -> list[dict[str, object]]:
    """Return the candidates that the problem type knows under such a name."""
    found = [c for c in e.drafted.get("candidates") or [] if isinstance(c, dict)]
    return [c for c in found if any(w in str(c.get("name")) for w in words)]


@rule(
    "SW109", "metric does not fit the problem", "warning",
    "Models are chosen by a metric that a useless model can win, or that is not defined on this target: accuracy with "
    "rare labels, MAPE with zeros, recall alone ...",
    fixes=True,
)  # fmt: skip
def metric_does_not_fit(e: Evidence) -> Iterator[Doubt]:
    """The selection metric first (warning), then the criteria of the spec."""
    why = _unfit(e, e.selection.name, alone=e.selection.k is None and e.selection.at is None)
    if why:
        better = _better_metric(e)
        yield Doubt(
            message=f"models are chosen by {e.selection.label}: {why}",
            where=e.plan.at("selection_metric"),
            evidence={"metric": e.selection.key},
            advice=f"choose by {parse_metric_ref(better).label}" if better else "choose by a metric that ranks or scores",
            changes=(e.plan_change(("selection_metric",), better),) if better else (),
        )  # fmt: skip
    for criterion in e.spec.criteria:
        ref = criterion.metric
        if ref is None or criterion.kind != "absolute" or ref == e.selection:
            continue
        why = _unfit(e, ref.name, alone=False)
        if why:
            yield Doubt(
                message=f"'{criterion.text}' asks for {ref.label}: {why}",
                where=f"{criterion.source}:{criterion.line}",
                evidence={"metric": ref.key},
                advice=f"demand {parse_metric_ref(better).label} in its place" if (better := _better_metric(e))
                else "demand another metric",
                severity="info",
            )  # fmt: skip


def _unfit(e: Evidence, name: str, *, alone: bool) -> str:
    target = (e.find("profile") or e.get("profile")).at("target")
    majority, minority = target.number("majority_share"), target.number("minority_share")
    if alone and name in _ONE_SIDED:
        return _ONE_SIDED[name]
    if name == "accuracy" and majority is not None and majority >= 0.8:
        return f"always saying the most common label scores {majority:.0%}"
    if name == "roc_auc" and minority is not None and minority < 0.02:
        return f"with {minority:.2%} positives a false alarm costs it almost nothing"
    undefined = e.get("evaluation").text("undefined", name)
    if undefined:
        return f"it is not defined on the holdout ({undefined})"
    low = target.number("min")
    zeros = e.get("profile").number("columns", target.text("name"), "zeros")
    if name == "mape" and (zeros or (low is not None and low <= 0 <= (target.number("max") or 0.0))):
        return (
            f"the target is 0 in {zeros:,.0f} rows, where it is not defined"
            if zeros
            else "the target crosses 0"
        )
    if name == "rmsle" and low is not None and low <= -1:
        return f"the target goes down to {short_number(low)}, where it is not defined"
    return ""


def _better_metric(e: Evidence) -> str | None:
    drafted = str(e.drafted.get("selection_metric") or "")
    options = [drafted, *(r.key for r in e.problem.metrics(e.spec, e.plan))]
    current = e.selection.key
    return next(
        (o for o in options if o and o != current and not _unfit(e, parse_metric_ref(o).name, alone=True)),
        None,
    )


@rule(
    "SW148", "nothing to judge by", "warning",
    "The spec demands no quality: without a number that the model must reach, every model passes.",
)  # fmt: skip
def nothing_to_judge_by(e: Evidence) -> Iterator[Doubt]:
    """No criterion with a quality metric, absolute or relative."""
    quality = [c for c in e.spec.criteria if c.kind == "relative"
               or (c.metric is not None and find_metric(c.metric.name).measure is not None)]  # fmt: skip
    if quality:
        return
    label = e.selection.label
    yield Doubt(
        message="spec.md demands no quality of the model",
        where=e.spec.where,
        evidence={"criteria": [c.text for c in e.spec.criteria]},
        advice=f"write what would be good enough: '- Success metrics: {label} "
        f"{'>' if e.metric.higher_is_better else '<'} VALUE', and '- Accuracy: Better than best baseline by 20%'",
    )


@rule(
    "SW149", "bar that a baseline meets", "info",
    "A criterion is met by a baseline already: passing it says nothing about the model.",
    needs=("evaluation",),
)  # fmt: skip
def bar_too_low(e: Evidence) -> Iterator[Doubt]:
    """An absolute criterion on the selection metric that the best baseline's holdout value meets."""
    lines = [m for m in e.get("evaluation").rows("models") if m.text("role") == "baseline"]
    scored = [(v, m.text("experiment")) for m in lines if (v := m.number("holdout")) is not None]
    if not scored:
        return
    value, name = max(scored, key=lambda x: e.sign * x[0])
    for c in e.spec.criteria:
        if c.kind != "absolute" or c.metric != e.selection or c.where is not None or c.op == "=":
            continue
        met = value >= c.value if c.op in (">", ">=") else value <= c.value
        if met:
            yield Doubt(
                message=f"'{c.text}' is met by {name} ({short_number(value)})",
                where=f"{c.source}:{c.line}",
                evidence={"baseline": name, "value": value, "bar": c.value},
                advice="raise the bar to what would be worth deploying",
            )


@rule(
    "SW134", "criteria changed after training", "info",
    "Criteria or validation were changed after the first candidate was trained: a bar that follows the result is none.",
    needs=("experiments",),
)  # fmt: skip
def amended(e: Evidence) -> Iterator[Doubt]:
    """What the lock holds as fixed against the spec of today."""
    try:
        changes = amendments(e.spec, e.lock, e.get("evaluation").value)
    except (KeyError, TypeError, AttributeError):
        # A lock that lacks what was fixed cannot show a change.
        return
    if changes:
        severity: Severity = (
            "warning" if any("removed" in c or "validation" in c for c in changes) else "info"
        )
        yield Doubt(
            message="; ".join(changes[:3]) + (f" and {len(changes) - 3} more" if len(changes) > 3 else ""),
            where="pipeline.lock.json: fixed",
            evidence={"changes": changes},
            advice="say in spec.md why; the completion summary shows each change",
            severity=severity,
        )
