"""What classification and regression share: one table, one target, one scikit-learn pipeline.

Reads: the table that the spec names. Writes: nothing. Never: fits a transformation outside the rows it
is given.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from specweave.errors import DataError, SpecError
from specweave.problems.base import (
    Contributions,
    Dataset,
    ModelExperiment,
    Problem,
    Source,
    Split,
)
from specweave.problems.choosing import choose_baselines, choose_candidates, common_choices, import_named
from specweave.problems.fitting import FeatureMemory, fit_estimator, make_estimator
from specweave.problems.roles import check_column, named_column
from specweave.tables.locating import find_data_file
from specweave.tables.splitting import check_enough_rows, parse_validation, split_rows

if TYPE_CHECKING:
    from specweave.increments.plan import Plan
    from specweave.increments.spec import Spec
    from specweave.tables.kinds import ColumnKind

# Problem types of others take all of these from here.
__all__ = [
    "TabularProblem",
    "as_times",
    "common_choices",
    "fit_estimator",
    "import_named",
    "make_estimator",
]

_NO_INPUT = ("identifier", "constant", "empty")


class TabularProblem(Problem):
    """Base of problem types that predict one column of a table from the others."""

    default_validation: ClassVar[str] = "random"
    task: ClassVar[str]  # what TableFeatures is told: "classification" or "regression"

    def __init__(self) -> None:
        self._fitted = FeatureMemory()

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
        identifiers = spec.get_list("Identifier") or spec.get_list("Identifiers")
        for name in identifiers:
            check_column(name, frame, spec.at("Identifier"))
        return {
            "target": target,
            "identifiers": identifiers,
            "time": named_column(spec, "Time column", frame),
            "group": named_column(spec, "Group column", frame),
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
            check_column(name, dataset.frame, plan.at("features.drop"))
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
        step, X = self._fitted.fit(dataset, rows, features, y)
        estimator = self.adapt(make_estimator(experiment, seed=seed, threads=threads), dataset, rows)
        fit_estimator(estimator, X, y)
        return Pipeline([("features", step), ("model", estimator)])

    def adapt(self, estimator: Any, dataset: Dataset, rows: np.ndarray) -> Any:
        """Return the estimator as this problem type needs it; the hook for target transformations."""
        return estimator

    def baselines(
        self, dataset: Dataset, spec: Spec, plan: Plan, strategies: Sequence[Any]
    ) -> list[ModelExperiment]:
        """Return one experiment per strategy: a name of the type's table, or a callable over raw rows."""
        return choose_baselines(strategies, self.baseline_table(), plan, self.rule_experiment)

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
        return choose_candidates(self.candidate_table(dataset.n_rows), plan)

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


def as_times(column: pd.Series, kind: ColumnKind) -> Any:
    """Return a time column as datetimes, or as it is where it holds plain steps."""
    if kind.kind != "datetime":
        return column
    from specweave.tables.dates import to_instants

    return pd.Series(to_instants(column, kind.format))
