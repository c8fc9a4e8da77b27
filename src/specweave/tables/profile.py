"""The profile of a table: what every column holds, how columns relate, what the target looks like.

Reads: a frame and its kinds. Writes: nothing; what it returns is JSON-able. Never: keeps a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from specweave.tables.associations import score_columns, usable_numbers
from specweave.tables.dates import to_instants
from specweave.tables.kinds import ColumnKind
from specweave.tables.leaks import find_leaks
from specweave.tables.values import Floats, is_missing_word, levels_of, to_numbers

_QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_BINS = 20
_TOP = 10
_MAX_CORRELATED = 200
_MAX_PAIRS = 30
_MAX_ROWS = 50_000


def make_profile(
    frame: pd.DataFrame,
    kinds: Mapping[str, ColumnKind],
    *,
    target: str | None = None,
    task: str | None = None,
    target_rows: npt.NDArray[Any] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Return the profile of a table.

    Parameters
    ----------
    frame : pandas.DataFrame of shape (n_rows, n_columns)
    kinds : mapping of str to ColumnKind
        As `infer_kinds` returns them.
    target : str, optional
        Adds ``target`` (its classes or distribution), ``leaks``, and per column ``association``.
    task : {"classification", "regression"}, optional
        How to look at the target; by its kind where not given.
    target_rows : ndarray of int, optional
        Positions of the rows that correlations and everything about the target are computed on (the
        training rows); all rows where not given.
    seed : int
        For the row sample (50,000) behind correlations and associations.

    Returns
    -------
    dict
        ``rows, column_count, column_order, duplicate_rows, missing_share, columns: {name: {...}},
        correlations: [...]`` and, with a target, ``target`` and ``leaks``. Quantiles, skew and moments are
        over finite values; outliers lie beyond 1.5 interquartile ranges from the quartiles, far
        ones beyond 3.
    """
    names = [name for name in kinds if name in frame.columns]
    columns = {name: _column(frame[name], kinds[name]) for name in names}
    missing = sum(c["missing"] for c in columns.values())
    profile: dict[str, Any] = {
        "rows": len(frame),
        "column_count": len(names),
        "column_order": names,
        "duplicate_rows": _duplicates(frame[names]),
        "missing_share": missing / max(1, len(frame) * len(names)),
        "columns": columns,
    }
    known = frame if target_rows is None else frame.iloc[target_rows]
    sample = known
    if len(known) > _MAX_ROWS:
        sample = known.sample(_MAX_ROWS, random_state=seed).sort_index()
    profile["correlations"] = _correlations(sample, kinds, target)
    if target is not None and target in columns:
        task = task or guess_task(columns[target])
        profile["target"] = _target(columns[target], known[target], target, task)
        for name, score in score_columns(sample, kinds, target, task, seed=seed).items():
            columns[name]["association"] = score
        profile["leaks"] = find_leaks(sample, kinds, target, task, seed=seed)
    return profile


