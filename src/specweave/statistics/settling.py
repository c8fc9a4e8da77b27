"""How much more data would turn "inconclusive" into an answer.

Reads: an interval and a bar. Writes: nothing. Never: promises what the point estimate does not.
"""

from __future__ import annotations

import math


def rows_to_settle(value: float, low: float, high: float, bar: float, n: int) -> int | None:
    """Return how many more rows would likely move the interval off the bar.

    The half-width towards the bar shrinks with 1 / sqrt(n); the point estimate is taken to stay.

    Parameters
    ----------
    value, low, high : float
        Point estimate and its interval, from `n` rows.
    bar : float
        What the criterion demands.
    n : int
        Rows (or units) behind the interval.

    Returns
    -------
    int or None
        0 where the interval already leaves the bar out; None where the estimate sits on the bar, so
        that no number of rows is likely to settle it.

    Examples
    --------
    >>> rows_to_settle(0.84, 0.80, 0.88, 0.82, 1000)
    3000
    """
    if not low <= bar <= high:
        return 0
    distance = abs(value - bar)
    reach = value - low if bar < value else high - value
    if distance == 0 or not math.isfinite(distance) or reach <= 0:
        return None
    return max(1, math.ceil(round(n * (reach / distance) ** 2 - n, 6)))
