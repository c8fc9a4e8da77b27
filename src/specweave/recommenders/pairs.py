"""Pairs of user and item as rows: what is known of the user, of the item, and of the two together.

Reads: fitted first-stage models. Writes: nothing. Never: tells a pair whether it became a hit (labels are
kept apart).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from specweave.recommenders.base import Context, emphasised, item_counts
from specweave.recommenders.blend import Blend
from specweave.recommenders.linear import ItemKNN
from specweave.recommenders.model import best_of

# What every pair has, whatever the data; names as feature definitions and reports show them.
SCORES = ("blend score", "blend rank", "item-to-item score", "factor score", "neighbour score")
USER_SIDE = ("user interactions", "user mean popularity")
ITEM_SIDE = ("item users", "item recent share", "item mean weight")
AFFINITY = "attribute affinity"
LAST = "likeness to last item"


@dataclass
class PairMaker:
    """First-stage models and the tables from which pairs get their columns.

    Parameters
    ----------
    candidates : int
        Items per user that go on to the second stage.
    """

    candidates: int = 60
    seed: int = 0

    def fit(self, history: sp.csr_matrix, context: Context) -> PairMaker:
        """Fit the first stage on histories and count what is known of items and users."""
        self.blend_ = Blend(random_state=self.seed).fit(history, context)
        self.near_ = ItemKNN(neighbours=50).fit(history, context)
        counts = item_counts(history)
        self.known_ = counts > 0
        n_items = history.shape[1]
        sums = np.bincount(history.indices, weights=history.data, minlength=n_items)
        self.item_columns_: dict[str, np.ndarray] = {
            "item users": np.log1p(counts),
            "item mean weight": np.where(counts > 0, sums / np.maximum(counts, 1), 1.0),
            "item recent share": _recent_share(context, n_items),
        }
        self.popularity_ = np.log1p(counts)
        self.user_table_, self.item_table_ = context.user_table, context.item_table
        self.profile_ = _profile(context.item_table)
        self.last_ = _last_items(history, context)
        return self

    def first_stage(
        self, history: sp.csr_matrix, users: np.ndarray, seen: sp.csr_matrix
    ) -> dict[str, np.ndarray]:
        """Return each user's candidates, shape (n_rows, candidates), and their first-stage scores; ``everything``
        holds those of all items."""
        linear = _scaled(self.blend_.linear_.scores(history, users))
        factor = _scaled(self.blend_.factor_.scores(history, users))
        near = _scaled(self.near_.scores(history, users))
        blend = linear * (1 - self.blend_.share) + factor * self.blend_.share
        shown = blend.copy()
        shown[:, ~self.known_] = -np.inf
        shown[np.repeat(np.arange(len(users)), np.diff(seen.indptr)), seen.indices] = -np.inf
        items, _ = best_of(shown, self.candidates)
        safe = np.maximum(items, 0)

        def of(scores: np.ndarray) -> np.ndarray:
            return np.take_along_axis(scores, safe, axis=1)

        return {
            "item": items, "everything": blend, "blend score": of(blend), "item-to-item score": of(linear), "factor score": of(factor),
            "neighbour score": of(near),
            "blend rank": np.broadcast_to(np.arange(1, items.shape[1] + 1), items.shape),
        }  # fmt: skip

    def frame(self, history: sp.csr_matrix, users: np.ndarray, first: dict[str, np.ndarray]) -> pd.DataFrame:
        """Return one row per pair, users in order, candidates best first; pairs without an item are left in.

        Parameters
        ----------
        history : csr_matrix, shape (n_rows, n_items)
        users : ndarray of int, shape (n_rows,)
        first : dict
            From :meth:`first_stage`.
        """
        items = np.maximum(first["item"], 0)
        width = items.shape[1]
        flat = items.ravel()
        lengths = np.diff(history.indptr).astype(float)
        popular = np.asarray(emphasised(history, 0.0) @ self.popularity_) / np.maximum(lengths, 1)
        columns: dict[str, Any] = {name: first[name].ravel().astype(np.float64) for name in SCORES}
        columns["user interactions"] = np.repeat(np.log1p(lengths), width)
        columns["user mean popularity"] = np.repeat(popular, width)
        for name, values in self.item_columns_.items():
            columns[name] = values[flat]
        if self.profile_ is not None:
            columns[AFFINITY] = self._affinity(history, items)
        if self.last_ is not None:
            columns[LAST] = self._likeness_to_last(users, items)
        for table, codes, prefix in (
            (self.user_table_, np.repeat(users, width), "user "),
            (self.item_table_, flat, "item "),
        ):
            if table is not None:
                part = table.take(np.maximum(codes, 0)).reset_index(drop=True)
                if (codes < 0).any():
                    part = part.mask(codes < 0)
                for name in part.columns:
                    columns.setdefault(f"{prefix}{name}", part[name].to_numpy())
        return pd.DataFrame(columns)

    def _affinity(self, history: sp.csr_matrix, items: np.ndarray) -> np.ndarray:
        """Return the cosine of a user's mean item attributes and the item's."""
        profile = self.profile_
        assert profile is not None
        tastes = np.asarray(history @ profile)
        tastes /= np.linalg.norm(tastes, axis=1, keepdims=True) + 1e-9
        return np.asarray(np.einsum("rf,rkf->rk", tastes, profile[items]).ravel(), dtype=np.float64)

    def _likeness_to_last(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        assert self.last_ is not None
        last = np.where(users >= 0, self.last_[np.maximum(users, 0)], -1)
        rows = self.near_.weights_[np.maximum(last, 0)]
        dense = np.asarray(rows.toarray(), dtype=np.float64)
        dense[last < 0] = 0.0
        return np.take_along_axis(dense, items, axis=1).ravel()


def pair_columns(context: Context) -> dict[str, Callable[[], Any] | str]:
    """Return the names of the pair columns that are no attributes, in order."""
    names = [*SCORES, *USER_SIDE, *ITEM_SIDE]
    if _profile(context.item_table) is not None:
        names.append(AFFINITY)
    if context.time is not None:
        names.append(LAST)
    return dict.fromkeys(names, "numeric")


def _scaled(scores: np.ndarray) -> np.ndarray:
    spread = scores.std(axis=1, keepdims=True)
    return np.asarray(scores / np.where(spread > 0, spread, 1.0))


def _recent_share(context: Context, n_items: int) -> np.ndarray:
    if context.time is None or len(context.time) == 0:
        return np.zeros(n_items)
    recent = context.time >= np.quantile(context.time, 0.8)
    new = np.bincount(context.item[recent], minlength=n_items)
    every = np.bincount(context.item, minlength=n_items)
    return np.asarray(new / np.maximum(every, 1))


def _profile(table: pd.DataFrame | None) -> np.ndarray | None:
    """Return item attributes as unit vectors: flags as they are, categories with few levels one by one."""
    if table is None:
        return None
    parts = []
    for name in table.columns:
        column = table[name]
        if pd.api.types.is_numeric_dtype(column) and set(column.dropna().unique()) <= {0, 1}:
            parts.append(column.fillna(0).to_numpy(dtype=np.float32)[:, None])
        elif not pd.api.types.is_numeric_dtype(column) and 2 <= column.nunique() <= 50:
            parts.append(pd.get_dummies(column.astype("string")).to_numpy(dtype=np.float32))
    if not parts:
        return None
    made = np.hstack(parts)
    return np.asarray(made / (np.linalg.norm(made, axis=1, keepdims=True) + 1e-9), dtype=np.float32)


def _last_items(history: sp.csr_matrix, context: Context) -> np.ndarray | None:
    """Return each user's latest item, -1 for users without one; None without times."""
    if context.time is None or len(context.time) == 0:
        return None
    last = np.full(history.shape[0], -1)
    order = np.argsort(context.time, kind="stable")
    last[context.user[order]] = context.item[order]
    return last
