"""The pictures of a classifier: what each shows, drawn on axes that somebody else styles and saves.

Reads: outcome tables. Writes: nothing. Never: chooses a colour by name (the style's cycle "C0".. is used)
or holds global plotting state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from specweave.errors import DataError
from specweave.metrics.classification_outcome import ClassOutcome, read_outcome
from specweave.metrics.threshold_curve import threshold_curve
from specweave.records import Figure
from specweave.statistics.calibration import bins_for, calibration_bins

if TYPE_CHECKING:
    import pandas as pd

MOST_CURVES = 7  # one colour of the cycle each
MOST_CELLS = 12  # labels up to which a confusion matrix carries its numbers
_GREY = "0.45"


def classification_figures(outcome: pd.DataFrame, decision: Mapping[str, Any]) -> list[Figure]:
    """Return the pictures of a classifier: ROC, precision-recall, calibration, confusion, threshold, scores.

    Rows of one class only have no curves, which are then left out.

    Parameters
    ----------
    outcome : DataFrame, shape (n_rows, ...)
        ``truth`` and one ``p:<label>`` column per class.
    decision : mapping
        ``positive`` and ``threshold``.
    """
    rows = read_outcome(outcome, decision)
    named = "" if rows.positive is None else f" of '{rows.labels[rows.positive]}'"
    size, top = _matrix_size(rows), " of the most probable class"
    curves = [
        Figure(
            name="roc", title=f"ROC curve{named}", width=4.8, height=4.4,
            alt="True positive rate against false positive rate over all thresholds",
            draw=lambda ax: draw_roc(ax, outcome, decision),
        ),
        Figure(
            name="precision-recall", title=f"Precision and recall{named}", width=4.8, height=4.4,
            alt="Precision against recall over all thresholds",
            draw=lambda ax: draw_precision_recall(ax, outcome, decision),
        ),
    ]  # fmt: skip
    figures = [
        Figure(
            name="calibration", title=f"Calibration{named or top}", width=4.8, height=4.4,
            alt="Observed frequency against predicted probability with 95 % intervals",
            draw=lambda ax: draw_calibration(ax, outcome, decision),
        ),
        Figure(
            name="confusion", title="Confusion matrix", width=size[0], height=size[1],
            alt="How often each class was decided, by true class",
            draw=lambda ax: draw_confusion(ax, outcome, decision),
        ),
    ]  # fmt: skip
    if len(np.unique(rows.truth)) < 2:
        return figures
    figures = curves + figures
    if rows.positive is not None:
        figures += [
            Figure(
                name="threshold", title=f"Threshold on the probability{named}", width=6.4, height=4.0,
                alt="Precision, recall and F1 against the threshold",
                draw=lambda ax: draw_threshold(ax, outcome, decision),
            ),
            Figure(
                name="scores", title=f"Predicted probability{named}, by truth", width=6.4, height=4.0,
                alt="Histogram of the predicted probability for both classes",
                draw=lambda ax: draw_scores(ax, outcome, decision),
            ),
        ]  # fmt: skip
    return figures


def draw_roc(ax: Any, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> None:
    """Draw true positive rate against false positive rate, with the chosen threshold marked."""
    rows = read_outcome(outcome, decision)
    ax.plot([0, 1], [0, 1], color=_GREY, linestyle=":", linewidth=1, label="chance")
    for colour, label, score, positive in _curves(rows):
        curve = threshold_curve(score, positive)
        fpr, tpr = np.r_[0, curve.values("fpr")], np.r_[0, curve.values("recall")]
        area = float(np.trapezoid(tpr, fpr))
        ax.plot(fpr, tpr, color=colour, label=f"{label}: {area:.3f}" if label else f"area {area:.3f}")
    if rows.positive is not None:
        called, positive = rows.predicted == rows.positive, rows.is_positive
        x, y = float(np.mean(called[~positive])), float(np.mean(called[positive]))
        ax.plot([x], [y], "o", color="C1", label=f"threshold {rows.threshold:.2f}", zorder=5)
    _unit_square(ax, "false positive rate", "true positive rate (recall)")
    ax.legend(loc="lower right")


def draw_precision_recall(ax: Any, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> None:
    """Draw precision against recall, with chance and the chosen threshold marked."""
    rows = read_outcome(outcome, decision)
    for colour, label, score, positive in _curves(rows):
        curve = threshold_curve(score, positive)
        recall, precision = np.r_[0, curve.values("recall")], curve.values("precision")
        area = float(np.sum(np.diff(recall) * precision))
        # Steps, since precision between two thresholds is not the straight line between them.
        ax.step(
            recall, np.r_[precision[0], precision], where="pre", color=colour,
            label=f"{label}: {area:.3f}" if label else f"average precision {area:.3f}",
        )  # fmt: skip
    if rows.positive is not None:
        share = float(np.mean(rows.is_positive))
        ax.axhline(share, color=_GREY, linestyle=":", linewidth=1, label=f"chance {share:.3f}")
        called, positive = rows.predicted == rows.positive, rows.is_positive
        if called.any():
            x, y = float(np.mean(called[positive])), float(np.mean(positive[called]))
            ax.plot([x], [y], "o", color="C1", label=f"threshold {rows.threshold:.2f}", zorder=5)
    _unit_square(ax, "recall", "precision")
    ax.legend(loc="best")


def draw_calibration(ax: Any, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> None:
    """Draw observed frequency against predicted probability in bins of equally many rows."""
    rows = read_outcome(outcome, decision)
    if rows.positive is not None:
        probability, happened = rows.score, rows.is_positive
    else:
        probability, happened = rows.proba.max(axis=1), np.argmax(rows.proba, axis=1) == rows.truth
    bins = calibration_bins(probability, happened, n_bins=bins_for(len(probability)))
    x, y = [b.predicted for b in bins], [b.observed for b in bins]
    spread = [[max(0.0, b.observed - b.low) for b in bins], [max(0.0, b.high - b.observed) for b in bins]]
    ax.plot([0, 1], [0, 1], color=_GREY, linestyle=":", linewidth=1, label="perfect")
    ax.errorbar(
        x, y, yerr=spread, fmt="o-", capsize=2, markersize=4, color="C0", label="observed, 95 % interval"
    )
    _unit_square(ax, "predicted probability", "observed frequency")
    ax.legend(loc="upper left")
    # Where the predictions lie: a bin far out may hold few rows.
    ax.plot(
        np.quantile(probability, np.linspace(0, 1, 201)), np.zeros(201), "|", color=_GREY, markersize=7,
        clip_on=False, transform=ax.get_xaxis_transform(),
    )  # fmt: skip


def draw_confusion(ax: Any, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> None:
    """Draw how often each class was decided, by true class; shade by the share of the true class."""
    rows = read_outcome(outcome, decision)
    counts = rows.confusion
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="equal")
    names = [_short(label) for label in rows.labels]
    ticks = np.arange(len(names))
    tilted = len(names) > 4 or max(len(n) for n in names) > 8
    ax.set_xticks(ticks, names, rotation=45 if tilted else 0, ha="right" if tilted else "center",
                  rotation_mode="anchor")  # fmt: skip
    ax.set_yticks(ticks, names)
    ax.set_xlabel("decision")
    ax.set_ylabel("truth")
    ax.grid(False)
    if len(names) > MOST_CELLS:
        return
    for i in ticks:
        for j in ticks:
            dark = shares[i, j] > 0.55
            text = f"{counts[i, j]:,}\n{shares[i, j]:.0%}" if len(names) <= 6 else f"{counts[i, j]:,}"
            ax.text(j, i, text, ha="center", va="center", color="white" if dark else "black")


def draw_threshold(ax: Any, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> None:
    """Draw precision, recall and F1 over the threshold, the chosen one marked."""
    rows = read_outcome(outcome, decision)
    curve = threshold_curve(rows.score, rows.is_positive)
    for colour, name, label in (
        ("C0", "precision", "precision"),
        ("C1", "recall", "recall"),
        ("C2", "f1", "F1"),
    ):
        # A threshold holds for every value down to the next score, hence steps to the left.
        ax.step(curve.thresholds, curve.values(name), where="post", color=colour, label=label)
    ax.axvline(
        rows.threshold, color=_GREY, linestyle="--", linewidth=1, label=f"chosen: {rows.threshold:.3f}"
    )
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1.02)
    ax.set_xlabel("threshold on the predicted probability")
    ax.legend(loc="best")


def draw_scores(ax: Any, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> None:
    """Draw the distribution of the predicted probability for positives and the others."""
    rows = read_outcome(outcome, decision)
    edges = np.linspace(0, 1, 31)
    positive = rows.is_positive
    assert rows.positive is not None
    for colour, mask, label in (
        ("C0", ~positive, rows.labels[1 - rows.positive]),
        ("C1", positive, rows.labels[rows.positive]),
    ):
        weights = np.full(int(mask.sum()), 1.0 / max(1, int(mask.sum())))
        ax.hist(rows.score[mask], bins=edges, weights=weights, color=colour, alpha=0.55,
                label=f"truly {_short(label)} ({int(mask.sum()):,} rows)")  # fmt: skip
    ax.axvline(
        rows.threshold, color=_GREY, linestyle="--", linewidth=1, label=f"threshold {rows.threshold:.3f}"
    )
    ax.set_xlim(0, 1)
    ax.set_xlabel("predicted probability")
    ax.set_ylabel("share of the class")
    ax.legend(loc="best")


def _curves(rows: ClassOutcome) -> list[tuple[str, str, Any, Any]]:
    """Return (colour, label, score, positive) of each curve; the most common classes where there are many."""
    if rows.positive is not None:
        positive = rows.is_positive
        if positive.all() or not positive.any():
            raise DataError("no curve: all rows are of one class")
        return [("C0", "", rows.score, positive)]
    counts = np.bincount(rows.truth, minlength=len(rows.labels))
    kept = [c for c in np.argsort(-counts, kind="stable") if 0 < counts[c] < rows.n_rows][:MOST_CURVES]
    return [
        (f"C{i}", _short(rows.labels[c]), rows.proba[:, c], rows.truth == c)
        for i, c in enumerate(sorted(kept))
    ]


def _unit_square(ax: Any, x: str, y: str) -> None:
    ax.set_xlim(-0.01, 1.01)
    ax.set_ylim(-0.01, 1.01)
    ax.set_aspect("equal")
    ax.set_xlabel(x)
    ax.set_ylabel(y)


def _matrix_size(rows: ClassOutcome) -> tuple[float, float]:
    side = min(9.0, max(3.6, 0.62 * len(rows.labels) + 1.6))
    return side + 0.6, side


def _short(text: str, longest: int = 18) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


# -- regression ------------------------------------------------------------------------------------
