"""Rules about how models are judged: split, folds, holdout, drift.

Reads: spec, plan, profile, feature checks, ledger, evaluation. Writes: nothing. Never: splits anything.
"""

from __future__ import annotations

from collections.abc import Iterator

from specweave.review.base import Doubt, rule
from specweave.review.evidence import Evidence
from specweave.stages.numbers import short_number

_IN_TIME = ("time", "last", "later", "latest", "chronolog", "origin", "window", "earlier", "came after")
_BY_UNIT = ("per user", "each user", "customer", "by group", "series")
_AT_RANDOM = ("random", "stratif", "shuffle")
_MANY_ROWS = 20_000
_UNSTEADY = 0.15


def _strategy(e: Evidence) -> str:
    """Return how rows are split, as recorded, else as the spec says."""
    for name, keys in (("profile", ("split", "strategy")), ("evaluation", ("split",))):
        record = e.find(name)
        told = record.text(*keys) if record else ""
        if told:
            return told.casefold()
    return (e.spec.get("Validation") or "").casefold()


def _by_time(e: Evidence) -> bool:
    return any(w in _strategy(e) for w in _IN_TIME)


def _random(e: Evidence) -> bool:
    """Return whether single rows are dealt out at random, no time or unit holding them together."""
    told = _strategy(e)
    return any(w in told for w in _AT_RANDOM) and not any(w in told for w in (*_IN_TIME, *_BY_UNIT))


@rule(
    "SW110", "time ignored in validation", "error",
    "Rows carry a time but are split at random: the model is judged on days between those it learned from, and will be "
    "used on days after them.",
    covers=("SW232", "SW334"), fixes=True,
)  # fmt: skip
def time_ignored(e: Evidence) -> Iterator[Doubt]:
    """A declared time column with a random split (error), an undeclared column of dates (warning)."""
    told = _strategy(e)
    declared = e.spec.get("Time column")
    if declared:
        if any(w in told for w in _AT_RANDOM) and not _by_time(e):
            own = any(w in told for w in _BY_UNIT)
            yield Doubt(
                message=f"'{declared}' is the time of the rows, yet the split is '{told}'",
                where=e.spec.at("Validation"),
                evidence={"time": declared, "split": told},
                advice="hold out the latest rows, as the model will be used",
                severity="warning" if own else None,
                changes=(e.spec_change("Validation", "last 20% by time"),),
            )
        return
    if not _random(e):
        return
    for column, entry in e.get("profile").pairs("columns"):
        distinct, span = entry.number("distinct"), entry.number("span_days")
        if (
            entry.text("kind") != "datetime"
            or distinct is None
            or distinct < 30
            or not span
            or column not in e.used
        ):
            continue
        changes = (e.spec_change("Time column", column), e.spec_change("Validation", "last 20% by time"))
        yield Doubt(
            message=f"'{column}' holds dates over {span:,.0f} days, yet the split is '{told}'",
            where=f"data/profile.json: columns.{column}",
            evidence={"column": column, "days": span, "distinct": distinct},
            advice=f"if '{column}' is when a row came about (not a birthday), hold out the latest rows",
            severity="warning",
            changes=changes,
        )


@rule(
    "SW111", "one key, several rows, split apart", "warning",
    "An identifier repeats and rows are split at random: the same customer stands on both sides, and is recognised "
    "rather than predicted.",
    needs=("profile",), covers=("SW233",), fixes=True,
)  # fmt: skip
def keys_split_apart(e: Evidence) -> Iterator[Doubt]:
    """A repeating identifier without a group column under a random split."""
    if e.spec.get("Group column") or not _random(e):
        return
    profile = e.get("profile")
    named = {*e.spec.get_list("Identifier"), *profile.texts("roles", "identifiers")}
    for column, entry in profile.pairs("columns"):
        count, distinct = entry.number("count"), entry.number("distinct")
        if not count or not distinct or column not in named:
            continue
        each = count / distinct
        if each < 1.02 or distinct < 4:
            continue
        validation = e.spec.get("Validation") or "20%"
        share = next((w for w in validation.split() if w.endswith("%")), "20%")
        yield Doubt(
            message=f"'{column}' repeats ({each:.1f} rows for each of {distinct:,.0f}), yet rows are split at random",
            where=f"{profile.where}: columns.{column}",
            evidence={"column": column, "rows_each": each, "distinct": distinct},
            advice=f"keep the rows of one '{column}' together",
            changes=(e.spec_change("Group column", column), e.spec_change("Validation", f"{share} by group")),
        )


