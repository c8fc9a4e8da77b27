"""Rules about the search for settings, and about training that was still getting better.

Reads: Optuna journals, metrics and histories of experiments, plan. Writes: nothing. Never: starts a trial.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from specweave.experiments.record import ExperimentRecord
from specweave.metrics.base import find_metric, known_metric
from specweave.review.base import Doubt, rule
from specweave.review.evidence import Evidence, find_value
from specweave.review.trials import Space, Trial
from specweave.stages.numbers import short_number
from specweave.stages.tuning import TRIALS_PER_PARAMETER

_EDGE = 0.02
_ENOUGH = 8
_VALIDATION = re.compile(r"(^|[^a-z])(val|valid|validation|test|eval|dev|holdout)([^a-z]|$)", re.I)
_LESS = re.compile(r"loss|error|rmse|mae|mape|mse|nll|deviance|brier|entropy|perplexity", re.I)


def best_trial(e: Evidence, trials: list[Trial]) -> Trial | None:
    """Return the best completed trial."""
    done = [t for t in trials if t.value is not None]
    return max(done, key=lambda t: e.sign * (t.value or 0.0)) if done else None


@rule(
    "SW122", "tuning at the edge of its space", "info",
    "The best settings lie at a bound of the search space: better ones may lie beyond it.",
    needs=("tuned",), fixes=True,
)  # fmt: skip
def at_the_edge(e: Evidence) -> Iterator[Doubt]:
    """Settings of the best trial within 2 % of a bound that can be moved."""
    for record in e.tuned:
        trials = e.trials(record)
        best = best_trial(e, trials)
        if best is None or len([t for t in trials if t.value is not None]) < _ENOUGH:
            continue
        ranked = sorted((t for t in trials if t.value is not None), key=lambda t: -e.sign * (t.value or 0.0))[
            :3
        ]
        name = record.name.removeprefix("tuned-")
        hits: dict[str, tuple[str, Any, float]] = {}
        for key, space in best.spaces.items():
            side = _side(space, best.params.get(key))
            wider = _wider(space, side) if side else None
            if side and wider is not None:
                hits[key] = (side, wider, best.params[key])
        if not hits:
            continue
        firm = [k for k, (side, _, _) in hits.items()
                if sum(_side(t.spaces[k], t.params.get(k)) == side for t in ranked if k in t.spaces) >= 2]  # fmt: skip
        told = ", ".join(f"{k} = {short_number(value)} ({side} end)" for k, (side, _, value) in hits.items())
        yield Doubt(
            message=f"the best trial of {record.name} lies at the edge of its space: {told}",
            where=f"experiments/{record.id}/optuna-journal.log",
            evidence={k: {"value": value, "bound": side, "wider": wider} for k, (side, wider, value) in hits.items()},
            advice="widen the space there and tune again",
            severity="warning" if firm else "info",
            changes=tuple(
                e.plan_change(("candidates", name, "search", k, side), wider, toward="up" if side == "high" else "down")
                for k, (side, wider, _) in hits.items()
                if find_value(e.plan.config, ("candidates", name, "search", k)) is not None
            ),
        )  # fmt: skip


def _side(space: Space, value: Any) -> str:
    """Return ``low`` or ``high`` where a value lies at that bound, else ``""``."""
    if not isinstance(value, int | float) or space.high <= space.low:
        return ""
    if space.whole and space.high - space.low < 50:
        return "low" if value <= space.low else "high" if value >= space.high else ""
    a, b, x = space.low, space.high, float(value)
    if space.log and a > 0 and x > 0:
        a, b, x = math.log(a), math.log(b), math.log(x)
    place = (x - a) / (b - a)
    return "low" if place <= _EDGE else "high" if place >= 1 - _EDGE else ""


def _wider(space: Space, side: str) -> int | float | None:
    """Return the bound moved outward, or None where it is a natural one (a share of 1, a count of 1)."""
    bound = space.low if side == "low" else space.high
    if (side == "high" and bound == 1.0 and not space.whole) or (
        side == "low" and bound <= (1 if space.whole else 0)
    ):
        return None
    if space.log:
        factor = 2 if space.whole else 10
        moved = bound / factor if side == "low" else bound * factor
    else:
        reach = (space.high - space.low) / 2
        moved = bound - reach if side == "low" else bound + reach
        if space.low >= 0:
            moved = max(moved, bound / 2)
        if not space.whole and bound < 1:
            moved = min(moved, 1.0)
    if space.whole:
        return max(1 if space.low >= 1 else 0, int(moved)) if side == "low" else math.ceil(moved)
    return float(f"{moved:.6g}")


def planned_trials(e: Evidence, record: ExperimentRecord) -> int:
    """Return how many trials an experiment was to have: the plan's, at most 12 for each setting."""
    name = record.name.removeprefix("tuned-")
    search = find_value(e.plan.config, ("candidates", name, "search"))
    most = TRIALS_PER_PARAMETER * len(search) if isinstance(search, Mapping) and search else math.inf
    return int(min(int(e.plan.get("tuning.trials", 40)), most))


def count_trials(e: Evidence, record: ExperimentRecord) -> int:
    """Return how many trials ended, pruned ones included."""
    ended = [t for t in e.trials(record) if t.state in ("COMPLETE", "PRUNED")]
    counted = record.metrics.get("n_trials")
    return int(counted) if isinstance(counted, int | float) and math.isfinite(counted) else len(ended)


