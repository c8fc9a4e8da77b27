"""Doubts about the target and about columns that give it away.

Reads: a profile. Writes: nothing. Never: calls a strong column a leak.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from specweave.records import Finding, Severity
from specweave.tables.quality_columns import Column, make_finding

LEAK = "SW207"


def check_target_column(target: Column, task: str, folds: int) -> list[Finding]:
    """Return the doubts about the target itself (``target`` of a profile)."""
    name = target["name"]
    found: list[Finding] = []
    if target["missing"]:
        found.append(
            make_finding(
                "SW217",
                "warning",
                f"{target['missing']} rows have no value of the target",
                name,
                {"rows": target["missing"]},
                "these rows are left out of training and testing",
            )
        )
    if target.get("distinct", 0) < 2:
        found.append(
            make_finding(
                "SW216",
                "error",
                "the target has the same value in every row",
                name,
                {"distinct": target.get("distinct", 0)},
                "name another column on the 'Target' line of spec.md",
            )
        )
        return found
    if task == "classification":
        found += _class_findings(target, folds)
    else:
        found += _number_target_findings(target)
    return found


def _class_findings(target: Column, folds: int) -> list[Finding]:
    name, classes = target["name"], target.get("classes") or {}
    found = []
    single = [label for label, rows in classes.items() if rows < 2]
    few = [label for label, rows in classes.items() if 2 <= rows < folds]
    if single and len(classes) > max(20, sum(classes.values()) // 3):
        found.append(
            make_finding(
                "SW213",
                "error",
                f"{len(classes)} different values: this looks like no class",
                name,
                {"classes": len(classes)},
                "set 'Problem type: Regression' in spec.md, or name another target",
            )
        )
    elif single:
        found.append(
            make_finding(
                "SW213",
                "error",
                f"a class with a single row cannot be both learned and tested: {_few(single)}",
                name,
                {"classes": single},
                "remove those rows, merge the class with another, or collect more",
            )
        )
    if few:
        found.append(
            make_finding(
                "SW213",
                "warning",
                f"fewer rows than the {folds} folds in class {_few(few)}",
                name,
                {"classes": {label: classes[label] for label in few}, "folds": folds},
                "use fewer folds under 'validation' in plan.md, or collect more",
            )
        )
    share = target.get("minority_share", 1.0)
    if len(classes) >= 2 and share * len(classes) < 0.4:
        rare = min(classes, key=lambda label: classes[label])
        grave: Severity = "warning" if share < 0.1 else "info"
        found.append(
            make_finding(
                "SW212",
                grave,
                f"class '{rare}' is {share:.2%} of the rows",
                name,
                {"minority_share": share, "rows": classes[rare]},
                "judge by average precision or log loss, weight classes, tune the threshold on validation",
            )
        )
    return found


def _number_target_findings(target: Column) -> list[Finding]:
    name, found = target["name"], []
    if target.get("not_numbers") or target.get("infinite"):
        found.append(
            make_finding(
                "SW217",
                "warning",
                "some values of the target are no finite number",
                name,
                {"not_numbers": target.get("not_numbers", 0), "infinite": target.get("infinite", 0)},
                "these rows are left out of training and testing",
            )
        )
    if abs(target.get("skew", 0.0)) > 2:
        found.append(
            make_finding(
                "SW209",
                "info",
                f"the target is skewed (skewness {target['skew']:.1f})",
                name,
                {"skew": target["skew"]},
                "compare a model of its logarithm, and look at MAE beside RMSE",
            )
        )
    return found


def _few(labels: list[str]) -> str:
    more = f" and {len(labels) - 4} more" if len(labels) > 4 else ""
    return ", ".join(f"'{label}'" for label in labels[:4]) + more


def check_leaks(profile: Mapping[str, Any], target: str) -> list[Finding]:
    """Return an error for each column that is the target in disguise, a warning for suspicious ones."""
    found = []
    taken = set()
    for leak in profile.get("leaks") or []:
        for name in leak["columns"]:
            taken.add(name)
            what = leak["relation"]
            if leak["rule"] in ("sum", "product"):
                what = f"gives the target away: {what}"
            found.append(
                make_finding(
                    LEAK,
                    "error",
                    what,
                    name,
                    {key: leak[key] for key in ("rule", "columns", "strength", "rows")},
                    "it is left out of training; if it is known before the prediction is made, set its "
                    "action in features/feature_definitions.yaml",
                )
            )
    for name, column in profile["columns"].items():
        score = column.get("association", {}).get("score", 0.0)
        if score >= 0.97 and name not in taken and name != target:
            found.append(
                make_finding(
                    "SW220",
                    "warning",
                    f"alone predicts the target almost perfectly (score {score:.3f})",
                    name,
                    {"score": score},
                    "make sure that its value is known before the outcome, else drop it in plan.md",
                )
            )
    return found
