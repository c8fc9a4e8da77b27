"""How columns of one kind become numbers: each block learns on training rows and never sees y again.

Reads: frames. Writes: nothing. Never: returns an infinity; looks at y in transform.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import TargetEncoder

from specweave.tables.dates import Instants, to_instants
from specweave.tables.values import Floats, levels_of, to_booleans, to_numbers

MISSING = "(missing)"
OTHER = "(other)"
# Estimators that cast to float32 must still see a finite value.
_HUGE = 1e36
_MAX_CLASSES = 20


class Encoder(ABC):
    """One block of raw columns and the features made from them.

    Attributes
    ----------
    columns : list of str
        Raw columns read.
    names, origins : list of str
        Of each feature: its name and the raw column it comes from. Set by `fit_transform`.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = list(columns)
        self.names: list[str] = []
        self.origins: list[str] = []

    @abstractmethod
    def fit_transform(self, frame: pd.DataFrame, y: npt.NDArray[Any] | None) -> Floats:
        """Learn from training rows and return their features, shape (n_rows, n_features)."""

    @abstractmethod
    def transform(self, frame: pd.DataFrame) -> Floats:
        """Return the features of other rows, shape (n_rows, n_features)."""

    def prune(self, kept: set[int]) -> list[int]:
        """Forget what feeds only features outside `kept` (positions), where that is cheap.

        Returns
        -------
        list of int
            Old positions of the features that are made from now on, in their new order.
        """
        return list(range(len(self.names)))

    def _add(self, name: str, origin: str) -> None:
        self.names.append(name)
        self.origins.append(origin)


class NumberBlock(Encoder):
    """Numeric columns: infinities and gaps become the training median, a gap column tells where.

    Parameters
    ----------
    columns : sequence of str
    log : sequence of str
        Of these, sign(x)·log(1+|x|) is taken.
    impute : bool
        Leave NaN where false (for learners that split on gaps themselves).
    """

    def __init__(self, columns: Sequence[str], *, log: Sequence[str] = (), impute: bool = True) -> None:
        super().__init__(columns)
        self.log = [name in set(log) for name in self.columns]
        self.impute = impute

    def fit_transform(self, frame: pd.DataFrame, y: npt.NDArray[Any] | None) -> Floats:
        """Learn medians and which columns have gaps."""
        matrix = self._matrix(frame)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a column without any value: its median is set to 0 below
            medians = np.nanmedian(matrix, axis=0) if len(matrix) else np.zeros(len(self.columns))
        self.medians = np.where(np.isnan(medians), 0.0, medians)
        self.gaps = np.flatnonzero(np.isnan(matrix).any(axis=0))
        self.names, self.origins = list(self.columns), list(self.columns)
        for at in self.gaps.tolist():
            self._add(f"{self.columns[at]} missing", self.columns[at])
        return self._filled(matrix)

    def transform(self, frame: pd.DataFrame) -> Floats:
        """Fill gaps with the training medians."""
        return self._filled(self._matrix(frame))

    def prune(self, kept: set[int]) -> list[int]:
        """Read only the columns that still feed a feature."""
        width = len(self.columns)
        source = [*range(width), *self.gaps.tolist()]
        at = sorted({source[k] for k in kept})
        position = {old: new for new, old in enumerate(at)}
        left = [*at, *(width + i for i, gap in enumerate(self.gaps.tolist()) if gap in position)]
        self.medians = self.medians[at]
        self.log = [self.log[i] for i in at]
        self.gaps = np.asarray([position[g] for g in self.gaps.tolist() if g in position], dtype=np.int64)
        self.columns = [self.columns[i] for i in at]
        self.names = [*self.columns, *(f"{self.columns[g]} missing" for g in self.gaps)]
        self.origins = [*self.columns, *(self.columns[g] for g in self.gaps)]
        return left

    def _matrix(self, frame: pd.DataFrame) -> Floats:
        part = frame[self.columns]
        if all(isinstance(d, np.dtype) and d.kind in "fiub" for d in part.dtypes):
            matrix = part.to_numpy(dtype=np.float64, copy=True)
        else:
            matrix = np.column_stack([to_numbers(part[name])[0] for name in self.columns])
        matrix[~np.isfinite(matrix)] = np.nan
        if any(self.log):
            matrix[:, self.log] = np.sign(matrix[:, self.log]) * np.log1p(np.abs(matrix[:, self.log]))
        return np.asarray(np.clip(matrix, -_HUGE, _HUGE), dtype=np.float64)

    def _filled(self, matrix: Floats) -> Floats:
        gaps = np.isnan(matrix)
        extra = gaps[:, self.gaps].astype(np.float64)
        if self.impute:
            matrix = np.where(gaps, self.medians, matrix)
        return np.hstack([matrix, extra])


class BooleanBlock(Encoder):
    """Yes/no columns as 1 and 0; gaps become the training share of yes, a gap column tells where."""

    def fit_transform(self, frame: pd.DataFrame, y: npt.NDArray[Any] | None) -> Floats:
        """Learn the share of yes and which columns have gaps."""
        matrix = self._matrix(frame)
        present = np.isfinite(matrix).sum(0)
        self.shares = np.where(present > 0, np.nansum(matrix, axis=0) / np.maximum(present, 1), 0.5)
        self.gaps = np.flatnonzero(np.isnan(matrix).any(axis=0))
        self.names, self.origins = list(self.columns), list(self.columns)
        for at in self.gaps.tolist():
            self._add(f"{self.columns[at]} missing", self.columns[at])
        return self._filled(matrix)

    def transform(self, frame: pd.DataFrame) -> Floats:
        """Return 1, 0 or the training share."""
        return self._filled(self._matrix(frame))

    def _matrix(self, frame: pd.DataFrame) -> Floats:
        return np.column_stack([to_booleans(frame[name]) for name in self.columns])

    def _filled(self, matrix: Floats) -> Floats:
        gaps = np.isnan(matrix)
        return np.hstack([np.where(gaps, self.shares, matrix), gaps[:, self.gaps].astype(np.float64)])


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


