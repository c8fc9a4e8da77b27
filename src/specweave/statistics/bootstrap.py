"""Confidence intervals by resampling what is independent: rows, or whole groups of rows.

Reads: outcome tables. Writes: nothing. Never: resamples rows where the unit is a user or a series.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from specweave.errors import DataError

Measure = Callable[[Any], float]
Ints = np.ndarray[Any, np.dtype[np.intp]]
Floats = np.ndarray[Any, np.dtype[np.float64]]

# Past these sizes the interval is so narrow that fewer resamples place its ends as well as needed.
_FEWER = ((500_000, 100), (50_000, 200))


@dataclass(frozen=True)
class PairedDifference:
    """How much better one set of predictions is than another on the same units.

    Attributes
    ----------
    difference : float
        First minus second, on all rows.
    low, high : float
        Percentile interval of the difference.
    p_value : float
        Two-sided, by inverting the interval; never 0.
    n : int
        Number of units.
    method : str
    """

    difference: float
    low: float
    high: float
    p_value: float
    n: int
    method: str


class Resampler:
    """Draws rows with replacement, or whole units with all their rows.

    Parameters
    ----------
    n_rows : int
    units : ndarray, shape (n_rows,), optional
        The unit of each row; rows where None.
    """

    def __init__(self, n_rows: int, units: Any = None) -> None:
        self.n_rows = n_rows
        self.order: Ints | None = None
        if units is None:
            self.labels: Any = None
            self.n_units = n_rows
            return
        if len(units) != n_rows:
            raise DataError(f"{len(units)} units were given for {n_rows} rows")
        self.labels, codes = np.unique(np.asarray(units), return_inverse=True)
        self.order = np.argsort(codes, kind="stable")
        self.sizes = np.bincount(codes)
        self.starts = np.r_[0, np.cumsum(self.sizes)[:-1]]
        self.n_units = len(self.sizes)

    @property
    def what(self) -> str:
        """What is resampled, in words."""
        return "rows" if self.order is None else f"{self.n_units} groups of rows"

    def draw(self, rng: np.random.Generator) -> Ints:
        """Return the units of one resample, shape (n_units,)."""
        return rng.integers(0, self.n_units, self.n_units)

    def rows(self, chosen: Ints) -> Ints:
        """Return the row positions that belong to the chosen units, repeated as they are."""
        if self.order is None:
            return chosen
        sizes = self.sizes[chosen]
        ends = np.cumsum(sizes)
        within = np.arange(ends[-1]) - np.repeat(ends - sizes, sizes)
        rows: Ints = self.order[np.repeat(self.starts[chosen], sizes) + within]
        return rows


def compact(outcome: Any) -> Any:
    """Return an outcome table that is quick to take rows from: text truths become categories."""
    import pandas as pd

    kept = outcome.drop(columns=[c for c in ("part", "fold") if c in outcome.columns])
    if "truth" in kept.columns and pd.api.types.infer_dtype(kept["truth"], skipna=False) == "string":
        kept = kept.assign(truth=kept["truth"].astype("category"))
    return kept


def resamples_for(n_rows: int, n_resamples: int) -> int:
    """Return how many resamples to draw: fewer for very many rows."""
    for bound, most in _FEWER:
        if n_rows > bound:
            return min(n_resamples, most)
    return n_resamples


def bootstrap_interval(
    measure: Measure,
    outcome: Any,
    units: Any = None,
    *,
    level: float = 0.95,
    n_resamples: int = 500,
    seed: int = 0,
) -> tuple[float, float, str]:
    """Return the percentile bootstrap interval of a metric (Efron & Tibshirani 1993, chapter 13).

    Parameters
    ----------
    measure : callable
        ``measure(outcome) -> float``; may raise DataError on a resample where it is not defined (one
        class only), which is then drawn again.
    outcome : DataFrame, shape (n_rows, ...)
    units : ndarray, shape (n_rows,), optional
        What is independent (users, series, groups); rows by default.
    level : float
    n_resamples : int
        Fewer are drawn for more than 50,000 rows.
    seed : int

    Returns
    -------
    tuple of (float, float, str)
        Low, high, and how it was made in words.

    Raises
    ------
    DataError
        If there are fewer than two units, or the metric is not defined on most resamples.

    Examples
    --------
    >>> import pandas as pd
    >>> outcome = pd.DataFrame({"error": range(100)})
    >>> low, high, _ = bootstrap_interval(lambda o: o["error"].mean(), outcome)
    >>> low < 49.5 < high
    True
    """
    sampler = Resampler(len(outcome), units)
    outcome = compact(outcome)
    wanted = resamples_for(len(outcome), n_resamples)
    values, redrawn = _measured(
        lambda chosen: measure(outcome.iloc[sampler.rows(chosen)]), sampler, wanted, seed
    )
    low, high = _percentiles(values, level)
    return low, high, _words(sampler, wanted, redrawn)


def paired_bootstrap(
    measure: Measure,
    outcome_a: Any,
    outcome_b: Any,
    units_a: Any = None,
    units_b: Any = None,
    *,
    measure_b: Measure | None = None,
    combine: Callable[[float, float], float] | None = None,
    level: float = 0.95,
    n_resamples: int = 500,
    seed: int = 0,
) -> PairedDifference:
    """Compare two sets of predictions of the same rows by resampling both alike.

    Parameters
    ----------
    measure : callable
        ``measure(outcome) -> float``, for both unless `measure_b` is given (another threshold).
    outcome_a, outcome_b : DataFrame
        Predictions of the same rows; matched by their column ``row`` where both have one.
    units_a, units_b : ndarray, optional
        The independent unit of each row, with the same set of units on both sides.
    combine : callable, optional
        What is compared, ``combine(value_a, value_b)``; their difference by default.

    Raises
    ------
    DataError
        If the two do not cover the same rows or units.
    """
    combine = combine or _minus
    second = measure_b or measure
    if units_a is None:
        outcome_a, outcome_b = _aligned(outcome_a, outcome_b)
    outcome_a, outcome_b = compact(outcome_a), compact(outcome_b)
    sampler_a = Resampler(len(outcome_a), units_a)
    sampler_b = Resampler(len(outcome_b), units_b if units_a is not None else None)
    if units_a is not None and not np.array_equal(sampler_a.labels, sampler_b.labels):
        raise DataError("the two sets of predictions do not cover the same units")
    wanted = resamples_for(len(outcome_a), n_resamples)

    def difference(chosen: Ints) -> float:
        return combine(
            measure(outcome_a.iloc[sampler_a.rows(chosen)]), second(outcome_b.iloc[sampler_b.rows(chosen)])
        )

    values, redrawn = _measured(difference, sampler_a, wanted, seed)
    low, high = _percentiles(values, level)
    tail = min(np.count_nonzero(values <= 0), np.count_nonzero(values >= 0))
    return PairedDifference(
        combine(measure(outcome_a), second(outcome_b)),
        low,
        high,
        min(1.0, 2.0 * (tail + 1) / (len(values) + 1)),
        sampler_a.n_units,
        "paired " + _words(sampler_a, wanted, redrawn),
    )


def _minus(a: float, b: float) -> float:
    return a - b


def _aligned(outcome_a: Any, outcome_b: Any) -> tuple[Any, Any]:
    """Put two outcome tables into the same order of rows."""
    if len(outcome_a) != len(outcome_b):
        raise DataError(
            f"{len(outcome_a)} and {len(outcome_b)} predicted rows cannot be paired",
            hint="run both experiments on the same data and split",
        )
    if "row" not in outcome_a.columns or "row" not in outcome_b.columns:
        return outcome_a, outcome_b
    a = outcome_a.sort_values("row", kind="stable")
    b = outcome_b.sort_values("row", kind="stable")
    if not np.array_equal(a["row"].to_numpy(), b["row"].to_numpy()):
        raise DataError(
            "the two sets of predictions are of different rows",
            hint="run both experiments on the same data and split",
        )
    return a, b


def _measured(
    value_of: Callable[[Ints], float], sampler: Resampler, wanted: int, seed: int
) -> tuple[Floats, int]:
    """Return the metric on `wanted` resamples, and how many had to be drawn again."""
    if sampler.n_units < 2:
        raise DataError(f"no interval from {sampler.n_units} independent unit")
    values: list[float] = []
    redrawn = 0
    for chosen in _draws(sampler, seed):
        try:
            values.append(value_of(chosen))
        except DataError as error:
            redrawn += 1
            if redrawn > 2 * wanted:
                raise DataError(f"no interval, since on most resamples: {error.what}") from error
        if len(values) == wanted:
            break
    return np.asarray(values, dtype=float), redrawn


def _draws(sampler: Resampler, seed: int) -> Iterator[Ints]:
    rng = np.random.default_rng(seed)
    while True:
        yield sampler.draw(rng)


def _percentiles(values: Floats, level: float) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _words(sampler: Resampler, wanted: int, redrawn: int) -> str:
    text = f"percentile bootstrap, {wanted} resamples of {sampler.what}"
    return f"{text}, {redrawn} drawn again" if redrawn else text
