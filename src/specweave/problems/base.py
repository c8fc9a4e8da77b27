"""The questions that every problem type answers, and the values that pass between it and the stages.

Reads: nothing by itself. Writes: nothing. Never: knows which problem types exist.

A stage asks these questions and never looks inside a target, a model or a prediction. What a
prediction is (a probability, an amount, a ranked list, a path with intervals) stays in the problem's
own file; to everyone else it is a DataFrame with a `row` column that can be stored and handed back.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from specweave.errors import SpecError
from specweave.metrics.base import MetricDef, MetricRef, find_metric, parse_metric_ref
from specweave.records import Figure, Finding

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from specweave.increments.plan import Plan
    from specweave.increments.spec import Spec
    from specweave.problems.example_rows import ExampleRow
    from specweave.tables.kinds import ColumnKind


@dataclass(frozen=True)
class Source:
    """Where data came from: path as written in the spec, size, hash, rows, and how it was read."""

    path: str
    size_bytes: int
    sha256: str
    rows: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """The user's data, read and typed.

    Attributes
    ----------
    frame : DataFrame, shape (n_rows, n_columns)
        Every column of the file, the target included; the index is 0..n_rows-1.
    kinds : dict of str to ColumnKind
        What each column is (see ``tables.kinds``).
    roles : dict of str to str or list of str
        Which column is what: ``target``, ``identifiers``, ``time``, ``group``, ``user``, ``item`` ...
    source : Source
    settings : dict
        What the problem type decided while reading (the positive class, the horizon ...).
    """

    frame: pd.DataFrame
    kinds: dict[str, ColumnKind]
    roles: dict[str, Any]
    source: Source
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.frame)


@dataclass(frozen=True)
class Split:
    """Which rows are for what, declared once.

    Attributes
    ----------
    train, holdout : ndarray of int, shape (n_train,), (n_holdout,)
        Positions in ``Dataset.frame``.
    folds : tuple of (ndarray, ndarray)
        Training and validation positions of each fold, all inside `train`.
    strategy : str
        In words, for reports: "stratified 20 % holdout, 5 folds, seed 42".
    """

    train: np.ndarray
    holdout: np.ndarray
    folds: tuple[tuple[np.ndarray, np.ndarray], ...]
    strategy: str

    def digest(self) -> str:
        """Return a short hash of the holdout's positions; it is fixed in ``pipeline.lock.json``."""
        return hashlib.sha256(self.holdout.astype("int64").tobytes()).hexdigest()[:16]

    def check(self) -> None:
        """Raise SpecError if training rows and holdout overlap, or a fold leaves the training rows."""
        import numpy as np

        train = set(self.train.tolist())
        if train & set(self.holdout.tolist()):
            raise SpecError("training rows and holdout overlap", hint="mend the split of this problem type")
        for number, (fit, valid) in enumerate(self.folds, 1):
            inside = train.issuperset(fit.tolist()) and train.issuperset(valid.tolist())
            if not inside or np.intersect1d(fit, valid).size:
                raise SpecError(f"fold {number} leaves the training rows or overlaps itself")


@dataclass(frozen=True)
class ModelExperiment:
    """One candidate: a name, the class of its estimator, and its parameters.

    Parameters
    ----------
    name : str
        Becomes the experiment's name: ``exp-004-lightgbm``.
    estimator_class : callable
        Called with `params` to make an unfitted estimator.
    params : mapping, optional
    search : mapping, optional
        Search space for tuning: ``{"depth": {"low": 2, "high": 10}, "kind": ["a", "b"]}``; integers
        where both bounds are, ``log: true`` for a log scale, a list for choices.
    note : str, optional
        Why it is tried.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> ModelExperiment("tree", DecisionTreeClassifier, {"max_depth": 3}).name
    'tree'
    """

    name: str
    estimator_class: Callable[..., Any]
    params: Mapping[str, Any] = field(default_factory=dict)
    search: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""

    @property
    def algorithm(self) -> str:
        """The estimator's class name."""
        return getattr(self.estimator_class, "__name__", str(self.estimator_class))

    def with_params(self, params: Mapping[str, Any], name: str | None = None) -> ModelExperiment:
        """Return a copy with these parameters laid over its own."""
        merged = {**self.params, **params}
        return ModelExperiment(name or self.name, self.estimator_class, merged, self.search, self.note)


@dataclass(frozen=True)
class Contributions:
    """Why a model answered as it did, row by row.

    Attributes
    ----------
    names : list of str
        What contributes: raw columns, past items, lags.
    values : ndarray, shape (n_rows, n_names)
        Signed contributions in the unit of the model's raw output.
    base : float or ndarray, shape (n_rows,)
        The output before any contribution; per row where each row explains another class.
    shown : DataFrame, shape (n_rows, n_names)
        The value each name had, for people to read.
    method : str
        "SHAP (tree)", "SHAP (linear)", "SHAP (permutation)", ...
    unit : str
        Unit of the contributions: "log-odds", "probability", the target's own.
    towards : tuple of str
        For each row, what a positive contribution speaks for: a label, or the target's name. Empty
        where that goes without saying.
    of : str
        What the names are, for reports: "column" of the data, "past item", "feature" made from a history.
    """

    names: list[str]
    values: np.ndarray
    base: float | np.ndarray
    shown: pd.DataFrame
    method: str
    unit: str = ""
    towards: tuple[str, ...] = ()
    of: str = "column"

    def top(self, row: int, k: int = 3) -> list[dict[str, Any]]:
        """Return the `k` largest contributions of one row, strongest first."""
        import numpy as np

        order = np.argsort(-np.abs(self.values[row]), kind="stable")[:k]
        return [
            {
                "feature": self.names[i],
                "value": _shown(self.shown.iloc[row, i]),
                "contribution": float(self.values[row, i]),
            }
            for i in order
        ]


