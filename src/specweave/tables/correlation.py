"""How numeric columns go together, as one small matrix.

Reads: a frame. Writes: nothing. Never: more columns than a person can look at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from specweave.tables.kinds import ColumnKind
from specweave.tables.values import to_numbers

_MIN_ROWS = 10
_MAX_ROWS = 50_000


def correlation_matrix(
    frame: pd.DataFrame,
    kinds: Mapping[str, ColumnKind],
    columns: Sequence[str],
    *,
    limit: int = 20,
    seed: int = 0,
) -> dict[str, Any]:
    """Return Spearman's rank correlations between the first numeric columns of a list.

    Parameters
    ----------
    frame : pandas.DataFrame of shape (n_rows, n_columns)
        At most 50,000 rows are used, drawn with `seed`.
    columns : sequence of str
        In order of interest; those that are not numeric, or constant, are skipped.
    limit : int
        Most columns in the matrix.

    Returns
    -------
    dict
        ``columns`` (k names) and ``spearman`` (k x k, None where fewer than 10 rows have both), ordered so
        that columns that go together stand together. Empty lists for fewer than two columns.
    """
    if len(frame) > _MAX_ROWS:
        frame = frame.sample(_MAX_ROWS, random_state=seed)
    ranks: dict[str, Any] = {}
    for name in columns:
        if len(ranks) == limit:
            break
        if name in frame and kinds[name].kind == "numeric":
            values, _ = to_numbers(frame[name])
            values = np.where(np.isfinite(values), values, np.nan)
            present = values[~np.isnan(values)]
            if len(present) >= _MIN_ROWS and present.min() != present.max():
                ranks[name] = pd.Series(values).rank()
    if len(ranks) < 2:
        return {"columns": [], "spearman": []}
    matrix = pd.DataFrame(ranks).corr(min_periods=_MIN_ROWS).to_numpy()
    order = _neighbours(np.nan_to_num(matrix))
    names = list(ranks)
    return {
        "columns": [names[at] for at in order],
        "spearman": [
            [None if np.isnan(v) else float(v) for v in row] for row in matrix[np.ix_(order, order)]
        ],
    }


def _neighbours(matrix: np.ndarray) -> list[int]:
    """Return an order in which similar columns are neighbours (average linkage on 1 - abs(correlation))."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(matrix) < 3:
        return list(range(len(matrix)))
    distance = 1 - np.abs((matrix + matrix.T) / 2)
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(np.clip(distance, 0, None), checks=False), method="average")
    return [int(at) for at in leaves_list(tree)]
