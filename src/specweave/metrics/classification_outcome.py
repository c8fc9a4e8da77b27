"""A classifier's outcome table as arrays: class codes, probabilities, decisions.

Reads: outcome tables. Writes: nothing. Never: decides with anything but the given decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from specweave.errors import DataError

PREFIX = "p:"
Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.intp]]


@dataclass(frozen=True)
class ClassOutcome:
    """Truth and probabilities of `n_rows` rows over `n_classes` labels.

    Attributes
    ----------
    labels : list of str
        In the order of the columns of `proba`; a label that was never predicted comes last, with 0.
    truth : ndarray of int, shape (n_rows,)
        Positions in `labels`.
    proba : ndarray, shape (n_rows, n_classes)
    positive : int or None
        Position of the positive label; None with several classes.
    threshold : float
        Positive from this probability on.
    """

    labels: list[str]
    truth: Ints
    proba: Floats
    positive: int | None
    threshold: float

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.truth)

    @property
    def score(self) -> Floats:
        """The positive's probability, shape (n_rows,)."""
        return self.proba[:, self.get_positive()]

    @property
    def is_positive(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Whether each row is truly positive, shape (n_rows,)."""
        return np.equal(self.truth, self.get_positive())

    def get_positive(self) -> int:
        """Return the position of the positive label; raise DataError where there is none."""
        if self.positive is None:
            raise DataError("this is only defined where one class is the positive one")
        return self.positive

    @cached_property
    def predicted(self) -> Ints:
        """The decision for each row, as positions in `labels`, shape (n_rows,)."""
        if self.positive is None:
            best: Ints = np.argmax(self.proba, axis=1)
            return best
        negative = 1 - self.positive
        return np.where(self.score >= self.threshold, self.positive, negative)

    @cached_property
    def confusion(self) -> Ints:
        """Counts, shape (n_classes, n_classes): truth in rows, decision in columns."""
        k = len(self.labels)
        counts: Ints = np.bincount(self.truth * k + self.predicted, minlength=k * k).reshape(k, k)
        return counts


def read_outcome(outcome: Any, decision: Mapping[str, Any] | None = None) -> ClassOutcome:
    """Return an outcome table as arrays.

    Parameters
    ----------
    outcome : DataFrame, shape (n_rows, ...)
        ``truth`` (labels as text) and one ``p:<label>`` column per class.
    decision : mapping, optional
        ``positive`` (label or None) and ``threshold`` (default 0.5). With two classes and no word on
        the positive, the second label is it.

    Raises
    ------
    DataError
        If there are no rows, no probabilities, or a value is missing.
    """
    decision = decision or {}
    columns = [c for c in outcome.columns if str(c).startswith(PREFIX)]
    if not columns:
        raise DataError("the predictions hold no probabilities", hint="one column 'p:<label>' per class")
    labels = [str(c)[len(PREFIX) :] for c in columns]
    if len(outcome) == 0:
        raise DataError("nothing is defined on no rows")
    proba = np.column_stack([np.asarray(outcome[c], dtype=float) for c in columns])
    if not np.isfinite(proba).all():
        raise DataError("a predicted probability is missing or infinite")
    truth, labels = _codes(outcome["truth"], labels)
    if len(labels) > proba.shape[1]:
        proba = np.pad(proba, ((0, 0), (0, len(labels) - proba.shape[1])))
    threshold = decision.get("threshold")
    return ClassOutcome(
        labels, truth, proba, _positive(labels, decision), 0.5 if threshold is None else float(threshold)
    )


def _codes(truth: Any, labels: list[str]) -> tuple[Ints, list[str]]:
    import pandas as pd

    if isinstance(truth.dtype, pd.CategoricalDtype):
        categories = truth.cat.categories
        if all(c in labels for c in categories):  # once per resample: plain lists are quicker than an Index
            known = np.array([labels.index(c) for c in categories], dtype=np.intp)
        else:
            known, labels = _codes(pd.Series(categories.astype(object)), labels)
        codes = truth.cat.codes.to_numpy()
        if (codes < 0).any():
            raise DataError("a true label is missing")
        return known[codes], labels
    codes = pd.Index(labels).get_indexer(truth)
    if (codes >= 0).all():
        return codes, labels
    # Labels that are not text (or never predicted) take the slow road once.
    text = pd.Series(np.asarray(truth)).map(lambda v: v if isinstance(v, str) else str(v))
    if pd.isna(np.asarray(truth, dtype=object)).any():
        raise DataError("a true label is missing")
    extra = sorted(set(text) - set(labels))
    labels = [*labels, *extra]
    return pd.Index(labels).get_indexer(pd.Index(text)), labels


def _positive(labels: list[str], decision: Mapping[str, Any]) -> int | None:
    named = decision.get("positive")
    if named is not None and str(named) not in labels:
        raise DataError(f"the positive label '{named}' is not among {', '.join(labels)}")
    if len(labels) != 2:
        return None
    return labels.index(str(named)) if named is not None else 1
