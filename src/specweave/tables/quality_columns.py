"""Doubts about single columns, one small rule each.

Reads: one column of a profile. Writes: nothing. Never: knows the target.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from specweave.records import Finding, Severity

Column = Mapping[str, Any]


def make_finding(
    code: str, severity: Severity, message: str, where: str, evidence: dict[str, Any], advice: str
) -> Finding:
    """Make a finding of the table checks (short, for the many rules)."""
    return Finding(
        code=code, severity=severity, message=message, where=where, evidence=evidence, advice=advice
    )


def _missing(name: str, column: Column) -> Finding | None:
    share = column["missing_share"]
    if column["kind"] == "empty" or share < 0.001:
        return None
    severity: Severity = "warning" if share > 0.4 else "info"
    return make_finding(
        "SW201",
        severity,
        f"{share:.1%} of the rows have no value",
        name,
        {"missing": column["missing"], "share": share},
        "a gap becomes the training median or a level of its own, with an indicator; ask why it is missing",
    )


def _empty(name: str, column: Column) -> Finding | None:
    if column["kind"] != "empty":
        return None
    return make_finding(
        "SW202",
        "warning",
        "no row has a value",
        name,
        {"missing": column["missing"]},
        "it is left out of training",
    )


def _constant(name: str, column: Column) -> Finding | None:
    if column["kind"] != "constant":
        return None
    return make_finding(
        "SW203",
        "info",
        "the same value in every row",
        name,
        {"value": (column.get("top") or [{}])[0].get("value")},
        "it is left out of training",
    )


def _many_levels(name: str, column: Column) -> Finding | None:
    if column["kind"] != "category" or column["distinct"] <= 50:
        return None
    return make_finding(
        "SW205",
        "info",
        f"{column['distinct']} levels",
        name,
        {"distinct": column["distinct"], "rare_levels": column.get("rare_levels", 0)},
        "it is encoded by the target's mean per level, cross-fitted; group levels where a grouping is known",
    )


def _identifier(name: str, column: Column) -> Finding | None:
    if column["kind"] != "identifier" or column.get("reason") == "declared as identifier":
        return None
    return make_finding(
        "SW206",
        "info",
        f"looks like an identifier: {column.get('reason', '')}",
        name,
        {"distinct": column["distinct"], "share": column["distinct_share"]},
        "it is left out of training; name it on the 'Identifier' line of spec.md, or change its kind in "
        "features/feature_definitions.yaml",
    )


def _outliers(name: str, column: Column) -> Finding | None:
    far = column.get("far_outliers", 0)
    if column["kind"] != "numeric" or far < max(1, 0.001 * column["count"]) or column["distinct"] < 10:
        return None
    return make_finding(
        "SW208",
        "info",
        f"{far} values lie beyond 3 interquartile ranges from the quartiles",
        name,
        {key: column[key] for key in ("far_outliers", "outliers", "outlier_share", "min", "max")},
        "check that they are real; trees do not mind, linear models may want action: log",
    )


def _skew(name: str, column: Column) -> Finding | None:
    if column["kind"] != "numeric" or abs(column.get("skew", 0.0)) <= 3 or column["distinct"] < 10:
        return None
    return make_finding(
        "SW209",
        "info",
        f"skewed (skewness {column['skew']:.1f})",
        name,
        {"skew": column["skew"]},
        "for linear models and nets set action: log in features/feature_definitions.yaml",
    )


def _infinite(name: str, column: Column) -> Finding | None:
    if not column.get("infinite"):
        return None
    return make_finding(
        "SW210",
        "warning",
        f"{column['infinite']} infinite values",
        name,
        {"rows": column["infinite"]},
        "they count as missing; look for a division by zero where the data is made",
    )


def _mixed(name: str, column: Column) -> Finding | None:
    if not column.get("coerced"):
        return None
    return make_finding(
        "SW211",
        "warning",
        f"{column['coerced']} cells are no {'date' if column['kind'] == 'datetime' else 'number'}",
        name,
        {"rows": column["coerced"], "values": column.get("coerced_values", [])},
        "they count as missing; mend them at the source, or set kind: category",
    )


def _dates(name: str, column: Column) -> Finding | None:
    if column["kind"] != "datetime":
        return None
    if column.get("note"):
        return make_finding(
            "SW215",
            "warning",
            column["note"],
            name,
            {"format": column.get("format", "")},
            "set its format, for example '%d/%m/%Y', in features/feature_definitions.yaml",
        )
    shown = ("format", "min", "max", "span_days", "sorted")
    evidence = {key: column[key] for key in shown if key in column}
    return make_finding(
        "SW215",
        "info",
        f"dates from {column.get('min', '?')[:10]} to {column.get('max', '?')[:10]}",
        name,
        evidence,
        "if rows are predicted forward in time, name it on the 'Time column' line of spec.md",
    )


COLUMN_CHECKS: tuple[Callable[[str, Column], Finding | None], ...] = (
    _missing,
    _empty,
    _constant,
    _many_levels,
    _identifier,
    _outliers,
    _skew,
    _infinite,
    _mixed,
    _dates,
)
