"""The pictures of a data profile: target, gaps, distributions, and what goes with what.

Reads: a profile record. Writes: nothing. Never: draws more columns than a person can look at.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from specweave.publish.wording import amount_text, short_text
from specweave.records import Figure
from specweave.stages.explore import strongest_columns

Profile = Mapping[str, Any]

_MOST_PANELS = 16
_MOST_BARS = 25
_MOST_LEVELS = 6
_MOST_CLASSES = 20


def eda_figures(profile: Profile) -> list[Figure]:
    """Return the pictures of ``data/profile.json``; those with nothing to show are left out."""
    made = [
        _target_figure(profile),
        _missing_figure(profile),
        _distributions_figure(profile),
        _associations_figure(profile),
        _correlations_figure(profile),
    ]
    return [figure for figure in made if figure is not None]


# -- target ----------------------------------------------------------------------------------------


def _target_figure(profile: Profile) -> Figure | None:
    target = profile.get("target") or {}
    if target.get("classes"):
        shown = min(len(target["classes"]), _MOST_CLASSES)
        return Figure(
            name="target", title=f"Classes of {short_text(target['name'], 40)}", width=6.4,
            height=1.2 + 0.34 * shown, alt="Training rows of each class of the target",
            draw=lambda ax: draw_classes(ax, target["classes"]),
        )  # fmt: skip
    if target.get("histogram"):
        return Figure(
            name="target", title=f"Distribution of {short_text(target['name'], 40)}", width=6.4, height=3.4,
            alt="Histogram of the target over the training rows with its median",
            draw=lambda ax: draw_target_histogram(ax, target),
        )  # fmt: skip
    return None


def draw_classes(ax: Any, classes: Mapping[str, int]) -> None:
    """Draw the rows of each class, the most common on top."""
    listed = sorted(classes.items(), key=lambda item: (-item[1], item[0]))
    rows = listed[:_MOST_CLASSES]
    total = max(1, sum(classes.values()))
    places = np.arange(len(rows))[::-1]
    ax.barh(places, [n for _, n in rows], color="C0", height=0.7)
    for place, (_, n) in zip(places, rows, strict=True):
        share = f"{n / total:.1%}" if n / total >= 0.001 else f"{n / total:.2g}"
        ax.annotate(f"{n:,}  ({share})", (n, place), xytext=(4, 0), textcoords="offset points", va="center")
    ax.set_yticks(places, [short_text(label, 24) for label, _ in rows])
    ax.set_xlim(0, 1.22 * max(n for _, n in rows))
    more = f" ({len(listed) - len(rows)} rarer classes not shown)" if len(listed) > len(rows) else ""
    ax.set_xlabel(f"training rows{more}")
    ax.grid(axis="y", visible=False)


def draw_target_histogram(ax: Any, target: Mapping[str, Any]) -> None:
    """Draw a numeric target's histogram with its median and middle 90 %."""
    _bars(ax, target["histogram"], "C0")
    quantiles = target["quantiles"]
    ax.axvspan(quantiles["p05"], quantiles["p95"], color="0.5", alpha=0.12, linewidth=0, label="middle 90 %")
    ax.axvline(quantiles["p50"], color="C1", label=f"median {amount_text(quantiles['p50'])}")
    ax.set_ylabel("training rows")
    ax.xaxis.set_major_formatter(lambda value, _: amount_text(value, short=True))
    ax.legend(loc="best")


# -- gaps ------------------------------------------------------------------------------------------


def _missing_figure(profile: Profile) -> Figure | None:
    gaps = sorted(
        ((c["missing_share"], name) for name, c in profile["columns"].items() if c["missing"]),
        key=lambda gap: (-gap[0], gap[1]),
    )
    if not gaps:
        return None
    shown = gaps[:_MOST_BARS]
    return Figure(
        name="missing", title="Missing values", width=6.8, height=1.2 + 0.28 * len(shown),
        alt="Share of missing values of the columns with the most gaps",
        draw=lambda ax: draw_missing(ax, shown, len(gaps)),
    )  # fmt: skip


