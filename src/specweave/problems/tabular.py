"""What classification and regression share: one table, one target, one scikit-learn pipeline.

Reads: the table that the spec names. Writes: nothing. Never: fits a transformation outside the rows it
is given.
"""

from __future__ import annotations

import importlib
import inspect
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from specweave.errors import DataError, SpecError, UnknownNameError, did_you_mean
from specweave.problems.base import (
    Choice,
    Contributions,
    Dataset,
    ModelExperiment,
    Problem,
    Source,
    Split,
)
from specweave.tables.locating import find_data_file
from specweave.tables.splitting import check_enough_rows, parse_validation, split_rows

if TYPE_CHECKING:
    from specweave.increments.plan import Plan
    from specweave.increments.spec import Spec
    from specweave.tables.kinds import ColumnKind

_NO_INPUT = ("identifier", "constant", "empty")


class TabularProblem(Problem):
    """Base of problem types that predict one column of a table from the others."""

    default_validation: ClassVar[str] = "random"
    task: ClassVar[str]  # what TableFeatures is told: "classification" or "regression"

    def __init__(self) -> None:
        self._fitted: OrderedDict[Any, tuple[Any, np.ndarray]] = OrderedDict()

    # -- data --------------------------------------------------------------------------------------

    def load(self, spec: Spec, plan: Plan, root: Path) -> Dataset:
        """Read the table, find the target and the columns' roles, and type every column."""
        from specweave.tables.kinds import infer_kinds
        from specweave.tables.reading import check_target, read_table

        named = spec.require("Training data")
        target = spec.require("Target").value.strip("`")
        read = read_table(find_data_file(root, named.value, spec.at("Training data")))
        try:
            check_target(read.frame, target)
        except DataError as error:
            raise DataError(error.what, where=spec.at("Target"), hint=error.hint) from error
        frame, notes = read.frame, list(read.notes)
        empty = int(frame[target].isna().sum())
        if empty:
            notes.append(f"{empty} row{'s' * (empty > 1)} without a value in '{target}' are left out")
        frame = _with_target(frame, target, spec.at("Target"))
        roles = self._roles(spec, frame, target)
        kinds = infer_kinds(frame, target=target, identifiers=tuple(roles["identifiers"]), time=roles["time"])
        source = Source(
            path=named.value, size_bytes=read.bytes, sha256=read.sha256, rows=len(frame), notes=tuple(notes)
        )
        dataset = Dataset(frame, dict(kinds), roles, source)
        check_enough_rows(len(frame), spec.at("Training data"))
        self.check_target_values(dataset, spec.at("Target"))
        return dataset

    def check_planned(self, frame: pd.DataFrame, roles: Mapping[str, Any], where: str) -> None:
        """Refuse a target that cannot be learned, and a table too small to split."""
        target = roles.get("target")
        if target is None:
            return
        known = _with_target(frame, target, where)
        source = Source(path=where, size_bytes=0, sha256="", rows=len(known))
        check_enough_rows(len(known), where)
        self.check_target_values(Dataset(known, {}, dict(roles), source), where)

    def _roles(self, spec: Spec, frame: pd.DataFrame, target: str) -> dict[str, Any]:
        def column(key: str) -> str | None:
            name = spec.get(key)
            if name is None:
                return None
            name = name.strip("`")
            if name not in frame.columns:
                raise SpecError(
                    f"'{name}' is no column of the data",
                    where=spec.at(key),
                    hint=did_you_mean(name, map(str, frame.columns)),
                )
            return name

        identifiers = spec.get_list("Identifier") or spec.get_list("Identifiers")
        for name in identifiers:
            if name not in frame.columns:
                raise SpecError(
                    f"'{name}' is no column of the data",
                    where=spec.at("Identifier"),
                    hint=did_you_mean(name, map(str, frame.columns)),
                )
        return {
            "target": target,
            "identifiers": identifiers,
            "time": column("Time column"),
            "group": column("Group column"),
        }

    @abstractmethod
    def check_target_values(self, dataset: Dataset, where: str) -> None:
        """Raise DataError where the target cannot be learned."""

    def split(self, dataset: Dataset, spec: Spec, plan: Plan) -> Split:
        """Split by the spec's Validation line and the plan's folds and seed."""
        validation = parse_validation(
            spec.get("Validation"), where=spec.at("Validation"), default=self.default_validation
        )
        time, group = dataset.roles.get("time"), dataset.roles.get("group")
        times = None
        if validation.strategy == "time":
            if time is None:
                raise SpecError(
                    "a split by time needs the time's column",
                    where=spec.at("Validation"),
                    hint="fill in the bullet 'Time column' of spec.md",
                )
            times = as_times(dataset.frame[time], dataset.kinds[time])
        train, holdout, folds, words = split_rows(
            validation,
            n_rows=dataset.n_rows,
            folds=int(plan.get("split.folds", 5)),
            seed=int(plan.get("split.seed", 42)),
            labels=self.labels_for_split(dataset),
            groups=dataset.frame[group] if group else None,
            times=times,
        )
        return Split(train, holdout, tuple(folds), words)

    def labels_for_split(self, dataset: Dataset) -> Any:
        """Return what a stratified split stratifies by, or None."""
        return None

    def units(self, dataset: Dataset, outcome: pd.DataFrame) -> np.ndarray | None:
        """Return the group of each row where the data is grouped."""
        group = dataset.roles.get("group")
        if not group:
            return None
        return np.asarray(pd.factorize(dataset.frame[group].iloc[outcome["row"].to_numpy()])[0])

    def request_columns(self, dataset: Dataset) -> list[str]:
        """Return every column but the target, in the data's order."""
        return [str(c) for c in dataset.frame.columns if c != dataset.roles["target"]]

    @abstractmethod
    def encode(self, dataset: Dataset) -> Any:
        """Return the target as estimators take it, shape (n_rows,)."""

    # -- models ------------------------------------------------------------------------------------

    def make_features(
        self, dataset: Dataset, spec: Spec, plan: Plan, definitions: Mapping[str, Any] | None
    ) -> Any:
        """Return the unfitted TableFeatures: by the definitions file where there is one, else by the plan."""
        from specweave.tables.features import from_definitions, make_features

        if definitions:
            return from_definitions(dict(definitions))
        inputs = {c: k for c, k in dataset.kinds.items() if c != dataset.roles["target"]}
        return make_features(
            inputs,
            drop=self.drops(dataset, plan),
            task=self.task,
            max_onehot=int(plan.get("features.onehot_max_levels", 20)),
            rare_share=float(plan.get("features.rare_share", 0.01)),
            text_components=int(plan.get("features.text_components", 16)),
            select=plan.get("features.select"),
            seed=int(plan.get("split.seed", 42)),
        )

    def drops(self, dataset: Dataset, plan: Plan) -> dict[str, str]:
        """Return the columns that are no input, each with its reason."""
        asked = plan.get("features.drop", {})
        drop = {str(c): str(r or "plan.md") for c, r in asked.items()} if isinstance(asked, Mapping) else {}
        if isinstance(asked, list):
            drop = {str(c): "plan.md" for c in asked}
        for name in drop:
            if name not in dataset.frame.columns:
                raise SpecError(
                    f"'{name}' is no column of the data",
                    where=plan.at("features.drop"),
                    hint=did_you_mean(name, map(str, dataset.frame.columns)),
                )
        for name in dataset.roles["identifiers"]:
            drop.setdefault(name, "identifier")
        if dataset.roles.get("group"):
            drop.setdefault(dataset.roles["group"], "group column")
        for name, column in dataset.kinds.items():
            if column.kind in _NO_INPUT and name != dataset.roles["target"]:
                drop.setdefault(name, column.reason or column.kind)
        return drop

    def fit(
        self,
        experiment: ModelExperiment,
        dataset: Dataset,
        rows: np.ndarray,
        features: Any,
        *,
        seed: int,
        threads: int,
    ) -> Any:
        """Fit features and estimator on these rows; return a scikit-learn Pipeline over raw frames.

        A person's rule over raw rows learns nothing and is returned as it is.
        """
        if getattr(experiment.estimator_class, "answers_raw_rows", False):
            return experiment.estimator_class(**experiment.params)
        from sklearn.pipeline import Pipeline

        y = self.encode(dataset)[rows]
        step, X = self._features_for(dataset, rows, features, y)
        estimator = self.adapt(make_estimator(experiment, seed=seed, threads=threads), dataset, rows)
        fit_estimator(estimator, X, y)
        return Pipeline([("features", step), ("model", estimator)])

    def adapt(self, estimator: Any, dataset: Dataset, rows: np.ndarray) -> Any:
        """Return the estimator as this problem type needs it; the hook for target transformations."""
        return estimator

    def _features_for(
        self, dataset: Dataset, rows: np.ndarray, features: Any, y: Any
    ) -> tuple[Any, np.ndarray]:
        """Fit the feature step on these rows, or take it from the last few fits of the same rows."""
        from sklearn.base import clone

        key = (
            dataset.source.sha256,
            dataset.n_rows,
            hash(rows.tobytes()),
            repr(sorted(features.get_params().items(), key=str)),
        )
        if key not in self._fitted:
            step = clone(features)
            X = np.asarray(step.fit_transform(dataset.frame.iloc[rows], y), dtype=np.float64)
            self._fitted[key] = (step, X)
            while len(self._fitted) > 12:
                self._fitted.popitem(last=False)
        self._fitted.move_to_end(key)
        return self._fitted[key]

    def baselines(
        self, dataset: Dataset, spec: Spec, plan: Plan, strategies: Sequence[Any]
    ) -> list[ModelExperiment]:
        """Return one experiment per strategy: a name of the type's table, or a callable over raw rows."""
        known = self.baseline_table()
        chosen: list[ModelExperiment] = []
        for strategy in strategies:
            if callable(strategy):
                chosen.append(self.rule_experiment(strategy))
            elif isinstance(strategy, Mapping) and "rule" in strategy:
                rule = import_named(str(strategy["rule"]), plan.at("baselines"))
                chosen.append(self.rule_experiment(rule, str(strategy.get("name", "rule"))))
            elif str(strategy) in known:
                chosen.append(known[str(strategy)])
            else:
                raise UnknownNameError(
                    f"no baseline strategy is called '{strategy}'", where=plan.at("baselines"),
                    hint=did_you_mean(str(strategy), known),
                )  # fmt: skip
        unique = {e.name: e for e in chosen}
        return list(unique.values())

    @abstractmethod
    def baseline_table(self) -> dict[str, ModelExperiment]:
        """Return the baselines of this type by strategy name."""

    @abstractmethod
    def rule_experiment(self, rule: Any, name: str | None = None) -> ModelExperiment:
        """Return the experiment that answers by a callable ``rule(raw_rows) -> array``."""

    @abstractmethod
    def candidate_table(self, n_rows: int) -> dict[str, ModelExperiment]:
        """Return the candidates of this type by name, with their default parameters and search spaces."""

    def candidates(self, dataset: Dataset, spec: Spec, plan: Plan) -> list[ModelExperiment]:
        """Return the plan's candidates: names of the type's table, or estimators of the user's."""
        table = self.candidate_table(dataset.n_rows)
        listed = plan.get("candidates")
        if listed is None:
            return list(table.values())
        chosen = []
        for item in listed:
            entry = item if isinstance(item, Mapping) else {"name": item}
            name = str(entry.get("name", entry.get("estimator", "")))
            if entry.get("estimator"):
                cls = import_named(str(entry["estimator"]), plan.at("candidates"))
                base = ModelExperiment(name or cls.__name__.lower(), cls)
            elif name in table:
                base = table[name]
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

    # -- explaining --------------------------------------------------------------------------------

    def contributions(
        self, model: Any, rows: pd.DataFrame, background: pd.DataFrame, *, seed: int
    ) -> Contributions:
        """Explain by SHAP values, summed back to the raw columns."""
        from specweave.tables.attribution import shap_contributions

        pieces = shap_contributions(model, rows, background, seed=seed)
        return Contributions(
            names=pieces.names, values=pieces.values, base=pieces.base,
            shown=rows.reindex(columns=pieces.names), method=pieces.method, unit=pieces.unit,
            towards=self.explained_labels(model, pieces.explained),
        )  # fmt: skip

    def explained_labels(self, model: Any, positions: np.ndarray | None) -> tuple[str, ...]:
        """Return what a positive contribution to each row speaks for, where there is a choice."""
        return ()

    def local_surrogate(
        self, model: Any, row: pd.DataFrame, background: pd.DataFrame, *, seed: int
    ) -> list[dict[str, Any]] | None:
        """Explain one row by LIME on raw columns."""
        from specweave.tables.lime import lime_weights

        features = getattr(model, "named_steps", {}).get("features")
        used = list(features.required_columns_) if features is not None else list(background.columns)
        return lime_weights(self.explained_output(model, row), row, background[used], seed=seed)

    def explained_output(self, model: Any, row: pd.DataFrame) -> Callable[[pd.DataFrame], np.ndarray]:
        """Return the function from raw rows to the number that explanations of `row` explain."""
        return lambda frame: self.raw_output(model, frame)

    @abstractmethod
    def raw_output(self, model: Any, rows: pd.DataFrame) -> np.ndarray:
        """Return the number that explanations explain, shape (n_rows,)."""


