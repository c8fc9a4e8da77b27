"""The user's data as every problem type hands it on: where it came from, what its columns are, which rows are for what.

Reads: nothing by itself. Writes: nothing. Never: lets a row be learned from and held out.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from specweave.errors import SpecError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

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
