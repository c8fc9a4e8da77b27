"""Rules about what came out: criteria, threshold, calibration, speed, segments, explanation.

Reads: spec, evaluation, explanation, kept predictions. Writes: nothing. Never: measures the model again.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from specweave.increments.criteria import Criterion
from specweave.increments.waivers import waiver_name
from specweave.metrics.base import find_metric
from specweave.pipeline.verdicts import Verdict, metric_from, verdict_of
from specweave.review.base import Doubt, rule
from specweave.review.evidence import Evidence
from specweave.review.record_view import View
from specweave.stages.measuring import relative_bar
from specweave.stages.numbers import short_number

# They follow how common the label is in a group, so that groups cannot be compared by them.
_BY_FREQUENCY = (
    "average_precision",
    "precision",
    "f1",
    "accuracy",
    "lift",
    "log_loss",
    "brier",
    "alarms_per_thousand",
)


def _verdicts(e: Evidence, *, operational: bool) -> Iterator[tuple[Criterion, Verdict]]:
    """Judge the absolute criteria by the evaluation's own numbers; waived ones are left out."""
    measured = {m.text("name"): m for m in e.get("evaluation").rows("metrics")}
    for c in e.spec.criteria:
        if c.kind != "absolute" or c.metric is None or c.where is not None:
            continue
        waiver = e.waivers.get(waiver_name(c.key))
        found = measured.get(c.metric.key)
        if found is None or (find_metric(c.metric.name).measure is None) != operational:
            continue
        if waiver is not None and not waiver.expired(e.today):
            continue
        try:
            metric = metric_from(found.value)
        except (msgspec.ValidationError, TypeError, ValueError):
            # A metric that lacks its value cannot be judged.
            continue
        yield c, verdict_of(c, metric, c.value, e.get("evaluation").text("experiment"))


@rule(
    "SW118", "criterion undecided", "warning",
    "The interval of a measured value straddles its bar: the holdout is too small to say whether it is met.",
    needs=("evaluation",),
)  # fmt: skip
def undecided(e: Evidence) -> Iterator[Doubt]:
    """Inconclusive verdicts, with the rows that would settle them."""
    for operational in (False, True):
        for c, v in _verdicts(e, operational=operational):
            if v.verdict != "inconclusive" or v.metric is None:
                continue
            yield Doubt(
                message=f"'{c.text}': measured {short_number(v.metric.value)} "
                f"[{short_number(v.metric.low or 0.0)}, {short_number(v.metric.high or 0.0)}]; {v.note}",
                where="reports/evaluation.json: metrics",
                evidence={"value": v.metric.value, "low": v.metric.low, "high": v.metric.high, "bar": c.value,
                          "n": v.metric.n},
                advice="bring the rows that would settle it, or say in spec.md how sure it has to be",
                severity=None if v.blocks else "info",
            )  # fmt: skip


@rule(
    "SW119", "criterion missed", "error",
    "A quality that spec.md demands is not there, beyond the doubt of the interval.",
    needs=("evaluation",),
)  # fmt: skip
def missed(e: Evidence) -> Iterator[Doubt]:
    """Failing absolute criteria of quality."""
    for c, v in _verdicts(e, operational=False):
        if v.verdict != "fail" or v.metric is None:
            continue
        lines = [(m.text("experiment"), s) for m in e.get("evaluation").rows("models")
                 if c.metric == e.selection and (s := m.number("holdout")) is not None]  # fmt: skip
        others = [name for name, s in lines if (s >= c.value if c.op in (">", ">=") else s <= c.value)]
        yield Doubt(
            message=f"'{c.text}': measured {short_number(v.metric.value)}",
            where="reports/evaluation.json: metrics",
            evidence={"value": v.metric.value, "bar": c.value, "low": v.metric.low, "high": v.metric.high},
            advice=f"{others[0]} meets it on the holdout, but was behind on the folds: choosing it now would choose by "
            "the holdout" if others else "see what to try next below; if the bar was a wish, change it in spec.md and say why",
        )  # fmt: skip


