"""Tests of series and residuals: unit root (ADF), level (KPSS), autocorrelation, normality.

Reads: arrays. Writes: nothing. Never: claims more digits of a p-value than its table has.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from specweave.errors import DataError

Floats = npt.NDArray[np.float64]

# Polynomials of the p-value of the unit-root statistic with a constant (MacKinnon 1994, table 3):
# below the turning point, and above it.
_TURN, _LOWEST, _HIGHEST = -1.61, -18.83, 2.74
_BELOW = (2.1659, 1.4412, 0.038269)
_ABOVE = (1.7339, 0.93202, -0.12745, -0.010368)
# Critical values of the KPSS statistic around a level (Kwiatkowski et al. 1992, table 1).
_KPSS = ((0.10, 0.347), (0.05, 0.463), (0.025, 0.574), (0.01, 0.739))


def acf(y: Floats, lags: int) -> Floats:
    """Return autocorrelations at lags 0 to `lags`, shape (lags + 1,); 0 beyond lag 0 for a constant."""
    y = np.asarray(y, dtype=np.float64)
    centred = y - y.mean()
    total = float(np.dot(centred, centred))
    lags = min(lags, len(y) - 1)
    if total == 0:
        return np.asarray(np.r_[1.0, np.zeros(lags)])
    return np.asarray([1.0] + [float(np.dot(centred[k:], centred[:-k])) / total for k in range(1, lags + 1)])


def pacf(y: Floats, lags: int) -> Floats:
    """Return partial autocorrelations at lags 0 to `lags` by the Durbin-Levinson recursion."""
    rho = acf(y, lags)
    lags = len(rho) - 1
    found = np.zeros(lags + 1)
    found[0] = 1.0
    phi = np.zeros(0)
    for k in range(1, lags + 1):
        top = rho[k] - float(np.dot(phi, rho[k - 1 : 0 : -1])) if k > 1 else rho[1]
        bottom = 1.0 - float(np.dot(phi, rho[1:k])) if k > 1 else 1.0
        last = top / bottom if bottom > 1e-12 else 0.0
        phi = np.r_[phi - last * phi[::-1], last]
        found[k] = last
    return found


def adf_test(y: Floats, max_lag: int | None = None) -> tuple[float, float, int]:
    """Return (statistic, p-value, lags) of the augmented Dickey-Fuller test with a constant.

    The null hypothesis is a unit root. Lags are chosen by AIC on the rows that all choices share.

    Parameters
    ----------
    y : ndarray, shape (n,)
        At least 12 values that are not all the same.

    Raises
    ------
    DataError
        If there are too few values, or they do not vary.
    """
    y = np.asarray(y, dtype=np.float64)
    if len(y) < 12 or np.all(y == y[0]):
        raise DataError("a unit-root test needs at least 12 values that vary")
    most = int(np.ceil(12.0 * (len(y) / 100.0) ** 0.25)) if max_lag is None else max_lag
    most = max(0, min(most, len(y) // 2 - 3))
    best, best_aic = 0, np.inf
    for lag in range(most + 1):
        X, target = _adf_design(y, lag, most)
        residual = target - X @ np.linalg.lstsq(X, target, rcond=None)[0]
        rss = max(float(residual @ residual), 1e-300)
        aic = len(target) * np.log(rss / len(target)) + 2 * X.shape[1]
        if aic < best_aic - 1e-12:
            best, best_aic = lag, aic
    X, target = _adf_design(y, best, best)
    beta = np.linalg.lstsq(X, target, rcond=None)[0]
    residual = target - X @ beta
    variance = float(residual @ residual) / max(1, len(target) - X.shape[1])
    error = float(np.sqrt(max(variance * np.linalg.pinv(X.T @ X)[0, 0], 1e-300)))
    statistic = float(beta[0]) / error
    return statistic, _adf_p(statistic), best


def _adf_design(y: Floats, lag: int, drop: int) -> tuple[Floats, Floats]:
    change = np.diff(y)
    rows = np.arange(drop, len(change))
    columns = [y[rows], *(change[rows - k] for k in range(1, lag + 1)), np.ones(len(rows))]
    return np.column_stack(columns), change[rows]


def _adf_p(statistic: float) -> float:
    from scipy.stats import norm

    if statistic > _HIGHEST:
        return 1.0
    if statistic < _LOWEST:
        return 0.0
    terms = _BELOW if statistic <= _TURN else _ABOVE
    return float(norm.cdf(sum(c * statistic**i for i, c in enumerate(terms))))


def kpss_test(y: Floats) -> tuple[float, float]:
    """Return (statistic, p-value) of the KPSS test around a level; the null hypothesis is stationarity.

    The p-value is interpolated between 0.10 and 0.01 and cut off there. The number of lags is chosen by
    Hobijn, Franses & Ooms (1998).

    Raises
    ------
    DataError
        If there are too few values, or they do not vary.
    """
    y = np.asarray(y, dtype=np.float64)
    n = len(y)
    if n < 12 or np.all(y == y[0]):
        raise DataError("a test of stationarity needs at least 12 values that vary")
    residual = y - y.mean()
    lags = min(_kpss_lags(residual), n - 1)
    sums = np.cumsum(residual)
    long_run = float(residual @ residual)
    for k in range(1, lags + 1):
        long_run += 2 * float(residual[k:] @ residual[:-k]) * (1 - k / (lags + 1))
    statistic = float(sums @ sums) / n**2 / max(long_run / n, 1e-300)
    levels, values = zip(*_KPSS, strict=True)
    return statistic, float(np.interp(statistic, values, levels))


def _kpss_lags(residual: Floats) -> int:
    n = len(residual)
    cut = int(n ** (2.0 / 9.0))
    s0 = float(residual @ residual) / n
    s1 = 0.0
    for k in range(1, cut + 1):
        product = float(residual[k:] @ residual[:-k]) / (n / 2.0)
        s0 += product
        s1 += k * product
    power = 1.0 / 3.0
    gamma = 1.1447 * ((s1 / s0) ** 2) ** power
    return int(gamma * n**power)


def ljung_box(errors: Floats, lags: int | None = None) -> tuple[float, float, int]:
    """Return (statistic, p-value, lags) of the test that errors are not autocorrelated (Ljung & Box 1978).

    By default ``min(10, n / 5)`` lags.
    """
    from scipy.stats import chi2

    errors = np.asarray(errors, dtype=np.float64)
    n = len(errors)
    lags = max(1, min(10, n // 5)) if lags is None else lags
    rho = acf(errors, lags)[1:]
    statistic = float(n * (n + 2) * np.sum(rho**2 / (n - np.arange(1, len(rho) + 1))))
    return statistic, float(chi2.sf(statistic, len(rho))), len(rho)


def normality(errors: Floats) -> tuple[float, float]:
    """Return (statistic, p-value) of the Jarque-Bera test that errors are normal."""
    from scipy.stats import jarque_bera

    found = jarque_bera(np.asarray(errors, dtype=np.float64))
    return float(found.statistic), float(found.pvalue)
