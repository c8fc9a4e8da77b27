"""What an evaluation leaves doubtful, each with a stable code (SW320 to SW327).

Reads: measured values. Writes: nothing. Never: raises.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from specweave.metrics.base import MetricRef, find_metric
from specweave.records import Finding, Metric
from specweave.stages.numbers import short_number

_WHERE = "reports/evaluation.json"
FEW_ROWS = 100


def check_evaluation(
    ref: MetricRef,
    gap: Mapping[str, Any],
    comparisons: Sequence[Mapping[str, Any]],
    segments: Mapping[str, Any] | None,
    metrics: Sequence[Metric],
    n_holdout: int,
) -> list[Finding]:
    """Return the doubts about an evaluation.

    Parameters
    ----------
    ref : MetricRef
        The selection metric.
    gap : mapping
        ``train``, ``cv``, ``cv_std`` and ``holdout`` of it.
    comparisons : sequence of mapping
        With ``role``, ``against`` and ``verdict``.
    segments : mapping or None
        With ``worst``.
    metrics : sequence of Metric
        The selection metric first.
    n_holdout : int
    """
    findings = [*_check_gap(ref, gap), *_check_rivals(comparisons), *_check_segments(ref, segments)]
    if n_holdout < FEW_ROWS:
        findings.append(
            Finding(
                code="SW325", severity="warning", where=_WHERE,
                message=f"the holdout has only {n_holdout} rows: every interval is wide",
                evidence={"rows": n_holdout},
                advice="bring more rows, or judge by the cross-validated values in experiments/comparison.md",
            )
        )  # fmt: skip
    best = find_metric(ref.name).best
    first = next((m for m in metrics if m.name == ref.key), None)
    if best is not None and first is not None and abs(first.value - best) < 0.002 * max(1.0, abs(best)):
        findings.append(
            Finding(
                code="SW324", severity="warning", where=_WHERE,
                message=f"{ref.label} {short_number(first.value)} is nearly perfect: rare in real data",
                evidence={"value": first.value},
                advice="look for a column that holds the answer: see the leaks in data/quality-report.md",
            )
        )  # fmt: skip
    return findings


def check_chosen(role: str, experiment: str) -> list[Finding]:
    """Say so where a baseline was chosen."""
    if role != "baseline":
        return []
    return [
        Finding(
            code="SW327", severity="warning", where=_WHERE,
            message=f"{experiment} is a baseline: no candidate is better on validation folds",
            evidence={"experiment": experiment},
            advice="take it as it is, give the candidates more time (sw do --budget), or bring data that tells more",
        )
    ]  # fmt: skip


def _check_gap(ref: MetricRef, gap: Mapping[str, Any]) -> list[Finding]:
    train, cv, std, holdout = (gap.get(k) for k in ("train", "cv", "cv_std", "holdout"))
    metric = find_metric(ref.name)
    found: list[Finding] = []
    if cv is None:
        return found
    # Room that is left above chance (or the size of the error) makes gaps of all metrics comparable.
    scale = abs(cv - metric.floor) or 1.0
    sign = 1.0 if metric.higher_is_better else -1.0
    if train is not None and sign * (train - cv) / scale > 0.25:
        found.append(
            Finding(
                code="SW320", severity="info", where=_WHERE,
                message=f"{ref.label} is {short_number(train)} on training rows and {short_number(cv)} on "
                "validation folds",
                evidence={"train": train, "cv": cv},
                advice="a simpler or more regularised model may do as well; the holdout value is what counts",
            )
        )  # fmt: skip
    if holdout is not None and std is not None and gap.get("n_folds", 0) > 2:
        away = sign * (cv - holdout)
        if away > 3 * max(std, 1e-9) and away / scale > 0.05:
            found.append(
                Finding(
                    code="SW321", severity="warning", where=_WHERE,
                    message=f"{ref.label} falls from {short_number(cv)} ± {short_number(std)} on validation "
                    f"folds to {short_number(holdout)} on the holdout",
                    evidence={"cv": cv, "cv_std": std, "holdout": holdout},
                    advice="the holdout may differ from the training rows (time, groups), or tuning "
                    "overfitted the folds; see features/validation-report.md",
                )
            )  # fmt: skip
    return found


def _check_rivals(comparisons: Sequence[Mapping[str, Any]]) -> list[Finding]:
    found = []
    for rival in comparisons:
        if rival["verdict"] == "better":
            continue
        evidence = {k: rival[k] for k in ("against", "difference", "low", "high", "p_value")}
        if rival["role"] == "best baseline":
            words = "is worse than" if rival["verdict"] == "worse" else "is not told apart from"
            found.append(
                Finding(
                    code="SW322", where=_WHERE,
                    severity="error" if rival["verdict"] == "worse" else "warning",
                    message=f"the chosen model {words} the best baseline {rival['against']} on the holdout",
                    evidence=evidence,
                    advice="use the baseline, or look for better features before tuning more",
                )
            )  # fmt: skip
        else:
            found.append(
                Finding(
                    code="SW323", severity="info", where=_WHERE,
                    message=f"the runner-up {rival['against']} is as good, as far as the holdout can tell",
                    evidence=evidence, advice="take whichever of the two is simpler, smaller or faster",
                )
            )  # fmt: skip
    return found


def _check_segments(ref: MetricRef, segments: Mapping[str, Any] | None) -> list[Finding]:
    if not segments:
        return []
    sign = 1 if find_metric(ref.name).higher_is_better else -1
    apart = [s for s in segments["worst"] if s["apart"] and sign * s["metric"] < sign * segments["overall"]]
    if not apart:
        return []
    shown = ", ".join(f"{s['column']} = {s['value']} ({short_number(s['metric'], 3)})" for s in apart[:3])
    return [
        Finding(
            code="SW326", severity="info", where=_WHERE,
            message=f"{ref.label} {short_number(segments['overall'])} hides segments that do worse: {shown}",
            evidence={"segments": [{k: s[k] for k in ("column", "value", "n", "metric")} for s in apart]},
            advice="if a segment matters, demand it in spec.md: METRIC >= VALUE where COLUMN == VALUE",
        )
    ]  # fmt: skip
