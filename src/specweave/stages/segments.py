"""Rows by the values of raw columns: where a model does worse, and what sets its errors apart.

Reads: raw rows and outcome tables. Writes: nothing. Never: judges a segment of a handful of rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from specweave.errors import DataError
from specweave.metrics.base import MetricRef, find_metric
from specweave.problems.base import Problem
from specweave.stages.measuring import measure_with_interval
from specweave.stages.numbers import short_number
from specweave.tables.values import levels_of, to_numbers

MOST_LEVELS = 12
MIN_ROWS = 30
MISSING = "(missing)"
_UNUSED = ("identifier", "text", "datetime", "constant", "empty")


def band_columns(
    frame: pd.DataFrame, kinds: Mapping[str, Any], *, without: Sequence[str] = ()
) -> dict[str, pd.Series[Any]]:
    """Return each column that can be cut into a few groups as one label per row.

    Categories with at most 12 levels stay as they are; numbers with more are cut at their quartiles;
    a missing value is a group of its own. Keys, texts, dates and constants are left out.

    Parameters
    ----------
    frame : DataFrame, shape (n_rows, n_columns)
    kinds : mapping of str to ColumnKind or str
    without : sequence of str
        Columns to leave out: the target.
    """
    bands: dict[str, pd.Series[Any]] = {}
    for name in frame.columns:
        kind = kinds.get(name)
        kind = getattr(kind, "kind", kind)
        if name in without or kind is None or kind in _UNUSED:
            continue
        codes, levels = levels_of(frame[name])
        if len(levels) > MOST_LEVELS:
            labels = _quartiles(frame[name]) if kind == "numeric" else None
        else:
            labels = np.array([*levels, MISSING], dtype=object)[codes]
        if labels is not None and len(set(labels)) > 1:
            bands[str(name)] = pd.Series(labels, index=frame.index)
    return bands


def _quartiles(column: pd.Series[Any]) -> Any:
    values, _ = to_numbers(column)
    known = values[np.isfinite(values)]
    edges = np.unique(np.quantile(known, [0.25, 0.5, 0.75])) if known.size else np.array([])
    if not edges.size:
        return None
    names = [f"≤ {short_number(edges[0])}"]
    names += [f"{short_number(a)} to {short_number(b)}" for a, b in pairwise(edges)]
    names += [f"> {short_number(edges[-1])}", MISSING]
    place = np.searchsorted(edges, values, side="left")
    return np.array(names, dtype=object)[np.where(np.isnan(values), len(names) - 1, place)]


def measure_segments(
    problem: Problem,
    ref: MetricRef,
    outcome: pd.DataFrame,
    decision: Mapping[str, Any],
    bands: Mapping[str, pd.Series[Any]],
    units: Any = None,
    *,
    min_rows: int = MIN_ROWS,
    shown: int = 12,
    seed: int = 0,
) -> dict[str, Any]:
    """Measure a metric in every segment and return the worst ones with their intervals.

    Parameters
    ----------
    outcome : DataFrame, shape (n_rows, ...)
    bands : mapping of str to Series, shape (n_rows,)
        From :func:`band_columns`, in the order of `outcome`.
    min_rows : int
        Smaller segments are counted but not judged.
    shown : int
        How many of the worst get an interval and are returned.

    Returns
    -------
    dict
        ``metric``, ``overall``, ``checked``, ``too_small``, ``undefined`` and ``worst``: a list of
        ``column``, ``value``, ``n``, ``share``, ``metric``, ``low``, ``high``, ``apart`` (the interval leaves
        the overall value out).
    """
    sign = 1.0 if find_metric(ref.name).higher_is_better else -1.0
    overall = problem.measure(ref, outcome, decision)
    found: list[tuple[float, str, str, Any]] = []
    too_small = undefined = 0
    for column, labels in bands.items():
        values = labels.to_numpy()
        for label in sorted(set(values)):
            mask = values == label
            if mask.sum() < min_rows:
                too_small += 1
                continue
            try:
                found.append((problem.measure(ref, outcome[mask], decision), column, str(label), mask))
            except DataError:
                undefined += 1
    found.sort(key=lambda item: (sign * item[0], item[1], item[2]))
    worst = []
    for value, column, label, mask in found[:shown]:
        metric = measure_with_interval(
            problem, ref, outcome[mask], decision, None if units is None else units[mask],
            n_resamples=200, seed=seed,
        )  # fmt: skip
        apart = (
            metric.low is not None and metric.high is not None and not metric.low <= overall <= metric.high
        )
        worst.append(
            {
                "column": column, "value": label, "n": int(mask.sum()), "share": float(mask.mean()),
                "metric": value, "low": metric.low, "high": metric.high, "apart": apart,
            }
        )  # fmt: skip
    return {
        "metric": ref.key, "overall": overall, "checked": len(found), "too_small": too_small,
        "undefined": undefined, "min_rows": min_rows, "worst": worst,
    }  # fmt: skip


def find_error_columns(
    loss: Any, bands: Mapping[str, pd.Series[Any]], *, shown: int = 8, min_rows: int = MIN_ROWS
) -> list[dict[str, Any]]:
    """Return the columns whose values set high losses apart from low ones, strongest first.

    Parameters
    ----------
    loss : ndarray, shape (n_rows,)
    bands : mapping of str to Series, shape (n_rows,)

    Returns
    -------
    list of dict
        ``column``, ``explained`` (share of the variance of the losses' ranks that lies between the column's
        groups, epsilon-squared, 0 to 1), ``p_value`` (Kruskal & Wallis 1952, times the number of columns
        looked at), ``worst_value``, ``worst_loss``, ``worst_n``, ``mean_loss``. Only columns with a
        corrected p-value below 0.05.
    """
    from scipy.stats import kruskal

    loss = np.asarray(loss, dtype=float)
    if len(loss) < 2 * min_rows or np.all(loss == loss[0]):
        return []
    found: list[dict[str, Any]] = []
    for column, labels in bands.items():
        places = labels.reset_index(drop=True).groupby(labels.to_numpy()).indices
        groups = {str(k): loss[rows] for k, rows in places.items()}
        groups = {k: g for k, g in groups.items() if len(g) >= min_rows}
        if len(groups) < 2:
            continue
        together = np.concatenate(list(groups.values()))
        if np.all(together == together[0]):
            continue
        statistic, p_value = kruskal(*groups.values())
        n, k = len(together), len(groups)
        worst = max(groups, key=lambda g: float(groups[g].mean()))
        found.append(
            {
                "column": column,
                "explained": max(0.0, float((statistic - k + 1) / (n - k))),
                "p_value": min(1.0, float(p_value) * len(bands)),
                "worst_value": worst,
                "worst_loss": float(groups[worst].mean()),
                "worst_n": len(groups[worst]),
                "mean_loss": float(loss.mean()),
            }
        )
    found = [f for f in found if f["p_value"] < 0.05]
    return sorted(found, key=lambda f: (-f["explained"], f["column"]))[:shown]


def worst_rows(
    outcome: pd.DataFrame, loss: Any, frame: pd.DataFrame, *, shown: int = 10, most_columns: int = 200
) -> list[dict[str, Any]]:
    """Return the rows with the largest losses: what was predicted, what was true, and the raw values.

    Parameters
    ----------
    outcome : DataFrame, shape (n_rows, ...)
        With column ``row``.
    loss : ndarray, shape (n_rows,)
    frame : DataFrame
        The data, in which ``row`` is a position.
    """
    order = np.argsort(-np.asarray(loss, dtype=float), kind="stable")[:shown]
    rows = []
    for i in order:
        position = int(outcome["row"].iloc[i])
        predicted = {c: outcome[c].iloc[i] for c in outcome.columns if c not in ("row", "part", "fold")}
        raw = frame.iloc[position, :most_columns]
        values = {str(k): None if pd.isna(v) else v for k, v in raw.items()}
        rows.append({"row": position, "loss": float(loss[i]), "predicted": predicted, "values": values})
    return rows
