"""What to try next, ranked by the gain that the records let expect; or that it is time to stop.

Reads: trials, fold scores, out-of-fold predictions, training and validation gap. Writes: nothing. Never: promises
a gain without saying how it was estimated.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from specweave.errors import DataError
from specweave.experiments.record import ExperimentRecord
from specweave.problems.base import Problem
from specweave.review.base import Outlook, Proposal
from specweave.review.evidence import CHOOSABLE, Evidence
from specweave.review.rules.tuning import best_so_far, count_trials, planned_trials
from specweave.stages.numbers import short_number

_FLAT = 0.1  # of a standard error: less was gained than the folds can show
_WORTH = 0.25
_LAST = 8


def look_ahead(e: Evidence) -> Outlook:
    """Return the proposals, best first, and whether to stop.

    The curve is flat where the last trials of every search (a third of them, at least 8) gained less than a
    tenth of a standard error; candidates tie where two algorithms lie within one. Stop is said where the curve
    is flat and either the candidates tie or no proposal promises a quarter of a standard error.
    """
    best = e.best
    score = e.score(best) if best else None
    if best is None or score is None or best.tags.get("role") == "baseline":
        return Outlook(reason="nothing was trained yet: the first results come before the next idea")
    noise = e.noise
    found = [*_more_trials(e), *_other_candidates(e, best, score), *_blend(e, best, score), *_more_rows(e, score),
             *_columns(e)]  # fmt: skip
    # Below a fiftieth of a standard error nothing is promised.
    found = [p for p in found if p.gain is None or p.gain > 0.02 * (noise or 0.0)]
    found.sort(key=lambda p: (p.gain is None, -(p.gain or 0.0)))
    flat, told = _flat(e)
    tied = _tied(e, score)
    hopeful = [p for p in found if p.gain is not None and noise and p.gain >= _WORTH * noise]
    stop = flat and (bool(tied) or not hopeful)
    return Outlook(
        metric=e.selection.key,
        noise=noise,
        stop=stop,
        reason="; ".join(x for x in (told, tied) if x)
        or "too few trials are on record to know the curve of the search",
        proposals=tuple(found),
    )


def _flat(e: Evidence) -> tuple[bool, str]:
    curves = [(r, c) for r in e.tuned if len(c := best_so_far(e, e.trials(r))) >= _LAST + 1]
    if not curves or e.noise is None:
        return False, ""
    parts, flat = [], True
    for record, curve in curves:
        last = max(_LAST, len(curve) // 3)
        gain = e.sign * (curve[-1] - curve[max(0, len(curve) - 1 - last)])
        calm = gain < _FLAT * e.noise
        flat = flat and calm
        last = min(last, len(curve) - 1)
        parts.append(
            f"the last {last} trials of {record.name} gained " + (f"{gain:.2g}" if gain > 0 else "nothing")
        )
    return flat, "; ".join(parts) + f" (one standard error is {e.noise:.2g})"


def _tied(e: Evidence, score: float) -> str:
    """Return which algorithms lie within one standard error of the best, in words; empty where one leads."""
    if e.noise is None:
        return ""
    near: dict[str, str] = {}
    for r in e.of_role(*CHOOSABLE):
        value = e.score(r)
        if value is not None and e.sign * (score - value) <= e.noise:
            near.setdefault(r.tags.get("algorithm") or r.name, r.name)
    return f"{', '.join(near.values())} tie within one standard error" if len(near) > 1 else ""


def _more_trials(e: Evidence) -> Iterator[Proposal]:
    """As many trials again: half of what the second half of the trials brought, since returns diminish."""
    for r in e.tuned:
        curve = best_so_far(e, e.trials(r))
        done, planned = count_trials(e, r), planned_trials(e, r)
        if len(curve) < 6:
            if done < planned:
                yield Proposal(
                    action=f"let the search of {r.name} run: {done} of {planned} trials",
                    basis="so few trials say nothing about the rest",
                    command=f"sw do {e.number} --task T-005 --force",
                )
            continue
        half = len(curve) // 2
        late = e.sign * (curve[-1] - curve[half - 1])
        score = e.score(e.best) if e.best else None
        # A search that trails the winner must make up the lead first.
        behind = max(0.0, e.sign * ((score if score is not None else curve[-1]) - curve[-1]))
        gain = max(0.0, late / 2 - behind)
        more = planned - done
        yield Proposal(
            action=f"give {r.name} {'its remaining ' + str(more) if more >= 6 else str(len(curve)) + ' more'} trials",
            gain=gain,
            basis=f"trials {half + 1} to {len(curve)} gained {max(late, 0.0) + 0.0:.2g}; half of that is expected "
            "of as many again, since returns diminish" + (f", less the {behind:.2g} it trails the best by" if behind else ""),
            command=f"sw do {e.number} --task T-005 --force" if more >= 6 else f"tuning.trials: {2 * len(curve)} in plan.md",
        )  # fmt: skip


def _other_candidates(e: Evidence, best: ExperimentRecord, score: float) -> Iterator[Proposal]:
    """An untuned candidate: its score with the gain that tuning brought others, against the best."""
    plain = {r.name: r for r in e.of_role("candidate")}
    tuned = {r.name.removeprefix("tuned-"): r for r in e.of_role("tuned")}
    gains = [e.sign * (a - b) for name, r in tuned.items() if name in plain
             and (a := e.score(r)) is not None and (b := e.score(plain[name])) is not None]  # fmt: skip
    if not gains:
        return
    largest = max(gains)
    searchable = {
        c.get("name") for c in e.plan.get("candidates", []) if isinstance(c, dict) and c.get("search")
    }
    for name, r in plain.items():
        value = e.score(r)
        if name in tuned or name not in searchable or value is None or r.id == best.id:
            continue
        gain = e.sign * (value - score) + largest
        if gain <= 0:
            continue
        yield Proposal(
            action=f"tune {name} too",
            gain=gain,
            basis=f"untuned it has {short_number(value)}; the largest gain that tuning brought here was "
            f"{largest:.2g}, and the best has {short_number(score)}: an optimistic estimate",
            command=f"tuning.top: {len(tuned) + 1} in plan.md",
        )


def _blend(e: Evidence, best: ExperimentRecord, score: float) -> Iterator[Proposal]:
    """The mean of the two or three best algorithms, measured on their out-of-fold predictions."""
    kinds: dict[str, ExperimentRecord] = {}
    for r in e.of_role(*CHOOSABLE):
        kinds.setdefault(r.tags.get("algorithm") or r.name, r)
    chosen = list(kinds.values())[:3]
    if len(chosen) < 2:
        return
    outcomes = [e.outcome(r, "oof") for r in chosen]
    whole = e.outcome(best, "oof")
    made = _mean_of(e.problem, outcomes)
    if made is None or whole is None:
        return
    decision = {k: v.value for k, v in e.get("evaluation").pairs("decision")}
    try:
        together = e.problem.measure(e.selection, made, decision)
        alone = e.problem.measure(e.selection, whole, decision)
    except (DataError, KeyError, TypeError, ValueError, AttributeError):
        # The metric needs more than the records hold (a decision that was not made, or is odd).
        return
    gain = e.sign * (together - alone)
    if gain > 0:
        yield Proposal(
            action=f"average {', '.join(r.name for r in chosen)}: a ModelExperiment of your own in pipeline/t004_candidates.py",
            gain=gain,
            basis=f"measured: the mean of their out-of-fold predictions has {short_number(together)}, {best.name} alone "
            f"{short_number(alone)}; it costs {len(chosen)} models to serve",
        )


def _mean_of(problem: Problem, outcomes: list[Any]) -> Any:
    """Return one outcome table with the mean of numeric predictions, or None where rows or columns differ."""
    if any(o is None or "row" not in o for o in outcomes):
        return None
    tables = [
        o.sort_values([c for c in ("fold", "row") if c in o], kind="stable").reset_index(drop=True)
        for o in outcomes
    ]
    first = tables[0]
    numeric = problem.prediction_columns(first)
    same = all(
        len(t) == len(first) and set(numeric) <= set(t.columns) and (t["row"] == first["row"]).all()
        for t in tables
    )
    if not numeric or not same:
        return None
    made = first.copy()
    made[numeric] = sum(t[numeric].to_numpy() for t in tables) / len(tables)
    return made


def _more_rows(e: Evidence, score: float) -> Iterator[Proposal]:
    """Twice the rows: a quarter of the gap between training rows and validation folds."""
    gap = e.get("evaluation").at("overfitting")
    train, cv, rows = gap.number("train"), gap.number("cv"), e.get("evaluation").number("n_train")
    if train is None or cv is None or not rows:
        return
    gain = e.sign * (train - cv) / 4
    if gain <= 0:
        return
    perfect = e.metric.best is not None and abs(train - e.metric.best) < 0.02 * max(1.0, abs(e.metric.best))
    yield Proposal(
        action=f"bring twice the training rows ({rows:,.0f} now)",
        gain=None if perfect else gain,
        basis="the model knows its training rows by heart, so the gap says nothing of more rows" if perfect else
        f"rule of thumb: training ({short_number(train)}) and validation score ({short_number(cv)}) near each other as "
        "1/n from both sides, so twice the rows close a quarter of the gap; not measured",
    )  # fmt: skip


def _columns(e: Evidence) -> Iterator[Proposal]:
    """Where the errors sit: the column whose groups differ most in their loss."""
    rows = e.get("evaluation").rows("errors", "columns")
    if not rows:
        return
    first = rows[0]
    column, share = first.text("column"), first.number("explained")
    if column and share is not None and share >= 0.02:
        yield Proposal(
            action=f"look for columns that tell rows with {column} = {first.text('worst_value')} apart",
            basis=f"'{column}' explains {share:.0%} of the spread of the errors; what new columns bring cannot be estimated "
            "from the records",
        )
