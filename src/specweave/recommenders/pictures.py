"""Pictures of interactions and of recommended lists.

Reads: interactions, outcome tables. Writes: nothing. Never: chooses a colour by name (the style's cycle is
used) or holds plotting state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from specweave.metrics.ranking_measures import per_user
from specweave.recommenders.interactions import Interactions
from specweave.recommenders.outcome import list_length
from specweave.records import Figure

_GREY = "0.45"
_CELLS = 60


def data_figures(data: Interactions) -> list[Figure]:
    """Return sparsity, long tail, and the lengths of histories of users and items."""
    return [
        Figure(
            name="sparsity", title="Who interacts with what", width=5.6, height=4.4,
            alt="Share of filled pairs in blocks of users and items, both sorted by how active they are",
            draw=lambda ax: _draw_sparsity(ax, data),
        ),
        Figure(
            name="long-tail", title="Long tail", width=5.6, height=4.0,
            alt="Share of all interactions against share of items, most popular first",
            draw=lambda ax: _draw_tail(ax, data),
        ),
        Figure(
            name="histories", title="Interactions per user and per item", width=6.4, height=4.0,
            alt="How many users and items have at least so many interactions",
            draw=lambda ax: _draw_lengths(ax, data),
        ),
    ]  # fmt: skip


def _draw_sparsity(ax: Any, data: Interactions) -> None:
    def place(codes: np.ndarray, size: int) -> tuple[np.ndarray, int]:
        ranks = np.empty(size, dtype=int)
        ranks[np.argsort(-np.bincount(codes, minlength=size), kind="stable")] = np.arange(size)
        bins = min(_CELLS, size)
        return ranks[codes] * bins // size, bins

    rows, n_rows = place(data.user, data.n_users)
    columns, n_columns = place(data.item, data.n_items)
    counts = np.bincount(rows * n_columns + columns, minlength=n_rows * n_columns).reshape(n_rows, n_columns)
    share = counts / (data.n_users / n_rows * data.n_items / n_columns)
    image = ax.imshow(share, aspect="auto", cmap="viridis", vmin=0.0, interpolation="nearest")
    ax.figure.colorbar(image, ax=ax, label="share of pairs with an interaction")
    ax.set_xticks([]), ax.set_yticks([])
    ax.set_xlabel(f"{data.n_items:,} items, most popular left")
    ax.set_ylabel(f"{data.n_users:,} users, most active on top")


def _draw_tail(ax: Any, data: Interactions) -> None:
    counts = np.sort(np.bincount(data.item, minlength=data.n_items))[::-1]
    share = np.cumsum(counts) / counts.sum()
    ax.plot(np.arange(1, len(counts) + 1) / len(counts), share, color="C0")
    ax.plot([0, 1], [0, 1], color=_GREY, linestyle=":", linewidth=1)
    tenth = max(1, round(0.1 * len(counts)))
    ax.annotate(
        f"top 10 % of items: {share[tenth - 1]:.0%}", (tenth / len(counts), share[tenth - 1]), xytext=(12, -14),
        textcoords="offset points",
    )  # fmt: skip
    ax.set_xlabel("share of items, most popular first")
    ax.set_ylabel("share of interactions")


def _draw_lengths(ax: Any, data: Interactions) -> None:
    for codes, size, label in ((data.user, data.n_users, "users"), (data.item, data.n_items, "items")):
        counts = np.sort(np.bincount(codes, minlength=size))[::-1]
        ax.step(np.maximum(counts, 1), np.arange(1, size + 1), where="post", label=label)
    ax.set_xscale("log"), ax.set_yscale("log")
    ax.set_xlabel("interactions, at least")
    ax.set_ylabel("number of users or items")
    ax.legend()


def outcome_figures(outcome: pd.DataFrame, decision: Mapping[str, Any]) -> list[Figure]:
    """Return precision and recall by list length, quality by length of history, and what is recommended."""
    return [
        Figure(
            name="by-rank", title="Precision, recall and NDCG by list length", width=6.0, height=4.0,
            alt="Precision, recall and NDCG at K for every K up to the list's length",
            draw=lambda ax: _draw_by_k(ax, outcome),
        ),
        Figure(
            name="by-history", title="Quality by length of history", width=6.0, height=4.0,
            alt="Mean NDCG of users with 95 % intervals, by how many interactions were known of them",
            draw=lambda ax: _draw_by_history(ax, outcome),
        ),
        Figure(
            name="recommended", title="How often items are recommended", width=6.0, height=4.0,
            alt="Lists that hold an item, items sorted by that",
            draw=lambda ax: _draw_recommended(ax, outcome),
        ),
    ]  # fmt: skip


def _draw_by_k(ax: Any, outcome: pd.DataFrame) -> None:
    ks = np.arange(1, list_length(outcome) + 1)
    for name, label in (("precision", "Precision@K"), ("recall", "Recall@K"), ("ndcg", "NDCG@K")):
        ax.plot(ks, [np.nanmean(per_user(outcome, name, int(k))) for k in ks], marker="o", label=label)
    ax.set_xlabel("K")
    ax.set_ylim(bottom=0)
    ax.legend()


def history_bands(lengths: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return (band of each user, band names) by length of history: none, few, and quartiles of the rest."""
    edges = [0, 1]
    known = lengths[lengths > 0]
    if known.size:
        edges += [int(q) + 1 for q in np.quantile(known, [0.25, 0.5, 0.75])]
    edges = sorted(set(edges))
    names = []
    for low, high in zip(edges, [*edges[1:], None], strict=True):
        names.append(f"{low}+" if high is None else (str(low) if high == low + 1 else f"{low}-{high - 1}"))
    return np.searchsorted(edges, lengths, side="right") - 1, names


def _draw_by_history(ax: Any, outcome: pd.DataFrame) -> None:
    values = per_user(outcome, "ndcg")
    bands, names = history_bands(outcome["n_history"].to_numpy())
    shown, means, widths = [], [], []
    for band, name in enumerate(names):
        inside = values[(bands == band) & ~np.isnan(values)]
        if inside.size:
            shown.append(f"{name}\n({inside.size})")
            means.append(inside.mean())
            widths.append(1.96 * inside.std() / np.sqrt(inside.size))
    ax.bar(np.arange(len(shown)), means, yerr=widths, capsize=3, color="C0")
    ax.set_xticks(np.arange(len(shown)), shown)
    ax.set_xlabel("interactions known of the user (users)")
    ax.set_ylabel("mean NDCG")


def _draw_recommended(ax: Any, outcome: pd.DataFrame) -> None:
    items = outcome[[c for c in outcome.columns if c.startswith("item:")]].to_numpy()
    n_items = int(outcome["n_items"].iloc[0])
    counts = np.sort(np.bincount(items[items >= 0].astype(int), minlength=n_items))[::-1]
    ax.plot(np.arange(1, n_items + 1), np.maximum(counts, 0.5), color="C0")
    ax.set_yscale("log")
    ax.set_xlabel(
        f"items by how often they are recommended ({np.count_nonzero(counts)} of {n_items} ever are)"
    )
    ax.set_ylabel("lists that hold the item")
