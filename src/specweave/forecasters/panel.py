"""A panel of series on one regular grid: what every model is fitted to.

Reads: steps and values. Writes: nothing. Never: fills a gap without remembering how many there were.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from specweave.errors import DataError
from specweave.forecasters.frequency import Frequency

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Series:
    """One series without gaps.

    Attributes
    ----------
    id : str
    start : int
        Step of the first value.
    values : ndarray, shape (n,)
    known : ndarray, shape (n, n_known)
        Columns known ahead, at the same steps.
    filled : int
        Values that are interpolated.
    """

    id: str
    start: int
    values: Floats
    known: Floats
    filled: int = 0

    @property
    def end(self) -> int:
        """Step of the last value."""
        return self.start + len(self.values) - 1

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Panel:
    """Several series of one frequency.

    Attributes
    ----------
    series : dict of str to Series
    season : int
        Steps of the season, 1 for none.
    known_names : tuple of str
        Names of the columns known ahead.
    frequency : Frequency
        For calendar features; plain steps by default.
    """

    series: dict[str, Series]
    season: int = 1
    known_names: tuple[str, ...] = ()
    frequency: Frequency = field(default_factory=Frequency)

    def __len__(self) -> int:
        return len(self.series)

    def season_of(self, one: Series) -> int:
        """Return the season of a series: 1 where it is shorter than two of them."""
        return self.season if self.season > 1 and len(one) >= 2 * self.season else 1

    def digest(self) -> str:
        """Return a hash of ids, places and values."""
        found = hashlib.sha256()
        for one in self.series.values():
            found.update(f"{one.id}|{one.start}|".encode())
            found.update(np.ascontiguousarray(one.values).tobytes())
        return found.hexdigest()[:16]

    def until(self, steps: int) -> Panel:
        """Return the panel without the last `steps` values of each series; series that vanish are left out."""
        kept = {
            k: replace(s, values=s.values[:-steps], known=s.known[:-steps])
            for k, s in self.series.items()
            if len(s) > steps
        }
        return replace(self, series=kept)

    def select(self, ids: Any) -> Panel:
        """Return the panel of these series only."""
        return replace(self, series={k: self.series[k] for k in ids if k in self.series})


def make_panel(
    ids: Any,
    steps: Ints,
    values: Floats,
    known: Floats | None = None,
    *,
    season: int = 1,
    known_names: tuple[str, ...] = (),
    gaps: str = "interpolate",
    frequency: Frequency | None = None,
) -> Panel:
    """Build a panel from rows in any order.

    Parameters
    ----------
    ids : array-like of str, shape (n_rows,)
    steps : ndarray of int, shape (n_rows,)
    values : ndarray, shape (n_rows,)
        NaN where missing; missing values before the first and after the last known one are cut off.
    known : ndarray, shape (n_rows, n_known), optional
    season : int
    gaps : {"interpolate", "zero"}
        What stands in a gap.
    """
    ids = np.asarray(ids, dtype=object).astype(str)
    known = np.empty((len(ids), 0)) if known is None else np.asarray(known, dtype=np.float64)
    order = np.lexsort((steps, ids))
    ids, steps, values, known = ids[order], steps[order], np.asarray(values, float)[order], known[order]
    starts = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]]) if len(ids) else np.array([], dtype=np.int64)
    made: dict[str, Series] = {}
    for a, b in zip(starts, [*starts[1:], len(ids)][: len(starts)], strict=True):
        there = np.flatnonzero(np.isfinite(values[a:b]))
        if not there.size:
            continue
        one = slice(a + there[0], a + there[-1] + 1)
        made[str(ids[a])] = _regular(str(ids[a]), steps[one], values[one], known[one], gaps)
    return Panel(made, season, known_names, frequency or Frequency())


def _regular(name: str, steps: Ints, values: Floats, known: Floats, gaps: str) -> Series:
    if len(np.unique(steps)) < len(steps):
        raise DataError(f"series '{name}' has two values at one step")
    length = int(steps[-1] - steps[0]) + 1
    place = steps - steps[0]
    full = np.full(length, np.nan)
    full[place] = values
    columns = np.full((length, known.shape[1]), np.nan)
    columns[place] = known
    missing = ~np.isfinite(full)
    if missing.any():
        full[missing] = 0.0 if gaps == "zero" else np.interp(np.flatnonzero(missing), place[np.isfinite(values)],
                                                             values[np.isfinite(values)])  # fmt: skip
    return Series(name, int(steps[0]), full, columns, int(missing.sum()))
