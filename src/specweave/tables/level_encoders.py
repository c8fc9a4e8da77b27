"""How categories become numbers: one feature per level where there are few, the target's mean where many.

Reads: frames. Writes: nothing. Never: gives a training row a mean that its own target entered.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.preprocessing import TargetEncoder

from specweave.tables.encoders import Encoder
from specweave.tables.values import Floats, levels_of

MISSING = "(missing)"
OTHER = "(other)"
_MAX_CLASSES = 20


class OneHot(Encoder):
    """A column of few levels: one 0/1 feature each, rare levels together, gaps a level of their own.

    A level never seen in training falls among the rare ones, or is all zeros where none were rare.

    Parameters
    ----------
    column : str
    rare_share : float
        Levels below this share of the training rows are put together.
    """

    def __init__(self, column: str, *, rare_share: float) -> None:
        super().__init__([column])
        self.rare_share = rare_share

    def fit_transform(self, frame: pd.DataFrame, y: npt.NDArray[Any] | None) -> Floats:
        """Learn the levels."""
        column = self.columns[0]
        codes, levels = levels_of(frame[column])
        counts = np.bincount(codes[codes >= 0], minlength=len(levels))
        floor = max(2.0, self.rare_share * len(codes)) if len(codes) >= 20 else 1.0
        kept = sorted(level for level, n in zip(levels, counts, strict=True) if n >= floor)
        rare = len(levels) - len(kept)
        gaps = bool((codes < 0).any())
        slots = [*kept, *([OTHER] if rare else []), *([MISSING] if gaps else [])]
        if len(kept) == 2 and len(slots) == 2:
            slots = kept[1:]  # the second says everything about a two-level column
        self.slot = {level: at for at, level in enumerate(slots) if level not in (OTHER, MISSING)}
        self.zero = set(kept) - set(slots)
        self.other = slots.index(OTHER) if rare else -1
        self.missing = slots.index(MISSING) if gaps else self.other
        self.names = [f"{column}={level}" for level in slots]
        self.origins = [column] * len(slots)
        return self.transform(frame)

    def transform(self, frame: pd.DataFrame) -> Floats:
        """Return the 0/1 matrix."""
        codes, levels = levels_of(frame[self.columns[0]])
        table = [-1 if level in self.zero else self.slot.get(level, self.other) for level in levels]
        at = np.asarray([*table, self.missing], dtype=np.int64)[codes]
        matrix = np.zeros((len(codes), len(self.names)))
        hit = np.flatnonzero(at >= 0)
        matrix[hit, at[hit]] = 1.0
        return matrix


class TargetBlock(Encoder):
    """Columns of many levels: the smoothed mean of the target per level, and how frequent the level is.

    Training rows get cross-fitted values (each row encoded by the other folds), as scikit-learn's
    ``TargetEncoder``; a level never seen gets the overall mean.

    Parameters
    ----------
    columns : sequence of str
    task : {"classification", "regression"}
    seed : int
    """

    def __init__(self, columns: Sequence[str], *, task: str, seed: int) -> None:
        super().__init__(columns)
        self.task = task
        self.seed = seed
        self.encoder: TargetEncoder | None = None

    def fit_transform(self, frame: pd.DataFrame, y: npt.NDArray[Any] | None) -> Floats:
        """Learn means and frequencies; return cross-fitted means of the training rows."""
        cells = self._cells(frame)
        self.frequency: list[dict[str, float]] = []
        for at in range(cells.shape[1]):
            levels, counts = np.unique(cells[:, at], return_counts=True)
            shares = (counts / max(1, len(cells))).tolist()
            self.frequency.append(dict(zip(levels.tolist(), shares, strict=True)))
        self.names, self.origins = [], []
        self.encoder, labels = self._make_encoder(y)
        blocks = []
        if self.encoder is not None and y is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a class with fewer rows than folds is fine here
                blocks.append(np.asarray(self.encoder.fit_transform(cells, y), dtype=np.float64))
            for column in self.columns:
                for label in labels:
                    self._add(f"{column} {label}", column)
        for column in self.columns:
            self._add(f"{column} frequency", column)
        blocks.append(self._frequencies(cells))
        return np.hstack(blocks)

    def transform(self, frame: pd.DataFrame) -> Floats:
        """Return the training means and frequencies of each row's levels."""
        cells = self._cells(frame)
        blocks = [] if self.encoder is None else [np.asarray(self.encoder.transform(cells), dtype=np.float64)]
        return np.hstack([*blocks, self._frequencies(cells)])

    def _make_encoder(self, y: npt.NDArray[Any] | None) -> tuple[TargetEncoder | None, list[str]]:
        if y is None or len(y) < 4:
            return None, []
        folds = min(5, len(y) // 2)
        labels, kind = ["target mean"], "continuous"
        if self.task == "classification":
            classes, counts = np.unique(y, return_counts=True)
            folds = min(folds, int(counts.max()))
            if len(classes) < 2 or len(classes) > _MAX_CLASSES or folds < 2:
                return None, []
            kind = "binary" if len(classes) == 2 else "multiclass"
            labels = ["target mean"] if len(classes) == 2 else [f"share of {c}" for c in classes]
        return TargetEncoder(target_type=kind, cv=folds, random_state=self.seed), labels

    def _cells(self, frame: pd.DataFrame) -> npt.NDArray[np.object_]:
        cells = np.empty((len(frame), len(self.columns)), dtype=object)
        for at, column in enumerate(self.columns):
            codes, levels = levels_of(frame[column])
            cells[:, at] = np.asarray([*levels, MISSING], dtype=object)[codes]
        return cells

    def _frequencies(self, cells: npt.NDArray[np.object_]) -> Floats:
        columns = [
            [shares.get(level, 0.0) for level in cells[:, at]] for at, shares in enumerate(self.frequency)
        ]
        return np.asarray(columns, dtype=np.float64).reshape(len(self.frequency), len(cells)).T
