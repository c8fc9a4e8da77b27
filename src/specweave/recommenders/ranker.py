"""Two stages: candidates from item-to-item and factor models, ranked anew by boosted trees.

Reads: histories, attributes, times. Writes: nothing. Never: trains the second stage on interactions that
its first stage has learned from.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from specweave.errors import DataError
from specweave.recommenders.base import Context, Recommender, leave_one_out, users_per_block
from specweave.recommenders.pairs import PairMaker

_MOST_USERS = 3000  # enough to learn what sets hits apart


class TwoStageRanker(Recommender):
    """Candidates from a blend of EDLAE and ALS, re-ranked by LightGBM or XGBoost on pair features.

    Parameters
    ----------
    booster : {"lightgbm", "xgboost"}
    candidates : int
        Items per user that the second stage sees.
    n_estimators, num_leaves : int
    learning_rate : float
    min_child_samples : int
    random_state, n_jobs : int, optional

    Notes
    -----
    To learn what a hit looks like, some of each user's interactions are hidden from a first copy of the
    first stage; its candidates, labelled by the hidden ones, train the trees. Then the first stage learns
    from everything.
    """

    method = "leave-one-out on both stages"

    def __init__(
        self, booster: str = "lightgbm", candidates: int = 100, n_estimators: int = 120, learning_rate: float = 0.05,
        num_leaves: int = 7, min_child_samples: int = 60, random_state: int | None = None, n_jobs: int = 1,
    ) -> None:  # fmt: skip
        self.booster, self.candidates, self.n_estimators = booster, candidates, n_estimators
        self.learning_rate, self.num_leaves, self.min_child_samples = (
            learning_rate,
            num_leaves,
            min_child_samples,
        )
        self.random_state, self.n_jobs = random_state, n_jobs

    def fit(self, history: sp.csr_matrix, context: Context) -> TwoStageRanker:
        """Train the second stage on hidden interactions, then the first stage on all."""
        frame, label, _ = labelled_pairs(history, context, self.candidates, self.random_state or 0)
        self.features_ = copy.deepcopy(context.features)
        X = np.asarray(self.features_.fit_transform(frame, label), dtype=np.float64)
        self.trees_ = self._trees()
        self.trees_.fit(X, label)
        self.maker_ = PairMaker(self.candidates, self.random_state or 0).fit(history, context)
        return self

    def _trees(self) -> Any:
        shared = {
            "n_estimators": self.n_estimators, "learning_rate": self.learning_rate, "n_jobs": self.n_jobs,
            "random_state": self.random_state or 0, "colsample_bytree": 0.8, "subsample": 0.8,
        }  # fmt: skip
        if self.booster == "xgboost":
            from xgboost import XGBClassifier

            return XGBClassifier(
                **shared, max_leaves=self.num_leaves, grow_policy="lossguide", max_depth=0, tree_method="hist",
                min_child_weight=self.min_child_samples / 10,
            )  # fmt: skip
        from lightgbm import LGBMClassifier

        return LGBMClassifier(
            **shared, num_leaves=self.num_leaves, min_child_samples=self.min_child_samples, subsample_freq=1,
            verbose=-1,
        )  # fmt: skip

    def scores(self, history: sp.csr_matrix, users: np.ndarray) -> np.ndarray:
        """Return the chance of a hit for candidates, and for the rest their first-stage order below all of them."""
        made = np.empty(history.shape, dtype=np.float32)
        size = users_per_block(history.shape[1], 1024)
        for start in range(0, history.shape[0], size):
            rows = slice(start, min(start + size, history.shape[0]))
            past, codes = history[rows], users[rows]
            first = self.maker_.first_stage(past, codes, past)
            frame = self.maker_.frame(past, codes, first)
            X = np.asarray(self.features_.transform(frame), dtype=np.float64)
            chance = self.trees_.predict_proba(X)[:, 1].reshape(first["item"].shape)
            made[rows] = _above_the_rest(first, chance)
        return made

    def contributions(self, history: sp.csr_matrix, user: int, items: Sequence[int]) -> np.ndarray:
        """Return how far the chance of a hit falls when a past item is left out; no candidate has none."""
        return leave_one_out(_Chances(self), history, user, items)

    def set_threads(self, threads: int) -> None:
        """Hold the trees to a number of threads."""
        self.trees_.set_params(n_jobs=threads)

    def set_params(self, **params: Any) -> Recommender:
        """Set parameters by name; threads reach the trees at once."""
        super().set_params(**params)
        if "n_jobs" in params and hasattr(self, "trees_"):
            self.set_threads(int(params["n_jobs"]))
        return self


class _Chances:
    """A ranker's scores as chances: what is no candidate is 0, wherever it stands among the rest."""

    def __init__(self, ranker: TwoStageRanker) -> None:
        self.ranker = ranker

    def scores(self, history: sp.csr_matrix, users: np.ndarray) -> np.ndarray:
        """Return chances, shape (n_rows, n_items)."""
        return np.asarray(np.maximum(self.ranker.scores(history, users), 0.0))


