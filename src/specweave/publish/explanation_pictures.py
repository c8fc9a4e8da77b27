"""The pictures of an explanation: what matters, which way it pushes, and one answer taken apart.

Reads: the explanation record and its SHAP values. Writes: nothing. Never: draws what the record does not
hold.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from specweave.records import Figure
from specweave.stages.numbers import readable
from specweave.stages.rationale import render_value

_MOST_BARS = 15
_MOST_STRIPS = 12
_MOST_LEVELS = 8
_LONGEST_NAME = 26
_LONGEST_AXIS = 70
_UP, _DOWN = "C1", "C0"


def explanation_figures(record: Mapping[str, Any], kept: Mapping[str, Any]) -> list[Figure]:
    """Return the pictures of ``reports/explanation.json`` and its SHAP values."""
    importance = record["importance"]
    unit, of = unit_words(record["unit"]), str(record.get("of", "column"))
    part = f"{'SHAP value' if 'SHAP' in str(record['method']) else 'contribution'} ({unit})"
    gap = "missing" if of == "column" else "without"
    shown = min(_MOST_BARS, len(importance))
    strips = min(_MOST_STRIPS, len(importance))
    figures = [
        Figure(
            name="importance", title=f"Which {of}s matter", width=8.0, height=1.3 + 0.34 * shown, whole=True,
            alt=f"Mean size of contributions of the strongest {of}s",
            draw=lambda canvas: draw_importance(canvas, importance, part),
        ),
        Figure(
            name="summary", title=f"Every explained row, {of} by {of}",
            width=7.2, height=1.4 + 0.36 * strips,
            alt=f"Contributions to every explained row by the strongest {of}s, coloured by their values",
            draw=lambda ax: draw_summary(ax, importance, kept, part, of),
        ),
        Figure(
            name="dependence", title=f"How the strongest {of}s push", width=8.0, height=5.6, whole=True,
            alt=f"Contribution against the value of each of the four strongest {of}s",
            draw=lambda canvas: draw_dependence(canvas, importance, kept, part, gap),
        ),
    ]  # fmt: skip
    for number, example in enumerate(record["examples"], 1):
        figures.append(
            Figure(
                name=f"example-{number}", title=f"Example {number}: {example['why']}", width=7.2, height=3.6,
                alt=f"Contributions of the strongest {of}s to the answer for data row {example['row'] + 1}",
                draw=partial(draw_waterfall, example=example, unit=unit),
            )
        )  # fmt: skip
    return figures


def unit_words(unit: str) -> str:
    """Return a unit of contributions as an axis label says it."""
    words = {"": "target's own unit", "log1p": "log(1 + target)", "log": "log of the target"}
    return words.get(unit, unit)


def draw_importance(canvas: Any, importance: Sequence[Mapping[str, Any]], part: str) -> None:
    """Draw the mean size of contributions beside what shuffling each column costs."""
    top = list(importance[:_MOST_BARS])[::-1]
    measured = [(i, e) for i, e in enumerate(top) if e.get("permutation") is not None]
    panels = canvas.subplots(1, 2 if measured else 1, sharey=True, squeeze=False)[0]
    left, places = panels[0], np.arange(len(top))
    left.barh(places, [e["mean_abs_shap"] for e in top], color="C0", height=0.7)
    left.set_yticks(places, [_label(e["feature"]) for e in top])
    left.set_xlabel(f"mean size of the {part}")
    left.grid(axis="y", visible=False)
    if not measured:
        return
    right = panels[1]
    right.grid(axis="y", visible=False)
    right.barh(
        [i for i, _ in measured],
        [e["permutation"] for _, e in measured],
        xerr=[e["permutation_std"] for _, e in measured],
        color="C2",
        height=0.7,
        error_kw={"elinewidth": 1, "ecolor": "0.35"},
    )
    right.axvline(0, color="0.35", linewidth=0.8)
    right.set_xlabel("rise of the loss when shuffled")


def draw_summary(
    ax: Any, importance: Sequence[Mapping[str, Any]], kept: Mapping[str, Any], part: str, of: str
) -> None:
    """Draw one strip of dots per column, spread where dots are dense and coloured by the column's value."""
    names = list(kept["names"])
    top = [e["feature"] for e in importance[:_MOST_STRIPS]][::-1]
    drawn = None
    for place, name in enumerate(top):
        values = np.asarray(kept["values"])[:, names.index(name)]
        colour = _ranks(kept["shown"].iloc[:, names.index(name)])
        height = place + _spread(values)
        blank = np.isnan(colour)
        ax.scatter(values[blank], height[blank], s=7, color="0.7", linewidths=0)
        drawn = ax.scatter(
            values[~blank],
            height[~blank],
            s=7,
            c=colour[~blank],
            cmap="cividis",
            vmin=0,
            vmax=1,
            linewidths=0,
        )
    ax.axvline(0, color="0.35", linewidth=0.8)
    ax.set_yticks(np.arange(len(top)), [_label(name) for name in top])
    ax.set_ylim(-0.6, len(top) - 0.4)
    ax.set_xlabel(part)
    ax.grid(axis="y", visible=False)
    if drawn is not None:
        bar = ax.figure.colorbar(drawn, ax=ax, ticks=[0, 1], aspect=30, pad=0.02)
        bar.ax.set_yticklabels(["low", "high"])
        bar.set_label(f"the {of}'s value (grey: levels or missing)", fontsize=8.5)
        bar.outline.set_visible(False)


