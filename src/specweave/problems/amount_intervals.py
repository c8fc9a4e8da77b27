"""Intervals of predicted amounts: conformal half widths, by the size of the prediction where there are rows enough.

Reads: out-of-fold truths and predictions. Writes: nothing. Never: looks at the holdout.

One half width for all is right on the whole and wrong nearly everywhere where errors grow with the amount: too wide
for small predictions, too narrow for large ones. Within bands of the prediction it holds in each of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from specweave.problems.values import Table

Floats = npt.NDArray[np.float64]

LEVEL = 0.9
_BANDS = 5
_ROWS_OF_A_BAND = 100


def learn_interval(truth: Floats, prediction: Floats) -> dict[str, Any]:
    """Return the interval that out-of-fold errors earn.

    Parameters
    ----------
    truth, prediction : ndarray, shape (n_rows,)

    Returns
    -------
    dict
        ``level``; ``half_width`` over all rows; ``bands`` where there are 100 rows for each of at least two: a list of
        ``above`` (the prediction from which it applies, None for the first) and ``half_width``; ``least``, where no
        truth was ever below nothing; ``words``.

    Notes
    -----
    The conformal quantile of absolute residuals: Barber et al. 2021, "Predictive inference with the jackknife+" (CV+
    in its simple form), within categories as in Vovk 2003 (Mondrian).
    """
    error = np.abs(np.asarray(truth, dtype=float) - np.asarray(prediction, dtype=float))
    interval: dict[str, Any] = {"level": LEVEL, "half_width": _quantile(error)}
    wanted = min(_BANDS, len(error) // _ROWS_OF_A_BAND)
    cuts = np.unique(np.quantile(prediction, np.arange(1, wanted) / wanted)) if wanted > 1 else np.array([])
    place = np.searchsorted(cuts, prediction, side="right")
    if len(cuts) and np.bincount(place, minlength=len(cuts) + 1).min() >= _ROWS_OF_A_BAND // 2:
        interval["bands"] = [
            {"above": None if i == 0 else float(cuts[i - 1]), "half_width": _quantile(error[place == i])}
            for i in range(len(cuts) + 1)
        ]
    if (np.asarray(truth) >= 0).all():
        interval["least"] = 0.0
    return {**interval, "words": width_words(interval)}


def half_widths(prediction: Any, interval: Mapping[str, Any]) -> Floats:
    """Return the half width of each prediction's interval, shape (n_rows,).

    Examples
    --------
    >>> bands = [{"above": None, "half_width": 2.0}, {"above": 10.0, "half_width": 5.0}]
    >>> half_widths([3.0, 10.0, 12.0], {"half_width": 4.0, "bands": bands}).tolist()
    [2.0, 5.0, 5.0]
    """
    told = np.asarray(prediction, dtype=float)
    bands = interval.get("bands")
    if not bands:
        return np.full(told.shape, float(interval["half_width"]))
    cuts = [float(b["above"]) for b in bands[1:]]
    return np.asarray([float(b["half_width"]) for b in bands])[np.searchsorted(cuts, told, side="right")]


def inside(outcome: pd.DataFrame, interval: Mapping[str, Any]) -> npt.NDArray[np.bool_]:
    """Return whether each truth lies within the interval of its prediction, shape (n_rows,)."""
    truth, told = outcome["truth"].to_numpy(float), outcome["prediction"].to_numpy(float)
    return np.asarray(np.abs(truth - told) <= half_widths(told, interval))


def interval_tables(outcome: pd.DataFrame, interval: Mapping[str, Any]) -> list[Table]:
    """Return how often the interval held, on the whole and in each of its bands; none without an interval."""
    if not interval:
        return []
    held, told = inside(outcome, interval), outcome["prediction"].to_numpy(float)
    bands = interval.get("bands") or []
    cuts = [float(b["above"]) for b in bands[1:]]
    place = np.searchsorted(cuts, told, side="right")
    rows: list[tuple[Any, ...]] = []
    for i, band in enumerate(bands):
        name = f"below {cuts[0]:.4g}" if i == 0 else f"{cuts[i - 1]:.4g} or more"
        if 0 < i < len(cuts):
            name = f"{cuts[i - 1]:.4g} to {cuts[i]:.4g}"
        part = held[place == i]
        rows.append((name, len(part), band["half_width"], float(part.mean()) if len(part) else None))
    if not bands:
        rows = [("all", len(held), interval["half_width"], float(held.mean()))]
    else:
        rows.append(("all", len(held), None, float(held.mean())))
    return [Table(f"Prediction interval of {interval['level']:.0%}",
                  ("predictions", "rows", "half width", "held on the holdout"), tuple(rows))]  # fmt: skip


def width_words(interval: Mapping[str, Any]) -> str:
    """Return the half width as people read it: one, or the span of them.

    Examples
    --------
    >>> width_words({"half_width": 4.0})
    '± 4'
    >>> width_words({"half_width": 4.0, "bands": [{"half_width": 2.0}, {"half_width": 5.0}]})
    '± 2 to ± 5 by the size of the prediction'
    """
    widths = [float(b["half_width"]) for b in interval.get("bands") or ()]
    if not widths:
        return f"± {interval['half_width']:.4g}"
    return f"± {min(widths):.4g} to ± {max(widths):.4g} by the size of the prediction"


def _quantile(error: Floats) -> float:
    ranked = np.sort(error)
    return float(ranked[min(len(ranked) - 1, int(np.ceil((len(ranked) + 1) * LEVEL)) - 1)])
