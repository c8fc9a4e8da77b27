"""T-009: the online test that decides whether the model stays. Planned before a single request is served.

Reads: the evaluation, holdout predictions, the plan's ``ab_test``. Writes: ``reports/ab-test.json``.
Never: plans to look at the result early, or to stop when it looks good.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from specweave.errors import DataError, SpecError
from specweave.files.store import save_record
from specweave.stages.numbers import short_number
from specweave.stages.progress import tell
from specweave.stages.records import AB_TEST, SCHEMA, load_ab_test, load_evaluation
from specweave.stages.training import load_predictions
from specweave.stages.workspace import Workspace, open_workspace
from specweave.statistics.power import (
    detectable_effect,
    duration_days,
    mean_sample_size,
    proportion_sample_size,
)

KIND = "ab-test"
DAILY_TRAFFICS = (100, 1_000, 10_000, 100_000)
LONGEST_DAYS = 8 * 7  # past two months seasons and releases blur what is compared
_SHRINKAGE = 0.5  # of an offline gain, what a cautious plan expects to see online
_PERCENT = re.compile(r"^\s*([\d.]+)\s*%\s*$")


def plan_ab_test(increment: str | None = None) -> dict[str, Any]:
    """Plan the online test of the chosen model against what serves today, and write its record.

    The control's level is measured on the holdout: of the best baseline, which stands for today's way.
    ``plan.md`` may set ``ab_test.minimum_effect`` (``"5%"`` of the control's level, or an absolute number),
    ``ab_test.daily_traffic`` (units a day), ``ab_test.alpha`` and ``ab_test.power``.

    Parameters
    ----------
    increment : str, optional
        Id of the increment; the active one by default.

    Returns
    -------
    dict
        The record as written.

    Raises
    ------
    StageError
        If nothing was evaluated yet.
    SpecError
        If ``ab_test.minimum_effect`` is no effect.
    """
    workspace = open_workspace(increment)
    evaluation = load_evaluation(workspace.folder)
    control, treatment = _levels(workspace, evaluation)
    plan = workspace.plan
    alpha, power = float(plan.get("ab_test.alpha", 0.05)), float(plan.get("ab_test.power", 0.8))
    effect, why = choose_effect(
        control, treatment, plan.get("ab_test.minimum_effect"), where=plan.at("ab_test.minimum_effect")
    )
    traffic = plan.get("ab_test.daily_traffic")
    sizing = size_test(control, effect, alpha=alpha, power=power, daily_traffic=traffic)
    unit = _unit(workspace)
    record = {
        "experiment": evaluation["experiment"],
        "algorithm": evaluation["algorithm"],
        "hypothesis": _hypothesis(workspace, evaluation, control, effect),
        "primary": {**control, "treatment": treatment.get("baseline"), "minimum_effect": effect, "why": why},
        "alpha": alpha,
        "power": power,
        "sizing": sizing,
        "assignment": {
            "unit": unit,
            "salt": f"{workspace.increment.id}:ab-1",
            "rule": "sha256(salt + ':' + unit), its first 8 hex digits / 16**8 below the arm's share",
            "shares": {"control": 0.5, "treatment": 0.5},
        },
        "ramp": [{"share": 0.05, "days": 1}, {"share": 0.5, "days": sizing["days"]}],
        "guardrails": guardrails(workspace, evaluation),
        "stopping": "fixed horizon: the primary metric is tested once, when both arms are full; "
        "until then only guardrails are looked at, and they can only stop the test",
        "decision": _decision(control, effect, alpha),
        "rollback": [
            "a guardrail is breached in two checks in a row, or by twice its bar once",
            "arms differ from their shares (chi-square test, p < 0.001): the assignment is broken",
            "requests fail that control answers",
        ],
    }
    save_record(workspace.folder / AB_TEST, KIND, SCHEMA, record)
    tell(
        "note",
        f"A/B test: {sizing['per_arm']:,} {unit}s per arm to see a change of {short_number(effect, 3)}",
    )
    return load_ab_test(workspace.folder)


# -- pure parts ------------------------------------------------------------------------------------


def choose_effect(
    control: Mapping[str, Any], treatment: Mapping[str, Any], asked: Any = None, *, where: str | None = None
) -> tuple[float, str]:
    """Return (smallest absolute change worth seeing, why).

    Parameters
    ----------
    control, treatment : mapping
        ``baseline`` (the level), ``kind`` and ``higher_is_better``, from `problem.ab_metric`.
    asked : str or float, optional
        ``"5%"`` of the control's level, or an absolute number.

    Raises
    ------
    SpecError
        If `asked` is neither.
    """
    level = float(control["baseline"])
    if asked is not None:
        effect = _asked_effect(asked, level, where)
        return _possible(control, effect), f"set in plan.md: {asked}"
    sign = 1.0 if control.get("higher_is_better", True) else -1.0
    gain = sign * (float(treatment["baseline"]) - level) if treatment.get("baseline") is not None else 0.0
    if gain > 0.01 * abs(level):
        return (
            _possible(control, gain * _SHRINKAGE),
            f"half of the {short_number(gain, 3)} gained on the holdout, since offline gains shrink online",
        )
    return _possible(
        control, 0.05 * abs(level) or 0.01
    ), "5 % of the control's level; no gain was measured offline"


def _asked_effect(asked: Any, level: float, where: str | None) -> float:
    match = _PERCENT.match(asked) if isinstance(asked, str) else None
    try:
        effect = float(match[1]) / 100 * abs(level) if match else float(asked)
    except ValueError:
        effect = math.nan
    if not effect > 0 or not math.isfinite(effect):
        raise SpecError(
            f"ab_test.minimum_effect: {asked!r} is no change worth seeing", where=where,
            hint='write a share of today\'s level such as "5%", or a positive number',
        )  # fmt: skip
    return effect


def _possible(control: Mapping[str, Any], effect: float) -> float:
    """Keep a proportion's change inside what is left to gain."""
    if control.get("kind") != "proportion":
        return effect
    level = float(control["baseline"])
    room = 1 - level if control.get("higher_is_better", True) else level
    return min(effect, room / 2) if room > 0 else effect


def size_test(
    control: Mapping[str, Any],
    effect: float,
    *,
    alpha: float,
    power: float,
    daily_traffic: float | None = None,
) -> dict[str, Any]:
    """Return units per arm, days, and how both change with the effect and the traffic.

    Parameters
    ----------
    control : mapping
        ``kind`` (``proportion`` or ``mean``), ``baseline``, ``std`` for means, ``higher_is_better``.
    effect : float
        Absolute change, positive.
    daily_traffic : float, optional
        Units that arrive in a day; several are tabled where it is not known.
    """
    per_arm = _per_arm(control, effect, alpha, power)
    traffics = [float(daily_traffic)] if daily_traffic else [float(t) for t in DAILY_TRAFFICS]
    durations = [{"daily_traffic": t, "days": duration_days(per_arm, t)} for t in traffics]
    days = durations[0]["days"] if daily_traffic else None
    sensitivity = []
    for factor in (0.5, 0.75, 1.0, 1.5, 2.0):
        try:
            n = _per_arm(control, effect * factor, alpha, power)
        except DataError:
            continue  # a change that large would leave the possible range
        line = {"effect": effect * factor, "per_arm": n}
        if daily_traffic:
            line["days"] = duration_days(n, float(daily_traffic))
        sensitivity.append(line)
    return {
        "per_arm": per_arm,
        "total": 2 * per_arm,
        "days": days,
        "durations": durations,
        "sensitivity": sensitivity,
        "test": "two-proportion z-test" if control["kind"] == "proportion" else "two-sample t-test",
        "too_long": _too_long(control, days, daily_traffic, alpha, power),
    }


def _too_long(
    control: Mapping[str, Any], days: float | None, traffic: float | None, alpha: float, power: float
) -> dict[str, Any] | None:
    """Return what a test of acceptable length could see, where the planned one lasts too long."""
    if days is None or traffic is None or days <= LONGEST_DAYS:
        return None
    n = int(traffic * LONGEST_DAYS / 2)
    level = (
        {"baseline": float(control["baseline"])}
        if control["kind"] == "proportion"
        else {"std": _std(control)}
    )
    try:
        seen = detectable_effect(n, alpha=alpha, power=power, **level)
    except DataError:
        return {"days": LONGEST_DAYS, "detectable_effect": None}
    return {"days": LONGEST_DAYS, "detectable_effect": None if math.isnan(seen) else seen}


def _per_arm(control: Mapping[str, Any], effect: float, alpha: float, power: float) -> int:
    sign = 1.0 if control.get("higher_is_better", True) else -1.0
    if control["kind"] == "proportion":
        # A level of exactly 0 or 1 was measured on few rows; the nearest level that varies stands for it.
        level = min(max(float(control["baseline"]), 1e-4), 1 - 1e-4)
        other = min(max(level + sign * effect, 5e-5), 1 - 5e-5)
        return proportion_sample_size(level, other - level, alpha=alpha, power=power)
    return mean_sample_size(_std(control), effect, alpha=alpha, power=power)


def _std(control: Mapping[str, Any]) -> float:
    return float(control.get("std") or abs(float(control["baseline"])) or 1.0)


def guardrails(workspace: Workspace, evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what must not get worse while the test runs: latency, errors, drift of inputs and answers."""
    p95 = next((m["value"] for m in evaluation["metrics"] if m["name"] == "latency_p95_ms"), None)
    bar, source = (
        (max(1.0, 2 * float(p95)), "twice the measured p95") if p95 is not None else (100.0, "default")
    )
    for criterion in workspace.spec.criteria:
        if criterion.metric is not None and criterion.metric.name == "latency_p95_ms":
            bar, source = criterion.value, "spec.md"
    return [
        {"name": "p95 latency", "bar": f"below {bar:.4g} ms", "source": source, "measured": p95,
         "check": "hourly"},
        {"name": "failed requests", "bar": "below 0.1 %, and not above control's", "source": "default",
         "measured": None, "check": "hourly"},
        {"name": "drift of inputs", "bar": "no input drifts from the training data", "measured": None,
         "source": f"sw monitor {workspace.increment.number} BATCH.csv", "check": "daily"},
        {"name": "drift of answers", "bar": "predictions spread as on the holdout", "measured": None,
         "source": f"sw monitor {workspace.increment.number} BATCH.csv", "check": "daily"},
        {"name": "split of arms", "bar": "chi-square test of the arms' sizes, p above 0.001",
         "source": "default", "measured": None, "check": "daily"},
    ]  # fmt: skip


# -- from the folder -------------------------------------------------------------------------------


def _levels(workspace: Workspace, evaluation: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the online metric of the control (best baseline) and of the chosen model, on the holdout."""
    problem, store = workspace.problem, workspace.store
    rival = next((c for c in evaluation["comparisons"] if c["role"] == "best baseline"), None)
    found = []
    for experiment in (rival["against"] if rival else evaluation["experiment"], evaluation["experiment"]):
        record = store.get(experiment)
        outcome, oof = load_predictions(record, "holdout"), load_predictions(record, "oof")
        if outcome is None or oof is None:
            raise SpecError(
                "the holdout predictions are gone", where=record.id, hint="run: sw do --task T-006 --force"
            )
        decision = problem.decide(oof, workspace.dataset, workspace.spec, workspace.plan)
        found.append(dict(problem.ab_metric(outcome, decision)))
    control, treatment = found
    control["measured_on"] = (
        f"{rival['against']} on the holdout" if rival else "the chosen model on the holdout"
    )
    return control, treatment


def _unit(workspace: Workspace) -> str:
    roles = workspace.dataset.roles
    for role in ("user", "group"):
        if isinstance(roles.get(role), str):
            return str(roles[role])
    identifiers = roles.get("identifiers") or []
    return str(identifiers[0]) if identifiers else "request"


def _hypothesis(
    workspace: Workspace, evaluation: Mapping[str, Any], control: Mapping[str, Any], effect: float
) -> str:
    better = "raises" if control.get("higher_is_better", True) else "lowers"
    return (
        f"Serving {evaluation['algorithm']} ({evaluation['experiment']}) for '{workspace.spec.title}' "
        f"{better} the {control['metric']} from {short_number(control['baseline'])} by at least "
        f"{short_number(effect, 3)}."
    )


def _decision(control: Mapping[str, Any], effect: float, alpha: float) -> list[str]:
    better = "above" if control.get("higher_is_better", True) else "below"
    return [
        f"ship: the {1 - alpha:.0%} interval of treatment minus control is {better} 0, every guardrail held",
        "keep control: the interval lies on the other side of 0, or excludes a change of "
        f"{short_number(effect, 3)}",
        "otherwise the test was too small for what there is to see: say so, and do not prolong it",
    ]
