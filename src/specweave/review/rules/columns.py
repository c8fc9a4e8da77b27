"""Rules about single columns: useless, doubled, mostly empty, or of too many values.

Reads: profile, feature definitions, importances. Writes: nothing. Never: drops a column by itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from specweave.review.base import Doubt, rule
from specweave.review.evidence import Evidence

_SILENT, _LITTLE = 0.001, 0.02
_SAME, _EMPTY, _MANY = 0.95, 0.5, 0.5


@rule(
    "SW104", "columns without influence", "info",
    "Columns that next to no answer depends on: they cost requests, checks and drift alarms, and bring nothing.",
    needs=("explanation",), covers=("SW404",), fixes=True,
)  # fmt: skip
def no_influence(e: Evidence) -> Iterator[Doubt]:
    """Used columns with less than 0.1 % of the contributions that shuffling does not hurt."""
    explained = e.get("explanation")
    if explained.text("of") not in ("column", ""):
        return
    silent: list[str] = []
    for row in explained.rows("importance"):
        share, loss, spread = row.number("share"), row.number("permutation"), row.number("permutation_std")
        hurts = loss is not None and loss > 2 * (spread or 0.0)
        if share is not None and share < _SILENT and not hurts and row.text("feature") in e.used:
            silent.append(row.text("feature"))
    if not silent:
        return
    shown = ", ".join(silent[:6]) + (f" and {len(silent) - 6} more" if len(silent) > 6 else "")
    yield Doubt(
        message=f"{len(silent)} column{'s' * (len(silent) > 1)} with next to no influence: {shown}",
        where=f"{explained.where}: importance",
        evidence={"columns": silent, "share_below": _SILENT},
        advice="leave them out: the model gets cheaper to feed and to watch, its score stays",
        changes=tuple(e.drop_change(c, "SW104", "no influence") for c in silent),
    )


@rule(
    "SW105", "two columns say the same", "info",
    "Two inputs go together almost exactly: their importances cannot be told apart and linear coefficients wander.",
    needs=("profile",), covers=("SW218",), fixes=True,
)  # fmt: skip
def correlated(e: Evidence) -> Iterator[Doubt]:
    """Pairs of used columns with |r| of 0.95 or more; the less important one may go."""
    profile = e.get("profile")
    for pair in profile.rows("correlations"):
        a, b, r = pair.text("a"), pair.text("b"), pair.number("pearson")
        if r is None or abs(r) < _SAME or a not in e.used or b not in e.used:
            continue
        weaker, stronger = sorted((a, b), key=lambda c: (_weight(e, c), c))
        yield Doubt(
            message=f"'{a}' and '{b}' go together (r = {r:.3f})",
            where=f"{profile.where}: correlations",
            evidence={"columns": [a, b], "pearson": r},
            advice=f"keep '{stronger}', the stronger of the two, or read their importances together",
            changes=(e.drop_change(weaker, "SW105", f"goes with {stronger}"),),
        )


def _weight(e: Evidence, column: str) -> float:
    if column in e.importance:
        return e.importance[column]
    return e.get("profile").number("columns", column, "association", "score") or 0.0


@rule(
    "SW106", "mostly empty column", "warning",
    "A used column has no value in more than half of the rows: what is learned from it is mostly the way it was "
    "collected.",
    needs=("profile",), covers=("SW201",), fixes=True,
)  # fmt: skip
def mostly_empty(e: Evidence) -> Iterator[Doubt]:
    """Used columns with more than half of their values missing."""
    profile = e.get("profile")
    for column, entry in profile.pairs("columns"):
        share = entry.number("missing_share")
        if column not in e.used or share is None or share <= _EMPTY:
            continue
        weight = e.importance.get(column)
        useful = weight is not None and weight >= _LITTLE
        yield Doubt(
            message=f"'{column}' is empty in {share:.0%} of the rows"
            + (f", yet carries {weight:.0%} of the importance" if useful and weight else ""),
            where=f"{profile.where}: columns.{column}",
            evidence={"column": column, "missing_share": share, "importance": weight},
            advice="ask why it is missing: where the gap itself tells the outcome, it will not be there in time"
            if useful else "leave it out, or collect it better before relying on it",
            severity=None if weight is None or weight >= 0.1 else "info",
            changes=() if useful else (e.drop_change(column, "SW106", "mostly empty"),),
        )  # fmt: skip


@rule(
    "SW107", "column that names rows", "warning",
    "A used category has nearly as many levels as rows: it is a key in disguise and says nothing about new rows.",
    needs=("profile",), covers=("SW205",), fixes=True,
)  # fmt: skip
def names_rows(e: Evidence) -> Iterator[Doubt]:
    """Used categories where more than half of the present values are distinct."""
    profile = e.get("profile")
    for column, entry in profile.pairs("columns"):
        distinct, share = entry.number("distinct"), entry.number("distinct_share")
        if column not in e.used or entry.text("kind") != "category" or distinct is None or share is None:
            continue
        if distinct <= 50 or share <= _MANY:
            continue
        yield Doubt(
            message=f"'{column}' has {distinct:,.0f} levels, {share:.0%} of its rows have one of their own",
            where=f"{profile.where}: columns.{column}",
            evidence={"column": column, "distinct": distinct, "distinct_share": share},
            advice="group its levels where a grouping is known (a region of a postcode); else leave it out",
            changes=(e.drop_change(column, "SW107", "a level for nearly every row"),),
        )
