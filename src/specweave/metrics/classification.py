"""The names of what is measured of a classifier; the formulas are in ``classification_measures.py``.

Reads: outcome tables (``truth``, one ``p:<label>`` column per class). Writes: nothing.
Never: imports numpy before something is measured, hides an undefined value behind a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from specweave.metrics.base import MetricDef, MetricRef


def _measure(outcome: Any, ref: MetricRef, decision: Mapping[str, Any]) -> float:
    from specweave.metrics.classification_measures import measure

    return measure(outcome, ref, decision)


METRICS = (
    MetricDef(
        "roc_auc",
        "ROC AUC",
        ("auc", "auroc", "roc", "area under the roc curve", "roc auc ovr"),
        floor=0.5,
        best=1.0,
        measure=_measure,
        description="Chance that a random positive scores above a random negative (Hanley & McNeil 1982); "
        "with several classes the mean over one-vs-rest, each class counted once.",
    ),
    MetricDef(
        "average_precision",
        "Average precision",
        ("pr auc", "ap", "auprc", "auc pr"),
        best=1.0,
        measure=_measure,
        description="Sum of precision times the step in recall over all thresholds; with several classes the "
        "mean over one-vs-rest.",
    ),
    MetricDef(
        "accuracy",
        "Accuracy",
        ("acc", "accuracy score"),
        best=1.0,
        measure=_measure,
        description="Share of rows whose decision is right.",
    ),
    MetricDef(
        "balanced_accuracy",
        "Balanced accuracy",
        ("bacc", "mean per-class recall"),
        best=1.0,
        measure=_measure,
        description="Mean of the recall of each class.",
    ),
    MetricDef(
        "precision",
        "Precision",
        ("ppv", "positive predictive value", "macro precision"),
        best=1.0,
        measure=_measure,
        description="Share of the rows called positive that are positive, 0 where none is called so; with "
        "several classes the mean over classes (macro). precision@K: among the K highest scores.",
    ),
    MetricDef(
        "recall",
        "Recall",
        ("sensitivity", "tpr", "true positive rate", "macro recall"),
        best=1.0,
        measure=_measure,
        description="Share of the positives that are found; with several classes the mean over classes "
        "(macro). recall@precision=0.6: the most recall at any threshold whose precision is at least 0.6.",
    ),
    MetricDef(
        "f1",
        "F1",
        ("f1 score", "f score", "f measure"),
        best=1.0,
        measure=_measure,
        description="Harmonic mean of precision and recall; with several classes the mean over classes "
        "(macro).",
    ),
    MetricDef(
        "f1_macro",
        "Macro F1",
        ("f1 macro", "macro f1 score"),
        best=1.0,
        measure=_measure,
        description="Mean of the F1 of each class, also for two classes.",
    ),
    MetricDef(
        "f1_weighted",
        "Weighted F1",
        ("f1 weighted", "weighted f1 score"),
        best=1.0,
        measure=_measure,
        description="Mean of the F1 of each class, weighted by how often the class occurs.",
    ),
    MetricDef(
        "specificity",
        "Specificity",
        ("tnr", "true negative rate", "selectivity"),
        best=1.0,
        measure=_measure,
        description="Share of the negatives that are called negative; with several classes the mean over "
        "one-vs-rest.",
    ),
    MetricDef(
        "fpr",
        "False positive rate",
        ("fall-out", "false alarm rate"),
        higher_is_better=False,
        best=0.0,
        measure=_measure,
        description="Share of the negatives that are called positive: 1 - specificity.",
    ),
    MetricDef(
        "log_loss",
        "Log loss",
        ("logloss", "cross entropy", "negative log likelihood", "nll"),
        higher_is_better=False,
        best=0.0,
        measure=_measure,
        description="Mean of -log(probability given to the true class), natural logarithm.",
    ),
    MetricDef(
        "brier",
        "Brier score",
        ("brier score loss", "brier loss"),
        higher_is_better=False,
        best=0.0,
        measure=_measure,
        description="Mean squared error of the positive's probability (Brier 1950); with several classes "
        "summed over the classes, so up to 2.",
    ),
    MetricDef(
        "mcc",
        "MCC",
        ("matthews", "matthews correlation", "matthews correlation coefficient", "phi"),
        best=1.0,
        measure=_measure,
        description="Correlation of truth and decision (Matthews 1975, Gorodkin 2004 for several classes).",
    ),
    MetricDef(
        "kappa",
        "Cohen's kappa",
        ("cohen kappa", "kappa score"),
        best=1.0,
        measure=_measure,
        description="Agreement of truth and decision beyond chance (Cohen 1960).",
    ),
    MetricDef(
        "expected_calibration_error",
        "Expected calibration error",
        ("ece", "calibration error", "calibration"),
        higher_is_better=False,
        best=0.0,
        measure=_measure,
        description="Mean gap between predicted and observed frequency over ten equal-width bins, weighted "
        "by rows (Guo et al. 2017); with several classes of the top class.",
    ),
    MetricDef(
        "lift",
        "Lift",
        ("gain", "lift score"),
        floor=1.0,
        measure=_measure,
        description="Precision over the share of positives; lift@K: among the K highest scores.",
    ),
    MetricDef(
        "alarms_per_thousand",
        "Alarms per thousand",
        ("alarms per 1000", "alerts per thousand", "alarm rate per thousand"),
        higher_is_better=False,
        best=0.0,
        measure=_measure,
        description="Rows called positive among a thousand: how much work the alarms make.",
    ),
)
