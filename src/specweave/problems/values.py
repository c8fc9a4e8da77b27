"""Values that pass between a problem type and the stages: experiments, contributions, choices of a plan, tables.

Reads: nothing. Writes: nothing. Never: knows which problem type made them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from specweave.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


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

    def make(self) -> Any:
        """Return an unfitted estimator with these parameters.

        Raises
        ------
        DataError
            If the class refuses the parameters; names the experiment and what the class takes.
        """
        try:
            return self.estimator_class(**dict(self.params))
        except TypeError as error:
            accepted = list(inspect.signature(self.estimator_class).parameters)
            raise DataError(
                f"{self.algorithm} does not take these parameters: {error}",
                where=self.name,
                hint=f"it takes: {', '.join(accepted[:20])}",
            ) from error

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
