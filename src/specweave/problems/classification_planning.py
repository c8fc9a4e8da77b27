"""How a classification is planned: whether a column holds labels, the drafted bullets, the plan's settings.

Reads: a request, the target's values, the spec. Writes: nothing. Never: fits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from specweave.errors import SpecError
from specweave.problems.base import Choice, ModelExperiment
from specweave.problems.choosing import candidates_choice, common_choices
from specweave.problems.classification_labels import positive_label
from specweave.problems.imbalance import RARE_ORDER, describe_balance

if TYPE_CHECKING:
    from specweave.increments.spec import Spec

COSTS = ("Cost of false alarm", "Cost of miss")
# 5, $5, 5 $, 1,200.50 EUR
_AMOUNT = re.compile(
    r"(?:[$€£]|[A-Z]{3})?\s*((?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)\s*(?:[$€£]|[A-Za-z]{3,7})?"
)
_CONFIDENCE = 0.9  # of a promised precision: kept in nine of ten further batches


def match_labels(values: pd.Series[Any], target: str) -> tuple[float, str]:
    """Return (how well known values of a target fit, 0 to 1; why): text, or few distinct whole numbers, are labels."""
    distinct = values.nunique()
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        if distinct <= max(20, 0.05 * len(values)):
            return 0.95, f"'{target}' holds {distinct} labels"
        return 0.2, f"'{target}' holds {distinct} different texts"
    whole = bool((values == values.round()).all())
    if distinct == 2:
        return 0.97, f"'{target}' holds two values"
    if whole and distinct <= 10 and len(values) >= 5 * distinct:
        return 0.75, f"'{target}' holds {distinct} distinct whole numbers"
    return 0.05, f"'{target}' is a quantity with {distinct} distinct values"


def draft_bullets(request: str, roles: Mapping[str, Any]) -> dict[str, Any]:
    """Return the drafted bullets of spec.md, from the label's distribution."""
    summary = roles.get("target_values") or {}
    n_classes = len(summary)
    binary = n_classes == 2 or (n_classes == 0 and "multi" not in request.casefold())
    target = roles.get("target") or "the label"
    share = min(summary.values()) / max(1, sum(summary.values())) if summary else None
    rare, _ = describe_balance(request, share)
    if not binary:
        metrics, positive = "Macro F1 > 0.7", None
    else:
        positive = positive_label(list(summary)) if summary else None
        if positive is None and summary:
            positive = min(summary, key=lambda k: summary[k])
        metrics = "Average precision > 0.5, Precision > 0.9" if rare else "ROC AUC > 0.8"
    problem = {
        "Problem type": "Binary classification" if binary else "Multiclass classification",
        "Output": f"Probability of {target} = {positive}" if positive else f"Probability of each {target}",
        "Success metrics": metrics,
    }
    data = {"Positive class": positive} if positive else {}
    return {"problem": problem, "data": data, "model": {}}


def draft_choices(
    spec: Spec,
    profile: Mapping[str, Any] | None,
    table: Mapping[str, ModelExperiment],
    plain: Mapping[str, ModelExperiment],
) -> list[Choice]:
    """Return metric, baselines, candidates and threshold for plan.md, each with its reason.

    All of `table` is tried where positives are few, else those of it that are in `plain`.
    """
    counts = {k: int(v) for k, v in ((profile or {}).get("target") or {}).get("classes", {}).items()}
    n_rows = (profile or {}).get("rows")
    total = sum(counts.values())
    share = min(counts.values()) / total if counts else None
    multiclass = len(counts) > 2 or "multi" in spec.problem_type.casefold()
    choices = common_choices(n_rows, (profile or {}).get("drop", {}))
    rare, balance = describe_balance(spec.request, share)
    rare = rare and not multiclass
    metric, why = _selection(multiclass, rare, balance)
    choices.append(Choice("selection_metric", metric, why))
    choices.append(
        Choice("baselines", ["random", "majority", "rule-based"],
               "chance, the most common label, and the best single feature: what any model must beat")
    )  # fmt: skip
    tried = [e for e in table.values() if e.name in plain]
    more = ""
    if rare:
        tried = sorted(table.values(), key=lambda e: RARE_ORDER.index(e.name))
        more = "; weights against resampling is settled on the validation folds"
    choices.append(candidates_choice(tried, more))
    if not multiclass:
        value, why = _threshold_rule(spec)
        choices.append(Choice("threshold", value, why))
    return choices


def _selection(multiclass: bool, rare: bool, balance: str) -> tuple[str, str]:
    if multiclass:
        return "log_loss", "a proper score: it rewards honest probabilities of every class"
    return ("average_precision" if rare else "roc_auc"), balance


def stated_costs(spec: Spec) -> tuple[float, float] | None:
    """Return what a false alarm and a miss cost by the spec, or None where it does not say.

    Raises
    ------
    SpecError
        If only one is given, or one is no positive number.
    """
    fields = [spec.find(key) for key in COSTS]
    if not any(fields):
        return None
    values = []
    for key, found in zip(COSTS, fields, strict=True):
        if found is None:
            raise SpecError(
                f"there is no bullet '{key}'",
                where=spec.where,
                hint=f"add under '## Model Requirements': - {key}: 100",
            )
        amount = _AMOUNT.fullmatch(found.value.strip())
        value = float(amount[1].replace(",", "")) if amount else float("nan")
        if not 0 < value < float("inf"):
            raise SpecError(
                f"'{found.value}' is no cost", where=spec.at(key), hint=f"write for example: - {key}: 100"
            )
        values.append(value)
    return values[0], values[1]


def _threshold_rule(spec: Spec) -> tuple[dict[str, Any], str]:
    costs = stated_costs(spec)
    if costs:
        return ({"cost": {"false_positive": costs[0], "false_negative": costs[1]}},
                "spec.md gives the costs of a false alarm and of a miss; it is what counts where both change")  # fmt: skip
    for criterion in spec.criteria:
        ref = criterion.metric
        if ref is None:
            continue
        if ref.at and ref.name in ("precision", "recall"):
            return ({"maximise": ref.name, "subject_to": f"{ref.at[0]} >= {ref.at[1]:g}"},
                    f"spec.md asks for {ref.label}: the threshold is tuned for it on validation folds")  # fmt: skip
        if ref.name == "precision" and ref.k is None:
            return ({"maximise": "recall", "subject_to": f"precision {criterion.op} {criterion.value:g}",
                     "confidence": _CONFIDENCE},
                    f"spec.md asks for precision {criterion.op} {criterion.value:g}: as much recall as leaves it kept in "
                    f"{_CONFIDENCE:.0%} of further batches of rows, not only on the rows it was chosen on")  # fmt: skip
        if ref.name == "recall" and ref.k is None:
            return ({"maximise": "precision", "subject_to": f"recall {criterion.op} {criterion.value:g}"},
                    f"spec.md asks for recall {criterion.op} {criterion.value:g}: as much precision as that leaves")  # fmt: skip
    return {"maximise": "f1"}, "no precision or recall is demanded: the balance of both"
