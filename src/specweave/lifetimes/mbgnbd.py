"""MBG/NBD: BG/NBD in which a customer may drop out right after the first purchase, too.

Reads: frequency, recency and age of customers. Writes: nothing. Never: sees what comes after.

Sources: Batislam, Denizel & Filiztekin 2007, "Empirical validation and comparison of models for customer base
analysis", International Journal of Research in Marketing 24; Wagner & Hoppe 2008, "Erratum on the MBG/NBD Model",
the same journal 25.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import gammaln

from specweave.lifetimes.bgnbd import fit_rates, purchases_while_alive

_STARTS = ((1.0, 1.0, 1.0, 1.0), (0.5, 5.0, 0.8, 1.5))


@dataclass(frozen=True)
class MbgNbd:
    """Buying at Gamma(r, alpha) rates, dropping out after every purchase, the first one too, with Beta(a, b) chance."""

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float

    def chance_alive(self, x: Any, t_x: Any, T: Any) -> np.ndarray:
        """Return the chance that each customer still buys, below 1 for those who bought once, shape (n_customers,)."""
        x, t_x, T = (np.asarray(v, dtype=float) for v in (x, t_x, T))
        with np.errstate(over="ignore"):  # odds beyond all numbers: surely gone
            odds = self.a / (self.b + x) * ((self.alpha + T) / (self.alpha + t_x)) ** (self.r + x)
        return np.asarray(1 / (1 + odds))

    def expected_purchases(self, t: float, x: Any, t_x: Any, T: Any) -> np.ndarray:
        """Return the expected purchases in the `t` weeks after `T`.

        Parameters
        ----------
        x, t_x, T : array-like, shape (n_customers,)
            Repeat purchases, week of the last one, weeks since the first one.
        """
        x, t_x, T = (np.asarray(v, dtype=float) for v in (x, t_x, T))
        left = purchases_while_alive(t, self.r + x, self.alpha + T, self.a, self.b + x + 1)
        return np.asarray(left * self.chance_alive(x, t_x, T))


def fit_mbgnbd(x: Any, t_x: Any, T: Any) -> MbgNbd:
    """Fit by maximum likelihood.

    Parameters
    ----------
    x, t_x, T : array-like, shape (n_customers,)

    Raises
    ------
    DataError
        If no customer ever came back: then there is nothing to learn the rates from.
    """
    return MbgNbd(*fit_rates(_log_likelihood, x, t_x, T, _STARTS))


def _log_likelihood(r: float, alpha: float, a: float, b: float, x: Any, t_x: Any, T: Any) -> np.ndarray:
    rate = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    stays = gammaln(a + b) - gammaln(a + b + x + 1) - gammaln(b)
    alive = gammaln(b + x + 1) - (r + x) * np.log(alpha + T)
    gone = np.log(a) + gammaln(b + x) - (r + x) * np.log(alpha + t_x)
    return np.asarray(rate + stays + np.logaddexp(alive, gone))
