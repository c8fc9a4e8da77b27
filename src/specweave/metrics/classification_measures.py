"""The formulas behind ``classification.py``, in numpy since intervals repeat them hundreds of times.

Reads: outcome tables. Writes: nothing. Never: returns a number where the metric is not defined.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from specweave.errors import DataError
from specweave.metrics.base import MetricRef, find_metric
from specweave.metrics.classification_outcome import ClassOutcome, Floats, read_outcome
from specweave.metrics.threshold_curve import CURVE_METRICS, threshold_curve

N_BINS = 10


def measure(outcome: Any, ref: MetricRef, decision: Mapping[str, Any]) -> float:
    """Return one classification metric.

    Parameters
    ----------
    outcome : DataFrame, shape (n_rows, ...)
        ``truth`` and one ``p:<label>`` column per class.
    ref : MetricRef
        A plain name, ``@K`` (precision, recall, lift: among the K highest scores) or ``@metric=value``
        (best value over all thresholds where the other metric keeps that bound).
    decision : mapping
        ``positive`` and ``threshold``.

    Raises
    ------
    DataError
        If the metric is not defined on these rows; says why.
    """
    rows = read_outcome(outcome, decision)
    if ref.k is not None:
        return _among_top(rows, ref.name, ref.k)
    if ref.at is not None:
        return _at_bound(rows, ref)
    return float(_FORMULAS[ref.name](rows))


# -- of scores -------------------------------------------------------------------------------------


def _one_vs_rest(rows: ClassOutcome, formula: Callable[[Floats, Any], float], label: str) -> float:
    if rows.positive is not None:
        return formula(rows.score, _both(rows.is_positive, label, rows))
    # A class that these rows lack has no curve; the mean is over those that do.
    values = [
        formula(rows.proba[:, c], rows.truth == c)
        for c in range(len(rows.labels))
        if 0 < np.count_nonzero(rows.truth == c) < rows.n_rows
    ]
    if not values:
        raise DataError(f"{label} is not defined: every row is of class '{rows.labels[rows.truth[0]]}'")
    return float(np.mean(values))


def _both(positives: Any, label: str, rows: ClassOutcome) -> Any:
    found = np.count_nonzero(positives)
    if found == 0 or found == len(positives):
        only = rows.labels[rows.truth[0]]
        raise DataError(f"{label} is not defined: all {len(positives)} rows are of class '{only}'")
    return positives


def _roc_auc(rows: ClassOutcome) -> float:
    return _one_vs_rest(rows, _auc, "ROC AUC")


def _auc(score: Floats, positive: Any) -> float:
    # Mann-Whitney: the mean rank of the positives, ties sharing theirs.
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    sizes = np.diff(np.r_[starts, len(ordered)])
    ranks = np.repeat(starts + (sizes + 1) / 2.0, sizes)
    n_pos = int(np.count_nonzero(positive))
    n_neg = len(score) - n_pos
    return float((ranks[positive[order]].sum() - n_pos * (n_pos + 1) / 2.0) / (n_pos * n_neg))


def _average_precision(rows: ClassOutcome) -> float:
    return _one_vs_rest(rows, _ap, "Average precision")


def _ap(score: Floats, positive: Any) -> float:
    curve = threshold_curve(score, positive)
    recall = curve.tp / curve.tp[-1]
    precision = curve.tp / (curve.tp + curve.fp)
    return float(np.sum(np.diff(np.r_[0.0, recall]) * precision))


def _log_loss(rows: ClassOutcome) -> float:
    chosen = rows.proba[np.arange(rows.n_rows), rows.truth]
    tiny = float(np.finfo(float).eps)
    return float(-np.mean(np.log(np.clip(chosen, tiny, 1 - tiny))))


def _brier(rows: ClassOutcome) -> float:
    if rows.positive is not None:
        return float(np.mean((rows.score - rows.is_positive) ** 2))
    hit = np.zeros_like(rows.proba)
    hit[np.arange(rows.n_rows), rows.truth] = 1.0
    return float(np.mean(np.sum((rows.proba - hit) ** 2, axis=1)))


def _calibration_error(rows: ClassOutcome) -> float:
    from specweave.statistics.calibration import expected_calibration_error

    if rows.positive is not None:
        return expected_calibration_error(rows.score, rows.is_positive, n_bins=N_BINS)
    top = np.argmax(rows.proba, axis=1)
    return expected_calibration_error(rows.proba.max(axis=1), top == rows.truth, n_bins=N_BINS)


# -- of decisions ----------------------------------------------------------------------------------


def _two_classes(rows: ClassOutcome, label: str) -> None:
    if np.count_nonzero(rows.confusion.sum(axis=1)) < 2:
        only = rows.labels[rows.truth[0]]
        raise DataError(f"{label} is not defined: all {rows.n_rows} rows are of class '{only}'")


def _accuracy(rows: ClassOutcome) -> float:
    return float(np.mean(rows.predicted == rows.truth))


def _balanced_accuracy(rows: ClassOutcome) -> float:
    _two_classes(rows, "Balanced accuracy")
    support = rows.confusion.sum(axis=1)
    present = support > 0
    return float(np.mean(np.diag(rows.confusion)[present] / support[present]))


def _ratios(rows: ClassOutcome) -> tuple[Floats, Floats, Floats, Floats]:
    """Return precision, recall, F1 and support of each class that occurs in truth or decision."""
    matrix = rows.confusion
    hit, support, called = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    seen = (support + called) > 0
    hit, support, called = hit[seen], support[seen], called[seen]
    precision = np.divide(hit, called, out=np.zeros(len(hit)), where=called > 0)
    recall = np.divide(hit, support, out=np.zeros(len(hit)), where=support > 0)
    return precision, recall, 2.0 * hit / (support + called), support.astype(float)


def _counts(rows: ClassOutcome, label: str) -> tuple[int, int, int, int]:
    """Return (tp, fp, fn, tn) of the positive class, which must occur."""
    p = rows.get_positive()
    matrix = rows.confusion
    tp, fn = int(matrix[p, p]), int(matrix[p, 1 - p])
    fp, tn = int(matrix[1 - p, p]), int(matrix[1 - p, 1 - p])
    if tp + fn == 0:
        raise DataError(f"{label} is not defined: no row is of the positive class '{rows.labels[p]}'")
    return tp, fp, fn, tn


def _precision(rows: ClassOutcome) -> float:
    if rows.positive is None:
        return float(np.mean(_ratios(rows)[0]))
    tp, fp, _, _ = _counts(rows, "Precision")
    return tp / (tp + fp) if tp + fp else 0.0


def _alarms_per_thousand(rows: ClassOutcome) -> float:
    return 1000.0 * float(np.mean(rows.predicted == rows.get_positive()))


def _recall(rows: ClassOutcome) -> float:
    if rows.positive is None:
        return float(np.mean(_ratios(rows)[1]))
    tp, _, fn, _ = _counts(rows, "Recall")
    return tp / (tp + fn)


def _f1(rows: ClassOutcome) -> float:
    if rows.positive is None:
        return _f1_macro(rows)
    tp, fp, fn, _ = _counts(rows, "F1")
    return 2 * tp / (2 * tp + fp + fn)


def _f1_macro(rows: ClassOutcome) -> float:
    return float(np.mean(_ratios(rows)[2]))


def _f1_weighted(rows: ClassOutcome) -> float:
    _, _, f1, support = _ratios(rows)
    return float(np.average(f1, weights=support))


def _specificity(rows: ClassOutcome) -> float:
    matrix = rows.confusion
    hit, support, called = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    negatives = rows.n_rows - support
    tn = rows.n_rows - support - called + hit
    keep = np.arange(len(rows.labels)) if rows.positive is None else np.array([rows.positive])
    keep = keep[negatives[keep] > 0]
    if not len(keep):
        only = rows.labels[rows.truth[0]]
        raise DataError(f"Specificity is not defined: all {rows.n_rows} rows are of class '{only}'")
    return float(np.mean(tn[keep] / negatives[keep]))


def _fpr(rows: ClassOutcome) -> float:
    return 1.0 - _specificity(rows)


def _mcc(rows: ClassOutcome) -> float:
    _two_classes(rows, "MCC")
    matrix = rows.confusion.astype(float)
    truth, called, n = matrix.sum(axis=1), matrix.sum(axis=0), float(rows.n_rows)
    covariance = np.trace(matrix) * n - truth @ called
    spread = (n**2 - called @ called) * (n**2 - truth @ truth)
    return float(covariance / np.sqrt(spread)) if spread > 0 else 0.0


def _kappa(rows: ClassOutcome) -> float:
    _two_classes(rows, "Cohen's kappa")
    matrix = rows.confusion.astype(float)
    n = float(rows.n_rows)
    chance = float(matrix.sum(axis=1) @ matrix.sum(axis=0)) / n**2
    return float((np.trace(matrix) / n - chance) / (1.0 - chance))


def _lift(rows: ClassOutcome) -> float:
    return _precision(rows) / _share(rows)


def _share(rows: ClassOutcome) -> float:
    share = float(np.mean(rows.is_positive))
    if share == 0.0:
        raise DataError(f"no row is of the positive class '{rows.labels[rows.get_positive()]}'")
    return share


# -- with a cut-off or a bound ---------------------------------------------------------------------


def _among_top(rows: ClassOutcome, name: str, k: int) -> float:
    if name not in ("precision", "recall", "lift"):
        raise DataError(
            f"{find_metric(name).label}@{k} is not defined for classes",
            hint="ask for precision@K, recall@K or lift@K",
        )
    if not 1 <= k <= rows.n_rows:
        raise DataError(f"there are no {k} highest scores among {rows.n_rows} rows", hint="lower K")
    score, positive = rows.score, rows.is_positive
    edge = np.partition(score, rows.n_rows - k)[rows.n_rows - k]
    above, tied = score > edge, score == edge
    # Which of the rows tied at the edge come first is chance, so they count by their share.
    free = k - np.count_nonzero(above)
    hits = np.count_nonzero(positive & above) + free * float(np.mean(positive[tied]))
    if name == "precision":
        return float(hits / k)
    share = _share(rows)
    return float(hits / k / share) if name == "lift" else float(hits / (share * rows.n_rows))


def _at_bound(rows: ClassOutcome, ref: MetricRef) -> float:
    assert ref.at is not None
    bound_name, bound = ref.at
    for name in (ref.name, bound_name):
        if name not in CURVE_METRICS:
            raise DataError(
                f"{find_metric(name).label} is not a matter of the threshold",
                hint=f"known: {', '.join(CURVE_METRICS)}",
            )
    positive = _both(rows.is_positive, ref.label, rows)
    curve = threshold_curve(rows.score, positive)
    value, other = curve.values(ref.name), curve.values(bound_name)
    slack = 1e-12
    kept = other >= bound - slack if find_metric(bound_name).higher_is_better else other <= bound + slack
    if find_metric(ref.name).higher_is_better:
        return float(np.max(value[kept])) if kept.any() else 0.0
    return float(np.min(value[kept])) if kept.any() else 1.0


_FORMULAS: dict[str, Callable[[ClassOutcome], float]] = {
    "roc_auc": _roc_auc,
    "average_precision": _average_precision,
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "precision": _precision,
    "recall": _recall,
    "f1": _f1,
    "f1_macro": _f1_macro,
    "f1_weighted": _f1_weighted,
    "specificity": _specificity,
    "fpr": _fpr,
    "log_loss": _log_loss,
    "brier": _brier,
    "mcc": _mcc,
    "kappa": _kappa,
    "expected_calibration_error": _calibration_error,
    "lift": _lift,
    "alarms_per_thousand": _alarms_per_thousand,
}
