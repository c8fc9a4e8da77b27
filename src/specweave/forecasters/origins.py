"""Rolling origins: up to where each fold may look, and which steps it is judged on.

Reads: the steps of each series. Writes: nothing. Never: lets a training row lie after the origin of its fold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from specweave.errors import DataError

Ints = npt.NDArray[np.int64]
Pair = tuple[Ints, Ints]

LEAST_HISTORY = 4


@dataclass(frozen=True)
class Origins:
    """Rows by rolling origins.

    Attributes
    ----------
    train, holdout : ndarray of int
    folds : tuple of (ndarray, ndarray)
    common_end : bool
        Whether all series are cut at the same steps; else each is cut relative to its own end.
    n_holdout, n_series : int
        Series with rows in the holdout, and all.
    spacing : int
        Steps from one origin to the next.
    """

    train: Ints
    holdout: Ints
    folds: tuple[Pair, ...]
    common_end: bool
    n_holdout: int
    n_series: int
    spacing: int


def roll_origins(
    codes: Any, steps: Any, horizon: int, folds: int, *, spacing: int | None = None, season: int = 1
) -> Origins:
    """Cut rows into training rows, a holdout of the last `horizon` steps, and folds before it.

    Parameters
    ----------
    codes : ndarray of int, shape (n_rows,)
        The series of each row.
    steps : ndarray of int, shape (n_rows,)
    horizon : int
    folds : int
        Origins wanted; fewer where the series are too short.
    spacing : int, optional
        Steps between origins; the horizon by default.
    season : int
        Where the training rows hold two seasons, an origin is only used if they do so before it, too: models
        that need a season would else be judged without one. The first origin is always used.

    Raises
    ------
    DataError
        If no series is long enough for a holdout and one fold.
    """
    codes, steps = np.asarray(codes, dtype=np.int64), np.asarray(steps, dtype=np.int64)
    spacing = spacing or horizon
    n = int(codes.max()) + 1
    ends, starts = np.full(n, np.iinfo(np.int64).min), np.full(n, np.iinfo(np.int64).max)
    np.maximum.at(ends, codes, steps)
    np.minimum.at(starts, codes, steps)
    common = bool(np.mean(ends == ends.max()) >= 0.5)
    anchors = np.full(n, ends.max()) if common else ends
    cut = anchors - horizon
    lengths = cut - starts + 1
    held = (steps > cut[codes]) & (lengths[codes] >= LEAST_HISTORY)
    if not held.any():
        raise DataError(
            f"no series is longer than the horizon of {horizon} steps by at least {LEAST_HISTORY}",
            hint="choose a smaller Horizon in spec.md, or bring longer series",
        )
    train = np.flatnonzero(steps <= cut[codes])
    pairs: list[Pair] = []
    usual = int(np.median(lengths))
    wanted = 2 * season if season > 1 and usual >= 2 * season else min(2 * horizon, usual // 2)
    for k in range(1, folds + 1):
        origin = cut - k * spacing - (horizon - spacing)
        seen = origin - starts + 1
        enough = seen >= (LEAST_HISTORY if k == 1 else max(LEAST_HISTORY, wanted))
        if k > 1 and enough.mean() < 0.5:
            break
        fit = np.flatnonzero(steps <= origin[codes])
        valid = np.flatnonzero(
            (steps > origin[codes]) & (steps <= origin[codes] + horizon) & (seen[codes] >= LEAST_HISTORY)
        )
        if not valid.size:
            break
        pairs.append((fit, valid))
    if not pairs:
        raise DataError(
            f"the series are too short to validate: after a holdout of {horizon} steps none has "
            f"{horizon + LEAST_HISTORY} left",
            hint="choose a smaller Horizon in spec.md, or bring longer series",
        )
    shown = len(np.unique(codes[held]))
    return Origins(train, np.flatnonzero(held), tuple(reversed(pairs)), common, shown, n, spacing)