@rule(
    "SW123", "tuning unfinished", "info",
    "The search ended before its trials were done: by the time budget, or because it was interrupted.",
    needs=("tuned",), fixes=True,
)  # fmt: skip
def tuning_unfinished(e: Evidence) -> Iterator[Doubt]:
    """Interrupted searches (warning), and those with fewer than 90 % of their trials."""
    left = {r.id: (count_trials(e, r), planned_trials(e, r), r) for r in e.tuned if r.status != "running"}
    left = {k: x for k, x in left.items() if x[2].status != "completed" or x[0] < 0.9 * x[1]}
    if not left:
        return
    budget = e.plan.seconds("tuning.time_budget", 300.0) or 300.0
    spent = sum(r.duration_s or 0.0 for r in e.tuned)
    told = [
        f"{r.name} {'had' if r.status == 'completed' else f'was {r.status} after'} {done} of {planned} trials"
        for done, planned, r in left.values()
    ]
    share = min(done / max(planned, 1) for done, planned, _ in left.values())
    minutes = min(240, math.ceil(spent / max(share, 0.05) / 60))
    change = e.plan_change(("tuning", "time_budget"), f"{minutes}m")
    yield Doubt(
        message="; ".join(told),
        where=f"experiments/{next(iter(left))}/experiment.json",
        evidence={"trials": {k: [done, planned] for k, (done, planned, _) in left.items()}, "seconds": spent,
                  "budget": budget},
        advice=f"give it about {minutes} minute{'s' * (minutes > 1)} and it goes on where it stopped: "
        f"sw do {e.number} --task T-005 --force (no --budget)",
        severity="info" if all(d >= _ENOUGH and r.status == "completed" for d, _, r in left.values()) else "warning",
        changes=(msgspec.structs.replace(change, done=budget >= 60 * minutes),),
    )  # fmt: skip


@rule(
    "SW124", "tuning still improving", "info",
    "The last quarter of the trials still found something better: more trials are likely to pay.",
    needs=("tuned",), fixes=True,
)  # fmt: skip
def still_improving(e: Evidence) -> Iterator[Doubt]:
    """A gain in the last quarter above a fifth of a standard error, with all planned trials used."""
    for record in e.tuned:
        trials = e.trials(record)
        curve = best_so_far(e, trials)
        done, planned = count_trials(e, record), planned_trials(e, record)
        if len(curve) < _ENOUGH or done < 0.9 * planned:
            continue
        gain = e.sign * (curve[-1] - curve[-1 - max(1, len(curve) // 4)])
        if gain <= 0.2 * (e.noise or 0.0) or gain <= 0:
            continue
        yield Doubt(
            message=f"{record.name} gained {gain:.2g} {e.selection.label} in the last quarter of {done} trials",
            where=f"experiments/{record.id}/optuna-journal.log",
            evidence={"gain": gain, "trials": done, "noise": e.noise},
            advice="double the trials",
            changes=(e.plan_change(("tuning", "trials"), 2 * done, toward="up"),),
        )


def best_so_far(e: Evidence, trials: list[Trial]) -> list[float]:
    """Return the best value after each completed trial."""
    curve: list[float] = []
    for trial in trials:
        if trial.value is not None:
            last = curve[-1] if curve else trial.value
            curve.append(trial.value if e.sign * (trial.value - last) > 0 else last)
    return curve


@rule(
    "SW125", "training still improving at its end", "info",
    "The validation curve of a training was still getting better at its last round or epoch: it was stopped early.",
)  # fmt: skip
def curve_unfinished(e: Evidence) -> Iterator[Doubt]:
    """Histories of ten or more rounds whose validation value gains in the last tenth, and is best at the end."""
    for record in e.experiments:
        if record.status != "completed" or record.tags.get("role") in (
            "analysis",
            "baseline",
            "candidate",
            "tuned",
        ):
            continue
        for name, values in _curves(record).items():
            sign = _direction(name)
            tail = max(1, len(values) // 10)
            whole = sign * (values[-1] - values[0])
            late = sign * (values[-1] - values[-1 - tail])
            at_end = sign * values[-1] >= max(sign * v for v in values)
            if not at_end or whole <= 0 or late <= 0.02 * whole:
                continue
            yield Doubt(
                message=f"{name} of {record.id} was best at its last of {len(values)} rounds "
                f"({short_number(values[-1])}), {late / whole:.0%} of the whole gain came in the last {tail}",
                where=f"experiments/{record.id}/history.jsonl",
                evidence={"metric": name, "rounds": len(values), "late_share": late / whole},
                advice="train for more rounds, with early stopping on the validation value",
            )


def _curves(record: ExperimentRecord) -> dict[str, list[float]]:
    """Return the validation curves of a training that have ten or more steps."""
    curves: dict[str, list[float]] = {}
    for line in record.load_history():
        for name, value in line.values.items():
            if line.step is not None and _VALIDATION.search(name) and math.isfinite(value):
                curves.setdefault(name, []).append(float(value))
    return {name: values for name, values in curves.items() if len(values) >= 10}


def _direction(name: str) -> float:
    bare = re.sub(r"^(val|valid|validation|test|eval|dev|holdout)[^a-z0-9]*", "", name, flags=re.I)
    if known_metric(bare):
        return 1.0 if find_metric(bare).higher_is_better else -1.0
    return -1.0 if _LESS.search(name) else 1.0