def draw_missing(ax: Any, gaps: Sequence[tuple[float, str]], total: int) -> None:
    """Draw the missing share of columns, most first."""
    places = np.arange(len(gaps))[::-1]
    ax.barh(places, [share for share, _ in gaps], color="C4", height=0.7)
    for place, (share, _) in zip(places, gaps, strict=True):
        text = f"{share:.1%}" if share >= 0.001 else "<0.1%"
        ax.annotate(text, (share, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8)
    ax.set_yticks(places, [short_text(name, 28) for _, name in gaps])
    most = max(share for share, _ in gaps)
    ax.set_xlim(0, min(1.12, 1.18 * most) if most > 0 else 1)
    digits = 0 if most >= 0.05 else 1 if most >= 0.005 else 2
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:.{digits}%}")
    ax.locator_params(axis="x", nbins=6)
    more = f" (the worst {len(gaps)} of {total} columns with gaps)" if total > len(gaps) else ""
    ax.set_xlabel(f"share of rows without a value{more}")
    ax.grid(axis="y", visible=False)


# -- distributions ---------------------------------------------------------------------------------


def _distributions_figure(profile: Profile) -> Figure | None:
    drawable = [
        name
        for name in strongest_columns(dict(profile))
        if profile["columns"][name].get("histogram") or profile["columns"][name].get("top")
        if profile["columns"][name]["kind"] not in ("identifier", "constant", "empty")
    ]
    shown = drawable[:_MOST_PANELS]
    if not shown:
        return None
    rows = math.ceil(len(shown) / 4)
    what = "the columns that go strongest with the target" if profile.get("target") else "the first columns"
    title = "Distributions" if len(drawable) == len(shown) else f"Distributions: {what}"
    return Figure(
        name="distributions", title=title, width=10.0, height=0.5 + 1.9 * rows, whole=True,
        alt=f"Distribution of {len(shown)} columns: histograms of numbers and dates, bars of levels",
        draw=lambda canvas: draw_distributions(canvas, [(n, profile["columns"][n]) for n in shown]),
    )  # fmt: skip