def guess_task(column: Mapping[str, Any]) -> str:
    """Return ``classification`` for levels, yes/no and few whole numbers, else ``regression``."""
    if column["kind"] != "numeric":
        return "classification"
    few = column["distinct"] <= min(10, max(2, column["count"] // 10))
    return "classification" if few and column.get("whole") else "regression"


def _duplicates(frame: pd.DataFrame) -> int:
    try:
        return int(frame.duplicated().sum())
    except TypeError:  # cells that hold lists
        return int(frame.astype(str).duplicated().sum())


def _column(column: pd.Series[Any], kind: ColumnKind) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "kind": kind.kind,
        "reason": kind.reason,
        "dtype": str(column.dtype),
        **({"format": kind.format} if kind.format else {}),
        **({"note": kind.note} if kind.note else {}),
    }
    if kind.kind == "numeric":
        return {**entry, **_numbers(column)}
    if kind.kind == "datetime":
        return {**entry, **_dates(column, kind.format)}
    codes, levels = levels_of(column)
    counts = np.bincount(codes[codes >= 0], minlength=len(levels))
    present = int(counts.sum())
    entry.update(_presence(len(column), present, len(levels)))
    if kind.kind == "text":
        words = np.asarray([len(level.split()) for level in levels] or [0])
        lengths = np.asarray([len(level) for level in levels] or [0])
        entry.update(
            mean_words=float(words.mean()), mean_length=float(lengths.mean()), max_length=int(lengths.max())
        )
        return entry
    if kind.kind != "identifier":
        entry["top"] = _top(levels, counts)
        entry["rare_levels"] = int(np.sum(counts < max(2, 0.01 * present)))
        entry["smallest_level"] = int(counts.min()) if len(counts) else 0
    return entry


def _presence(rows: int, present: int, distinct: int) -> dict[str, Any]:
    missing = rows - present
    return {
        "count": present,
        "missing": missing,
        "missing_share": missing / max(1, rows),
        "distinct": distinct,
        "distinct_share": distinct / max(1, present),
    }


def _top(levels: list[str], counts: Any) -> list[dict[str, Any]]:
    order = sorted(range(len(levels)), key=lambda at: (-counts[at], levels[at]))[:_TOP]
    total = max(1, int(counts.sum()))
    return [
        {"value": levels[at], "count": int(counts[at]), "share": float(counts[at] / total)} for at in order
    ]


def _numbers(column: pd.Series[Any]) -> dict[str, Any]:
    values, coerced = to_numbers(column)
    infinite = np.isinf(values)
    finite = values[np.isfinite(values)]
    distinct, counts = np.unique(finite, return_counts=True)
    entry = _presence(len(values), len(finite) + int(infinite.sum()), len(distinct))
    entry.update(coerced=coerced, infinite=int(infinite.sum()))
    if coerced:
        codes, levels = levels_of(column)
        strays = np.bincount(codes[np.isnan(values) & (codes >= 0)], minlength=len(levels))
        entry["coerced_values"] = [levels[at] for at in np.argsort(-strays, kind="stable")[:5] if strays[at]]
    if not len(finite):
        return entry
    entry.update(describe_numbers(finite))
    entry["whole"] = bool(np.all(finite == np.floor(finite)))
    entry["zeros"] = int(np.sum(finite == 0))
    entry["negative"] = int(np.sum(finite < 0))
    if len(distinct) <= 30:
        order = np.argsort(-counts, kind="stable")[:_TOP]
        entry["top"] = [
            {"value": float(distinct[at]), "count": int(counts[at]), "share": float(counts[at] / len(finite))}
            for at in order
        ]
    return entry


def describe_numbers(finite: Floats) -> dict[str, Any]:
    """Return moments, quantiles, outliers and a histogram of finite numbers.

    Parameters
    ----------
    finite : ndarray of shape (n,), n >= 1
    """
    quantiles = np.quantile(finite, _QUANTILES)
    low, high = quantiles[2], quantiles[4]
    outliers, far = _count_beyond(finite, low, high, 1.5), _count_beyond(finite, low, high, 3.0)
    with np.errstate(all="ignore"):
        spread = float(finite.std(ddof=1)) if len(finite) > 1 else 0.0
        skew = _skewness(finite) if len(finite) > 2 and spread > 0 else 0.0
    return {
        "min": float(finite.min()),
        "max": float(finite.max()),
        "mean": float(finite.mean()),
        "std": spread,
        "skew": skew if np.isfinite(skew) else 0.0,
        "quantiles": {f"p{100 * q:02.0f}": float(v) for q, v in zip(_QUANTILES, quantiles, strict=True)},
        "outliers": outliers,
        "outlier_share": outliers / len(finite),
        "far_outliers": far,
        "histogram": _histogram(finite),
    }


def _count_beyond(finite: Floats, low: float, high: float, ranges: float) -> int:
    with np.errstate(over="ignore"):
        reach = ranges * (high - low)
        return int(np.sum((finite < low - reach) | (finite > high + reach))) if reach > 0 else 0


def _skewness(finite: Floats) -> float:
    """Return the third standardised moment (Fisher-Pearson g1)."""
    centred = finite - finite.mean()
    return float(np.mean(centred**3) / np.mean(centred**2) ** 1.5)


def _histogram(finite: Floats) -> dict[str, list[float]]:
    with np.errstate(all="ignore"):
        try:
            counts, edges = np.histogram(finite, bins=min(_BINS, max(1, len(np.unique(finite[:1000])))))
        except ValueError:  # the range is too wide for a float
            return {"counts": [len(finite)], "edges": [float(finite.min()), float(finite.max())]}
    return {"counts": counts.tolist(), "edges": edges.tolist()}


def _dates(column: pd.Series[Any], date_format: str) -> dict[str, Any]:
    instants = to_instants(column, date_format)
    present = instants[~np.isnat(instants)]
    text_gaps = int(column.isna().sum()) + _word_gaps(column)
    entry = _presence(len(instants), len(present), len(np.unique(present)))
    entry["coerced"] = max(0, entry["missing"] - text_gaps)
    if len(present):
        days = (present - present.min()) / np.timedelta64(1, "D")
        entry.update(
            min=str(present.min()),
            max=str(present.max()),
            span_days=float(days.max()),
            sorted=bool(np.all(present[1:] >= present[:-1])),
            has_clock=bool(np.any(days != np.floor(days))),
            histogram=_histogram(days),
        )
    return entry


def _word_gaps(column: pd.Series[Any]) -> int:
    return sum(isinstance(v, str) and is_missing_word(v) for v in column) if column.dtype == object else 0


def _correlations(
    frame: pd.DataFrame, kinds: Mapping[str, ColumnKind], target: str | None
) -> list[dict[str, Any]]:
    """Return at most 30 of the most correlated pairs among the first 200 numeric columns."""
    names = [n for n, k in kinds.items() if k.kind in ("numeric", "boolean") and n in frame and n != target]
    matrix: dict[str, Floats] = {}
    for name in names[:_MAX_CORRELATED]:
        values = usable_numbers(frame[name])
        if np.isfinite(values).sum() >= 10 and np.nanmin(values) != np.nanmax(values):
            matrix[name] = values
    if len(matrix) < 2:
        return []
    table = pd.DataFrame(matrix)
    with np.errstate(all="ignore"):
        pearson = table.corr(min_periods=10).to_numpy()
        # Ranks of each column over its own present rows: exact Spearman where nothing is missing.
        spearman = table.rank().corr(min_periods=10).to_numpy()
    strength = np.fmax(np.abs(pearson), np.abs(spearman))
    found = np.argwhere(np.triu(np.isfinite(strength), 1)).tolist()
    pairs = sorted(found, key=lambda ij: (-strength[ij[0], ij[1]], ij))[:_MAX_PAIRS]
    kept = list(matrix)
    return [
        {"a": kept[i], "b": kept[j], "pearson": float(pearson[i, j]), "spearman": float(spearman[i, j])}
        for i, j in pairs
        if strength[i, j] >= 0.3
    ]


def _target(entry: Mapping[str, Any], column: pd.Series[Any], name: str, task: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": name,
        "task": task,
        "kind": entry["kind"],
        "rows": len(column),
        "missing": entry["missing"],
    }
    if task == "regression":
        values, _ = to_numbers(column)
        finite = values[np.isfinite(values)]
        found.update(
            infinite=int(np.isinf(values).sum()),
            distinct=len(np.unique(finite)),
            not_numbers=entry.get("coerced", 0),
        )
        if len(finite):
            found.update(describe_numbers(finite))
        return found
    codes, levels = levels_of(column)
    counts = np.bincount(codes[codes >= 0], minlength=len(levels))
    order = sorted(range(len(levels)), key=lambda at: (-counts[at], levels[at]))
    total = max(1, int(counts.sum()))
    found["distinct"] = len(levels)
    found["classes"] = {levels[at]: int(counts[at]) for at in order}
    found["majority_share"] = float(counts.max() / total) if len(counts) else 0.0
    found["minority_share"] = float(counts.min() / total) if len(counts) else 0.0
    return found
