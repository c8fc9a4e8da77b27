"""Forecasts in pictures: the series, their parts, their memory; fan charts; errors by step ahead.

Reads: panels, outcome tables. Writes: nothing. Never: chooses a colour by name or holds plotting state.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from specweave.forecasters.decomposition import decompose
from specweave.forecasters.long_table import series_ids
from specweave.forecasters.model import Layout
from specweave.forecasters.panel import Panel, Series
from specweave.forecasters.stationarity import acf, pacf
from specweave.records import Figure
from specweave.tables.values import to_numbers

_GREY = "0.45"
_FANS = 6
_FEWEST_FORECASTS = 5
_SHOWN_SERIES = 7


def data_figures(panel: Panel, layout: Layout) -> list[Figure]:
    """Return the series over time, the decomposition of the longest, and its ACF and PACF."""
    if not panel.series:
        return []
    longest = max(panel.series.values(), key=lambda s: (len(s), s.id))
    season = panel.season_of(longest)
    lags = int(min(max(2 * season, 24), len(longest) // 2, 120))
    of = f" of '{longest.id}'" if len(panel) > 1 else f" of '{layout.columns.target}'"
    return [
        Figure(name="series", title=f"{min(len(panel), _SHOWN_SERIES)} of {len(panel)} series" if len(panel) > 1 else "The series",
               alt="Values over time", draw=lambda ax: _draw_series(ax, panel, layout), width=7.6, height=3.6),
        Figure(name="decomposition", title=f"Trend, season and rest{of}",
               alt="The series, its trend, its season and what is left, one below the other",
               draw=lambda fig: _draw_parts(fig, longest, season, layout), width=7.6, height=6.4, whole=True),
        Figure(name="autocorrelation", title=f"Autocorrelation{of}",
               alt="Autocorrelation and partial autocorrelation by lag",
               draw=lambda fig: _draw_memory(fig, longest, lags), width=7.6, height=4.6, whole=True),
    ]  # fmt: skip


def _times(one: Series, layout: Layout) -> Any:
    return layout.frequency.stamps(one.start + np.arange(len(one)))


def _draw_series(ax: Any, panel: Panel, layout: Layout) -> None:
    names = sorted(panel.series)
    if len(names) > _SHOWN_SERIES:
        names = [names[i] for i in np.linspace(0, len(names) - 1, _SHOWN_SERIES).astype(int)]
    for i, name in enumerate(names):
        one = panel.series[name]
        ax.plot(_times(one, layout), one.values, color=f"C{i}", linewidth=1.1, label=name)
    ax.set_ylabel(layout.columns.target)
    if len(names) > 1:
        ax.legend(ncols=min(4, len(names)), loc="best")


def _draw_parts(figure: Any, one: Series, season: int, layout: Layout) -> None:
    parts, times = decompose(one.values, season), _times(one, layout)
    rows = (("series", parts.y), ("trend", parts.trend), ("season", parts.season), ("rest", parts.rest))
    axes = figure.subplots(4, 1, sharex=True)
    for ax, (name, values) in zip(axes, rows, strict=True):
        ax.plot(times, values, color="C0", linewidth=1.1)
        ax.set_ylabel(name)
    how = "scales the trend" if parts.multiplicative else "is added to the trend"
    axes[0].set_title(f"a season of {season} steps {how}" if season > 1 else "no season")


def _draw_memory(figure: Any, one: Series, lags: int) -> None:
    limit = 1.96 / np.sqrt(len(one))
    axes = figure.subplots(2, 1, sharex=True)
    for ax, (name, values) in zip(
        axes, (("ACF", acf(one.values, lags)), ("PACF", pacf(one.values, lags))), strict=True
    ):
        ax.bar(np.arange(1, len(values)), values[1:], color="C0", width=0.6)
        ax.axhspan(-limit, limit, color=_GREY, alpha=0.2, linewidth=0)
        ax.axhline(0, color=_GREY, linewidth=0.8)
        ax.set_ylabel(name)
    axes[0].set_title("the band holds 95 % of lags of a series without memory")
    axes[1].set_xlabel("lag")


def outcome_figures(outcome: pd.DataFrame, loss: np.ndarray) -> list[Figure]:
    """Return errors by step ahead, and the share of truths that intervals held by step ahead."""
    frame = outcome.assign(_loss=loss)
    figures = [
        Figure(name="error-by-step", title="Error by step ahead", alt="Mean scaled error of model and Naive2 by step ahead",
               draw=lambda ax: _draw_errors(ax, frame)),
    ]  # fmt: skip
    # A share of fewer forecasts than this is no share.
    enough = outcome.groupby("h").size().median() >= _FEWEST_FORECASTS
    if enough and any(c.startswith("lo") for c in outcome.columns):
        figures.append(Figure(name="coverage", title="Share of truths inside the intervals",
                              alt="Share of truths inside the 80 and 95 % intervals by step ahead",
                              draw=lambda ax: _draw_coverage(ax, outcome)))  # fmt: skip
    return figures


def _draw_errors(ax: Any, frame: pd.DataFrame) -> None:
    scale = frame["scale"].where(frame["scale"] > 0)
    naive = (frame["truth"] - frame["naive2"]).abs() / scale
    ours = frame.groupby("h")["_loss"].mean()
    theirs = naive.groupby(frame["h"]).mean()
    ax.plot(ours.index, ours.to_numpy(), color="C0", marker="o", markersize=4, label="model")
    ax.plot(theirs.index, theirs.to_numpy(), color=_GREY, linestyle="--", label="Naive2")
    ax.set_xlabel("step ahead")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_ylabel("mean scaled error")
    ax.set_ylim(bottom=0)
    ax.legend()


def _draw_coverage(ax: Any, outcome: pd.DataFrame) -> None:
    for i, level in enumerate(sorted(int(c[2:]) for c in outcome.columns if c.startswith("lo"))):
        inside = (outcome["truth"] >= outcome[f"lo{level}"]) & (outcome["truth"] <= outcome[f"hi{level}"])
        share = inside.groupby(outcome["h"]).mean()
        ax.plot(
            share.index,
            share.to_numpy(),
            color=f"C{i}",
            marker="o",
            markersize=4,
            label=f"{level} % interval",
        )
        ax.axhline(level / 100, color=f"C{i}", linestyle="--", linewidth=1)
    ax.set_ylim(0, 1.04)
    ax.set_xlabel("step ahead")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_ylabel("share inside")
    ax.legend(loc="lower left")


def fan_charts(earlier: pd.DataFrame, outcome: pd.DataFrame, loss: np.ndarray) -> list[Figure]:
    """Return a fan chart of the only series, or of the best, the middle and the worst forecast ones."""
    by = (
        pd.Series(loss, index=outcome.index)
        .groupby(outcome["unique_id"].astype(str))
        .mean()
        .sort_values(kind="stable")
    )
    names = list(by.index)
    alone = len(names) == 1
    if len(names) > _FANS:
        places = np.unique(np.linspace(0, len(names) - 1, _FANS).astype(int))
        names = [names[i] for i in places]
    before, after = earlier["unique_id"].astype(str), outcome["unique_id"].astype(str)
    return [
        Figure(name=f"forecast-{i}", title=f"Forecast{'' if alone else f' of {name!r}'} (scaled error {by[name]:.2f})",
               alt=f"The last values{'' if alone else f' of {name}'}, the forecast with its intervals, and the truth",
               width=7.6, height=3.6,
               draw=partial(_draw_fan, earlier=earlier[before == name], outcome=outcome[after == name]))
        for i, name in enumerate(names, 1)
    ]  # fmt: skip


def ahead_charts(outcome: pd.DataFrame, told: pd.DataFrame, series: list[str], time: str) -> list[Figure]:
    """Return a fan chart of the next steps of the only series, or of a few from the lowest to the highest."""
    if told.empty or "prediction" not in told.columns:
        return []
    numbers = {c: to_numbers(told[c])[0] for c in ("prediction", *_bounds(told))}
    told = told.assign(**numbers, unique_id=series_ids(told, series), ds=told[time].astype(str))
    past = outcome.assign(unique_id=outcome["unique_id"].astype(str)).drop_duplicates(
        ["unique_id", "ds"], keep="last"
    )
    size = told.groupby("unique_id")["prediction"].mean().dropna().sort_values(kind="stable")
    names = list(size.index)
    if len(names) > _FANS:
        names = [names[i] for i in np.unique(np.linspace(0, len(names) - 1, _FANS).astype(int))]
    return [
        Figure(name=f"ahead-{i}", title="What comes next" + (f": {name!r}" if len(size) > 1 else ""),
               alt=f"The last values{f' of {name}' if len(size) > 1 else ''} and the next steps with their intervals",
               width=7.6, height=3.6,
               draw=partial(_draw_ahead, past=past[past["unique_id"] == name], told=told[told["unique_id"] == name]))
        for i, name in enumerate(names, 1)
    ]  # fmt: skip


def _bounds(told: pd.DataFrame) -> list[str]:
    return [str(c) for c in told.columns if str(c).startswith(("interval:low", "interval:high"))]


def _draw_ahead(ax: Any, past: pd.DataFrame, told: pd.DataFrame) -> None:
    before = past.sort_values("row")
    n = len(before)
    x = n + np.arange(len(told))
    ax.plot(np.arange(n), before["truth"], color=_GREY, linewidth=1.4, label="measured")
    levels = sorted((int(c[12:]) for c in told.columns if str(c).startswith("interval:low")), reverse=True)
    for i, level in enumerate(levels):
        ax.fill_between(x, told[f"interval:low{level}"], told[f"interval:high{level}"], color="C0",
                        alpha=0.15 + 0.15 * i, linewidth=0, label=f"{level} % interval")  # fmt: skip
    ax.plot(x, told["prediction"], color="C0", marker="o", markersize=3, label="forecast")
    _stamp_axis(ax, [*before["ds"].astype(str), *told["ds"]])
    ax.legend(loc="best")


def _stamp_axis(ax: Any, stamps: list[str]) -> None:
    ticks = np.unique(np.linspace(0, len(stamps) - 1, 6).astype(int))
    ax.set_xticks(ticks, [stamps[i] for i in ticks])


def _draw_fan(ax: Any, earlier: pd.DataFrame, outcome: pd.DataFrame) -> None:
    past = earlier.sort_values(["row", "h"]).drop_duplicates("row")
    ahead = outcome.sort_values("h")
    n = len(past)
    x, later = np.arange(n), n + np.arange(len(ahead))
    ax.plot(np.r_[x, later], np.r_[past["truth"], ahead["truth"]], color=_GREY, linewidth=1.4, label="truth")
    for fold, part in earlier.groupby("fold"):
        places = [int(np.searchsorted(past["row"].to_numpy(), r)) for r in part.sort_values("h")["row"]]
        label = "validation forecasts" if fold == earlier["fold"].iloc[0] else None
        ax.plot(
            places, part.sort_values("h")["prediction"], color="C0", linewidth=0.9, alpha=0.5, label=label
        )
    levels = sorted((int(c[2:]) for c in ahead.columns if c.startswith("lo")), reverse=True)
    for i, level in enumerate(levels):
        ax.fill_between(later, ahead[f"lo{level}"], ahead[f"hi{level}"], color="C0", alpha=0.15 + 0.15 * i, linewidth=0,
                        label=f"{level} % interval")  # fmt: skip
    ax.plot(later, ahead["prediction"], color="C0", label="forecast")
    _stamp_axis(ax, [*past["ds"].astype(str), *ahead["ds"].astype(str)])
    ax.legend(loc="best")