def draw_distributions(canvas: Any, columns: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Draw one small panel per column."""
    wide = min(4, len(columns))
    panels = canvas.subplots(math.ceil(len(columns) / wide), wide, squeeze=False).ravel()
    for place, ax in enumerate(panels):
        if place >= len(columns):
            ax.set_axis_off()
            continue
        name, column = columns[place]
        if column["kind"] in ("numeric", "datetime") and column.get("histogram"):
            _draw_numbers(ax, column)
        else:
            _draw_levels(ax, column)
        ax.set_title(short_text(name, 28), fontsize=9.5, pad=4)
        ax.tick_params(labelsize=7.5)


def _draw_numbers(ax: Any, column: Mapping[str, Any]) -> None:
    top = column.get("top") or []
    if top and column["distinct"] <= len(top):
        # Few values: one bar each, where it belongs.
        values = sorted((float(entry["value"]), entry["count"]) for entry in top)
        gap = min((b[0] - a[0] for a, b in pairwise(values)), default=1.0)
        ax.bar([v for v, _ in values], [n for _, n in values], width=0.8 * gap, color="C0")
    else:
        _bars(ax, column["histogram"], "C0")
    ax.set_yticks([])
    ax.grid(axis="y", visible=False)
    ax.locator_params(axis="x", nbins=4)
    if column["kind"] == "datetime":
        last = column["histogram"]["edges"][-1]
        ax.set_xticks([0, last], [str(column["min"])[:10], str(column["max"])[:10]])
        first_label, last_label = ax.get_xticklabels()
        first_label.set_horizontalalignment("left")
        last_label.set_horizontalalignment("right")
        return
    ax.xaxis.set_major_formatter(lambda value, _: amount_text(value, short=True))


def _draw_levels(ax: Any, column: Mapping[str, Any]) -> None:
    top = list(column["top"][:_MOST_LEVELS])
    labels = [short_text(_level(entry["value"]), 14) for entry in top]
    shares = [entry["share"] for entry in top]
    if column["distinct"] > len(top):
        labels.append(f"{column['distinct'] - len(top)} others")
        shares.append(max(0.0, 1 - sum(shares)))
    places = np.arange(len(labels))[::-1]
    colours = ["C0"] * len(top) + ["0.7"] * (len(labels) - len(top))
    ax.barh(places, shares, color=colours, height=0.75)
    ax.set_yticks(places, labels)
    ax.set_xlim(0, 1.02 * max(shares) or 1)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.locator_params(axis="x", nbins=3)
    ax.grid(axis="y", visible=False)


def _level(value: Any) -> str:
    return amount_text(value) if isinstance(value, int | float) else str(value)


def _bars(ax: Any, histogram: Mapping[str, Sequence[float]], colour: str) -> None:
    edges, counts = np.asarray(histogram["edges"], dtype=float), np.asarray(histogram["counts"], dtype=float)
    if len(edges) < 2 or len(edges) != len(counts) + 1:
        return
    if edges[0] == edges[-1]:
        edges = np.linspace(edges[0] - 0.5, edges[0] + 0.5, len(edges))
    ax.bar(
        edges[:-1], counts, width=np.diff(edges), align="edge", color=colour, edgecolor="white", linewidth=0.5
    )
    ax.set_ylim(bottom=0)


# -- what goes with what ---------------------------------------------------------------------------


def _associations_figure(profile: Profile) -> Figure | None:
    scored = [
        (name, profile["columns"][name]["association"])
        for name in strongest_columns(dict(profile))
        if profile["columns"][name].get("association")
    ]
    key = "score" if any("score" in a for _, a in scored) else "mutual_information"
    shown = [(name, a[key]) for name, a in scored if a.get(key) is not None][:_MOST_BARS]
    if not shown or max(value for _, value in shown) <= 0:
        return None
    leaks = {name for leak in profile.get("leaks") or [] for name in leak["columns"]}
    target = profile["target"]
    return Figure(
        name="associations", title=f"What alone predicts {short_text(target['name'], 30)}", width=6.8,
        height=1.2 + 0.28 * len(shown), alt="How well each column alone predicts the target on training rows",
        draw=lambda ax: draw_associations(ax, shown, leaks, _score_words(key, target["task"])),
    )  # fmt: skip


def _score_words(key: str, task: str) -> str:
    if key != "score":
        return "mutual information with the target (nats)"
    return "2 x AUC - 1" if task == "classification" else "R²"


def draw_associations(ax: Any, shown: Sequence[tuple[str, float]], leaks: set[str], unit: str) -> None:
    """Draw how well columns alone predict the target; those that give it away in another colour."""
    places = np.arange(len(shown))[::-1]
    for suspected, colour, label in ((False, "C0", "input"), (True, "C1", "gives the target away")):
        part = [(p, v) for p, (name, v) in zip(places, shown, strict=True) if (name in leaks) is suspected]
        if part:
            ax.barh([p for p, _ in part], [v for _, v in part], color=colour, height=0.7, label=label)
    ax.set_yticks(places, [short_text(name, 28) for name, _ in shown])
    ax.set_xlabel(f"{unit} of a small tree on this column alone" if "mutual" not in unit else unit)
    ax.set_xlim(left=0)
    ax.grid(axis="y", visible=False)
    if leaks & {name for name, _ in shown}:
        ax.legend(loc="lower right")


def _correlations_figure(profile: Profile) -> Figure | None:
    matrix = profile.get("correlation_matrix") or {}
    names = matrix.get("columns") or []
    if len(names) < 2:
        return None
    side = 2.2 + 0.34 * len(names)
    return Figure(
        name="correlations", title="Which numeric columns go together", width=max(6.0, side + 1.2), height=side,
        alt=f"Spearman rank correlations between {len(names)} numeric columns",
        whole=True,
        draw=lambda canvas: draw_correlations(canvas.subplots(), names, matrix["spearman"]),
    )  # fmt: skip


def draw_correlations(ax: Any, names: Sequence[str], spearman: Sequence[Sequence[float | None]]) -> None:
    """Draw a matrix of rank correlations."""
    values = np.asarray([[np.nan if v is None else v for v in row] for row in spearman], dtype=float)
    np.fill_diagonal(values, np.nan)
    drawn = ax.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1, aspect="equal")
    labels = [short_text(name, 20) for name in names]
    ticks = np.arange(len(names))
    ax.set_xticks(ticks, labels, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(ticks, labels)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    size = 7.5 if len(names) <= 12 else 6
    for i in ticks:
        for j in ticks:
            if np.isfinite(values[i, j]) and abs(values[i, j]) >= 0.1:
                text = f"{values[i, j]:.2f}".replace("0.", ".")
                strong = abs(values[i, j]) > 0.6
                ax.text(
                    j, i, text, ha="center", va="center", fontsize=size, color="white" if strong else "0.2"
                )
    bar = ax.figure.colorbar(drawn, ax=ax, shrink=0.7, pad=0.02)
    bar.set_label("Spearman's rank correlation", fontsize=8.5)
    bar.outline.set_visible(False)
