"""BG/NBD and Gamma-Gamma: how often customers still buy, and how much they spend when they do.

Reads: frequency, recency, age and mean spend of customers. Writes: nothing. Never: sees what comes after.

Sources: Fader, Hardie & Lee 2005, "Counting Your Customers the Easy Way: An Alternative to the Pareto/NBD
Model", Marketing Science 24; Fader & Hardie 2013, "The Gamma-Gamma Model of Monetary Value".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import betaincinv, gammaln, hyp2f1

from specweave.errors import DataError

_STARTS = ((1.0, 1.0, 1.0, 1.0), (0.2, 0.5, 0.5, 2.0))


@dataclass(frozen=True)
class BgNbd:
    """Buying at Gamma(r, alpha) rates, dropping out after a purchase with Beta(a, b) chance."""

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float

    def expected_purchases(self, t: float, x: Any, t_x: Any, T: Any) -> np.ndarray:
        """Return the expected purchases in the `t` weeks after `T` (equation 10 of the paper).

        Parameters
        ----------
        x, t_x, T : array-like, shape (n_customers,)
            Repeat purchases, week of the last one, weeks since the first one.
        """
        x, t_x, T = (np.asarray(v, dtype=float) for v in (x, t_x, T))
        left = purchases_while_alive(t, self.r + x, self.alpha + T, self.a, self.b + x)
        return np.asarray(left * self.chance_alive(x, t_x, T))

    def chance_alive(self, x: Any, t_x: Any, T: Any) -> np.ndarray:
        """Return the chance that each customer still buys, shape (n_customers,)."""
        x, t_x, T = (np.asarray(v, dtype=float) for v in (x, t_x, T))
        with np.errstate(over="ignore"):  # odds beyond all numbers: surely gone
            longer = ((self.alpha + T) / (self.alpha + t_x)) ** (self.r + x)
        odds = self.a / np.maximum(self.b + x - 1, 1e-9) * longer
        return np.asarray(np.where(x > 0, 1 / (1 + odds), 1.0))


@dataclass(frozen=True)
class GammaGamma:
    """Spend per purchase Gamma(p, nu) with nu ~ Gamma(q, gamma) over customers."""

    p: float
    q: float
    gamma: float
    log_likelihood: float

    def expected_spend(self, x: Any, m: Any) -> np.ndarray:
        """Return the expected spend per purchase given `x` purchases of mean `m`, shape (n_customers,)."""
        x, m = np.asarray(x, dtype=float), np.asarray(m, dtype=float)
        known = np.where((x > 0) & (m > 0), x, 0.0)
        return np.asarray(self.p * (self.gamma + known * m) / (self.p * known + self.q - 1))


def purchases_while_alive(t: float, shape: Any, rate: Any, a: float, b: Any) -> np.ndarray:
    """Return the expected purchases in `t` weeks of customers who are alive now.

    They buy at a Gamma(shape, rate) rate and drop out after a purchase with Beta(a, b) chance: the mean of
    (1 - exp(-rate * chance * t)) / chance. The closed form breaks where customers are so much alike that the
    parameters are huge (regular payments); there the mean is taken over 200 quantiles of the chance.

    Parameters
    ----------
    shape, rate, b : array-like, shape (n_customers,)
    """
    shape, rate, b = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (shape, rate, b)))
    near = a if abs(a - 1) > 1e-4 else 1 + 1e-4  # the formula divides by a - 1
    with np.errstate(all="ignore"):
        series = hyp2f1(shape, b, near + b - 1, t / (rate + t))
        found = (near + b - 1) / (near - 1) * (1 - (rate / (rate + t)) ** shape * series)
    most = t * shape / rate  # of those who never drop out
    broken = ~(np.isfinite(found) & (found >= 0) & (found <= most * (1 + 1e-6)))
    if broken.any():
        places = (np.arange(200) + 0.5) / 200
        chance = np.maximum(betaincinv(a, b[broken, None], places), 1e-12)
        stays = -np.expm1(-shape[broken, None] * np.log1p(chance * t / rate[broken, None]))
        found = np.where(broken, 0.0, found)
        found[broken] = (stays / chance).mean(axis=1)
    return np.asarray(found)


def fit_bgnbd(x: Any, t_x: Any, T: Any) -> BgNbd:
    """Fit by maximum likelihood.

    Parameters
    ----------
    x, t_x, T : array-like, shape (n_customers,)

    Raises
    ------
    DataError
        If no customer ever came back: then there is nothing to learn the rates from.
    """
    return BgNbd(*fit_rates(_log_likelihood, x, t_x, T, _STARTS))


def _log_likelihood(r: float, alpha: float, a: float, b: float, x: Any, t_x: Any, T: Any) -> np.ndarray:
    first = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    second = gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
    third = -(r + x) * np.log(alpha + T)
    fourth = np.log(a) - np.log(np.maximum(b + x - 1, 1e-300)) - (r + x) * np.log(alpha + t_x)
    both = np.where(x > 0, np.logaddexp(third, fourth), third)
    return np.asarray(first + second + both)


def fit_rates(
    log_likelihood: Any, x: Any, t_x: Any, T: Any, starts: Sequence[tuple[float, ...]]
) -> tuple[float, ...]:
    """Return (r, alpha, a, b, log-likelihood) of the largest likelihood from several starts.

    Parameters
    ----------
    log_likelihood : callable
        ``log_likelihood(r, alpha, a, b, x, t_x, T)``, shape (n_customers,).
    starts : sequence of tuple
        Values of r, alpha, a and b.

    Raises
    ------
    DataError
        If no customer ever came back.
    """
    x, t_x, T = (np.asarray(v, dtype=float) for v in (x, t_x, T))
    if not (x > 0).any():
        raise DataError("no customer bought a second time in the calibration period",
                        hint="choose a longer calibration period, or a table whose customers return")  # fmt: skip
    best = minimise(
        lambda log: -float(log_likelihood(*np.exp(log), x, t_x, T).mean()), [np.log(s) for s in starts]
    )
    return (*(float(v) for v in np.exp(best.x)), -float(best.fun) * len(x))


def fit_gamma_gamma(x: Any, m: Any) -> GammaGamma:
    """Fit by maximum likelihood to customers with a repeat purchase and a positive mean spend.

    Parameters
    ----------
    x, m : array-like, shape (n_customers,)
        Repeat purchases and their mean spend.

    Raises
    ------
    DataError
        If fewer than two customers have both.
    """
    x, m = np.asarray(x, dtype=float), np.asarray(m, dtype=float)
    use = (x > 0) & (m > 0)
    if use.sum() < 2:
        raise DataError("fewer than two customers spent anything on a repeat purchase",
                        hint="name the column of amounts: - Amount column: NAME")  # fmt: skip
    x, scale = x[use], float(m[use].mean())
    m = m[use] / scale

    def negative(log: np.ndarray) -> float:
        p, q, gamma = np.exp(log)
        value = (gammaln(p * x + q) - gammaln(p * x) - gammaln(q) + q * np.log(gamma) + (p * x - 1) * np.log(m)
                 + p * x * np.log(x) - (p * x + q) * np.log(gamma + m * x))  # fmt: skip
        # q at or below 1 has no mean spend; the likelihood seldom asks for it, and then only just.
        return 100.0 * max(0.0, 1.05 - float(q)) ** 2 - float(value.mean())

    best = minimise(negative, [np.log((2.0, 3.0, 1.0)), np.log((6.0, 4.0, 0.5))])
    p, q, gamma = (float(v) for v in np.exp(best.x))
    return GammaGamma(p, q, gamma * scale, -float(best.fun) * len(x))


def minimise(negative: Any, starts: list[np.ndarray]) -> Any:
    """Return scipy's result of the best of several starts."""
    found = [minimize(negative, s, method="Nelder-Mead",
                      options={"maxiter": 4000, "maxfev": 4000, "xatol": 1e-6, "fatol": 1e-10}) for s in starts]  # fmt: skip
    return min(found, key=lambda f: f.fun)