@rule(
    "SW130", "margin over the baseline not met", "error",
    "The chosen model does not beat the best baseline by what spec.md demands, or cannot be told from it at all.",
    needs=("evaluation",), covers=("SW322",),
)  # fmt: skip
def baseline_margin(e: Evidence) -> Iterator[Doubt]:
    """The relative criterion against the best baseline, else its verdict alone."""
    evaluation = e.get("evaluation")
    rival = next((c for c in evaluation.rows("comparisons") if c.text("role") == "best baseline"), None)
    if rival is None:
        return
    ours, theirs, name = rival.number("ours"), rival.number("theirs"), rival.text("against")
    beaten = rival.text("verdict")
    demanded = next((c for c in e.spec.criteria if c.kind == "relative" and c.reference == "best baseline"
                     and c.metric in (None, e.selection)), None)  # fmt: skip
    waiver = e.waivers.get(waiver_name(demanded.key)) if demanded else None
    if ours is None or theirs is None or (waiver is not None and not waiver.expired(e.today)):
        return
    seen = {
        "ours": ours,
        "theirs": theirs,
        "difference": rival.number("difference"),
        "p_value": rival.number("p_value"),
    }
    bar, how = (
        relative_bar(e.metric, theirs, demanded.value, demanded.unit or "%") if demanded else (theirs, "")
    )
    short = e.sign * (ours - bar) < 0
    if beaten != "better":
        yield Doubt(
            message=f"the chosen model ({short_number(ours)}) "
            + ("is worse than" if beaten == "worse" else "is not told apart from")
            + f" the best baseline {name} ({short_number(theirs)}) on the holdout",
            where=f"{evaluation.where}: comparisons",
            evidence=seen,
            advice="use the baseline, or look for better columns before tuning more",
            severity="error" if beaten == "worse" or short else "warning",
        )
    elif demanded is not None and short:
        yield Doubt(
            message=f"'{demanded.text}': {short_number(ours)} against {short_number(bar)} ({how})",
            where=f"{evaluation.where}: comparisons",
            evidence={**seen, "bar": bar},
            advice="the baseline is strong: ask what the model costs for what it adds, or look for better columns",
        )


@rule(
    "SW140", "threshold at its edge", "warning",
    "The threshold decides (nearly) all rows alike: it was pushed to the end of the scores.",
    needs=("evaluation",),
)  # fmt: skip
def threshold_at_edge(e: Evidence) -> Iterator[Doubt]:
    """A threshold that calls none or all of the validation rows, or lies at 0 or 1."""
    decision = e.get("evaluation").at("decision")
    threshold, positive = decision.number("threshold"), decision.text("positive")
    if threshold is None or not positive:
        return
    outcome = e.outcome(e.best, "oof") if e.best else None
    column = f"p:{positive}"
    share = None
    if outcome is not None and column in outcome:
        share = float((outcome[column] >= threshold).mean())
    if 0.001 < threshold < 0.999 and (share is None or 0 < share < 1):
        return
    called = f", it calls {share:.1%} of the validation rows '{positive}'" if share is not None else ""
    yield Doubt(
        message=f"the threshold is {threshold:.4g}{called}",
        where="reports/evaluation.json: decision",
        evidence={"threshold": threshold, "share_called": share, "rule": decision.text("rule")},
        advice="what 'threshold' in plan.md demands cannot be had with these scores: demand less, or rank better first",
    )


@rule(
    "SW141", "slower or larger than required", "error",
    "Latency, throughput, size or training time miss what spec.md demands.",
    needs=("evaluation",),
)  # fmt: skip
def too_slow(e: Evidence) -> Iterator[Doubt]:
    """Failing operational criteria."""
    best = e.best
    for c, v in _verdicts(e, operational=True):
        if v.verdict != "fail" or v.metric is None:
            continue
        smaller = [r for r in e.of_role("candidate", "tuned") if best and r.id != best.id
                   and (r.metrics.get("model_bytes") or 0) < 0.5 * (best.metrics.get("model_bytes") or 0)]  # fmt: skip
        score = e.score(smaller[0]) if smaller else None
        instead = (
            f"; {smaller[0].name} is smaller ({e.selection.label} {short_number(score)})"
            if score is not None
            else ""
        )
        yield Doubt(
            message=f"'{c.text}': measured {short_number(v.metric.value)} {v.metric.unit}".rstrip(),
            where="reports/evaluation.json: metrics",
            evidence={"value": v.metric.value, "bar": c.value, "unit": v.metric.unit},
            advice=f"fewer trees, fewer columns or a simpler model{instead}",
        )


@rule(
    "SW142", "probabilities off", "warning",
    "Predicted probabilities differ from how often it happens: thresholds, costs and expectations built on them are off.",
    needs=("evaluation",),
)  # fmt: skip
def calibration_off(e: Evidence) -> Iterator[Doubt]:
    """An expected calibration error above 0.05 whose interval lies above 0.03."""
    metric = _metric(e, "expected_calibration_error")
    value = metric.number("value")
    if value is None or value <= 0.05 or (metric.number("low") or value) <= 0.03:
        return
    others = [(float(s), r.name) for r in e.of_role("candidate", "tuned")
              if isinstance(s := r.metrics.get("cv_expected_calibration_error"), int | float)]  # fmt: skip
    better = min(others, default=None)
    beside = (
        f"; {better[1]} has {better[0]:.3f} on validation folds" if better and better[0] < 0.7 * value else ""
    )
    yield Doubt(
        message=f"probabilities are off by {value:.3f} on average",
        where="reports/evaluation.json: metrics",
        evidence={"expected_calibration_error": value, "low": metric.number("low")},
        advice=f"do not show them as chances before they are calibrated{beside}; see the calibration table",
        severity="warning" if value > 0.1 else "info",
    )


