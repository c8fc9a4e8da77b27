"""A season taken out of a series before a model sees it, and put back into what the model says.

Reads: arrays. Writes: nothing. Never: scales a series that has values at or below zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specweave.forecasters.simple import is_seasonal, seasonal_indices

Floats = npt.NDArray[np.float64]

_WEEK = 7
_DAYS = (24, 48, 96, 144, 288)  # steps of a day at 60, 30, 15, 10 and 5 minutes


@dataclass(frozen=True)
class Adjustment:
    """The index of each phase of a season, from the first value of the series on.

    Attributes
    ----------
    indices : ndarray, shape (season,)
    multiplicative : bool
    """

    indices: Floats
    multiplicative: bool = True

    @property
    def season(self) -> int:
        """Steps of the season, 1 where none is taken out."""
        return len(self.indices)

    def take_out(self, y: Floats) -> Floats:
        """Return the seasonally adjusted series."""
        parts = np.resize(self.indices, len(y))
        return np.asarray(y / parts if self.multiplicative else y - parts, dtype=np.float64)

    def put_back(self, values: Floats, start: int = 0) -> Floats:
        """Return adjusted values with their season, the first of them `start` steps after the series' first."""
        parts = self.indices[(start + np.arange(len(values))) % self.season]
        return np.asarray(values * parts if self.multiplicative else values + parts, dtype=np.float64)


NONE = Adjustment(np.ones(1))


def find_adjustment(y: Floats, season: int) -> Adjustment:
    """Return the indices by classical decomposition: they scale a positive series, and are added to another."""
    if np.all(y > 0):
        indices = seasonal_indices(y, season, multiplicative=True)
        if np.all(indices > 0):
            return Adjustment(indices)
    return Adjustment(seasonal_indices(y, season, multiplicative=False), multiplicative=False)


def longer_season(season: int) -> int:
    """Return the season above a natural one: a week above a day, 52 weeks above a week; 1 where there is none.

    Examples
    --------
    >>> longer_season(24), longer_season(7), longer_season(12)
    (168, 364, 1)
    """
    if season in _DAYS:
        return _WEEK * season
    return {60: 1440, _WEEK: 52 * _WEEK}.get(season, 1)


def week_of(season: int) -> int:
    """Return the steps of a week where the season is a day, else 0."""
    return _WEEK * season if season in _DAYS else 0


def find_week(y: Floats, season: int) -> Adjustment | None:
    """Return the indices of a week where days differ: three weeks, and what a day leaves repeats every week."""
    week = week_of(season)
    if not week or len(y) < 3 * week:
        return None
    rest = find_adjustment(y, season).take_out(y)
    return find_adjustment(y, week) if is_seasonal(rest, week) else None
