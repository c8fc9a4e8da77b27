"""Holdout and folds of one table: stratified, random, by group, or by time.

Reads: the spec's "Validation" line. Writes: nothing. Never: splits time-ordered rows at random or lets a
group stand on both sides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from specweave.errors import DataError, SpecError

_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")
_PERIOD = re.compile(r"\blast\s+(\d+)?\s*(hour|day|week|month|quarter|year)s?\b", re.I)
_OFFSETS = {"hour": "hours", "day": "days", "week": "weeks", "month": "months", "year": "years"}
_HINT = "write for example: stratified 20% holdout, random 20% holdout, last 20% by time, last 2 months, or 20% by group"


@dataclass(frozen=True)
class Validation:
    """What the spec's "Validation" line asks for."""

    strategy: str  # stratified, random, time, group
    fraction: float = 0.2
    period: tuple[int, str] | None = None


def parse_validation(text: str | None, *, where: str | None = None, default: str = "random") -> Validation:
    """Parse a "Validation" line.

    Parameters
    ----------
    text : str or None
        ``stratified 20% holdout``, ``random 25% holdout``, ``last 20% by time``, ``last month``,
        ``20% by group``. None gives 20 % by `default`.

    Raises
    ------
    SpecError
        If it is none of these.
    """
    if text is None:
        return Validation(default)
    low = text.casefold()
    period = _PERIOD.search(low)
    percent = _PERCENT.search(low)
    fraction = float(percent[1]) / 100 if percent else 0.2
    if not 0.01 <= fraction <= 0.9:
        raise SpecError(
            f"a holdout of {fraction:.0%} leaves too little", where=where, hint="choose 10% to 50%"
        )
    if period and not percent:
        return Validation("time", fraction, (int(period[1] or 1), period[2]))
    for strategy, words in {
        "stratified": ("stratif",),
        "group": ("group",),
        "time": ("time", "chronolog", "last", "latest", "newest", "temporal"),
        "random": ("random", "shuffle", "holdout", "hold-out"),
    }.items():
        if any(w in low for w in words):
            return Validation(strategy, fraction)
    raise SpecError(f"'{text}' is no way to validate", where=where, hint=_HINT)


def split_rows(
    validation: Validation,
    *,
    n_rows: int,
    folds: int,
    seed: int,
    labels: Any = None,
    groups: Any = None,
    times: Any = None,
) -> tuple[np.ndarray, np.ndarray, list[tuple[np.ndarray, np.ndarray]], str]:
    """Return training rows, holdout rows, folds inside the training rows, and the strategy in words.

    Parameters
    ----------
    labels : array-like, shape (n_rows,), optional
        Classes to stratify by.
    groups : array-like, shape (n_rows,), optional
        Rows of one group stay together, whatever the strategy.
    times : array-like of datetime or number, shape (n_rows,), optional
        Needed by the strategy ``time``.

    Raises
    ------
    DataError
        If there are too few rows, classes or groups for it.
    """
    check_enough_rows(n_rows)
    if validation.strategy == "time":
        return _by_time(validation, times, n_rows, folds)
    if groups is not None or validation.strategy == "group":
        return _by_group(validation, groups, n_rows, folds, seed, labels)
    return _at_random(validation, n_rows, folds, seed, labels)


def check_enough_rows(n_rows: int, where: str | None = None) -> None:
    """Raise DataError where a table is too small to be split."""
    if n_rows < 10:
        raise DataError(
            f"{n_rows} row{'s' if n_rows != 1 else ''} cannot be split into training and holdout",
            where=where,
            hint="bring at least 10 rows; 200 or more give intervals worth reading",
        )