def _with_target(frame: pd.DataFrame, target: str, where: str) -> pd.DataFrame:
    """Return the rows whose target is known.

    Raises
    ------
    DataError
        If there is none.
    """
    empty = frame[target].isna()
    if empty.all():
        raise DataError(
            f"the target '{target}' is empty in every row",
            where=where,
            hint="name another target, or bring data in which it is known",
        )
    return frame[~empty].reset_index(drop=True)


def make_estimator(experiment: ModelExperiment, *, seed: int, threads: int) -> Any:
    """Make the unfitted estimator, seeded and held to `threads` where it knows these parameters.

    Raises
    ------
    DataError
        If the class refuses the parameters; names the experiment.
    """
    try:
        estimator = experiment.estimator_class(**dict(experiment.params))
    except TypeError as error:
        accepted = list(inspect.signature(experiment.estimator_class).parameters)
        raise DataError(
            f"{experiment.algorithm} does not take these parameters: {error}",
            where=experiment.name,
            hint=f"it takes: {', '.join(accepted[:20])}",
        ) from error
    if not hasattr(estimator, "get_params"):
        return estimator
    settable: dict[str, Any] = {}
    for name, value in estimator.get_params(deep=True).items():
        leaf = name.rpartition("__")[2]
        if leaf in ("random_state", "random_seed") and value is None:
            settable[name] = seed
        elif (
            leaf in ("n_jobs", "thread_count", "nthread")
            and name.rpartition("__")[2] not in experiment.params
        ):
            settable[name] = threads
    if settable:
        estimator.set_params(**settable)
    return estimator


def fit_estimator(estimator: Any, X: np.ndarray, y: Any) -> None:
    """Fit, with the warnings kept down that a user of the pipeline can do nothing about."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        # Some linear models keep an n_jobs that does nothing; setting it is no mistake of the user's.
        warnings.filterwarnings("ignore", message=".*n_jobs.*", category=FutureWarning)
        estimator.fit(X, y)


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


def as_times(column: pd.Series, kind: ColumnKind) -> Any:
    """Return a time column as datetimes, or as it is where it holds plain steps."""
    if kind.kind != "datetime":
        return column
    from specweave.tables.dates import to_instants

    return pd.Series(to_instants(column, kind.format))


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
