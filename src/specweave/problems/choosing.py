"""What a plan says: its usual settings, and what it chooses of a type's tables of candidates, baselines and metrics.

Reads: plans, and the modules whose classes and functions they name. Writes: nothing. Never: hides why a name
cannot be used.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from specweave.errors import UnknownNameError, did_you_mean
from specweave.metrics.base import MetricRef, parse_metric_ref
from specweave.problems.base import Choice, ModelExperiment

if TYPE_CHECKING:
    from specweave.increments.plan import Plan


def common_choices(n_rows: int | None, drops: Mapping[str, str]) -> list[Choice]:
    """Return the plan's settings that hold for any table."""
    folds = 5 if n_rows is None or n_rows >= 150 else 4
    trials, budget = (40, "5m") if n_rows is None or n_rows < 20_000 else (25, "10m")
    return [
        Choice("split.folds", folds, f"{folds} folds: every training row is validated once"),
        Choice("split.seed", 42, "fixed, so that a second run splits alike"),
        Choice("features.drop", dict(drops), "no input: " + ", ".join(f"{c} ({r})" for c, r in drops.items())
               if drops else "every column but the target is an input"),
        Choice("features.onehot_max_levels", 20, "more levels than this are target-encoded inside each fold"),
        Choice("features.rare_share", 0.01, "rarer levels are grouped"),
        Choice("tuning.trials", trials, "enough for a search space of five to eight parameters"),
        Choice("tuning.time_budget", budget, "tuning stops at whichever comes first"),
        Choice("tuning.top", 2, "the two best candidates: the order of close candidates often turns when tuned"),
        Choice("explain.rows", 500, "rows whose SHAP values are kept"),
        Choice("explain.examples", 5, "predictions explained in words"),
    ]  # fmt: skip


def choose_candidates(
    table: Mapping[str, ModelExperiment],
    plan: Plan,
    *,
    usual: Sequence[Any] | None = None,
    make_other: Callable[[Mapping[str, Any]], ModelExperiment | None] | None = None,
) -> list[ModelExperiment]:
    """Return the plan's candidates: names of the type's table, or estimators of the user's.

    An entry is a name, or ``name`` / ``estimator`` with ``params``, ``search`` and ``note`` laid over the table's.

    Parameters
    ----------
    usual : sequence, optional
        Entries to take where the plan lists none; the whole table where not given.
    make_other : callable, optional
        Asked for entries that are neither; None from it means that they are unknown.

    Raises
    ------
    UnknownNameError
        If nothing has that name, or an estimator cannot be imported.
    """
    listed = plan.get("candidates", usual)
    if listed is None:
        return list(table.values())
    chosen = []
    for item in listed:
        entry = item if isinstance(item, Mapping) else {"name": item}
        name = str(entry.get("name", entry.get("estimator", "")))
        other = None
        if entry.get("estimator"):
            cls = import_named(str(entry["estimator"]), plan.at("candidates"))
            base = ModelExperiment(name or cls.__name__.lower(), cls)
        elif name in table:
            base = table[name]
        elif make_other is not None and (other := make_other(entry)) is not None:
            base = other
        else:
            raise UnknownNameError(
                f"no candidate is called '{name}'", where=plan.at("candidates"),
                hint=did_you_mean(name, table) + "; or name a class of your own with 'estimator: package.module.Class'",
            )  # fmt: skip
        chosen.append(
            ModelExperiment(
                name or base.name,
                base.estimator_class,
                {**base.params, **(entry.get("params") or {})},
                entry.get("search", base.search) or {},
                str(entry.get("note", base.note)),
            )
        )
    return chosen


def candidates_choice(tried: Sequence[ModelExperiment], more: str = "") -> Choice:
    """Return the plan's line that lists these candidates with their search spaces, and why each is tried."""
    listed = [{"name": e.name, **({"search": dict(e.search)} if e.search else {})} for e in tried]
    return Choice("candidates", listed, "; ".join(f"{e.name}: {e.note}" for e in tried) + more)


def choose_baselines(
    strategies: Sequence[Any],
    table: Mapping[str, ModelExperiment],
    plan: Plan,
    rule_experiment: Callable[[Any, str | None], ModelExperiment],
) -> list[ModelExperiment]:
    """Return one experiment per strategy, each name once: a name of the type's table, a callable, or
    ``{"rule": "module:function", "name": ...}``.

    Raises
    ------
    UnknownNameError
        If a strategy is none of these, or its rule cannot be imported.
    """
    chosen: dict[str, ModelExperiment] = {}
    for strategy in strategies:
        if callable(strategy):
            made = rule_experiment(strategy, None)
        elif isinstance(strategy, Mapping) and "rule" in strategy:
            rule = import_named(str(strategy["rule"]), plan.at("baselines"))
            made = rule_experiment(rule, str(strategy.get("name", "rule")))
        elif str(strategy) in table:
            made = table[str(strategy)]
        else:
            raise UnknownNameError(
                f"no baseline strategy is called '{strategy}'", where=plan.at("baselines"),
                hint=did_you_mean(str(strategy), table),
            )  # fmt: skip
        chosen[made.name] = made
    return list(chosen.values())


def make_rule_experiment(cls: type, rule: Any, name: str | None = None) -> ModelExperiment:
    """Return the baseline that answers by a person's rule, as a model of class `cls`."""
    named = name or getattr(rule, "__name__", "rule")
    return ModelExperiment(f"baseline-{named}".replace("_", "-"), cls, {"rule": rule})


def selection_first(names: Sequence[str | MetricRef], plan: Plan) -> list[MetricRef]:
    """Return these metrics with the plan's selection metric before them."""
    refs = [name if isinstance(name, MetricRef) else parse_metric_ref(name) for name in names]
    chosen = plan.get("selection_metric")
    if not chosen:
        return refs
    first = parse_metric_ref(str(chosen))
    return [first, *(r for r in refs if r != first)]


def import_named(path: str, where: str) -> Any:
    """Import ``package.module.Class`` or ``module:function``.

    Raises
    ------
    UnknownNameError
        If it cannot be imported; says why.
    """
    module, _, attribute = path.replace(":", ".").rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UnknownNameError(
            f"cannot import '{path}': {error}",
            where=where,
            hint="name it as package.module.Class, importable from the project's root",
        ) from error