def _metric(e: Evidence, name: str) -> View:
    rows = e.get("evaluation").rows("metrics")
    return next((m for m in rows if m.text("name") == name), View(None, "reports/evaluation.json"))


@rule(
    "SW144", "segment left behind", "warning",
    "One group of rows is served far worse than the whole: an average hides it.",
    needs=("evaluation",), covers=("SW326",),
)  # fmt: skip
def segment_behind(e: Evidence) -> Iterator[Doubt]:
    """A segment of 5 % or more, its interval apart from the whole, behind by more than 40 % of the room.

    Errors in the target's unit are larger where the target is: there it takes three times the whole.
    """
    segments = e.get("evaluation").at("segments")
    overall = segments.number("overall")
    if overall is None or e.selection.name in _BY_FREQUENCY:
        return
    limit = 0.4 if e.metric.higher_is_better else 2.0
    for row in segments.rows("worst"):
        value, share, n = row.number("metric"), row.number("share"), row.number("n")
        if value is None or share is None or share < 0.05 or row.at("apart").value is not True:
            continue
        behind = e.sign * (overall - value) / e.room(overall)
        if behind <= limit:
            continue
        column, level = row.text("column"), row.text("value")
        yield Doubt(
            message=f"{e.selection.label} is {short_number(value)} where {column} = {level} ({share:.0%} of the rows), "
            f"{short_number(overall)} on the whole",
            where="reports/evaluation.json: segments",
            evidence={"column": column, "value": level, "n": n, "metric": value, "overall": overall},
            advice=f"if it matters, demand it in spec.md: '{e.selection.label} "
            f'{">=" if e.metric.higher_is_better else "<="} VALUE where {column} == "{level}"\'',
        )
        return


@rule(
    "SW145", "label never predicted", "warning",
    "The model never decides one of the labels: for the rows of that label it is always wrong.",
    needs=("evaluation",), covers=("SW301",),
)  # fmt: skip
def never_predicted(e: Evidence) -> Iterator[Doubt]:
    """Recorded by the evaluation."""
    for found in e.recorded("evaluation", "SW301"):
        yield Doubt(
            message=found.text("message"),
            where="reports/evaluation.json: tables",
            evidence={"label": found.text("evidence", "label"), "rows": found.number("evidence", "rows")},
            advice="lower the threshold, weigh that label in a candidate, or bring more of its rows",
        )


@rule(
    "SW146", "constant prediction", "error",
    "The model answers every row alike.",
    needs=("experiments",),
)  # fmt: skip
def constant_prediction(e: Evidence) -> Iterator[Doubt]:
    """Predicted numbers that do not vary over the kept rows of the best model."""
    outcome = e.outcome(e.best, "holdout") if e.best else None
    if outcome is None and e.best:
        outcome = e.outcome(e.best, "oof")
    if outcome is None or e.best is None or len(outcome) < 10:
        return
    columns = e.problem.prediction_columns(outcome)
    if not columns or any(
        outcome[c].max() - outcome[c].min() > 1e-9 * max(1.0, abs(outcome[c].max())) for c in columns
    ):
        return
    yield Doubt(
        message=f"{e.best.name} gives all {len(outcome):,} rows the same answer",
        where=f"experiments/{e.best.id}/predictions.parquet",
        evidence={"rows": len(outcome), "columns": columns},
        advice="no column helps, or the model is too strongly regularised: look at the features first",
    )


@rule(
    "SW150", "chosen model not explained", "warning",
    "There is no explanation of the model that was chosen: nobody can say what it leans on.",
    needs=("evaluation",),
)  # fmt: skip
def not_explained(e: Evidence) -> Iterator[Doubt]:
    """No explanation, or one of another experiment."""
    ours, explained = e.get("evaluation").text("experiment"), e.find("explanation")
    if explained is not None and explained.text("experiment") in (ours, ""):
        return
    asked = any(c.kind == "evidence" for c in e.spec.criteria)
    of = f"reports/explanation.json is of {explained.text('experiment')}" if explained else "there is none"
    yield Doubt(
        message=f"{ours or 'the chosen model'} is not explained: {of}",
        where="reports/explanation.json",
        evidence={"experiment": ours},
        advice=f"run: sw do {e.number} --task T-007",
        severity=None if asked else "info",
    )
