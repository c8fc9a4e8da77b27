"""Pairs of user and item, which the second stage of a ranker learns from: their context, kinds and table.

Reads: interactions and attributes. Writes: nothing. Never: shows a first stage the interactions that label its pairs.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from specweave.problems.base import Dataset, Split
from specweave.problems.interaction_data import InteractionData
from specweave.recommenders.base import Context
from specweave.recommenders.pairs import PairMaker, pair_columns
from specweave.recommenders.protocols import Protocol, inner_split
from specweave.recommenders.ranker import labelled_pairs
from specweave.tables.kinds import ColumnKind

RELEVANT = "relevant"
_VIEW_USERS = 300


def make_context(
    data: InteractionData, rows: np.ndarray, features: Any, *, seed: int, threads: int
) -> Context:
    """Return what a recommender may know of these interactions beside their histories."""
    coded = data.coded
    return Context(
        user=coded.user[rows].astype(np.int64), item=coded.item[rows].astype(np.int64),
        time=None if coded.time is None else coded.time[rows],
        rating=None if data.ratings is None else data.ratings[rows], user_table=data.user_table,
        item_table=data.item_table, features=features, hide=partial(_hide, data.protocol), seed=seed, threads=threads,
    )  # fmt: skip


def _hide(
    protocol: Protocol, user: np.ndarray, times: np.ndarray | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    return inner_split(protocol, user, times, seed=seed)


def pair_kinds(data: InteractionData) -> dict[str, ColumnKind]:
    """Return what each column of a pair is, attributes of user and item included."""
    empty = np.array([], dtype=np.int64)
    context = Context(
        empty, empty, time=data.coded.time, user_table=data.user_table, item_table=data.item_table
    )
    kinds = {name: ColumnKind(kind="numeric") for name in pair_columns(context)}
    for side in ("user", "item"):
        kinds |= {f"{side} {name}": kind for name, kind in data.attribute_kinds[side].items()
                  if f"{side} {name}" not in kinds}  # fmt: skip
    return kinds


def pair_table(data: InteractionData, split: Split) -> tuple[Dataset, Split]:
    """Return candidate pairs of some training users, labelled by the first fold, and unlabelled ones as served."""
    fit_rows, valid_rows = split.folds[0]
    frames = []
    for learn, predict in ((fit_rows, valid_rows), (split.train, None)):
        frames.append(_pairs_of(data, learn, predict))
    train, later = frames
    frame = pd.concat([train, later], ignore_index=True)
    kinds = pair_kinds(data)
    order = [*(c for c in kinds if c in frame.columns), RELEVANT]
    roles: dict[str, Any] = {"target": RELEVANT, "identifiers": [], "time": None}
    view = Dataset(frame[order], {**kinds, RELEVANT: ColumnKind(kind="boolean")}, roles, data.source)
    positions = np.arange(len(frame))
    words = "candidate pairs of training users; pairs as they are served"
    return view, Split(positions[: len(train)], positions[len(train) :], (), words)


def _pairs_of(data: InteractionData, learn: np.ndarray, predict: np.ndarray | None) -> pd.DataFrame:
    """Return candidate pairs of some users: labelled by `predict`, or as served where that is None."""
    coded = data.coded
    chosen = np.unique(coded.user[learn if predict is None else predict])
    chosen = chosen[:: max(1, len(chosen) // _VIEW_USERS)][:_VIEW_USERS]
    learned = np.sort(learn[coded.positive[learn]])
    if predict is None:
        history = coded.matrix(learned)
        maker = PairMaker(50).fit(history, make_context(data, learned, None, seed=0, threads=1))
        first = maker.first_stage(history[chosen], chosen, history[chosen])
        return maker.frame(history[chosen], chosen, first).assign(**{RELEVANT: 0})
    wanted = predict[np.isin(coded.user[predict], chosen) & coded.positive[predict]]
    rows = np.r_[learned, wanted]
    context = make_context(data, rows, None, seed=0, threads=1)
    context.hide = lambda user, times, seed: (np.arange(len(learned)), np.arange(len(learned), len(rows)))
    frame, label, _ = labelled_pairs(coded.matrix(rows), context, 50, 0)
    labelled: pd.DataFrame = frame.assign(**{RELEVANT: label})
    return labelled
