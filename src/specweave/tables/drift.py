"""Whether two tables look alike, column by column, as effect sizes rather than p-values alone.

Reads: two frames. Writes: nothing. Never: calls sampling noise drift because there are many rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from specweave.tables.dates import to_instants
from specweave.tables.kinds import ColumnKind
from specweave.tables.values import Floats, levels_of, missing_mask, to_numbers

MODERATE, LARGE = 0.1, 0.25
_P = 0.01
_MAX_LEVELS = 50
_FLOOR = 1e-4

Counts = npt.NDArray[np.float64]


def check_drift(
    reference: pd.DataFrame, current: pd.DataFrame, kinds: Mapping[str, ColumnKind]
) -> list[dict[str, Any]]:
    """Return how far each column moved from a reference to a current table, furthest first.

    Parameters
    ----------
    reference : pandas.DataFrame of shape (n_reference, n_columns)
        Training rows.
    current : pandas.DataFrame of shape (n_current, n_columns)
        Holdout or new rows.
    kinds : mapping of str to ColumnKind
        Identifiers and columns that either table lacks are skipped.

    Returns
    -------
    list of dict
        ``psi``: population stability index over the reference's deciles or levels, a bin for missing values
        included, less what chance alone gives (its expectation (bins-1)·(1/n+1/m)). ``effect`` with
        ``effect_name``: Kolmogorov-Smirnov distance of numbers, dates and text lengths, Cramér's V of
        levels. ``shift``: difference of means in pooled standard deviations. ``p_value``: chi-square over
        the bins. ``level``: ``large`` from a PSI of 0.25, ``moderate`` from 0.1, where the p-value is also
        below 0.01; else ``none``. ``missing_change``: difference of the missing shares. ``new_levels`` and
        ``new_share``: levels that the reference never had.
    """
    found = []
    for name, kind in kinds.items():
        if name in reference and name in current and kind.kind != "identifier":
            if kind.kind in ("numeric", "datetime", "text"):
                entry = _numbers(_as_numbers(reference[name], kind), _as_numbers(current[name], kind))
            else:
                entry = _levels(reference[name], current[name])
            found.append({"column": name, "kind": kind.kind, **entry})
    rank = {"large": 0, "moderate": 1, "none": 2}
    return sorted(found, key=lambda entry: (rank[entry["level"]], -entry["psi"], entry["column"]))


def _as_numbers(column: pd.Series[Any], kind: ColumnKind) -> Floats:
    if kind.kind == "datetime":
        instants = to_instants(column, kind.format)
        days = (instants - np.datetime64("1970-01-01", "us")) / np.timedelta64(1, "D")
        return np.where(np.isnat(instants), np.nan, days.astype(np.float64))
    if kind.kind == "text":
        lengths = column.astype(str).str.len().to_numpy(dtype=np.float64)
        return np.where(missing_mask(column), np.nan, lengths)
    values, _ = to_numbers(column)
    return np.where(np.isfinite(values), values, np.nan)


def _numbers(reference: Floats, current: Floats) -> dict[str, Any]:
    a, b = reference[np.isfinite(reference)], current[np.isfinite(current)]
    bins = int(np.clip(min(len(a), len(b)) // 10, 2, 10))
    edges = np.unique(np.quantile(a, np.linspace(0, 1, bins + 1)[1:-1])) if len(a) else np.empty(0)
    table = np.asarray([_binned(reference, edges), _binned(current, edges)])
    distance = float(stats.ks_2samp(a, b, method="asymp").statistic) if len(a) and len(b) else 0.0
    spread = np.sqrt((a.var() + b.var()) / 2) if len(a) and len(b) else 0.0
    shift = float((b.mean() - a.mean()) / spread) if spread > 0 else 0.0
    return {
        **_compared(table),
        "effect": distance,
        "effect_name": "kolmogorov-smirnov",
        "shift": shift,
        **_gaps(np.isnan(reference), np.isnan(current)),
    }


def _binned(values: Floats, edges: Floats) -> Counts:
    present = values[np.isfinite(values)]
    counts = np.bincount(np.searchsorted(edges, present, side="left"), minlength=len(edges) + 1)
    return np.append(counts, len(values) - len(present)).astype(np.float64)


def _levels(reference: pd.Series[Any], current: pd.Series[Any]) -> dict[str, Any]:
    a_codes, a_levels = levels_of(reference)
    b_codes, b_levels = levels_of(current)
    a_counts = np.bincount(a_codes[a_codes >= 0], minlength=len(a_levels))
    common = np.argsort(-a_counts, kind="stable")[:_MAX_LEVELS]
    slot = {a_levels[at]: k for k, at in enumerate(common.tolist())}
    known = set(a_levels)
    width = len(slot) + 3  # further known levels, new levels, missing
    table = np.zeros((2, width))
    for row, (codes, levels) in enumerate(((a_codes, a_levels), (b_codes, b_levels))):
        where = [slot.get(v, len(slot) if v in known else len(slot) + 1) for v in levels]
        np.add.at(table[row], np.asarray([*where, width - 1], dtype=np.int64)[codes], 1)
    new = [level for level in b_levels if level not in known]
    compared = _compared(table)
    n = table.sum()
    return {
        **compared,
        "effect": float(np.sqrt(min(1.0, compared["chi_square"] / n))) if n else 0.0,
        "effect_name": "cramers-v",
        **_gaps(a_codes < 0, b_codes < 0),
        "new_levels": sorted(new)[:5],
        "new_share": float(table[1, len(slot) + 1] / max(1.0, table[1].sum())),
    }


def _gaps(reference: npt.NDArray[np.bool_], current: npt.NDArray[np.bool_]) -> dict[str, Any]:
    before = float(reference.mean()) if len(reference) else 0.0
    after = float(current.mean()) if len(current) else 0.0
    return {
        "missing_reference": before,
        "missing_current": after,
        "missing_change": after - before,
        "n_reference": len(reference),
        "n_current": len(current),
    }


def _compared(table: Counts) -> dict[str, Any]:
    """Return PSI, chi-square, p-value and level of a 2 x bins table of counts."""
    table = table[:, table.sum(axis=0) > 0]
    n, m = table.sum(axis=1)
    if not n or not m or table.shape[1] < 2:
        return {"psi": 0.0, "chi_square": 0.0, "p_value": 1.0, "level": "none"}
    a, b = np.maximum(table[0] / n, _FLOOR), np.maximum(table[1] / m, _FLOOR)
    chance = (table.shape[1] - 1) * (1 / n + 1 / m)
    psi = max(0.0, float(np.sum((b - a) * np.log(b / a))) - float(chance))
    chi_square, p_value, *_ = stats.chi2_contingency(table, correction=False)
    level = "none"
    if p_value < _P:
        level = "large" if psi >= LARGE else "moderate" if psi >= MODERATE else "none"
    return {"psi": psi, "chi_square": float(chi_square), "p_value": float(p_value), "level": level}
