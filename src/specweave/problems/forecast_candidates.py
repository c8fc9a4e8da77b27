"""Which forecasters stand for a plan's names: baselines, ensembles of named members, and means of the best.

Reads: plans, scores on validation folds. Writes: nothing. Never: trains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from specweave.errors import UnknownNameError, did_you_mean
from specweave.forecasters.catalogue import FORECASTERS
from specweave.forecasters.neural import has_torch
from specweave.forecasters.prophet import has_prophet
from specweave.forecasters.statistical import has_statsforecast
from specweave.problems.base import ModelExperiment

if TYPE_CHECKING:
    from specweave.increments.plan import Plan

_FEW = 5  # series up to which Prophet is worth its time
_MANY = 300  # series past which ARIMA is not worth its time
_ENOUGH = 1000  # values of all series from which a network has something to learn from
# Seconds of one fit: (to begin with, per series, per 1000 values). Theta is compiled first; boosting grows its trees.
_SECONDS = {
    "ces": (0.0, 0.005, 0.01), "ets": (0.0, 0.03, 0.2), "theta": (4.0, 0.005, 0.0), "lightgbm": (0.3, 0.0, 0.3),
    "croston": (0.0, 0.001, 0.0), "tsb": (0.0, 0.001, 0.0),
}  # fmt: skip
_NEAR = 1.5  # times the best score: worse candidates are left out of the combination


def forecasters_by_name(n_series: int = 1) -> dict[str, ModelExperiment]:
    """Return every forecaster, and the median of the classical ones, by the name a plan gives it."""
    made = {
        name: ModelExperiment(name, cls, {}, dict(cls.search), cls.note)
        for name, cls in FORECASTERS.items()
        if name != "combination"
    }
    members = ["ets", "ces", "theta", *(["arima"] if n_series <= _MANY else [])]
    made["median-ensemble"] = ModelExperiment(
        "median-ensemble", FORECASTERS["combination"], {"members": members, "how": "median"},
        note=f"the median of {', '.join(members)}: hard to beat, never the worst",
    )  # fmt: skip
    return made


def plan_candidates(
    n_series: int, n_values: int, *, intermittent: bool = False
) -> tuple[list[dict[str, Any]], str]:
    """Return (candidates for plan.md, cheap ones first; the reasons in words).

    Parameters
    ----------
    n_series, n_values : int
        Series, and values of all of them.
    intermittent : bool
        Whether most values are zero.
    """
    names = ["lightgbm", "light-theta"]
    if has_statsforecast():
        names = ["ces", "ets", "theta", "lightgbm", *(["croston", "tsb"] if intermittent else [])]
        names.sort(key=lambda n: _seconds(n, n_series, n_values))
        names += [*(["arima"] if n_series <= _MANY else []), "median-ensemble"]
    if has_prophet() and n_series <= _FEW:
        names.append("prophet")
    if has_torch() and n_values >= _ENOUGH:
        names.append("neural")
    table = forecasters_by_name(n_series)
    told = "; ".join(f"{n}: {table[n].note}" for n in names)
    if not has_statsforecast():
        told += "; ETS, CES, Theta and ARIMA need: pip install 'specweave-ml[forecast]'"
    if not has_prophet():
        told += "; Prophet needs: pip install 'specweave-ml[forecast]'"
    if not has_torch() and n_values >= _ENOUGH:
        told += "; a neural network needs: pip install 'specweave-ml[torch]'"
    listed = [{"name": n, **({"search": dict(table[n].search)} if table[n].search else {})} for n in names]
    return listed, "cheap ones first. " + told


def _seconds(name: str, n_series: int, n_values: int) -> float:
    """Return about how long one fit takes on one core."""
    begun, each, thousand = _SECONDS[name]
    return begun + each * n_series + thousand * n_values / 1000


def choose_simple(
    strategies: Sequence[Any], table: Mapping[str, ModelExperiment], plan: Plan
) -> list[ModelExperiment]:
    """Return one baseline per strategy; random and rule-based ones have their nearest kin here.

    Raises
    ------
    UnknownNameError
        If a strategy is no simple forecaster.
    """
    kin = {"random": "naive", "majority": "mean", "popularity": "mean", "rule-based": "seasonal-naive"}
    simple = ("naive", "seasonal-naive", "drift", "mean", "light-theta")
    made: dict[str, ModelExperiment] = {}
    for strategy in strategies:
        name = kin.get(str(strategy), str(strategy))
        if name not in simple:
            raise UnknownNameError(f"no baseline strategy is called '{strategy}'", where=plan.at("baselines"),
                                   hint=did_you_mean(str(strategy), simple))  # fmt: skip
        made[name] = replace(table[name], name=f"baseline-{name}")
    return list(made.values())


def make_members(entry: Mapping[str, Any]) -> ModelExperiment | None:
    """Return the combination of an entry that lists members, or None where it lists none."""
    if not entry.get("members"):
        return None
    return ModelExperiment(
        str(entry.get("name", "")) or "combination",
        FORECASTERS["combination"],
        {"members": list(entry["members"])},
    )


def weigh_nearest(
    experiments: Sequence[ModelExperiment], scores: Mapping[str, float]
) -> list[ModelExperiment]:
    """Return the mean of the single candidates that come near the best (lowest) score, weighted by 1 / score."""
    names: dict[Any, str] = {cls: n for n, cls in FORECASTERS.items()}
    single = {
        e.name: {"name": names[e.estimator_class], "params": dict(e.params)}
        for e in experiments
        if e.name in scores and names.get(e.estimator_class) not in (None, "combination")
    }
    best = min((scores[n] for n in single), default=0.0)
    near = [n for n in single if scores[n] <= _NEAR * best]
    if len(near) < 2 or best <= 0:
        return []
    weights = np.array([best / scores[n] for n in near])
    shares = [float(f"{w:.4f}") for w in weights / weights.sum()]
    told = ", ".join(f"{n} {w:.0%}" for n, w in zip(near, shares, strict=True))
    params = {"members": [single[n] for n in near], "how": "mean", "weights": shares}
    return [ModelExperiment("combination", FORECASTERS["combination"], params,
                            note=f"the mean of what came near the best on validation folds: {told}")]  # fmt: skip
