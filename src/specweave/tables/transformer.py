"""The one transformer between raw rows and a model: every column by its kind, learned on training rows only.

Reads: frames, feature definitions. Writes: nothing.
Never: looks at y in transform, returns a column it did not return in fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from specweave.errors import DataError, did_you_mean
from specweave.tables.encoders import BooleanBlock, Dates, Encoder, NumberBlock, Text
from specweave.tables.kinds import ColumnKind, as_kind, infer_kinds
from specweave.tables.level_encoders import OneHot, TargetBlock
from specweave.tables.screening import find_repeats, rank_features
from specweave.tables.values import Floats, levels_of, to_booleans

ACTIONS: dict[str, tuple[str, ...]] = {
    "numeric": ("numeric", "log", "drop"),
    "boolean": ("boolean", "drop"),
    "category": ("auto", "one-hot", "target-encode", "drop"),
    "text": ("text", "drop"),
    "datetime": ("dates", "drop"),
    "identifier": ("drop",),
    "constant": ("drop",),
    "empty": ("drop",),
}
_SELECT = {"k": 500, "above": 1000}
_SWAPS = str.maketrans(
    {"[": "(", "]": ")", "{": "(", "}": ")", '"': "'", ",": ";", ":": "-", "<": "‹", "\n": " "}
)


class TableFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turn raw rows into finite numbers with readable names.

    Parameters
    ----------
    kinds : mapping of str to ColumnKind, str or mapping, optional
        Kind of each column; inferred in `fit` where not given. Columns that are not named are ignored.
    drop : mapping of str to str, optional
        Columns to leave out, each with its reason.
    task : {"classification", "regression"}
    actions : mapping of str to str, optional
        For single columns another way than the usual one of its kind, see `ACTIONS`.
    max_onehot : int
        Categories with more levels in training are target-encoded, cross-fitted.
    rare_share : float
        Levels below this share of the training rows are put together in ``(other)``.
    impute : bool
        Fill gaps of numeric columns with the training median; leave NaN where false.
    text_components : int
    select : mapping, optional
        ``{"k": 500, "above": 1000}``: where more than ``above`` features arise, keep the ``k`` that go
        strongest with y one by one. ``{"k": None}`` keeps all.
    seed : int

    Attributes
    ----------
    feature_names_in_ : ndarray of str
    required_columns_ : list of str
        Raw columns that `transform` needs.
    origins_ : dict of str to str
        Feature name to raw column, so that attributions can be summed per raw column.
    dropped_ : dict of str to str
        Raw columns that feed no feature, with the reason.
    dropped_features_ : dict of str to str
        Features that were made and left out again, with the reason.
    actions_ : dict of str to str
        What was done with each raw column.
    scores_ : dict of str to float
        Univariate strength of each feature, where screening was needed.

    Notes
    -----
    ``fit(X, y).transform(X)`` differs from ``fit_transform(X, y)`` where columns are target-encoded: the
    latter gives cross-fitted values, which is what a model must be trained on. A Pipeline does that.

    Examples
    --------
    >>> X = pd.DataFrame({"plan": ["a", "b", "c", "a"], "fee": [1.0, 3.0, 5.0, np.nan]})
    >>> features = TableFeatures({"plan": "category", "fee": "numeric"}, task="regression").fit(X)
    >>> list(features.get_feature_names_out())
    ['fee', 'fee missing', 'plan=a', 'plan=b', 'plan=c']
    >>> features.transform(pd.DataFrame({"plan": ["new"], "fee": [np.inf]})).to_numpy().tolist()
    [[3.0, 1.0, 0.0, 0.0, 0.0]]
    """

    def __init__(
        self,
        kinds: Mapping[str, Any] | None = None,
        *,
        drop: Mapping[str, str] | None = None,
        task: str = "classification",
        actions: Mapping[str, str] | None = None,
        max_onehot: int = 20,
        rare_share: float = 0.01,
        impute: bool = True,
        text_components: int = 16,
        select: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        self.kinds = kinds
        self.drop = drop
        self.task = task
        self.actions = actions
        self.max_onehot = max_onehot
        self.rare_share = rare_share
        self.impute = impute
        self.text_components = text_components
        self.select = select
        self.seed = seed

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn everything from training rows.

        Parameters
        ----------
        X : pandas.DataFrame of shape (n_rows, n_columns)
        y : array-like of shape (n_rows,), optional
            Used by target encoding and screening only.

        Raises
        ------
        DataError
            If a declared column is missing, an action does not fit, or no usable column is left.
        """
        self._learn(X, y)
        return self

    def fit_transform(self, X: Any, y: Any = None, **_: Any) -> pd.DataFrame:
        """Learn from training rows and return their features, target encodings cross-fitted."""
        frame, matrix = self._learn(X, y)
        return pd.DataFrame(matrix, columns=self._names, index=frame.index, copy=False)

    def transform(self, X: Any) -> pd.DataFrame:
        """Return the features of rows.

        Returns
        -------
        pandas.DataFrame of shape (n_rows, n_features), float64
            Same columns for any rows; finite unless ``impute=False``.

        Raises
        ------
        DataError
            If a needed column is missing.
        """
        check_is_fitted(self, "encoders_")
        frame = _frame_of(X)
        absent = [name for name in self.required_columns_ if name not in frame.columns]
        if absent:
            shown = ", ".join(absent[:5]) + (f" and {len(absent) - 5} more" if len(absent) > 5 else "")
            known = [str(name) for name in frame.columns]
            raise DataError(f"the rows lack the column {shown}", hint=did_you_mean(absent[0], known))
        blocks = [encoder.transform(frame) for encoder in self.encoders_]
        matrix = np.hstack(blocks)[:, self._kept] if blocks else np.empty((len(frame), 0))
        return pd.DataFrame(matrix, columns=self._names, index=frame.index, copy=False)

    def choose_actions(self, X: Any) -> dict[str, str]:
        """Return what `fit` would do with each raw column of these rows; nothing is learned."""
        frame = _frame_of(X)
        probe = clone(self)
        probe.dropped_ = {}
        return dict(probe._decide(frame, probe._kinds_of(frame)))

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Return the names of the features, in order."""
        check_is_fitted(self, "encoders_")
        return np.asarray(self._names, dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    # -- fitting ---------------------------------------------------------------------------------

    def _learn(self, X: Any, y: Any) -> tuple[pd.DataFrame, Floats]:
        frame = _frame_of(X)
        if not len(frame):
            raise DataError("there are no rows to learn features from")
        labels = None if y is None else np.asarray(y)
        if labels is not None and len(labels) != len(frame):
            raise DataError(f"{len(frame)} rows but {len(labels)} target values")
        kinds = self._kinds_of(frame)
        self.kinds_ = kinds
        self.feature_names_in_ = np.asarray([str(c) for c in frame.columns], dtype=object)
        self.n_features_in_ = len(self.feature_names_in_)
        self.dropped_: dict[str, str] = {}
        self.actions_ = self._decide(frame, kinds)
        self.encoders_ = self._make_encoders(kinds)
        blocks = [encoder.fit_transform(frame, labels) for encoder in self.encoders_]
        matrix = np.hstack(blocks) if blocks else np.empty((len(frame), 0))
        names = _model_safe([name for encoder in self.encoders_ for name in encoder.names])
        origins = [origin for encoder in self.encoders_ for origin in encoder.origins]
        kept = self._choose(matrix, names, labels)
        self._explain_drops(names, origins, kept)
        if not kept:
            raise DataError(_nothing_left(self.dropped_), hint="add columns that differ from row to row")
        self._prune(kept)
        self._names = [names[at] for at in kept]
        self.origins_ = {names[at]: origins[at] for at in kept}
        self.required_columns_ = [c for c in kinds if c in set(self.origins_.values())]
        return frame, matrix[:, kept]

    def _kinds_of(self, frame: pd.DataFrame) -> dict[str, ColumnKind]:
        if self.kinds is None:
            return infer_kinds(frame)
        kinds = {str(name): as_kind(kind) for name, kind in self.kinds.items()}
        unused = {*(self.drop or {}), *(n for n, a in (self.actions or {}).items() if a == "drop")}
        for name, kind in kinds.items():
            if name not in frame.columns and name not in unused and ACTIONS[kind.kind] != ("drop",):
                raise DataError(
                    f"the training data has no column '{name}'",
                    hint=did_you_mean(name, map(str, frame.columns)),
                )
        return kinds

    def _decide(self, frame: pd.DataFrame, kinds: Mapping[str, ColumnKind]) -> dict[str, str]:
        """Return the action of each column and note why columns are left out."""
        decided: dict[str, str] = {}
        for name, kind in kinds.items():
            allowed = ACTIONS[kind.kind]
            action = (self.actions or {}).get(name, allowed[0])
            if action not in allowed:
                raise DataError(
                    f"action '{action}' does not fit column '{name}' of kind {kind.kind}",
                    hint=f"use one of {', '.join(allowed)}, or change its kind",
                )
            if name in (self.drop or {}):
                action = "drop"
                self.dropped_[name] = (self.drop or {})[name] or "left out by declaration"
            elif action == "drop":
                self.dropped_[name] = kind.reason or f"{kind.kind} column"
            elif action == "boolean":
                action = self._boolean_action(frame[name])
            if action == "auto":
                action = "one-hot" if len(levels_of(frame[name])[1]) <= self.max_onehot else "target-encode"
            decided[name] = action
        return decided

    def _boolean_action(self, column: pd.Series[Any]) -> str:
        """Return ``auto`` where a column declared yes/no holds other words."""
        codes, _ = levels_of(column)
        return "auto" if np.isnan(to_booleans(column)[codes >= 0]).any() else "boolean"

    def _make_encoders(self, kinds: Mapping[str, ColumnKind]) -> list[Encoder]:
        by_action: dict[str, list[str]] = {}
        for name, action in self.actions_.items():
            by_action.setdefault(action, []).append(name)
        log = by_action.get("log", [])
        numbers = [n for n in kinds if self.actions_[n] in ("numeric", "log")]
        made: list[Encoder] = []
        if numbers:
            made.append(NumberBlock(numbers, log=log, impute=self.impute))
        if by_action.get("boolean"):
            made.append(BooleanBlock(by_action["boolean"]))
        made += [OneHot(n, rare_share=self.rare_share) for n in by_action.get("one-hot", [])]
        if by_action.get("target-encode"):
            made.append(TargetBlock(by_action["target-encode"], task=self.task, seed=self.seed))
        made += [Dates(n, date_format=kinds[n].format) for n in by_action.get("dates", [])]
        made += [Text(n, components=self.text_components, seed=self.seed) for n in by_action.get("text", [])]
        return made

    def _choose(self, matrix: Floats, names: list[str], y: npt.NDArray[Any] | None) -> list[int]:
        """Return the positions of the features that stay."""
        repeats = find_repeats(matrix)
        self.dropped_features_ = {
            names[at]: "constant in training" if same is None else f"same values as {names[same]}"
            for at, same in repeats.items()
        }
        kept = [at for at in range(len(names)) if at not in repeats]
        self.scores_: dict[str, float] = {}
        limit = {**_SELECT, **(self.select or {})}
        if y is None or limit["k"] is None or len(kept) <= max(limit["above"], limit["k"]):
            return kept
        strength = rank_features(matrix[:, kept], y, self.task, seed=self.seed)
        self.scores_ = {names[at]: float(s) for at, s in zip(kept, strength, strict=True)}
        best = set(np.argsort(-strength, kind="stable")[: limit["k"]].tolist())
        for position, at in enumerate(kept):
            if position not in best:
                self.dropped_features_[names[at]] = f"not among the {limit['k']} strongest"
        return [at for position, at in enumerate(kept) if position in best]

    def _explain_drops(self, names: list[str], origins: list[str], kept: list[int]) -> None:
        alive = {origins[at] for at in kept}
        for name, origin in zip(names, origins, strict=True):
            if origin not in alive and origin not in self.dropped_:
                self.dropped_[origin] = self.dropped_features_[name]

    def _prune(self, kept: list[int]) -> None:
        """Forget encoders that feed nothing, and remember where the kept features stand."""
        wanted, start = set(kept), 0
        left: list[int] = []
        alive: list[Encoder] = []
        for encoder in self.encoders_:
            width = len(encoder.names)
            local = {at - start for at in wanted if start <= at < start + width}
            if local:
                left += [start + at for at in encoder.prune(local)]
                alive.append(encoder)
            start += width
        self.encoders_ = alive
        place = {old: new for new, old in enumerate(left)}
        self._kept = np.asarray([place[at] for at in kept], dtype=np.int64)


def _frame_of(X: Any) -> pd.DataFrame:
    if isinstance(X, pd.DataFrame):
        if all(isinstance(name, str) for name in X.columns):
            return X
        return X.set_axis([str(name) for name in X.columns], axis=1)
    matrix = np.asarray(X)
    if matrix.ndim != 2:
        raise DataError("features are made from a table (a DataFrame), not from a list of values")
    return pd.DataFrame(matrix, columns=[f"x{at}" for at in range(matrix.shape[1])])


def _model_safe(names: list[str]) -> list[str]:
    """Return the names without signs that LightGBM or XGBoost refuse, still unique."""
    seen: set[str] = set()
    safe = []
    for name in names:
        base = candidate = name.translate(_SWAPS)
        number = 2
        while candidate in seen:
            candidate = f"{base} ({number})"
            number += 1
        seen.add(candidate)
        safe.append(candidate)
    return safe


def _nothing_left(dropped: Mapping[str, str]) -> str:
    reasons = [f"{name} ({reason})" for name, reason in list(dropped.items())[:5]]
    return f"no column is left to learn from: {'; '.join(reasons) or 'the table has none'}"
