"""How many units an online test needs to see a difference, and how long that takes.

Reads: numbers. Writes: nothing. Never: plans to stop early.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from specweave.errors import DataError

MOST_UNITS = 10**10


def proportion_power(baseline: float, effect: float, n: float, *, alpha: float = 0.05) -> float:
    """Return the power of a two-sided z-test on two proportions with `n` units in each arm.

    Pooled variance under no difference, separate variances under the difference (Fleiss, Levin &
    Paik 2003, section 4.2, without continuity correction; the far tail is left out).

    Parameters
    ----------
    baseline : float
        Proportion in the control arm, strictly between 0 and 1.
    effect : float
        Absolute change of the proportion, either sign.
    n : float
        Units per arm.
    alpha : float
    """
    from scipy.stats import norm

    other = baseline + effect
    mean = (baseline + other) / 2
    pooled = math.sqrt(2 * mean * (1 - mean))
    apart = math.sqrt(baseline * (1 - baseline) + other * (1 - other))
    z = norm.ppf(1 - alpha / 2)
    return float(norm.cdf((abs(effect) * math.sqrt(n) - z * pooled) / apart))


def mean_power(std: float, effect: float, n: float, *, alpha: float = 0.05) -> float:
    """Return the power of a two-sided two-sample t-test with `n` units in each arm (noncentral t).

    Parameters
    ----------
    std : float
        Standard deviation of the metric between units, in its own unit.
    effect : float
        Absolute change of the mean, either sign.
    n : float
        Units per arm, at least 2.
    """
    from scipy.stats import nct, norm, t

    degrees = 2 * n - 2
    shift = abs(effect) / std * math.sqrt(n / 2)
    if degrees > 1e5:  # the noncentral t loses its digits out there and is the normal anyway
        z = norm.ppf(1 - alpha / 2)
        return float(norm.sf(z - shift) + norm.cdf(-z - shift))
    bound = t.ppf(1 - alpha / 2, degrees)
    near, far = nct.sf(bound, degrees, shift), nct.cdf(-bound, degrees, shift)
    # scipy gives NaN where the shift is so large that the answer is 1 and the far tail 0.
    return float(np.nan_to_num(near, nan=1.0) + np.nan_to_num(far, nan=0.0))


def proportion_sample_size(baseline: float, effect: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
    """Return the units per arm that show a change of a proportion.

    Parameters
    ----------
    baseline : float
        Proportion in the control arm.
    effect : float
        Smallest absolute change worth seeing, either sign, not 0.
    alpha : float
        Two-sided chance of a false alarm.
    power : float
        Chance to see a change of that size.

    Raises
    ------
    DataError
        If a proportion leaves (0, 1) or a level leaves its range.

    Examples
    --------
    >>> proportion_sample_size(0.10, 0.02)
    3841
    """
    _check_levels(alpha, power)
    other = baseline + effect
    if not (0 < baseline < 1 and 0 < other < 1) or effect == 0:
        raise DataError(
            f"no sample size for a proportion that goes from {baseline:g} to {other:g}",
            hint="both must lie strictly between 0 and 1 and differ",
        )
    from scipy.stats import norm

    mean = (baseline + other) / 2
    a = norm.ppf(1 - alpha / 2) * math.sqrt(2 * mean * (1 - mean))
    b = norm.ppf(power) * math.sqrt(baseline * (1 - baseline) + other * (1 - other))
    return max(2, math.ceil(float((a + b) / effect) ** 2))


def mean_sample_size(std: float, effect: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
    """Return the units per arm that show a change of a mean.

    Parameters
    ----------
    std : float
        Standard deviation between units.
    effect : float
        Smallest absolute change worth seeing, in the same unit, not 0.

    Raises
    ------
    DataError
        If `std` is not positive, `effect` is 0 or a level leaves its range.
    """
    _check_levels(alpha, power)
    if not std > 0 or effect == 0 or not math.isfinite(std):
        raise DataError(f"no sample size for a change of {effect:g} with standard deviation {std:g}")
    low, high = 1, 2
    while mean_power(std, effect, high, alpha=alpha) < power:
        low, high = high, high * 2
        if high > MOST_UNITS:
            raise DataError(f"a change of {effect:g} needs more than {MOST_UNITS:g} units per arm")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if mean_power(std, effect, middle, alpha=alpha) >= power else (middle, high)
    return high


def detectable_effect(
    n: int,
    *,
    baseline: float | None = None,
    std: float | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
) -> float:
    """Return the smallest absolute change that `n` units per arm show.

    Give `baseline` for a proportion (the rise is meant) or `std` for a mean. NaN where not even the
    largest possible change would show.
    """
    from scipy.optimize import brentq

    _check_levels(alpha, power)
    if baseline is not None:
        largest = (1 - baseline) * (1 - 1e-9)
        gap: Any = lambda effect: proportion_power(baseline, effect, n, alpha=alpha) - power  # noqa: E731
        if gap(largest) < 0:
            return math.nan
        return float(brentq(gap, 1e-12, largest))
    if std is None or n < 2:
        raise DataError(
            "a detectable change needs a baseline proportion or a standard deviation, and two units"
        )
    gap = lambda effect: mean_power(std, effect, n, alpha=alpha) - power  # noqa: E731
    largest = std
    while gap(largest) < 0:
        largest *= 2
    return float(brentq(gap, 0.0, largest))


def duration_days(units_per_arm: int, units_per_day: float, *, arms: int = 2, share: float = 1.0) -> int:
    """Return the days until every arm is full, rounded up to whole weeks.

    Whole weeks, since weekdays differ and each should count equally often.

    Parameters
    ----------
    units_per_arm : int
    units_per_day : float
        Units that arrive in a day, each counted once.
    share : float
        Part of them that enters the test, 0 to 1.
    """
    if not units_per_day > 0 or not 0 < share <= 1:
        raise DataError(f"no duration from {units_per_day:g} units a day of which {share:g} take part")
    days = units_per_arm * arms / (units_per_day * share)
    return max(7, 7 * math.ceil(days / 7))


def _check_levels(alpha: float, power: float) -> None:
    if not 0 < alpha < 1 or not alpha < power < 1:
        raise DataError(f"alpha {alpha:g} and power {power:g} do not fit: 0 < alpha < power < 1")