def _at_random(
    validation: Validation, n_rows: int, folds: int, seed: int, labels: Any
) -> tuple[np.ndarray, np.ndarray, list[tuple[np.ndarray, np.ndarray]], str]:
    from sklearn.model_selection import KFold, StratifiedKFold, train_test_split

    rows = np.arange(n_rows)
    stratify = np.asarray(labels) if labels is not None and validation.strategy == "stratified" else None
    if stratify is not None:
        counts = pd.Series(stratify).value_counts()
        wanted = max(1, round(validation.fraction * n_rows))
        if len(counts) > wanted:
            stratify = None  # more classes than holdout rows: nothing to stratify by
        else:
            folds = int(max(2, min(folds, counts.min() - 1)))
    train, holdout = train_test_split(
        rows, test_size=validation.fraction, random_state=seed, stratify=stratify
    )
    train, holdout = np.sort(train), np.sort(holdout)
    folds = max(2, min(folds, len(train) // 2))
    if stratify is not None:
        splitter: Any = StratifiedKFold(folds, shuffle=True, random_state=seed)
        pairs = list(splitter.split(train, stratify[train]))
    else:
        pairs = list(KFold(folds, shuffle=True, random_state=seed).split(train))
    name = "stratified" if stratify is not None else "random"
    words = f"{name} {len(holdout) / n_rows:.0%} holdout ({len(holdout)} of {n_rows} rows), {folds} folds, seed {seed}"
    return train, holdout, [(train[a], train[b]) for a, b in pairs], words


def _by_group(
    validation: Validation, groups: Any, n_rows: int, folds: int, seed: int, labels: Any
) -> tuple[np.ndarray, np.ndarray, list[tuple[np.ndarray, np.ndarray]], str]:
    from sklearn.model_selection import GroupKFold, GroupShuffleSplit, StratifiedGroupKFold

    if groups is None:
        raise SpecError(
            "a split by group needs the group's column", hint="add to spec.md: - Group column: NAME"
        )
    keys = np.asarray(pd.factorize(np.asarray(groups))[0])
    n_groups = len(np.unique(keys))
    if n_groups < 4:
        raise DataError(
            f"{n_groups} group{'s' * (n_groups > 1)} cannot be split",
            hint="use another group column, or a random split",
        )
    splitter = GroupShuffleSplit(1, test_size=validation.fraction, random_state=seed)
    train, holdout = next(splitter.split(np.zeros(n_rows), groups=keys))
    train, holdout = np.sort(train), np.sort(holdout)
    folds = max(2, min(folds, len(np.unique(keys[train]))))
    if labels is not None:
        inner: Any = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        pairs = list(inner.split(train, np.asarray(labels)[train], keys[train]))
    else:
        pairs = list(GroupKFold(folds).split(train, groups=keys[train]))
    words = f"{len(holdout) / n_rows:.0%} holdout by group ({n_groups} groups, none on both sides), {folds} folds, seed {seed}"
    return train, holdout, [(train[a], train[b]) for a, b in pairs], words


def _by_time(
    validation: Validation, times: Any, n_rows: int, folds: int
) -> tuple[np.ndarray, np.ndarray, list[tuple[np.ndarray, np.ndarray]], str]:
    if times is None:
        raise SpecError(
            "a split by time needs the time's column", hint="fill in spec.md: - Time column: NAME"
        )
    stamps = pd.Series(np.asarray(times)).reset_index(drop=True)
    if stamps.isna().any():
        raise DataError(
            f"the time column is empty in {int(stamps.isna().sum())} rows", hint="fill or remove those rows"
        )
    order = np.argsort(stamps.to_numpy(), kind="stable")
    ordered = stamps.iloc[order].reset_index(drop=True)
    if validation.period:
        cut = _period_start(ordered.iloc[-1], validation.period)
        first = int((ordered < cut).sum())
        words = f"holdout from {cut}"
    else:
        first = round(n_rows * (1 - validation.fraction))
        words = f"last {validation.fraction:.0%} by time"
    # Rows of one instant stay together, so that the holdout starts with a new instant.
    while 0 < first < n_rows and ordered.iloc[first] == ordered.iloc[first - 1]:
        first -= 1
    if first < 4 or first >= n_rows:
        raise DataError(
            f"the split by time leaves {max(first, 0)} training rows of {n_rows}",
            hint="choose a smaller holdout on the spec's Validation line",
        )
    train, holdout = order[:first], order[first:]
    folds = max(1, min(folds, first // 4))
    edges = [first - (folds - i) * (first // (folds + 1)) for i in range(folds + 1)]
    pairs = [(train[:a], train[a:b]) for a, b in pairwise(edges)]
    words += f": {len(holdout)} of {n_rows} rows, {folds} folds that each validate on what came after"
    return train, holdout, pairs, words


def _period_start(last: Any, period: tuple[int, str]) -> Any:
    amount, unit = period
    if not isinstance(last, pd.Timestamp):
        raise SpecError(
            f"'last {amount} {unit}' needs dates in the time column",
            hint="write a share instead: last 20% by time",
        )
    if unit == "quarter":
        amount, unit = amount * 3, "month"
    offsets: dict[str, Any] = {_OFFSETS[unit]: amount}
    return last - pd.DateOffset(**offsets)
