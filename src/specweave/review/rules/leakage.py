"""Rules about answers that leak into the features.

Reads: profile, feature checks, evaluation, explanation. Writes: nothing. Never: calls a strong column a leak
without saying how to be sure.
"""

from __future__ import annotations

from collections.abc import Iterator

from specweave.review.base import Doubt, rule
from specweave.review.evidence import Evidence
from specweave.stages.numbers import short_number

_ALONE = 0.97
_CARRIES = 0.6


@rule(
    "SW101", "target in disguise", "error",
    "A column that feeds the features gives the target away, or nearly predicts it alone; such a column is rarely "
    "known when the prediction is made.",
    needs=("profile",), covers=("SW231",),
    settles=("SW220",), fixes=True,
)  # fmt: skip
def target_in_disguise(e: Evidence) -> Iterator[Doubt]:
    """A used column that is a recorded leak (error) or predicts almost alone (warning)."""
    profile = e.get("profile")
    told = {f.text("where"): f.text("message") for f in e.recorded("profile", "SW207") if f.text("where")}
    for column, entry in profile.pairs("columns"):
        score = entry.number("association", "score")
        if column not in e.used or (column not in told and (score is None or score < _ALONE)):
            continue
        grave = column in told
        what = told[column] if grave else f"predicts the target almost alone (score {score:.3f} of 1)"
        yield Doubt(
            message=f"'{column}' feeds the features: {what}",
            where=f"{profile.where}: columns.{column}",
            evidence={"column": column, "score": score},
            advice=f"ask when '{column}' is written down: if that is after the outcome, the model will not have it",
            severity="error" if grave else "warning",
            changes=(e.drop_change(column, "SW101", "gives the target away"),),
        )


@rule(
    "SW102", "too good to be true", "warning",
    "The score is nearly perfect, or one column carries most of every answer: both are how leaks look from outside.",
    needs=("evaluation",), covers=("SW324", "SW401"), fixes=True,
)  # fmt: skip
def too_good(e: Evidence) -> Iterator[Doubt]:
    """A nearly perfect holdout score, or one dominating column."""
    perfect = e.recorded("evaluation", "SW324")
    strongest = sorted(e.importance.items(), key=lambda kv: -kv[1])[:3]
    carries = bool(strongest) and len(e.importance) >= 3 and strongest[0][1] >= _CARRIES
    if not perfect and not carries:
        return
    shown = ", ".join(f"'{c}' {share:.0%}" for c, share in strongest)
    parts = [f.text("message") for f in perfect[:1]]
    parts += [f"'{strongest[0][0]}' carries {strongest[0][1]:.0%} of the contributions"] if carries else []
    both = bool(perfect) and carries and strongest[0][0] in e.used
    yield Doubt(
        message="; ".join(parts),
        where="reports/evaluation.json" if perfect else "reports/explanation.json",
        evidence={"importance": dict(strongest), "nearly_perfect": bool(perfect)},
        advice="make sure that each of these is known before the outcome: "
        + (shown or "see data/quality-report.md"),
        severity="error" if both else None,
        changes=(e.drop_change(strongest[0][0], "SW102", "a leak until shown otherwise"),) if both else (),
    )


@rule(
    "SW103", "rows told twice", "warning",
    "Holdout rows repeat training rows in every input, or the table repeats itself: what was learned by heart is then "
    "counted as foresight.",
    needs=("profile",), covers=("SW204", "SW228"),
)  # fmt: skip
def repeated_rows(e: Evidence) -> Iterator[Doubt]:
    """Copies across training rows and holdout, else many copies in the table."""
    across = e.recorded("feature_validation", "SW228")
    keyed = bool(e.spec.get_list("Identifier") or e.get("profile").texts("roles", "identifiers"))
    for found in across:
        share = found.number("evidence", "share")
        yield Doubt(
            message=found.text("message"),
            where="features/validation.json",
            evidence={"rows": found.number("evidence", "rows"), "share": share},
            advice="rows with keys of their own can be alike by chance: nothing to do then; if they are one event told "
            "twice, remove the copies from the data"
            if keyed
            else "if they are one event told twice, remove the copies "
            "from the data; else say which rows belong together: '- Group column: NAME' in spec.md",
            severity="info" if keyed else None,
        )
    profile = e.get("profile")
    rows, copies = profile.number("rows"), profile.number("duplicate_rows")
    if not across and rows and copies and copies / rows > 0.01:
        yield Doubt(
            message=f"{copies:,.0f} of {rows:,.0f} rows ({copies / rows:.1%}) repeat an earlier one",
            where=profile.where,
            evidence={"rows": copies, "share": copies / rows},
            advice="remove the copies where one event is told twice: a split puts them on both sides",
        )


@rule(
    "SW116", "holdout falls short of validation", "warning",
    "The score falls from validation folds to the holdout by more than chance: tuning overfitted the folds, or the "
    "holdout comes from elsewhere.",
    needs=("evaluation",), covers=("SW321",),
)  # fmt: skip
def holdout_falls(e: Evidence) -> Iterator[Doubt]:
    """A fall beyond three standard deviations of the folds, and 5 % of the room."""
    gap = e.get("evaluation").at("overfitting")
    cv, std, holdout = gap.number("cv"), gap.number("cv_std"), gap.number("holdout")
    if cv is None or std is None or holdout is None or (gap.number("n_folds") or 0) < 3:
        return
    away = e.sign * (cv - holdout)
    if away <= 3 * max(std, 1e-9) or away / e.room(cv) <= 0.05:
        return
    trials = sum(len(e.trials(r)) for r in e.tuned)
    yield Doubt(
        message=f"{e.selection.label} falls from {short_number(cv)} ± {short_number(std)} on validation folds to "
        f"{short_number(holdout)} on the holdout",
        where="reports/evaluation.json: overfitting",
        evidence={"cv": cv, "cv_std": std, "holdout": holdout, "trials": trials},
        advice="look at the drift in features/validation-report.md first; without drift, tune with fewer trials or "
        "more folds, and judge by the holdout",
    )
