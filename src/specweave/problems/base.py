"""The questions that every problem type answers, and the values that pass between it and the stages.

Reads: nothing by itself. Writes: nothing. Never: knows which problem types exist.

A stage asks these questions and never looks inside a target, a model or a prediction. What a
prediction is (a probability, an amount, a ranked list, a path with intervals) stays in the problem's
own file; to everyone else it is a DataFrame with a `row` column that can be stored and handed back.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from specweave.errors import SpecError
from specweave.metrics.base import MetricDef, MetricRef, find_metric, parse_metric_ref
from specweave.problems.answering import Answering
from specweave.problems.dataset import Dataset, Source, Split
from specweave.problems.values import Choice, Contributions, ModelExperiment, Table
from specweave.records import Figure, Finding

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from specweave.increments.plan import Plan
    from specweave.increments.spec import Spec
    from specweave.problems.example_rows import ExampleRow
    from specweave.tables.kinds import ColumnKind

# A problem type needs nothing but this module.
__all__ = [
    "Choice",
    "Contributions",
    "Dataset",
    "ModelExperiment",
    "Problem",
    "Source",
    "Split",
    "Table",
    "problem_for",
]


class Problem(Answering):
    """A problem type.

    Class attributes
    ----------------
    name : str
        Its key in the registry.
    types : tuple of str
        Spellings accepted on the "Problem type" line; the first is written by default.
    required : tuple of str
        Fields of the spec's "Data Requirements" without which nothing can run.
    words : tuple of str
        Words of a request that suggest this type.
    plan_keys : tuple of str
        Top-level settings of ``plan.md`` that only this type knows.
    spec_keys : tuple of str
        Fields of the spec that only this type knows and that decide what it learns.
    decision_fields : tuple of str
        Fields of the spec that only this type knows and that decide nothing but how predictions become decisions.
    data_fields : tuple of str
        Fields among `spec_keys` that name further data files.
    explained : tuple of str
        Codes of doubts about columns and rows that are not told, since the type made these itself: nothing can be
        mended at the source.
    baselines_compete : bool
        Whether a baseline may be chosen: where naive forecasts or popularity are what people run in earnest.
    covers : mapping of str to str
        What a task looks at for this type, by the task's id (``T-001``); written under it in tasks.md.
    trains : bool
        Whether the nine tasks apply. Where not, tasks are a person's own scripts, and criteria are judged by what
        these log.
    """

    name: ClassVar[str]
    types: ClassVar[tuple[str, ...]]
    required: ClassVar[tuple[str, ...]] = ("Training data", "Target")
    words: ClassVar[tuple[str, ...]] = ()
    plan_keys: ClassVar[tuple[str, ...]] = ()
    spec_keys: ClassVar[tuple[str, ...]] = ()
    decision_fields: ClassVar[tuple[str, ...]] = ()
    data_fields: ClassVar[tuple[str, ...]] = ()
    explained: ClassVar[tuple[str, ...]] = ()
    baselines_compete: ClassVar[bool] = False
    covers: ClassVar[Mapping[str, str]] = {}
    trains: ClassVar[bool] = True

    # -- planning: from a request and a profile to documents ---------------------------------------

    @classmethod
    def match_request(cls, request: str) -> float:
        """Return how strongly the request's words suggest this type, 0 to 1."""
        text = request.casefold()
        hits = sum(1 for w in cls.words if w in text)
        return min(1.0, 0.4 * hits)

    @classmethod
    @abstractmethod
    def match_data(cls, request: str, frame: pd.DataFrame, roles: Mapping[str, Any]) -> tuple[float, str]:
        """Return (how well the data fits this type, 0 to 1; the reason in words).

        `roles` holds what is known: ``target``, ``time``, ``identifiers``.
        """

    @classmethod
    def infer_roles(
        cls, request: str, frame: pd.DataFrame, kinds: Mapping[str, ColumnKind], roles: Mapping[str, Any]
    ) -> list[Choice]:
        """Return what this type alone reads from a request and a table, laid over `roles` before the spec is
        drafted: the column of a role (series, user, item) or a fact (horizon), each with its reason."""
        return []

    @classmethod
    @abstractmethod
    def draft_spec(
        cls, request: str, profile: Mapping[str, Any] | None, roles: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the drafted bullets: ``{"problem": {key: value}, "data": {...}, "model": {...}}``.

        Keys keep their order; a value of None leaves out a bullet that is written by default. `profile` is
        None where there is no data yet; where there is, ``roles["frame"]`` holds it.
        """

    @abstractmethod
    def draft_plan(self, spec: Spec, profile: Mapping[str, Any] | None) -> list[Choice]:
        """Return the plan's settings, each with its reason."""

    def read_of_criteria(self, spec: Spec, plan: Plan) -> dict[str, Any]:
        """Return what this type takes from criteria before anything is trained (the length of lists ...); tasks
        that read the data go stale when it changes."""
        return {}

    # -- data --------------------------------------------------------------------------------------

    @abstractmethod
    def load(self, spec: Spec, plan: Plan, root: Path) -> Dataset:
        """Read the training data that the spec names and check that it can be used.

        Raises
        ------
        DataError, SpecError
            With file and line and how to mend it.
        """

    def check_planned(self, frame: pd.DataFrame, roles: Mapping[str, Any], where: str) -> None:
        """Raise DataError where no increment could be built on this data, before one is begun."""
        return

    @abstractmethod
    def split(self, dataset: Dataset, spec: Spec, plan: Plan) -> Split:
        """Declare holdout and folds; the same inputs always give the same rows."""

    def units(self, dataset: Dataset, outcome: pd.DataFrame) -> np.ndarray | None:
        """Return the resampling unit of each row of `outcome` (users, series, groups), or None for rows."""
        return None

    def outcome_rows(self, dataset: Dataset, rows: np.ndarray) -> np.ndarray:
        """Return what the column ``row`` of the outcome of these rows holds: the rows themselves, or the one
        that stands for all of a unit (a user, a series) where one answer covers them."""
        return rows

    def segment_table(self, dataset: Dataset, outcome: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Return what is known of each row of `outcome`, in its order, with the kinds of these columns:
        segments are cut by it."""
        return dataset.frame.iloc[outcome["row"].to_numpy()].reset_index(drop=True), dict(dataset.kinds)

    def data_tables(self, dataset: Dataset, split: Split) -> list[Table]:
        """Return what only this type measures of its training data, for the quality report."""
        return []

    def check_data(self, dataset: Dataset) -> list[Finding]:
        """Return doubts about the data that only this type has (cold users, gaps in a series ...)."""
        return []

    # -- models ------------------------------------------------------------------------------------

    @abstractmethod
    def baselines(
        self, dataset: Dataset, spec: Spec, plan: Plan, strategies: Sequence[str]
    ) -> list[ModelExperiment]:
        """Return the models that any candidate must beat; unknown strategies raise UnknownNameError."""

    @abstractmethod
    def candidates(self, dataset: Dataset, spec: Spec, plan: Plan) -> list[ModelExperiment]:
        """Return the candidates that the plan names, cheapest first."""

    @abstractmethod
    def make_features(
        self, dataset: Dataset, spec: Spec, plan: Plan, definitions: Mapping[str, Any] | None
    ) -> Any:
        """Return the unfitted feature step shared by all models (a scikit-learn transformer for tables)."""

    def feature_table(self, dataset: Dataset, split: Split) -> tuple[Dataset, Split]:
        """Return the table that the feature step is learned on, and its training and held-out rows.

        The data itself, unless features belong to something that is not a row of it (pairs of user and
        item). ``encode`` gives the target of either.
        """
        return dataset, split

    @abstractmethod
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
        """Fit one model on these rows only, features included; return an object that can be pickled."""

    @abstractmethod
    def predict(self, model: Any, dataset: Dataset, rows: np.ndarray) -> pd.DataFrame:
        """Return the outcome table for these rows: column ``row``, the truth, and the predictions.

        It is what ``predictions.parquet`` stores and what every metric is computed from.
        """

    def prediction_columns(self, outcome: pd.DataFrame) -> list[str]:
        """Return the columns of an outcome table that hold predicted numbers; a mean of two models' is one, too."""
        numbers = [str(c) for c in outcome.columns if outcome[c].dtype.kind == "f"]
        named = [c for c in numbers if c == "prediction" or c.startswith("p:")]
        return named or [c for c in numbers if c not in ("row", "part", "fold", "truth")]

    def combinations(
        self,
        experiments: Sequence[ModelExperiment],
        scores: Mapping[str, float],
        plan: Plan,
        *,
        higher_is_better: bool,
    ) -> list[ModelExperiment]:
        """Return further candidates made of those that were trained, given their scores on validation folds."""
        return []

    @abstractmethod
    def decide(self, outcome: pd.DataFrame, dataset: Dataset, spec: Spec, plan: Plan) -> dict[str, Any]:
        """Learn what turns predictions into decisions from out-of-fold outcomes only (a threshold ...).

        The mapping is plain JSON and goes into the model's metadata.
        """

    def allowance(self, algorithm: str, outcome: pd.DataFrame | None = None) -> float:
        """Return by what share of the best score a model of this algorithm (a class name) may fall behind and
        still be taken, where a paired test cannot tell the two apart: for kinds that are known to be steadier.

        `outcome` holds the model's out-of-fold rows: with many of them little is allowed. Without it, the most
        that could be.
        """
        return 0.0

    def complete(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> pd.DataFrame:
        """Return an outcome table with what follows from the decision (bounds of an interval), as it is stored.

        Out-of-fold rows (those with a column ``fold``) must get it without their own fold's help.
        """
        return outcome

    # -- measuring ---------------------------------------------------------------------------------

    @abstractmethod
    def metrics(self, spec: Spec, plan: Plan) -> list[MetricRef]:
        """Return what is always measured for this type, the selection metric first."""

    def selection_metric(self, spec: Spec, plan: Plan) -> MetricRef:
        """Return the metric by which models are chosen on validation folds: the plan's."""
        named = plan.get("selection_metric")
        return parse_metric_ref(str(named)) if named else self.metrics(spec, plan)[0]

    def decides_before(self, ref: MetricRef) -> bool:
        """Return whether a metric is measured of decisions, so that it changes with what they are made by
        (``decision_fields``, the plan's ``threshold``); True where that is not known."""
        return True

    def measure(self, ref: MetricRef, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> float:
        """Return one metric of an outcome table."""
        metric: MetricDef = find_metric(ref.name)
        if metric.measure is None:
            raise SpecError(f"{metric.label} is not computed from predictions")
        return float(metric.measure(outcome, ref, decision))

    def breakdowns(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> list[Table]:
        """Return tables of how the model does per class, per band, per horizon ..."""
        return []

    @abstractmethod
    def loss(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> np.ndarray:
        """Return one loss per row of `outcome`, in its order: paired tests and error analysis use it."""

    def counted(
        self, ref: MetricRef, outcome: pd.DataFrame, decision: Mapping[str, Any]
    ) -> tuple[int, int] | None:
        """Return (successes, trials) where a metric is a plain share of rows; its interval at 0 or 1 needs them."""
        return None

    def check(self, outcome: pd.DataFrame, decision: Mapping[str, Any], dataset: Dataset) -> list[Finding]:
        """Return doubts about the results of this type (calibration off, residual pattern ...)."""
        return []

    def diagnose(self, model: Any, dataset: Dataset, rows: np.ndarray) -> tuple[list[Table], list[Finding]]:
        """Return what the chosen model's own residuals on its training rows tell, as tables and doubts."""
        return [], []

    def examples(self, outcome: pd.DataFrame, decision: Mapping[str, Any], limit: int) -> list[ExampleRow]:
        """Return the few rows of `outcome` that are worth explaining, each with the reason."""
        from specweave.problems.example_rows import loss_examples

        return loss_examples(self.loss(outcome, decision), limit)

    def figures(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> list[Figure]:
        """Return the pictures of an evaluation."""
        return []

    def path_figures(
        self, earlier: pd.DataFrame, outcome: pd.DataFrame, decision: Mapping[str, Any]
    ) -> list[Figure]:
        """Return pictures that show the holdout after what came before: `earlier` holds the out-of-fold rows."""
        return []

    def worst_table(self, outcome: pd.DataFrame, dataset: Dataset) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return what a reader is shown of the rows that went most wrong: (outcomes with ``row``, raw rows)."""
        return outcome, dataset.frame

    def data_figures(self, dataset: Dataset) -> list[Figure]:
        """Return the pictures of the data that only this type needs."""
        return []


def problem_for(spec_type: str, *, where: str | None = None) -> Problem:
    """Return the problem type that the spec's "Problem type" line names.

    Raises
    ------
    SpecError
        If no registered type has that spelling; names those that are known.
    """
    from specweave import registry

    wanted = _fold(spec_type)
    known: list[str] = []
    for _, cls in registry.items("problems"):
        for spelling in (*cls.types, cls.name):
            if _fold(spelling) == wanted:
                return cls()  # type: ignore[no-any-return]
        known.append(cls.types[0])
    # "Recommendation (collaborative filtering)" and "Binary classification with rare positives" still match.
    for _, cls in registry.items("problems"):
        if any(wanted.startswith(_fold(s)) for s in cls.types):
            return cls()  # type: ignore[no-any-return]
    raise SpecError(
        f"'{spec_type}' is not a problem type", where=where, hint=f"write one of: {', '.join(_all_types())}"
    )


def _all_types() -> Iterable[str]:
    from specweave import registry

    for _, cls in registry.items("problems"):
        yield from cls.types


def _fold(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())