def _shown(value: Any) -> Any:
    if value is None or value != value:
        return None
    return value.item() if hasattr(value, "item") else value


@dataclass(frozen=True)
class Choice:
    """One line of a plan with its reason; `key` is a dotted path into the YAML block."""

    key: str
    value: Any
    reason: str


@dataclass(frozen=True)
class Table:
    """A small table for a report: title, header, rows of plain values, and a sentence on how to read it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = ""


class Problem(ABC):
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

    def check(self, outcome: pd.DataFrame, decision: Mapping[str, Any], dataset: Dataset) -> list[Finding]:
        """Return doubts about the results of this type (calibration off, residual pattern ...)."""
        return []

    def diagnose(self, model: Any, dataset: Dataset, rows: np.ndarray) -> tuple[list[Table], list[Finding]]:
        """Return what the chosen model's own residuals on its training rows tell, as tables and doubts."""
        return [], []

    def figures(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> list[Figure]:
        """Return the pictures of an evaluation."""
        return []

    def path_figures(
        self, earlier: pd.DataFrame, outcome: pd.DataFrame, decision: Mapping[str, Any]
    ) -> list[Figure]:
        """Return pictures that show the holdout after what came before: `earlier` holds the out-of-fold rows."""
        return []

    def data_figures(self, dataset: Dataset) -> list[Figure]:
        """Return the pictures of the data that only this type needs."""
        return []

    # -- explaining and serving --------------------------------------------------------------------

    @abstractmethod
    def contributions(
        self, model: Any, rows: pd.DataFrame, background: pd.DataFrame, *, seed: int
    ) -> Contributions:
        """Explain the model's answers to raw rows, against a background sample of training rows."""

    def reasons(
        self,
        model: Any,
        rows: pd.DataFrame,
        background: pd.DataFrame,
        *,
        top: int,
        seed: int,
        found: Contributions | None = None,
    ) -> list[dict[str, Any]]:
        """Return what goes with each answer to `rows`: ``reasons`` (``feature``, ``value``,
        ``contribution``), ``reasons_for`` where there is a choice, ``reasons_unit``; a ``rationale`` in words
        where the type has its own. `found` are the rows' contributions where they are known already."""
        if found is None:
            found = self.contributions(model, rows, background, seed=seed)
        told = []
        for i in range(len(rows)):
            entry: dict[str, Any] = {"reasons": found.top(i, top)}
            if found.towards:
                entry["reasons_for"] = found.towards[i]
            told.append({**entry, "reasons_unit": found.unit})
        return told

    def chance(self, log_odds: float, towards: str | None, decision: Mapping[str, Any]) -> float:
        """Return the probability that an answer gives `towards` where contributions sum to these log-odds."""
        from math import exp

        return 1 / (1 + exp(-log_odds)) if log_odds >= 0 else exp(log_odds) / (1 + exp(log_odds))

    def local_surrogate(
        self, model: Any, row: pd.DataFrame, background: pd.DataFrame, *, seed: int
    ) -> list[dict[str, Any]] | None:
        """Return a LIME explanation of one row (feature, weight), or None where it makes no sense."""
        return None

    def examples(self, outcome: pd.DataFrame, decision: Mapping[str, Any], limit: int) -> list[ExampleRow]:
        """Return the few rows of `outcome` that are worth explaining, each with the reason."""
        from specweave.problems.example_rows import loss_examples

        return loss_examples(self.loss(outcome, decision), limit)

    @abstractmethod
    def respond(self, model: Any, rows: pd.DataFrame, decision: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Answer raw rows as the service does: prediction, probability or interval, decision."""

    def answers(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> list[dict[str, Any]] | None:
        """Return the answers of `respond` that belong to stored outcomes, or None where they say too little."""
        return None

    def rows_of(self, model: Any, table: pd.DataFrame) -> pd.DataFrame:
        """Return the rows to answer that a user's table stands for: its own, unless the type makes its rows
        from events (transactions of customers).

        Raises
        ------
        DataError
            If the table is neither; names the columns it needs.
        """
        return table

    def continue_from(
        self, model: Any, history: pd.DataFrame, horizon: int | None
    ) -> tuple[Any, pd.DataFrame]:
        """Return (the model brought up to the end of `history`, the rows of the next steps to answer).

        Parameters
        ----------
        history : DataFrame
            Raw rows in the columns of the training data, the target included; rows after a series' last
            known target carry what is known ahead.
        horizon : int, optional
            Steps; the model's own by default.

        Raises
        ------
        DataError
            If the type answers rows and knows no horizon.
        """
        from specweave.errors import DataError

        raise DataError(
            "this model answers rows; it has no horizon", hint="name a file of rows: sw predict ID rows.csv"
        )

    @abstractmethod
    def request_columns(self, dataset: Dataset) -> list[str]:
        """Return the raw columns that a request must carry, in order."""

    def requests(self, dataset: Dataset, rows: np.ndarray) -> pd.DataFrame:
        """Return these rows as requests carry them."""
        return dataset.frame.iloc[rows][self.request_columns(dataset)].reset_index(drop=True)

    def request_schema(self, schema: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        """Return what a request must look like, made from the schema of the training data: what it carries by
        :meth:`request_columns` must be there, other columns may be."""
        wanted = self.request_columns(dataset)
        columns = {
            name: entry if name in wanted else {**entry, "required": False}
            for name, entry in schema["columns"].items()
        }
        return {**schema, "columns": columns}

    @abstractmethod
    def ab_metric(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> dict[str, Any]:
        """Return what an online test would compare: ``{"metric", "kind": "proportion"|"mean", "baseline",
        "std", "unit"}`` measured on `outcome`."""


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
