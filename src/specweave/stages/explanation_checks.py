"""Doubts that explanations raise: a column too strong to be true, two methods that disagree.

Reads: nothing. Writes: nothing. Never: raises.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from specweave.records import Finding

WHERE = "reports/explanation.json"
_DOMINANT = 0.6
_FEW_COLUMNS = 4


def check_explanation(
    importance: Sequence[Mapping[str, Any]], examples: Sequence[Mapping[str, Any]], *, top: int = 3
) -> list[Finding]:
    """Return findings on the importance table and the explained examples.

    Returns
    -------
    list of Finding
        SW401 one column dominates (warning) · SW402 SHAP and LIME disagree on an example (warning) ·
        SW403 a column that the model leans on does not help it (warning) · SW404 columns without any
        influence (info).
    """
    return [
        *_dominant(importance),
        *_disagreements(examples, top),
        *_useless(importance),
        *_silent(importance),
    ]


def _dominant(importance: Sequence[Mapping[str, Any]]) -> list[Finding]:
    if len(importance) < _FEW_COLUMNS or importance[0]["share"] < _DOMINANT:
        return []
    first = importance[0]
    return [
        Finding(
            code="SW401",
            severity="warning",
            message=f"'{first['feature']}' carries {first['share']:.0%} of all contributions",
            where=WHERE,
            evidence={"feature": first["feature"], "share": first["share"]},
            advice=f"make sure that '{first['feature']}' is known when the prediction is made; "
            "if it is not, drop it under features.drop in plan.md",
        )
    ]


def _disagreements(examples: Sequence[Mapping[str, Any]], top: int) -> list[Finding]:
    found = []
    for number, example in enumerate(examples, 1):
        lime = example.get("lime")
        if not lime or not example["reasons"]:
            continue
        first = example["reasons"][0]
        weights = {entry["feature"]: float(entry["weight"]) for entry in lime}
        shared = {r["feature"] for r in example["reasons"]} & {entry["feature"] for entry in lime[:top]}
        opposed = weights.get(first["feature"], 0.0) * float(first["contribution"]) < 0
        if opposed or (not shared and len(weights) > top):
            how = "its strongest column pushes the other way" if opposed else "no strong column in common"
            found.append(
                Finding(
                    code="SW402",
                    severity="warning",
                    message=f"SHAP and LIME disagree on example {number} ({example['why']}): {how}",
                    where=WHERE,
                    evidence={
                        "row": example["row"],
                        "shap": [r["feature"] for r in example["reasons"]],
                        "lime": [entry["feature"] for entry in lime[:top]],
                    },
                    advice="do not show reasons for answers like this one without a caution: the model is "
                    "not additive around this row",
                )
            )
    return found


def _useless(importance: Sequence[Mapping[str, Any]]) -> list[Finding]:
    found = []
    for entry in importance[:3]:
        loss, spread = entry.get("permutation"), entry.get("permutation_std")
        if loss is None or spread is None or entry["share"] < 0.05:
            continue
        if loss + 2 * spread < 0:
            found.append(
                Finding(
                    code="SW403",
                    severity="warning",
                    message=f"shuffling '{entry['feature']}' makes the model better, although it leans on it",
                    where=WHERE,
                    evidence={"feature": entry["feature"], "loss_change": loss, "std": spread},
                    advice="the column may have drifted or been overfitted: compare training and holdout, "
                    "and try the model without it",
                )
            )
    return found


def _silent(importance: Sequence[Mapping[str, Any]]) -> list[Finding]:
    silent = [e["feature"] for e in importance if e["share"] < 0.001]
    if not silent:
        return []
    shown = ", ".join(silent[:8]) + (f" and {len(silent) - 8} more" if len(silent) > 8 else "")
    return [
        Finding(
            code="SW404",
            severity="info",
            message=f"{len(silent)} columns have next to no influence: {shown}",
            where=WHERE,
            evidence={"features": silent},
            advice="leaving them out under features.drop in plan.md makes the model cheaper to serve",
        )
    ]
