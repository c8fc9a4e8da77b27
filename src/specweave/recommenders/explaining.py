"""Why an item was recommended: the past items behind it, and how much each adds.

Reads: a fitted recommender. Writes: nothing. Never: gives a reason that the model did not have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from specweave.recommenders.model import FittedRecommender

POPULARITY = "popularity"
_PER_USER = 60
_NOTHING = "no past item"


@dataclass(frozen=True)
class PastContributions:
    """What past items add to each user's first recommendation.

    Attributes
    ----------
    names : list of str
        Titles of past items.
    values : ndarray, shape (n_users, n_names)
    base : ndarray, shape (n_users,)
        What is left of the score: all of it for users without a history, and of long histories what the items
        beyond the strongest add.
    shown : DataFrame, shape (n_users, n_names)
        Ratings, or "had".
    towards : tuple of str
        The recommended item of each user.
    """

    names: list[str]
    values: np.ndarray
    base: np.ndarray
    shown: pd.DataFrame
    towards: tuple[str, ...]


def past_contributions(model: FittedRecommender, users: np.ndarray) -> PastContributions:
    """Return the contributions of past items to the first recommendation of each user.

    Parameters
    ----------
    users : ndarray of int, shape (n_users,)
        Codes; -1 for the unknown.
    """
    items, scores = model.recommend(users, 1)
    rows: list[dict[int, float]] = []
    base = np.zeros(len(users))
    for i, user in enumerate(users):
        item, score = int(items[i, 0]), float(np.nan_to_num(scores[i, 0]))
        past, found = model.explain(int(user), [item] if item >= 0 else [])
        values = found[:, 0] if found.shape[1] else np.zeros(len(past))
        order = np.argsort(-np.abs(values), kind="stable")
        kept = order[:_PER_USER]
        rows.append({int(past[j]): float(values[j]) for j in kept})
        base[i] = score - float(values[kept].sum())
    named = sorted({item for row in rows for item in row})
    place = {item: j for j, item in enumerate(named)}
    values = np.zeros((len(users), max(1, len(named))))
    shown = np.full(values.shape, None, dtype=object)
    for i, row in enumerate(rows):
        for item, value in row.items():
            values[i, place[item]] = value
            shown[i, place[item]] = shown_value(model, int(users[i]), item)
    names = unique_titles(model, named) or [_NOTHING]
    towards = tuple(str(model.titles[i]) if i >= 0 else "nothing" for i in items[:, 0])
    return PastContributions(names, values, base, pd.DataFrame(shown, columns=names), towards)


def reasons_of(model: FittedRecommender, user: int, top: int) -> dict[str, Any]:
    """Return why one user's first `top` recommendations are there.

    Returns
    -------
    dict
        ``reasons``: per recommendation ``recommendation`` (its title), ``item``, the strongest past item as
        ``feature``, ``value`` and ``contribution``, and up to three of them under ``because``; ``reasons_unit``;
        ``rationale`` in words. Users without a history: popularity, and it says so.
    """
    items, scores = model.recommend(np.array([user]), top)
    wanted = [int(i) for i in items[0] if i >= 0]
    past, found = model.explain(user, wanted)
    cold = bool(model.cold(np.array([user]))[0]) or not np.any(found)
    reasons = []
    for j, item in enumerate(wanted):
        because = [] if cold else _because(model, user, past, found[:, j])
        if not because:
            because = [_popular(model, item)]
        entry = {"recommendation": str(model.titles[item]), "item": str(model.items[item]), **because[0],
                 "because": because, "score": float(scores[0, j])}  # fmt: skip
        reasons.append(entry)
    words = render_words(reasons, cold, model.labels.get("rating", "rating"), model.popular_words)
    return {"reasons": reasons, "reasons_unit": "score", "rationale": words}


def _because(
    model: FittedRecommender, user: int, past: np.ndarray, values: np.ndarray
) -> list[dict[str, Any]]:
    order = [j for j in np.argsort(-values, kind="stable")[:3] if values[j] > 0]
    return [
        {
            "feature": str(model.titles[past[j]]),
            "value": shown_value(model, user, int(past[j])),
            "contribution": float(values[j]),
        }
        for j in order
    ]


def _popular(model: FittedRecommender, item: int) -> dict[str, Any]:
    share = float(model.popularity[item] / max(1, len(model.users)))
    return {"feature": POPULARITY, "value": f"{int(model.counts[item]):,} users", "contribution": share}


def shown_value(model: FittedRecommender, user: int, item: int) -> Any:
    """Return a user's rating of a past item, or "had"."""
    if user < 0 or model.ratings is None:
        return "had"
    value = float(model.ratings[user, item])
    return value if np.isfinite(value) and value != 0 else "had"


def unique_titles(model: FittedRecommender, items: list[int]) -> list[str]:
    """Return titles of items; those that several share carry the item's label, too."""
    titles = [str(model.titles[i]) for i in items]
    twice = {t for t in titles if titles.count(t) > 1} if len(set(titles)) < len(titles) else set()
    return [f"{t} ({model.items[i]})" if t in twice else t for t, i in zip(titles, items, strict=True)]


def render_words(
    reasons: list[dict[str, Any]], cold: bool, rating: str = "rating", popular: str = "the most popular items"
) -> str:
    """Return the reasons of one user's recommendations as sentences; `rating` names what was given to past items."""
    if not reasons:
        return "Nothing is left to recommend."
    if cold:
        listed = ", ".join(f"{r['recommendation']} ({r['value']})" for r in reasons)
        return f"The user's past plays no part here: these are {popular}: {listed}."
    parts = []
    for place, reason in enumerate(reasons, 1):
        named = ", ".join(_because_words(b, rating) for b in reason["because"])
        parts.append(f"{place}. {reason['recommendation']}, because of {named}.")
    return " ".join(parts)


def _because_words(reason: dict[str, Any], rating: str) -> str:
    value, added = reason["value"], format(reason["contribution"], "+.3g")
    if value == "had":
        return f"{reason['feature']} ({added})"
    told = value if isinstance(value, str) else f"{rating} {value:g}, {added}"
    return f"{reason['feature']} ({told})"