@rule(
    "SW112", "too few folds", "warning",
    "Few folds: the spread between them is a guess, and each model learned from less than it could.",
    fixes=True,
)  # fmt: skip
def few_folds(e: Evidence) -> Iterator[Doubt]:
    """Fewer than four folds below 20,000 rows."""
    rows = (e.find("profile") or e.get("profile")).number("rows")
    folds = e.folds
    if folds is None or folds >= 4 or (rows is not None and (rows >= _MANY_ROWS or rows < 60)):
        return
    yield Doubt(
        message=f"{folds} validation fold{'s' * (folds > 1)}" + (f" on {rows:,.0f} rows" if rows else ""),
        where=e.plan.at("split.folds"),
        evidence={"folds": folds, "rows": rows},
        advice="use 5: each candidate costs that much more, and close ones can be told apart",
        severity="warning" if folds < 3 and not _by_time(e) else "info",
        changes=(e.plan_change(("split", "folds"), 5, toward="up"),),
    )


@rule(
    "SW113", "unsteady folds", "warning",
    "The score swings between folds by more than candidates differ: the choice is drawn by lot.",
    needs=("experiments",), fixes=True,
)  # fmt: skip
def unsteady_folds(e: Evidence) -> Iterator[Doubt]:
    """Spread over folds above 15 % of the room, and above the lead over the runner-up."""
    best = e.best
    if best is None or (e.folds or 0) < 3:
        return
    value, spread = e.score(best), e.spread(best)
    if value is None or not spread or spread / e.room(value) <= _UNSTEADY:
        return
    others = [s for r in e.of_role("candidate", "tuned") if r.id != best.id and (s := e.score(r)) is not None]
    lead = min((e.sign * (value - s) for s in others), default=None)
    if lead is not None and lead > 2 * spread:
        return
    rows = e.get("profile").number("rows") or 0
    more = (e.folds or 0) < 10 and rows < _MANY_ROWS and not _by_time(e)
    yield Doubt(
        message=f"{e.selection.label} of {best.name} is {short_number(value)} ± {short_number(spread)} over {e.folds} folds"
        + (f", its lead is {lead:.2g}" if lead is not None else ""),
        where=f"experiments/{best.id}/metrics.json",
        evidence={"value": value, "std": spread, "lead": lead, "folds": e.folds},
        advice="more folds make the mean steadier; if the folds are periods, look at the one that falls behind",
        severity="info" if _by_time(e) else None,
        changes=(e.plan_change(("split", "folds"), 10, toward="up"),) if more else (),
    )


@rule(
    "SW114", "holdout read again and again", "warning",
    "The holdout was read by many more models than are compared today: a choice that has seen the exam is no exam.",
    needs=("evaluation",),
)  # fmt: skip
def holdout_worn(e: Evidence) -> Iterator[Doubt]:
    """Readings of today's holdout by experiments that are not in today's comparison."""
    evaluation = e.get("evaluation")
    digest = evaluation.text("holdout")
    readers = [
        line.text("experiment")
        for line in e.ledger
        if line.text("holdout") == digest and line.text("why") != "T-007 explanation"
    ]
    today = {m.text("experiment") for m in evaluation.rows("models")}
    earlier = [r for r in readers if r not in today]
    repeated = len(readers) - len(set(readers))
    if not digest or len(earlier) + repeated <= max(3, len(today)):
        return
    rounds = 1 + (len(earlier) + repeated) // max(1, len(today))
    yield Doubt(
        message=f"the same holdout was read {len(readers)} times, {len(earlier) + repeated} of them before today's "
        f"{len(today)} models",
        where="holdout-ledger.jsonl",
        evidence={
            "readings": len(readers),
            "models": len(today),
            "earlier": len(earlier),
            "repeated": repeated,
        },
        advice="if what was seen guided a change, its intervals are too kind: judge the final model once on rows that "
        "came in since",
        severity="warning" if rounds >= 3 else "info",
    )


