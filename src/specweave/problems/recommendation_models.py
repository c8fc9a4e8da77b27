"""From interactions to a fitted recommender, and from that to the outcome of each user's list.

Reads: interactions as codes. Writes: nothing. Never: learns from rows that it was not given.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from specweave.problems.base import ModelExperiment
from specweave.problems.interaction_data import InteractionData
from specweave.problems.recommendation_pairs import make_context
from specweave.recommenders.fitting import fit_recommender
from specweave.recommenders.interactions import Interactions
from specweave.recommenders.model import FittedRecommender
from specweave.recommenders.outcome import make_outcome
from specweave.recommenders.pictures import history_bands
from specweave.recommenders.popularity import faded_counts
from specweave.recommenders.protocols import most_tested


def fit_interactions(
    experiment: ModelExperiment,
    data: InteractionData,
    rows: np.ndarray,
    features: Any,
    *,
    seed: int,
    threads: int,
) -> FittedRecommender:
    """Fit on these interactions only."""
    coded = data.coded
    learned = np.sort(rows[coded.positive[rows]])
    context = make_context(data, learned, features, seed=seed, threads=threads)
    history = coded.matrix(learned)
    estimator = fit_recommender(experiment, history, context)
    return FittedRecommender(
        estimator=estimator, users=coded.users, items=coded.items, titles=data.titles, history=history,
        seen=coded.matrix(rows, positive_only=False),
        counts=np.bincount(history.indices, minlength=coded.n_items).astype(float), k=data.settings["k"],
        lately=_lately(data, learned),
        ratings=_rating_matrix(data, learned),
        labels={r: str(data.roles[r]) for r in ("user", "item", "rating") if data.roles[r]},
    )  # fmt: skip


def recipe_of(model: FittedRecommender) -> ModelExperiment:
    """Return how a fitted recommender was made, to be fitted to other rows."""
    estimator = model.estimator
    params = estimator.get_params(deep=False) if hasattr(estimator, "get_params") else {}
    return ModelExperiment(type(estimator).__name__, type(estimator), params)


def predict_lists(model: FittedRecommender, data: InteractionData, rows: np.ndarray) -> pd.DataFrame:
    """Return one row per user with hits among `rows`: the list, its hits, and what was to be found."""
    users, standing = standing_rows(data.coded, rows)
    truth = data.coded.matrix(np.asarray(rows))[users]
    return make_outcome(
        model, users, truth, standing, data.settings["k"], exclude_seen=data.settings["exclude_seen"]
    )


def user_table(data: InteractionData, outcome: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the attributes and the length of the history of each row's user, with their kinds."""
    bands, names = history_bands(outcome["n_history"].to_numpy())
    table = pd.DataFrame({"history length": np.asarray(names, dtype=object)[bands]})
    kinds: dict[str, Any] = {"history length": "category"}
    if data.user_table is not None:
        own = data.user_table.take(data.coded.user[outcome["row"].to_numpy()]).reset_index(drop=True)
        table = pd.concat([table, own], axis=1)
        kinds |= {name: kind.kind for name, kind in data.attribute_kinds["user"].items()}
    return table, kinds


def standing_rows(coded: Interactions, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (users with hits among `rows`, the first row of each)."""
    hits = np.sort(np.asarray(rows)[coded.positive[rows]])
    users, first = np.unique(coded.user[hits], return_index=True)
    return users.astype(np.int64), hits[first]


def split_words(data: InteractionData, holdout: np.ndarray, n_folds: int, seed: int) -> str:
    """Return how interactions were hidden, as the reports tell it."""
    tested = len(np.unique(data.coded.user[holdout]))
    drawn = " (drawn at random: the catalogue is large)" if tested == most_tested(data.coded.n_items) else ""
    seen = "seen items are taken out" if data.settings["exclude_seen"] else "seen items may come again"
    return (
        f"{data.protocol.words}: {len(holdout):,} of {len(data.coded.user):,} interactions, {tested:,} users{drawn}; "
        f"{n_folds} validation folds made alike; every item is a candidate, {seen}, gain 1 per hit, seed {seed}"
    )


def goes_by_late(data: InteractionData) -> bool:
    """Return whether newcomers get what is popular of late: the future is held out. Else what was popular once is as
    likely to be asked for."""
    return data.protocol.name == "time" and data.coded.time is not None


def _lately(data: InteractionData, rows: np.ndarray) -> np.ndarray | None:
    coded = data.coded
    if not goes_by_late(data) or coded.time is None or not len(rows):
        return None
    return faded_counts(coded.item[rows], coded.time[rows], coded.n_items)


def _rating_matrix(data: InteractionData, rows: np.ndarray) -> Any:
    if data.ratings is None:
        return None
    coded = data.coded
    shape = (coded.n_users, coded.n_items)
    return sp.csr_matrix(
        (data.ratings[rows].astype(np.float32), (coded.user[rows], coded.item[rows])), shape=shape
    )
