"""The pictures of predicted amounts: what each shows, drawn on axes that somebody else styles and saves.

Reads: outcome tables. Writes: nothing. Never: chooses a colour by name (the style's cycle "C0".. is used)
or holds global plotting state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from specweave.problems.amount_intervals import half_widths
from specweave.records import Figure

if TYPE_CHECKING:
    import pandas as pd

_GREY = "0.45"
_MOST_POINTS = 4000


def regression_figures(outcome: pd.DataFrame, decision: Mapping[str, Any]) -> list[Figure]:
    """Return the pictures of a regressor: predicted against actual, residuals, and their distribution.

    Parameters
    ----------
    outcome : DataFrame, shape (n_rows, ...)
        ``truth`` and ``prediction``.
    decision : mapping
        ``interval`` with ``level`` and ``half_width``, where there is one.
    """
    return [
        Figure(
            name="predicted-actual", title="Predicted against actual", width=4.8, height=4.4,
            alt="Scatter of predicted against actual values with the line of equality",
            draw=lambda ax: draw_predicted_actual(ax, outcome, decision),
        ),
        Figure(
            name="residuals", title="Residuals over the prediction", width=6.4, height=4.0,
            alt="Residuals against predicted values with their running median",
            draw=lambda ax: draw_residuals(ax, outcome, decision),
        ),
        Figure(
            name="residual-distribution", title="Distribution of residuals", width=6.4, height=4.0,
            alt="Histogram of residuals",
            draw=lambda ax: draw_residual_distribution(ax, outcome, decision),
        ),
    ]  # fmt: skip


# -- classification --------------------------------------------------------------------------------


def draw_predicted_actual(ax: Any, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> None:
    """Draw predictions against truths, the line of equality and the prediction interval."""
    truth, prediction = _pairs(outcome)
    low, high = float(min(truth.min(), prediction.min())), float(max(truth.max(), prediction.max()))
    pad = 0.03 * (high - low or 1.0)
    line = np.linspace(low - pad, high + pad, 400)
    interval = decision.get("interval") or {}
    if interval:
        half = half_widths(line, interval)
        ax.fill_between(line, line - half, line + half, color="C0", alpha=0.1, linewidth=0,
                        label=f"{interval.get('level', 0.9):.0%} interval")  # fmt: skip
    _points(ax, prediction, truth)
    ax.plot(line, line, color=_GREY, linestyle=":", linewidth=1.2, label="equal")
    ax.set_xlim(low - pad, high + pad)
    ax.set_ylim(low - pad, high + pad)
    ax.set_aspect("equal")
    ax.set_xlabel("predicted")
    ax.set_ylabel("actual")
    _thousands(ax.xaxis, line)
    _thousands(ax.yaxis, line)
    ax.legend(loc="upper left")


def draw_residuals(ax: Any, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> None:
    """Draw truth minus prediction over the prediction, with the median of 15 bands."""
    truth, prediction = _pairs(outcome)
    residual = truth - prediction
    _points(ax, prediction, residual)
    ax.axhline(0, color=_GREY, linestyle=":", linewidth=1.2)
    edges = np.unique(np.quantile(prediction, np.linspace(0, 1, 16)))
    if len(edges) > 3:
        band = np.clip(np.searchsorted(edges, prediction, side="right") - 1, 0, len(edges) - 2)
        middle = [float(np.median(prediction[band == b])) for b in np.unique(band)]
        typical = [float(np.median(residual[band == b])) for b in np.unique(band)]
        ax.plot(middle, typical, "o-", color="C1", markersize=3.5, label="median by band")
        ax.legend(loc="best")
    ax.set_xlabel("predicted")
    ax.set_ylabel("actual - predicted")
    _thousands(ax.xaxis, prediction)
    _thousands(ax.yaxis, residual)


def draw_residual_distribution(ax: Any, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> None:
    """Draw the histogram of residuals with their mean and the prediction interval."""
    truth, prediction = _pairs(outcome)
    residual = truth - prediction
    edge = float(np.quantile(np.abs(residual), 0.995)) or 1.0
    inside = residual[np.abs(residual) <= edge]
    ax.hist(inside, bins=min(60, max(10, round(np.sqrt(len(inside))))), color="C0", alpha=0.75)
    ax.axvline(
        float(residual.mean()), color="C1", linewidth=1.5, label=f"mean {_amount(float(residual.mean()))}"
    )
    half = (decision.get("interval") or {}).get("half_width")
    if half is not None:
        level = decision["interval"].get("level", 0.9)
        for at, label in ((-half, f"{level:.0%} interval ±{_amount(half)}"), (half, None)):
            ax.axvline(at, color=_GREY, linestyle="--", linewidth=1, label=label)
    beyond = len(residual) - len(inside)
    _thousands(ax.xaxis, inside)
    ax.set_xlabel("actual - predicted" + (f" ({beyond} rows lie further out)" if beyond else ""))
    ax.set_ylabel("rows")
    ax.legend(loc="best")


def _pairs(outcome: pd.DataFrame) -> tuple[Any, Any]:
    return np.asarray(outcome["truth"], dtype=float), np.asarray(outcome["prediction"], dtype=float)


def _thousands(axis: Any, values: Any) -> None:
    """Set thousands apart on an axis of large numbers, and keep its labels from touching."""
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    axis.set_major_locator(MaxNLocator(6))
    if float(np.max(np.abs(values), initial=0.0)) >= 10_000:
        axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def _amount(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _points(ax: Any, x: Any, y: Any) -> None:
    """Draw at most a few thousand points, evenly thinned, so that files stay small."""
    step = max(1, int(np.ceil(len(x) / _MOST_POINTS)))
    shown = slice(None, None, step)
    alpha = float(np.clip(40 / np.sqrt(len(x)), 0.15, 0.8))
    label = f"1 row in {step}" if step > 1 else None
    ax.scatter(x[shown], y[shown], s=10, color="C0", alpha=alpha, linewidths=0, label=label, rasterized=True)
