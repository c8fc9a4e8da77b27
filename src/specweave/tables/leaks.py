"""Columns that are the target in disguise, by exact tests rather than by strength.

Reads: a frame. Writes: nothing. Never: accuses a column only because it predicts well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from specweave.tables.associations import column_values, target_values
from specweave.tables.kinds import ColumnKind
from specweave.tables.values import Floats, levels_of, missing_mask

_AGREE = 0.998
_MIN_ROWS = 30
_MIN_SIDE = 20
_EXACT = 1e-6
_MAX_COLUMNS = 120
_UNTESTED = ("identifier", "constant", "empty")


def find_leaks(
    frame: pd.DataFrame, kinds: Mapping[str, ColumnKind], target: str, task: str, *, seed: int = 0
) -> list[dict[str, Any]]:
    """Return the columns that give the target away.

    Rules, each needing at least 30 rows and, for classes, 20 rows of each side:

    ``recoded``    the column's levels and the classes are one to one in 99.8 % of the rows.
    ``presence``   the column is filled exactly where the target has one value.
    ``threshold``  cutting the column at fixed points gives 99.8 % of each class (200 rows or more).
    ``monotone``   ordering the rows by the column orders them by a numeric target of many values.
    ``sum``        the target is an exact linear combination of these numeric columns.
    ``product``    the logarithm of the target is, of their logarithms.

    Returns
    -------
    list of dict
        ``columns``, ``rule``, ``strength`` (share of rows or R²), ``rows``, ``relation`` in words.
    """
    y = target_values(frame[target], task)
    rows = np.flatnonzero(~np.isnan(y))
    if len(rows) < _MIN_ROWS or len(np.unique(y[rows])) < 2:
        return []
    y, part = y[rows], frame.iloc[rows]
    names = [n for n, k in kinds.items() if n != target and n in frame and k.kind not in _UNTESTED]
    found: list[dict[str, Any]] = []
    for name in names:
        test = _class_leak if task == "classification" else _number_leak
        leak = test(part[name], kinds[name], y)
        if leak:
            found.append({"columns": [name], **leak})
    if task == "regression":
        taken = {name for leak in found for name in leak["columns"]}
        numeric = [n for n in names if kinds[n].kind in ("numeric", "boolean") and n not in taken]
        found += _combinations(part, kinds, numeric, y, target, seed)
    return found


def _class_leak(column: pd.Series[Any], kind: ColumnKind, y: Floats) -> dict[str, Any] | None:
    classes, y_codes = np.unique(y, return_inverse=True)
    sides = np.bincount(y_codes)
    if sides.min() < _MIN_SIDE:
        return None
    if len(classes) == 2:
        gaps = missing_mask(column)
        agree = max(float(np.mean(gaps == (y_codes == side))) for side in (0, 1))
        if agree >= _AGREE and min(gaps.sum(), (~gaps).sum()) >= _MIN_SIDE:
            return {
                "rule": "presence",
                "strength": agree,
                "rows": len(y),
                "relation": "is filled exactly where the target has one of its values",
            }
    if _few_levels(column, len(classes) + 2):
        codes, levels = levels_of(column)
        agree = _one_to_one(codes, len(levels), y_codes, len(classes)) if len(levels) >= len(classes) else 0.0
        if agree >= _AGREE:
            return {
                "rule": "recoded",
                "strength": agree,
                "rows": len(y),
                "relation": "has one level for each class of the target",
            }
    if kind.kind in ("numeric", "datetime") and len(y) >= 200:
        agree = _cut_agreement(column_values(column, kind), y_codes, len(classes))
        if agree >= _AGREE:
            return {
                "rule": "threshold",
                "strength": agree,
                "rows": len(y),
                "relation": "cut at fixed points, it is the target",
            }
    return None


def _few_levels(column: pd.Series[Any], limit: int) -> bool:
    """Return whether the column has at most `limit` levels; most are told by their first rows."""
    try:
        if column.iloc[:500].nunique() > 3 * limit:
            return False
    except TypeError:  # cells that hold lists
        return False
    return len(levels_of(column)[1]) <= limit


def _one_to_one(
    codes: npt.NDArray[np.int64], n_levels: int, y: npt.NDArray[np.int64], n_classes: int
) -> float:
    """Return the share of rows kept when each class gets one level of its own; gaps agree with nothing."""
    table = np.zeros((n_levels, n_classes))
    seen = codes >= 0
    np.add.at(table, (codes[seen], y[seen]), 1)
    level_of = table.argmax(0)
    if len(set(level_of.tolist())) < n_classes:
        return 0.0
    # Every class must agree by itself, or a rare class would hide behind a common one.
    share = table[level_of, np.arange(n_classes)] / np.bincount(y, minlength=n_classes)
    back = table[level_of, np.arange(n_classes)] / table.sum(1)[level_of]
    return float(min(share.min(), back.min()))


def _cut_agreement(x: Floats, y: npt.NDArray[np.int64], n_classes: int) -> float:
    """Return the worst per-class share of rows right when each class is one interval of x."""
    if np.isnan(x).any():
        return 0.0
    order = np.argsort(x, kind="stable")
    medians = np.asarray([np.median(x[y == c]) for c in range(n_classes)])
    ranked = np.argsort(medians, kind="stable")
    ends = np.cumsum(np.bincount(y, minlength=n_classes)[ranked])[:-1]
    cuts = x[order][ends]
    if len(np.unique(cuts)) < len(cuts):
        return 0.0
    predicted = ranked[np.searchsorted(cuts, x, side="right")]
    return float(min(np.mean(predicted[y == c] == c) for c in range(n_classes)))


def _number_leak(column: pd.Series[Any], kind: ColumnKind, y: Floats) -> dict[str, Any] | None:
    if kind.kind not in ("numeric", "datetime"):
        return None
    x = column_values(column, kind)
    seen = np.isfinite(x)
    if seen.mean() < 0.9 or seen.sum() < _MIN_ROWS:
        return None
    x, y = x[seen], y[seen]
    if min(len(np.unique(x)), len(np.unique(y))) < max(20, 0.05 * len(y)):
        return None
    rho = float(stats.spearmanr(x, y).statistic)
    if abs(rho) >= 0.9999:
        return {
            "rule": "monotone",
            "strength": abs(rho),
            "rows": len(y),
            "relation": "orders the rows exactly as the target does",
        }
    return None


def _combinations(
    part: pd.DataFrame,
    kinds: Mapping[str, ColumnKind],
    names: list[str],
    y: Floats,
    target: str,
    seed: int,
) -> list[dict[str, Any]]:
    matrix = {}
    for name in names:
        x = column_values(part[name], kinds[name]) if kinds[name].kind == "numeric" else None
        if x is not None and np.isfinite(x).mean() >= 0.95 and np.nanstd(x) > 0:
            matrix[name] = x
    if len(matrix) > _MAX_COLUMNS:
        strength = {n: abs(_correlation(x, y)) for n, x in matrix.items()}
        matrix = {n: matrix[n] for n in sorted(strength, key=lambda n: -strength[n])[:_MAX_COLUMNS]}
    if not matrix:
        return []
    kept = list(matrix)
    x = np.column_stack([matrix[n] for n in kept])
    whole = np.isfinite(x).all(1)
    leak = _exact_fit(x[whole], y[whole], kept, seed)
    if leak:
        terms = " + ".join(f"{_coefficient(c)}{n}" for n, c in leak[1].items())
        return [_combination("sum", leak, f"{target} = {terms}", int(whole.sum()))]
    positive = whole & (y > 0)
    usable = [at for at in range(len(kept)) if np.all(x[positive, at] > 0)]
    if positive.mean() < 0.95 or not usable:
        return []
    logs = np.log(x[positive][:, usable])
    leak = _exact_fit(logs, np.log(y[positive]), [kept[at] for at in usable], seed)
    if not leak:
        return []
    terms = " × ".join(n if abs(c - 1) < 1e-4 else f"{n}^{c:.3g}" for n, c in leak[1].items())
    return [_combination("product", leak, f"{target} ∝ {terms}", int(positive.sum()))]


def _combination(rule: str, leak: tuple[float, dict[str, float]], relation: str, rows: int) -> dict[str, Any]:
    return {"columns": list(leak[1]), "rule": rule, "strength": leak[0], "rows": rows, "relation": relation}


def _coefficient(value: float) -> str:
    return "" if abs(value - 1) < 1e-4 else f"{value:.4g}·"


def _correlation(x: Floats, y: Floats) -> float:
    seen = np.isfinite(x)
    with np.errstate(all="ignore"):
        r = float(np.corrcoef(x[seen], y[seen])[0, 1]) if seen.sum() > 2 else 0.0
    return r if np.isfinite(r) else 0.0


def _exact_fit(x: Floats, y: Floats, names: list[str], seed: int) -> tuple[float, dict[str, float]] | None:
    """Return (R², coefficients of the fewest columns) if unseen rows are matched exactly, else None."""
    n, p = x.shape
    if n < max(_MIN_ROWS, 3 * (p + 1)):
        return None
    order = np.random.default_rng(seed).permutation(n)[:3000]
    x, y = x[order], y[order]
    scale = np.where(x.std(0) > 0, x.std(0), 1.0)
    x = (x - x.mean(0)) / scale
    spread = y.std()
    if spread == 0:
        return None
    half = len(y) // 2

    def misfit(at: list[int]) -> tuple[float, Floats]:
        design = np.column_stack([np.ones(len(y)), x[:, at]])
        beta, *_ = np.linalg.lstsq(design[:half], y[:half], rcond=None)
        return float(np.abs(design[half:] @ beta - y[half:]).max() / spread), np.asarray(
            beta, dtype=np.float64
        )

    kept = list(range(p))
    worst, beta = misfit(kept)
    if worst > _EXACT:
        return None
    for at in sorted(kept, key=lambda at: abs(beta[1 + at])):
        rest = [k for k in kept if k != at]
        if rest and misfit(rest)[0] <= _EXACT:
            kept = rest
    design = np.column_stack([np.ones(len(y)), x[:, kept]])
    solved, *_ = np.linalg.lstsq(design, y, rcond=None)
    residual = y - design @ solved
    r2 = 1 - float(residual @ residual) / float(((y - y.mean()) ** 2).sum())
    return r2, {names[at]: float(b / scale[at]) for at, b in zip(kept, solved[1:], strict=True)}
