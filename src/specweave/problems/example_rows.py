"""Which few predictions tell most about a model: sure and right, sure and wrong, torn, typical.

Reads: outcome tables. Writes: nothing. Never: picks at random; the same outcomes give the same examples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from specweave.metrics.classification_outcome import read_outcome


@dataclass(frozen=True)
class ExampleRow:
    """One row worth explaining: its position in the outcome table, why it was picked, and what happened."""

    position: int
    why: str
    story: str


def classification_examples(
    outcome: pd.DataFrame, decision: Mapping[str, Any], limit: int = 5
) -> list[ExampleRow]:
    """Pick the surest right and wrong decisions, the most torn one, and a typical one per class.

    Parameters
    ----------
    outcome : DataFrame, shape (n_rows, ...)
        ``truth`` and one ``p:<label>`` column per class.
    decision : mapping
        ``positive`` and ``threshold``.
    limit : int
    """
    rows = read_outcome(outcome, decision)
    called, truth = rows.predicted, rows.truth
    every = np.arange(len(truth))
    share = rows.proba[every, called]
    if rows.positive is not None:
        chance = rows.proba[:, rows.positive]
        up = called == rows.positive
        # How far from the threshold, as a share of the way to certainty.
        room = np.where(up, 1 - rows.threshold, rows.threshold)
        sure = np.abs(chance - rows.threshold) / np.maximum(room, 1e-12)
    else:
        ranked = np.sort(rows.proba, axis=1)
        sure = ranked[:, -1] - ranked[:, -2]
    right = called == truth
    picks: list[tuple[int, str]] = []
    if right.any():
        picks.append((_first(np.where(right, sure, -np.inf)), "sure and right"))
    if (~right).any():
        picks.append((_first(np.where(~right, sure, -np.inf)), "sure and wrong"))
    picks.append((_first(-sure), "borderline"))
    counts = np.bincount(truth, minlength=len(rows.labels))
    for label in np.argsort(-counts, kind="stable"):
        inside = np.flatnonzero(right & (truth == label))
        if inside.size:
            order = inside[np.argsort(share[inside], kind="stable")]
            picks.append((int(order[len(order) // 2]), f"typical of '{rows.labels[label]}'"))
    picks += [(int(i), "further example") for i in every[:: max(1, len(every) // limit)]]
    return [
        ExampleRow(
            i, why, _call_story(rows.labels, rows.proba[i], int(called[i]), int(truth[i]), rows.positive)
        )
        for i, why in _unique(picks, limit)
    ]


def riskiest_first(
    found: list[ExampleRow], outcome: pd.DataFrame, decision: Mapping[str, Any], limit: int = 5
) -> list[ExampleRow]:
    """Put the two rows of highest risk before these examples, for alarms that carry a promise."""
    positive, truth = decision["positive"], outcome["truth"].astype(str).to_numpy()
    score = outcome[f"p:{positive}"].to_numpy()
    riskiest = [
        ExampleRow(
            int(i), "highest risk", f"probability of '{positive}' {score[i]:.2f}, in truth '{truth[i]}'"
        )
        for i in np.argsort(-score, kind="stable")[: min(2, limit)]
    ]
    seen = {e.position for e in riskiest}
    return [*riskiest, *(e for e in found if e.position not in seen)][:limit]


def regression_examples(
    outcome: pd.DataFrame, decision: Mapping[str, Any], limit: int = 5
) -> list[ExampleRow]:
    """Pick the closest and the farthest prediction, and typical ones low, in the middle and high.

    Parameters
    ----------
    outcome : DataFrame, shape (n_rows, ...)
        ``truth`` and ``prediction``.
    decision : mapping
        Unused; regression decides nothing.
    limit : int
    """
    truth, said = outcome["truth"].to_numpy(float), outcome["prediction"].to_numpy(float)
    error = np.abs(said - truth)
    picks = [(_first(-error), "closest"), (_first(error), "farthest off")]
    usual = np.flatnonzero(error <= np.median(error))
    for share, words in ((0.5, "middle"), (0.1, "low"), (0.9, "high")):
        distance = np.abs(said[usual] - np.quantile(said, share))
        picks.append((int(usual[_first(-distance)]), f"typical, {words} prediction"))
    picks += [(int(i), "further example") for i in range(0, len(truth), max(1, len(truth) // limit))]
    return [
        ExampleRow(
            i, why, f"predicted {said[i]:.6g}, in truth {truth[i]:.6g} (off by {said[i] - truth[i]:+.4g})"
        )
        for i, why in _unique(picks, limit)
    ]


def loss_examples(loss: np.ndarray, limit: int = 5) -> list[ExampleRow]:
    """Pick rows by their loss alone: the best, the worst, and quantiles between."""
    order = np.argsort(loss, kind="stable")
    picks = [(int(order[0]), "smallest loss"), (int(order[-1]), "largest loss")]
    for share in (0.5, 0.25, 0.75):
        picks.append((int(order[int(share * (len(order) - 1))]), f"loss at the {share:.0%} mark"))
    return [ExampleRow(i, why, f"loss {loss[i]:.4g}") for i, why in _unique(picks, limit)]


def _first(score: np.ndarray) -> int:
    return int(np.argmax(score))


def _unique(picks: list[tuple[int, str]], limit: int) -> list[tuple[int, str]]:
    seen: dict[int, str] = {}
    for position, why in picks:
        if position not in seen and len(seen) < limit:
            seen[position] = why
    return list(seen.items())


def _call_story(labels: Any, shares: np.ndarray, called: int, truth: int, positive: int | None) -> str:
    shown = called if positive is None else positive
    verdict = "right" if called == truth else f"in truth '{labels[truth]}'"
    return f"decided '{labels[called]}' (probability of '{labels[shown]}' {shares[shown]:.2f}), {verdict}"
