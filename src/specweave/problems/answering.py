"""The questions that every problem type answers of a trained model: why it says what it says, and what it serves.

Reads: nothing by itself. Writes: nothing. Never: knows which problem types exist.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from math import exp
from typing import TYPE_CHECKING, Any, ClassVar

from specweave.errors import DataError
from specweave.problems.dataset import Dataset
from specweave.problems.values import Contributions
from specweave.records import Figure

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


class Answering(ABC):
    """The half of :class:`specweave.problems.base.Problem` that explains and serves.

    Attributes
    ----------
    ahead : str
        What the answers are called that people wait for and that need no new rows (``forecast``): they are written
        to ``reports/<ahead>.csv``. Empty where every answer needs a row that is not known yet.
    answered : str
        What one answer is about, in the singular: ``row``, ``user``, ``customer``.
    """

    ahead: ClassVar[str] = ""
    answered: ClassVar[str] = "row"

    # -- explaining --------------------------------------------------------------------------------

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
        return 1 / (1 + exp(-log_odds)) if log_odds >= 0 else exp(log_odds) / (1 + exp(log_odds))

    def local_surrogate(
        self, model: Any, row: pd.DataFrame, background: pd.DataFrame, *, seed: int
    ) -> list[dict[str, Any]] | None:
        """Return a LIME explanation of one row (feature, weight), or None where it makes no sense."""
        return None

    # -- serving -----------------------------------------------------------------------------------

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

    def example_events(self, model: Any) -> list[dict[str, Any]]:
        """Return a few events of which :meth:`rows_of` makes a row, as a request may carry them; none where a
        request's rows are the rows themselves."""
        return []

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
        raise DataError(
            "this model answers rows; it has no horizon", hint="name a file of rows: sw predict ID rows.csv"
        )

    def bring_up_to_date(
        self, model: Any, dataset: Dataset, features: Any, *, seed: int, threads: int
    ) -> Any:
        """Return the model that is served: the recipe of the measured one, fitted to every row there is, where what
        came last matters most (series, interactions). Others serve what was measured: threshold and calibration
        belong to it."""
        return model

    def figures_ahead(
        self, outcome: pd.DataFrame, told: pd.DataFrame, roles: Mapping[str, Any]
    ) -> list[Figure]:
        """Return pictures of the answers that `ahead` names.

        Parameters
        ----------
        outcome : DataFrame
            Outcomes of validation folds and holdout: what came before.
        told : DataFrame
            The table of answers, every cell as text.
        roles : mapping
            Which column is what.
        """
        return []

    @abstractmethod
    def request_columns(self, dataset: Dataset) -> list[str]:
        """Return the raw columns that a request must carry, in order."""

    def row_names(self, dataset: Dataset) -> list[str]:
        """Return the columns that tell one answered row from another, to stand beside the answers in a file."""
        return list(dataset.roles.get("identifiers") or [])

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
