"""What predicted probabilities came to: decided labels, losses, the tables and doubts of a report, answers.

Reads: outcome tables with a column ``p:<label>`` per label, decisions. Writes: nothing. Never: needs the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from specweave.metrics.classification_outcome import read_outcome
from specweave.problems.base import Table
from specweave.problems.calibration import describe_calibration
from specweave.records import Finding
from specweave.statistics.calibration import bins_for, calibration_bins

_FEW_HELD_OUT = 10


def called_labels(outcome: pd.DataFrame, decision: Mapping[str, Any]) -> np.ndarray:
    """Return the decided label of each row, shape (n_rows,)."""
    labels = [c[2:] for c in outcome.columns if c.startswith("p:")]
    positive, threshold = decision.get("positive"), decision.get("threshold")
    if positive is not None and threshold is not None and len(labels) == 2:
        negative = next(label for label in labels if label != positive)
        return np.where(outcome[f"p:{positive}"].to_numpy() >= threshold, positive, negative)
    most = outcome[[f"p:{label}" for label in labels]].to_numpy().argmax(axis=1)
    return np.asarray(np.asarray(labels)[most])


def count_share(
    name: str, outcome: pd.DataFrame, decision: Mapping[str, Any], called: np.ndarray
) -> tuple[int, int] | None:
    """Return (right ones, rows that count) of precision, recall or specificity of the positive label, or accuracy."""
    truth = outcome["truth"].astype(str).to_numpy()
    among = np.ones(len(truth), dtype=bool)
    positive = decision.get("positive")
    if name != "accuracy":
        if positive is None:
            return None
        of = {"precision": called == positive, "recall": truth == positive, "specificity": truth != positive}
        if name not in of:
            return None
        among = np.asarray(of[name])
    n = int(among.sum())
    return (int((truth == called)[among].sum()), n) if n else None


def log_losses(outcome: pd.DataFrame) -> np.ndarray:
    """Return the log loss of each row, shape (n_rows,)."""
    labels = [c[2:] for c in outcome.columns if c.startswith("p:")]
    proba = outcome[[f"p:{label}" for label in labels]].to_numpy()
    codes = pd.Index(labels).get_indexer(pd.Index(outcome["truth"].astype(str)))
    of_truth = np.where(codes >= 0, proba[np.arange(len(outcome)), np.maximum(codes, 0)], 0.0)
    return np.asarray(-np.log(np.clip(of_truth, 1e-15, 1.0)))


def class_tables(outcome: pd.DataFrame, decision: Mapping[str, Any], called: np.ndarray) -> list[Table]:
    """Return the confusion matrix and precision, recall, F1 of each class."""
    labels = list(decision.get("labels") or sorted(outcome["truth"].unique()))
    truth = outcome["truth"].astype(str).to_numpy()
    counts = pd.crosstab(truth, called).reindex(index=labels, columns=labels, fill_value=0).to_numpy()
    per_class = []
    for i, label in enumerate(labels):
        hit, said, there = counts[i, i], counts[:, i].sum(), counts[i].sum()
        precision, recall = hit / said if said else 0.0, hit / there if there else 0.0
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        per_class.append((label, int(there), int(said), float(precision), float(recall), float(f1)))
    return [
        Table("Confusion matrix", ("truth \\ decision", *labels),
              tuple((label, *(int(n) for n in counts[i])) for i, label in enumerate(labels)),
              "Rows are the truth, columns what the model decided."),
        Table("Per class", ("class", "rows", "decided so", "precision", "recall", "F1"), tuple(per_class)),
    ]  # fmt: skip


def calibration_table(outcome: pd.DataFrame, decision: Mapping[str, Any]) -> Table:
    """Return predicted against observed frequency, of the positive or of the most probable label."""
    rows = read_outcome(outcome, decision)
    if rows.positive is not None:
        score, happened, of = rows.score, rows.is_positive, f"'{rows.labels[rows.positive]}'"
    else:
        score, happened, of = (
            rows.proba.max(axis=1),
            rows.proba.argmax(axis=1) == rows.truth,
            "the top label",
        )
    bins = calibration_bins(score, happened, n_bins=bins_for(rows.n_rows))
    return Table(
        "Calibration", ("predicted", "observed", "low", "high", "rows"),
        tuple((b.predicted, b.observed, b.low, b.high, b.n) for b in bins),
        f"Mean predicted probability of {of} against how often it was so, with the 95 % Wilson interval."
        + describe_calibration(decision),
    )  # fmt: skip


def check_called(outcome: pd.DataFrame, decision: Mapping[str, Any], called: np.ndarray) -> list[Finding]:
    """Say so where a class is never decided."""
    decided = set(called)
    never = [x for x in (decision.get("labels") or []) if x not in decided]
    return [
        Finding(
            code="SW301", severity="warning", message=f"the model never decides '{x}'", where="reports/evaluation.json",
            evidence={"label": x, "rows": int((outcome['truth'] == x).sum())},
            advice="lower the threshold, bring more rows of this label, or weigh it in the candidates' params",
        )
        for x in never
    ]  # fmt: skip


def check_held_out(outcome: pd.DataFrame, decision: Mapping[str, Any]) -> list[Finding]:
    """Say so where the rows that a model is judged on hold hardly any of a label (SW302)."""
    counts = outcome["truth"].astype(str).value_counts()
    labels = [str(x) for x in decision.get("labels") or []]
    few = {x: int(counts.get(x, 0)) for x in labels if counts.get(x, 0) < _FEW_HELD_OUT}
    if not few:
        return []
    shown = ", ".join(f"{n} are '{x}'" for x, n in list(few.items())[:5])
    more = f" and {len(few) - 5} more labels have as few" if len(few) > 5 else ""
    return [
        Finding(
            code="SW302", severity="warning", where="reports/evaluation.json", evidence={"rows": few},
            message=f"of {len(outcome):,} held-out rows only {shown}{more}: what is measured of them hangs on chance, "
            "and so do its intervals",
            advice="bring more rows of these labels, or hold out a larger share in spec.md",
        )
    ]  # fmt: skip


def label_answers(
    outcome: pd.DataFrame, decision: Mapping[str, Any], called: np.ndarray
) -> list[dict[str, Any]]:
    """Return what the service answers: the decided label, its probability, and all probabilities."""
    proba = outcome[[c for c in outcome.columns if c.startswith("p:")]]
    positive = decision.get("positive")
    names = [c[2:] for c in proba.columns]
    values = proba.to_numpy()
    answers = []
    for i, label in enumerate(called):
        every = {n: float(v) for n, v in zip(names, values[i], strict=True)}
        answer: dict[str, Any] = {"prediction": str(label), "probability": every[str(positive or label)]}
        if positive is not None:
            answer |= {
                "positive": positive,
                "threshold": decision["threshold"],
                "decision": bool(label == positive),
            }
        answers.append({**answer, "probabilities": every})
    return answers