def _above_the_rest(first: dict[str, np.ndarray], chance: np.ndarray) -> np.ndarray:
    # Between -1 and 0 in the order of the first stage: a list may be longer than there are candidates.
    made = np.asarray(-1.0 / (1.0 + np.exp(first["everything"])), dtype=np.float32)
    items = first["item"]
    there = items >= 0
    rows = np.broadcast_to(np.arange(len(items))[:, None], items.shape)
    made[rows[there], items[there]] = chance[there]
    return made


def labelled_pairs(
    history: sp.csr_matrix, context: Context, candidates: int, seed: int
) -> tuple[Any, np.ndarray, PairMaker]:
    """Return (pair features before encoding, hits as 0 and 1, the first stage behind them).

    Users none of whose hidden items is among their candidates teach nothing about order and are left out.
    """
    learn, predict = context.hide(context.user, context.time, seed)
    inner = Context(
        context.user[learn], context.item[learn], None if context.time is None else context.time[learn],
        None if context.rating is None else context.rating[learn], context.user_table, context.item_table,
        seed=seed, threads=context.threads,
    )  # fmt: skip
    shape = history.shape
    weights = np.asarray(history[context.user[learn], context.item[learn]]).ravel()
    past = sp.csr_matrix((weights, (context.user[learn], context.item[learn])), shape=shape, dtype=np.float32)
    truth = sp.csr_matrix(
        (np.ones(len(predict), np.float32), (context.user[predict], context.item[predict])), shape=shape
    )
    maker = PairMaker(candidates, seed).fit(past, inner)
    users = np.flatnonzero((np.diff(truth.indptr) > 0) & (np.diff(past.indptr) > 0))
    if len(users) > _MOST_USERS:
        users = users[np.linspace(0, len(users) - 1, _MOST_USERS).astype(int)]
    frames, labels = [], []
    size = users_per_block(shape[1], 1024)
    for start in range(0, len(users), size):
        codes = users[start : start + size]
        first = maker.first_stage(past[codes], codes, past[codes])
        asked = np.asarray(truth[codes].toarray())
        hit = np.take_along_axis(asked, np.maximum(first["item"], 0), axis=1) * (first["item"] >= 0)
        useful = hit.any(axis=1)
        codes, hit = codes[useful], hit[useful]
        first = {name: values[useful] for name, values in first.items()}
        frames.append(maker.frame(past[codes], codes, first))
        labels.append(hit.ravel().astype(np.int64))
    if not sum(map(len, labels)):
        raise DataError(
            "no hidden interaction is among the candidates: a second stage has nothing to learn from",
            hint="leave the two-stage rankers out of the plan's candidates, or bring more data",
        )
    return pd.concat(frames, ignore_index=True), np.concatenate(labels), maker