class Dates(Encoder):
    """A date: calendar fields, days since the first training date, month and weekday as circles.

    Parameters
    ----------
    column : str
    date_format : str
    """

    def __init__(self, column: str, *, date_format: str) -> None:
        super().__init__([column])
        self.date_format = date_format

    def fit_transform(self, frame: pd.DataFrame, y: npt.NDArray[Any] | None) -> Floats:
        """Learn the first date, whether there is a time of day, and medians for gaps."""
        column = self.columns[0]
        instants = to_instants(frame[column], self.date_format)
        present = instants[~np.isnat(instants)]
        self.first = present.min() if len(present) else np.datetime64("1970-01-01", "us")
        self.clock = bool(np.any(present != present.astype("datetime64[D]")))
        self.gaps = len(present) < len(instants)
        fields = ["year", "month", "day", "weekday", "days since start"]
        fields += ["month sin", "month cos", "weekday sin", "weekday cos"]
        fields += ["hour", "hour sin", "hour cos"] if self.clock else []
        self.names = [f"{column} {f}" for f in [*fields, *(["missing"] if self.gaps else [])]]
        self.origins = [column] * len(self.names)
        raw = self._fields(instants)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            medians = np.nanmedian(raw, axis=0) if len(raw) else np.zeros(raw.shape[1])
        self.medians = np.where(np.isnan(medians), 0.0, medians)
        return self._filled(raw)

    def transform(self, frame: pd.DataFrame) -> Floats:
        """Return the calendar fields."""
        return self._filled(self._fields(to_instants(frame[self.columns[0]], self.date_format)))

    def _fields(self, instants: Instants) -> Floats:
        gaps = np.isnat(instants)
        t = np.where(gaps, self.first, instants)
        days = t.astype("datetime64[D]")
        months = t.astype("datetime64[M]")
        month = months.astype(np.int64) % 12
        weekday = (days.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
        fields = [
            t.astype("datetime64[Y]").astype(np.int64) + 1970,
            month + 1,
            (days - months).astype(np.int64) + 1,
            weekday,
            (t - self.first) / np.timedelta64(1, "D"),
            *_circle(month, 12),
            *_circle(weekday, 7),
        ]
        if self.clock:
            hour = (t - days).astype(np.int64) // 3_600_000_000
            fields += [hour, *_circle(hour, 24)]
        matrix = np.column_stack([np.asarray(f, dtype=np.float64) for f in fields])
        matrix[gaps] = np.nan
        return matrix

    def _filled(self, matrix: Floats) -> Floats:
        gaps = np.isnan(matrix[:, :1])
        filled = np.where(np.isnan(matrix), self.medians, matrix)
        return np.hstack([filled, gaps.astype(np.float64)]) if self.gaps else filled


def _circle(steps: npt.NDArray[np.int64], period: int) -> tuple[Floats, Floats]:
    angle = 2 * np.pi * steps / period
    return np.sin(angle), np.cos(angle)


class Text(Encoder):
    """Free text: TF-IDF of words, its strongest directions (truncated SVD), and the text's length.

    Parameters
    ----------
    column : str
    components : int
    seed : int
    """

    def __init__(self, column: str, *, components: int, seed: int) -> None:
        super().__init__([column])
        self.components = components
        self.seed = seed

    def fit_transform(self, frame: pd.DataFrame, y: npt.NDArray[Any] | None) -> Floats:
        """Learn the vocabulary and its directions."""
        from sklearn.decomposition import TruncatedSVD

        column = self.columns[0]
        texts = self._texts(frame)
        self.vectorizer: TfidfVectorizer | None = TfidfVectorizer(
            min_df=2 if len(texts) >= 20 else 1,
            max_features=20_000,
            sublinear_tf=True,
            strip_accents="unicode",
        )
        self.svd: TruncatedSVD | None = None
        try:
            weights = self.vectorizer.fit_transform(texts)
        except ValueError:  # no word is left: only stop marks, or every word once
            self.vectorizer = None
        self.names = [f"{column} length", f"{column} words"]
        if self.vectorizer is not None and weights.shape[1] >= 2 and self.components > 0:
            size = min(self.components, weights.shape[1] - 1, max(1, len(texts) - 1))
            self.svd = TruncatedSVD(size, random_state=self.seed)
            self.svd.fit(weights)
            self.names = [f"{column} topic {at + 1}" for at in range(size)] + self.names
        self.origins = [column] * len(self.names)
        return self.transform(frame)

    def transform(self, frame: pd.DataFrame) -> Floats:
        """Return the topic weights and lengths."""
        texts = self._texts(frame)
        sizes = np.asarray([[len(t), len(t.split())] for t in texts], dtype=np.float64).reshape(-1, 2)
        if self.svd is None or self.vectorizer is None or not texts:
            return np.hstack([np.zeros((len(texts), len(self.names) - 2)), sizes])
        topics = self.svd.transform(self.vectorizer.transform(texts))
        return np.nan_to_num(np.hstack([np.asarray(topics, dtype=np.float64), sizes]))

    def _texts(self, frame: pd.DataFrame) -> list[str]:
        codes, levels = levels_of(frame[self.columns[0]])
        table = [*levels, ""]
        return [table[code] for code in codes]
