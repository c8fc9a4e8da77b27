"""Doubts about a table, each with a stable code, its numbers and what to do about it.

Reads: a profile. Writes: nothing. Never: looks at the data again, calls a strong column a leak.

=====  ====================================  =====  ==================================
SW201  missing values                        SW211  numbers mixed with other text
SW202  column without any value              SW212  classes out of balance
SW203  column with one value                 SW213  rare class
SW204  duplicate rows                        SW214  few rows
SW205  category of very many levels          SW215  dates that need a look
SW206  suspected identifier                  SW216  constant target
SW207  suspected leak                        SW217  target with missing values
SW208  outliers                              SW218  two columns saying the same
SW209  skewed numbers                        SW219  more columns than rows
SW210  infinite values                       SW220  one column predicts almost everything
=====  ====================================  =====  ==================================
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from specweave.records import Finding, Severity
from specweave.tables.quality_columns import COLUMN_CHECKS, Column, make_finding
from specweave.tables.quality_target import LEAK, check_leaks, check_target_column

_GROUP_ABOVE = 6


def check_quality(profile: Mapping[str, Any], *, task: str | None = None, folds: int = 5) -> list[Finding]:
    """Return the doubts about a profiled table, gravest first.

    Parameters
    ----------
    profile : mapping
        As `make_profile` returns it.
    task : {"classification", "regression"}, optional
        As the profile guessed it where not given.
    folds : int
        Cross-validation folds: a class needs as many rows.

    Returns
    -------
    list of Finding
        ``where`` is the column, "" for the table. Errors are what training cannot or must not get past. A
        code that speaks of more than 6 columns becomes one finding with ``columns`` in its evidence.
    """
    target = profile.get("target")
    found: list[Finding] = []
    if target:
        found += check_target_column(target, task or target["task"], folds)
        found += check_leaks(profile, target["name"])
    found += _table_findings(profile)
    own = {target["name"]} if target else set()
    for check in COLUMN_CHECKS:
        hits = [
            hit
            for name, column in _columns(profile)
            if name not in own and (hit := check(name, column)) is not None
        ]
        found += hits if len(hits) <= _GROUP_ABOVE else [_grouped(hits)]
    order = {"error": 0, "warning": 1, "info": 2}
    return sorted(found, key=lambda f: (order[f.severity], f.code))


def leak_columns(findings: Iterable[Finding]) -> dict[str, str]:
    """Return the columns to leave out of training by default, each with the reason."""
    return {f.where: f"{f.code}: {f.message}" for f in findings if f.code == LEAK and f.severity == "error"}


def _columns(profile: Mapping[str, Any]) -> Iterable[tuple[str, Column]]:
    order = profile.get("column_order") or list(profile["columns"])
    return [(name, profile["columns"][name]) for name in order]


def _grouped(hits: list[Finding]) -> Finding:
    graver: tuple[Severity, ...] = ("error", "warning")
    worst: Severity = next((s for s in graver if any(h.severity == s for h in hits)), "info")
    shown = ", ".join(h.where for h in hits[:4])
    return make_finding(
        hits[0].code,
        worst,
        f"{len(hits)} columns ({shown} and {len(hits) - 4} more); {hits[0].where}: {hits[0].message}",
        "",
        {"columns": {hit.where: hit.evidence for hit in hits}},
        hits[0].advice,
    )


def _table_findings(profile: Mapping[str, Any]) -> list[Finding]:
    rows, columns = profile["rows"], profile["column_count"]
    found = []
    if rows < 200:
        severity: Severity = "error" if rows < 10 else "warning" if rows < 100 else "info"
        found.append(
            make_finding(
                "SW214",
                severity,
                f"only {rows} rows",
                "",
                {"rows": rows},
                "intervals will be wide; collect more rows before trusting a comparison",
            )
        )
    duplicates = profile["duplicate_rows"]
    if duplicates:
        share = duplicates / max(1, rows)
        found.append(
            make_finding(
                "SW204",
                "warning" if share > 0.01 else "info",
                f"{duplicates} rows repeat an earlier one",
                "",
                {"rows": duplicates, "share": share},
                "remove them where one event is told twice: copies on both sides of a split flatter",
            )
        )
    if columns > rows:
        found.append(
            make_finding(
                "SW219",
                "warning",
                f"{columns} columns for {rows} rows",
                "",
                {"rows": rows, "columns": columns},
                "features are screened inside each fold; prefer strongly regularised models",
            )
        )
    same = [p for p in profile.get("correlations") or [] if abs(p["pearson"]) >= 0.98]
    for pair in same[:_GROUP_ABOVE]:
        found.append(
            make_finding(
                "SW218",
                "info",
                f"goes with {pair['b']} almost exactly (r = {pair['pearson']:.3f})",
                pair["a"],
                {"other": pair["b"], "pearson": pair["pearson"], "spearman": pair["spearman"]},
                "read their importances together, or keep one of them",
            )
        )
    return found
