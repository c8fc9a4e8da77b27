"""Whether one model is better than another on the same rows, or just luckier.

Reads: losses or fold scores of both. Writes: nothing. Never: treats the rows of one unit as independent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from specweave.errors import DataError

Floats = np.ndarray[Any, np.dtype[np.float64]]

FEW_PAIRS = 30


@dataclass(frozen=True)
class PairedTest:
    """The outcome of one paired test; `p_value` is two-sided, `n` counts the pairs that were compared.

    `difference` is the mean of first minus second.
    """

    name: str
    statistic: float
    p_value: float
    n: int
    difference: float = 0.0


def compare_losses(loss_a: Any, loss_b: Any, units: Any = None) -> PairedTest:
    """Test two models on their losses row by row, choosing the test that fits and naming it.

    Losses of 0 and 1 (wrong or right) get McNemar's exact test. Any others, and means over units, get the
    paired t-test on the mean, which is what models are judged by: a bolder model may lose less on most
    rows and more on average, and a test of ranks would call it better. Below 30 pairs, where the mean is
    not yet normal, ranks it is (Wilcoxon).

    Parameters
    ----------
    loss_a, loss_b : ndarray, shape (n_rows,)
        One loss per row, in the same order.
    units : ndarray, shape (n_rows,), optional
        The independent unit of each row; losses are averaged within it first.

    Raises
    ------
    DataError
        If the two differ in length or a loss is missing.
    """
    a, b = np.asarray(loss_a, dtype=float), np.asarray(loss_b, dtype=float)
    if a.shape != b.shape:
        raise DataError(f"{a.size} and {b.size} losses cannot be paired")
    if np.isnan(a).any() or np.isnan(b).any():
        raise DataError("a loss is missing")
    if units is not None:
        _, codes = np.unique(np.asarray(units), return_inverse=True)
        sizes = np.bincount(codes)
        a, b = np.bincount(codes, weights=a) / sizes, np.bincount(codes, weights=b) / sizes
    elif np.isin(a, (0.0, 1.0)).all() and np.isin(b, (0.0, 1.0)).all():
        return mcnemar_exact(a == 0, b == 0)
    return t_losses(a, b) if len(a) >= FEW_PAIRS else wilcoxon_losses(a, b)


def mcnemar_exact(right_a: Any, right_b: Any) -> PairedTest:
    """Test whether two classifiers are right equally often (McNemar 1947, exact binomial form).

    Parameters
    ----------
    right_a, right_b : ndarray of bool, shape (n_rows,)

    Returns
    -------
    PairedTest
        `statistic` is how often only the first is right, `n` how often exactly one is.

    Examples
    --------
    >>> mcnemar_exact([True] * 9 + [False], [False] * 9 + [True]).p_value
    0.021484375
    """
    from scipy.stats import binomtest

    a, b = np.asarray(right_a, dtype=bool), np.asarray(right_b, dtype=bool)
    only_a, only_b = int(np.sum(a & ~b)), int(np.sum(~a & b))
    n = only_a + only_b
    p_value = float(binomtest(only_a, n, 0.5).pvalue) if n else 1.0
    difference = (only_b - only_a) / len(a) if len(a) else 0.0
    return PairedTest("McNemar's exact test", float(only_a), p_value, n, difference)


def t_losses(loss_a: Any, loss_b: Any) -> PairedTest:
    """Test whether the mean loss differs (Student's t-test on the differences)."""
    from scipy.stats import t

    difference = np.asarray(loss_a, dtype=float) - np.asarray(loss_b, dtype=float)
    n = len(difference)
    name = "paired t-test on mean loss"
    mean, spread = float(difference.mean()), float(difference.std(ddof=1))
    if spread == 0.0:
        return PairedTest(
            name, 0.0 if mean == 0 else float(np.copysign(np.inf, mean)), float(mean == 0), n, mean
        )
    statistic = mean / (spread / float(np.sqrt(n)))
    return PairedTest(name, statistic, float(2 * t.sf(abs(statistic), n - 1)), n, mean)


def wilcoxon_losses(loss_a: Any, loss_b: Any) -> PairedTest:
    """Test whether losses differ systematically (Wilcoxon 1945); pairs without a difference drop out."""
    from scipy.stats import wilcoxon

    difference = np.asarray(loss_a, dtype=float) - np.asarray(loss_b, dtype=float)
    n = int(np.count_nonzero(difference))
    name = "Wilcoxon signed-rank test on losses"
    if n == 0:
        return PairedTest(name, 0.0, 1.0, 0)
    result = wilcoxon(difference[difference != 0])
    return PairedTest(name, float(result.statistic), float(result.pvalue), n, float(difference.mean()))


def corrected_resampled_t(scores_a: Any, scores_b: Any, *, test_fraction: float) -> PairedTest:
    """Test two models on their scores per fold, corrected for the folds' shared training rows.

    The variance of the mean is inflated by n_test / n_train (Nadeau & Bengio 2003), since folds that
    train on the same rows are not independent.

    Parameters
    ----------
    scores_a, scores_b : ndarray, shape (n_folds,)
        At least two folds.
    test_fraction : float
        Rows of one validation fold over the rows it was trained on: 1 / (n_folds - 1) for k folds.

    Raises
    ------
    DataError
        If there are fewer than two folds or the counts differ.
    """
    from scipy.stats import t

    a, b = np.asarray(scores_a, dtype=float), np.asarray(scores_b, dtype=float)
    if a.shape != b.shape or a.size < 2:
        raise DataError(
            f"a test over folds needs the same two or more folds of both, not {a.size} and {b.size}"
        )
    difference = a - b
    k = difference.size
    name = "corrected resampled t-test over folds"
    spread = float(np.var(difference, ddof=1))
    if spread == 0.0:
        same = bool(difference[0] == 0)
        infinite = float(np.copysign(np.inf, difference[0]))
        return PairedTest(name, 0.0 if same else infinite, float(same), k, float(difference[0]))
    statistic = float(difference.mean() / np.sqrt((1 / k + test_fraction) * spread))
    p_value = float(2 * t.sf(abs(statistic), k - 1))
    return PairedTest(name, statistic, p_value, k, float(difference.mean()))
