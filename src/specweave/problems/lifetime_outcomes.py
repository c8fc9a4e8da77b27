"""What is told of predicted customers: the total, deciles, and how much of all value the best of them hold.

Reads: outcome tables. Writes: nothing. Never: chooses a colour by name or holds global plotting state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from specweave.metrics.value_measures import gains, share_found
from specweave.problems.base import Table
from specweave.records import Figure, Finding

_GREY = "0.45"
_SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)
_FEWEST = 30  # held-out customers below which a tenth of them says nothing
_ALLOWED = 0.1  # of the total


def value_tables(outcome: pd.DataFrame) -> list[Table]:
    """Return the total, deciles of the prediction, and what the customers predicted best hold."""
    truth, prediction = _pairs(outcome)
    total = float(truth.sum())
    if len(truth) < _FEWEST or total <= 0:
        return []
    low, high = _ratio_interval(truth, prediction)
    tables = [
        Table("Total", ("customers", "predicted in all", "actual in all", "predicted / actual", "95 % interval"),
              ((len(truth), _money(prediction.sum()), _money(total), f"{prediction.sum() / total:.3f}",
                f"{low:.3f} to {high:.3f}"),),
              "Budgets need this to be near 1; errors per customer do not show it. Interval: bootstrap over customers."),
    ]  # fmt: skip
    order = np.argsort(-prediction, kind="stable")
    rows = []
    for number, part in enumerate(np.array_split(order, 10), 1):
        rows.append((
            number, len(part), _money(prediction[part].mean()), _money(truth[part].mean()),
            f"{(truth[part] > 0).mean():.1%}", f"{truth[part].sum() / total:.1%}",
            f"{truth[part].mean() / truth.mean():.2f}x",
        ))  # fmt: skip
    tables.append(
        Table("By decile of the prediction",
              ("decile", "customers", "predicted each", "actual each", "bought", "share of all value", "lift"),
              tuple(rows),
              "Decile 1 holds the highest predictions. Calibrated is where predicted and actual agree; lift is the "
              "actual value over that of the average customer.")
    )  # fmt: skip
    shares = [s for s in _SHARES if len(truth) * s >= 4]
    tables.append(
        Table("How much of all value the best hold",
              ("best customers by prediction", "hold of all value", "by a perfect order", "by a random one"),
              tuple((f"{s:.0%} ({round(s * len(truth))})", f"{share_found(truth, prediction, s):.1%}",
                     f"{share_found(truth, truth, s):.1%}", f"{s:.0%}") for s in shares))
    )  # fmt: skip
    return tables


def check_total(outcome: pd.DataFrame) -> list[Finding]:
    """Say so where predictions sum to something clearly else than what came."""
    truth, prediction = _pairs(outcome)
    if len(truth) < _FEWEST or truth.sum() <= 0:
        return []
    ratio = float(prediction.sum() / truth.sum())
    low, high = _ratio_interval(truth, prediction)
    if abs(ratio - 1) <= _ALLOWED or low <= 1 <= high:
        return []
    way = "more" if ratio > 1 else "less"
    return [
        Finding(
            code="SW314", severity="warning", where="reports/evaluation.json",
            message=f"predictions sum to {abs(ratio - 1):.0%} {way} than what the customers brought",
            evidence={"ratio": ratio, "low": low, "high": high, "customers": len(truth)},
            advice=f"trust the order of customers; divide sums by {ratio:.2f} before budgeting with them, or look for "
            "what changed between the periods (season, prices, campaigns)",
        )
    ]  # fmt: skip


def value_figures(outcome: pd.DataFrame) -> list[Figure]:
    """Return the gains curve and predicted against actual value by decile."""
    truth, prediction = _pairs(outcome)
    if len(truth) < _FEWEST or truth.sum() <= 0:
        return []

    def curve(ax: Any) -> None:
        found = 100 * share_found(truth, prediction, 0.1)
        for values, style in (
            (prediction, {"color": "C0", "label": f"by the prediction: the best 10 % hold {found:.0f} %"}),
            (truth, {"color": "C1", "linestyle": "--", "label": "by a perfect order"}),
        ):
            x, y = gains(truth, values)
            ax.plot(100 * x, 100 * y, **style)
        ax.plot([0, 100], [0, 100], color=_GREY, linestyle=":", label="at random")
        ax.plot([10], [found], "o", color="C0")
        ax.set_xlabel("% of the customers, highest predictions first")
        ax.set_ylabel("% of all value")
        ax.legend(loc="lower right")

    def deciles(ax: Any) -> None:
        parts = np.array_split(np.argsort(-prediction, kind="stable"), 10)
        at = np.arange(1, 11)
        for values, offset, label in ((prediction, -0.2, "predicted"), (truth, 0.2, "actual")):
            ax.bar(at + offset, [float(values[p].mean()) for p in parts], width=0.4, label=label)
        ax.set_xticks(at)
        ax.set_xlabel("decile of the prediction, highest first")
        ax.set_ylabel("mean per customer")
        ax.legend()

    return [
        Figure(name="gains", title="How much of all value the best customers hold", draw=curve,
               alt="Share of all value against the share of customers, ordered by the prediction"),
        Figure(name="deciles", title="Predicted and actual value by decile", draw=deciles,
               alt="Bars of mean predicted and actual value per decile of the prediction"),
    ]  # fmt: skip


def _pairs(outcome: Mapping[str, Any] | pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(outcome["truth"], dtype=float), np.asarray(outcome["prediction"], dtype=float)


def _ratio_interval(truth: np.ndarray, prediction: np.ndarray, resamples: int = 500) -> tuple[float, float]:
    """Return the 95 % percentile interval of the ratio of sums over resampled customers."""
    rng, n = np.random.default_rng(0), len(truth)
    found = []
    for _ in range(resamples):
        pick = rng.integers(0, n, n)
        if (actual := float(truth[pick].sum())) > 0:
            found.append(float(prediction[pick].sum()) / actual)
    return float(np.quantile(found, 0.025)), float(np.quantile(found, 0.975))


def _money(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.2f}"