def draw_dependence(
    canvas: Any, importance: Sequence[Mapping[str, Any]], kept: Mapping[str, Any], part: str, gap: str
) -> None:
    """Draw the contribution of the four strongest columns against their values."""
    names = list(kept["names"])
    top = [e["feature"] for e in importance[:4]]
    for place, ax in enumerate(canvas.subplots(2, 2).ravel()):
        if place >= len(top):
            ax.set_axis_off()
            continue
        index = names.index(top[place])
        values = np.asarray(kept["values"])[:, index]
        _draw_one_dependence(ax, kept["shown"].iloc[:, index], values, part, gap)
        ax.set_title(_short(top[place], 34), fontsize=10)


def _draw_one_dependence(ax: Any, column: pd.Series[Any], values: np.ndarray, part: str, gap: str) -> None:
    numbers = _numbers(column)
    if numbers is not None:
        ax.scatter(numbers, values, s=9, color="C0", alpha=0.55, linewidths=0)
        ax.axhline(0, color="0.35", linewidth=0.8)
        ax.set_ylabel(part.replace(" (", "\n(", 1))
        return
    levels = column.astype("object").where(column.notna(), gap).astype(str)
    common = list(levels.value_counts().index[:_MOST_LEVELS])
    groups = [values[(levels == level).to_numpy()] for level in common]
    order = sorted(range(len(common)), key=lambda i: float(np.median(groups[i])))
    for place, i in enumerate(order):
        ax.scatter(groups[i], place + _spread(groups[i]), s=9, color="C0", alpha=0.55, linewidths=0)
        ax.plot([np.median(groups[i])] * 2, [place - 0.35, place + 0.35], color="C1", linewidth=2)
    ax.set_yticks(range(len(order)), [_short(common[i], 18) for i in order])
    ax.set_xlabel(f"{part}; line: median")
    ax.grid(axis="y", visible=False)
    ax.axvline(0, color="0.35", linewidth=0.8)


def draw_waterfall(ax: Any, example: Mapping[str, Any], unit: str) -> None:
    """Draw the way from the base value to the output, strongest contribution on top."""
    steps = [
        (_label(f"{c['feature']} = {_short(render_value(c['value']), 18)}"), float(c["contribution"]))
        for c in example["contributions"][:8]
        if float(c["contribution"]) != 0
    ]
    base, output = float(example["base"]), float(example["output"])
    rest = output - base - sum(size for _, size in steps)
    if abs(rest) > 1e-9 * max(1.0, abs(output)):
        steps.append(("everything else", rest))
    start = base
    for place, (_, size) in enumerate(steps[::-1]):
        ax.barh(place, size, left=start, color=_UP if size > 0 else _DOWN, height=0.62)
        # The number stands beyond the bar, on the side towards which it pushes.
        ax.annotate(
            f"{size:+.3g}", (start + size, place),
            xytext=(3 if size > 0 else -3, 0), textcoords="offset points",
            ha="left" if size > 0 else "right", va="center", fontsize=8,
        )  # fmt: skip
        start += size
    ax.axvline(base, color="0.35", linewidth=0.8, linestyle=":")
    ax.axvline(output, color="0.15", linewidth=1.0)
    ax.set_yticks(range(len(steps)), [name for name, _ in steps[::-1]])
    towards = f", towards '{example['towards']}'" if example.get("towards") else ""
    told = f"{unit}{towards}: from {readable(base)} (usual, dotted) to {readable(output)} (this answer)"
    ax.set_xlabel(textwrap.fill(told, _LONGEST_AXIS))
    passed = base + np.cumsum([0.0, *[size for _, size in steps[::-1]]])
    room = 0.14 * max(float(np.ptp(passed)), 1e-9)
    ax.set_xlim(passed.min() - room, passed.max() + room)
    ax.grid(axis="y", visible=False)


def _ranks(column: pd.Series[Any]) -> np.ndarray:
    """Return each value's rank from 0 to 1; NaN for levels and gaps."""
    numbers = _numbers(column)
    if numbers is None:
        return np.full(len(column), np.nan)
    ranked = pd.Series(numbers).rank()
    low, high = ranked.min(), ranked.max()
    return np.asarray((ranked - low) / max(high - low, 1e-12), dtype=float)


def _numbers(column: pd.Series[Any]) -> np.ndarray | None:
    """Return a column as numbers, or None where it holds levels."""
    if pd.api.types.is_bool_dtype(column.dtype):
        return None
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return np.asarray(column.astype("int64"), dtype=float)
    numbers = pd.to_numeric(column, errors="coerce")
    few = numbers.notna().sum() < max(3, 0.5 * column.notna().sum())
    return None if few else np.asarray(numbers, dtype=float)


def _spread(values: np.ndarray, width: float = 0.36) -> np.ndarray:
    """Move dots apart that share a place: alternately up and down, further where it is crowded."""
    if len(values) == 0:
        return np.zeros(0)
    low, high = float(np.min(values)), float(np.max(values))
    cell = np.round((values - low) / max(high - low, 1e-12) * 60).astype(int)
    offsets = np.zeros(len(values))
    most = max(1, int(np.bincount(cell).max()))
    for place in np.unique(cell):
        inside = np.flatnonzero(cell == place)
        step = np.arange(len(inside))
        offsets[inside] = np.where(step % 2 == 0, 1, -1) * ((step + 1) // 2)
    # A few dots stay near the middle; only a crowd fills the whole width.
    return offsets / max(6, most // 2) * width


def _label(name: str) -> str:
    """Return a name on at most two lines; names that differ late must not look alike."""
    return textwrap.fill(name, _LONGEST_NAME, max_lines=2, placeholder="…", break_on_hyphens=False)


def _short(name: str, limit: int) -> str:
    return name if len(name) <= limit else name[: limit - 1] + "…"