@rule(
    "SW115", "holdout differs from training rows", "warning",
    "Columns moved between training rows and holdout, or carry levels that training never saw.",
    needs=("feature_validation",), covers=("SW227", "SW229"), fixes=True,
)  # fmt: skip
def drift(e: Evidence) -> Iterator[Doubt]:
    """Recorded drift; columns that moved far and matter little may go."""
    found = e.recorded("feature_validation", "SW227", "SW229")
    if not found:
        return
    time = e.get("profile").text("roles", "time")
    rows = {d.text("column"): d for d in e.get("feature_validation").rows("drift")}
    far = [c for c, d in rows.items() if d.text("level") == "large" and c != time]
    told = "; ".join(f.text("message") for f in found if f.text("message"))
    evidence = {"far": {c: rows[c].number("psi") for c in far}, "split": _strategy(e)}
    if not _random(e):
        # Later rows, and other units, are other rows: that they move is no fault of the split.
        yield Doubt(
            message=told,
            where="features/validation.json",
            evidence=evidence,
            advice="the world moves on: watch these columns with sw monitor, and retrain before they are far away",
            severity="info",
        )
        return
    little = [c for c in far if c in e.used and e.importance.get(c, 1.0) < 0.02]
    yield Doubt(
        message=told,
        where="features/validation.json",
        evidence=evidence,
        advice="under a random split both should look alike: look at how the rows were drawn",
        changes=tuple(e.drop_change(c, "SW115", "drifts far, matters little") for c in little),
    )


@rule(
    "SW117", "too few rows for the claim", "warning",
    "The holdout is so small that the interval around the score says little.",
    needs=("evaluation",), covers=("SW325",),
)  # fmt: skip
def few_rows(e: Evidence) -> Iterator[Doubt]:
    """Half the interval above 20 % of the room, or fewer than 100 units."""
    evaluation = e.get("evaluation")
    metric = next((m for m in evaluation.rows("metrics") if m.text("name") == e.selection.key), None)
    if metric is None:
        return
    value, low, high, n = (metric.number(k) for k in ("value", "low", "high", "n"))
    if value is None or low is None or high is None or not n:
        return
    half = (high - low) / 2
    share = half / e.room(value)
    few = bool(e.recorded("evaluation", "SW325"))
    if share <= 0.2 and not few:
        return
    yield Doubt(
        message=f"{e.selection.label} {short_number(value)} [{short_number(low)}, {short_number(high)}] rests on "
        f"{n:,.0f} {'rows' if n == evaluation.number('n_holdout') else 'units'}",
        where=f"{evaluation.where}: metrics",
        evidence={"value": value, "low": low, "high": high, "n": n},
        advice=f"about {3 * n:,.0f} more would halve the interval; until then judge by the validation folds too",
        severity="warning" if share > 0.2 else "info",
    )


@rule(
    "SW135", "old data", "info",
    "The latest row is more than a year old: what was learned may no longer hold.",
    needs=("profile",),
)  # fmt: skip
def old_data(e: Evidence) -> Iterator[Doubt]:
    """The latest date of the declared time column against today."""
    import datetime as dt

    column = e.spec.get("Time column") or e.get("profile").text("roles", "time")
    latest = e.get("profile").text("columns", column, "max")[:10]
    try:
        days = (e.today - dt.date.fromisoformat(latest)).days
    except ValueError:
        return
    if days > 365:
        yield Doubt(
            message=f"the latest '{column}' is {latest}, {days:,} days ago",
            where=f"data/profile.json: columns.{column}",
            evidence={"latest": latest, "days": days},
            advice="bring newer rows, or compare a batch of today first: sw monitor ID BATCH.csv",
        )
