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

from specweave.tables.dates import Instants, to_instants
from specweave.tables.values import Floats, levels_of, to_booleans, to_numbers

# Estimators that cast to float32 must still see a finite value.
_HUGE = 1e36


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
