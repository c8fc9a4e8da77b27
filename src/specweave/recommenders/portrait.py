"""What interactions look like before anything is learned: sparsity, the long tail, the cold.

Reads: interactions. Writes: nothing. Never: judges a model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from specweave.recommenders.interactions import Interactions
from specweave.records import Finding

_COLD_ITEM = 5
_TINY_HISTORY = 3


@dataclass(frozen=True)
class Portrait:
    """Counts that describe interactions; shares are between 0 and 1."""

    n_users: int
    n_items: int
    n_interactions: int
    density: float
    per_user_median: float
    per_item_median: float
    single_users: float
    short_users: float
    cold_items: float
    top_share: float
    gini: float


def make_portrait(data: Interactions) -> Portrait:
    """Return the portrait of interactions."""
    users = np.bincount(data.user, minlength=data.n_users)
    items = np.bincount(data.item, minlength=data.n_items)
    ranked = np.sort(items)[::-1]
    top = max(1, round(0.1 * data.n_items))
    n = len(data.user)
    ascending = ranked[::-1].astype(float)
    places = np.arange(1, len(ascending) + 1)
    gini = float((2 * places - len(ascending) - 1) @ ascending / (len(ascending) * max(1.0, ascending.sum())))
    return Portrait(
        data.n_users, data.n_items, n, n / (data.n_users * data.n_items), float(np.median(users)),
        float(np.median(items)), float(np.mean(users == 1)), float(np.mean(users < _TINY_HISTORY)),
        float(np.mean(items < _COLD_ITEM)), float(ranked[:top].sum() / max(1, n)), gini,
    )  # fmt: skip


def check_interactions(
    data: Interactions, k: int, *, dropped: int, missing: int, added: str | None = None
) -> list[Finding]:
    """Return doubts about interactions.

    Parameters
    ----------
    data : Interactions
    k : int
        Items that an answer holds.
    dropped : int
        Rows that repeated a pair of user and item.
    missing : int
        Rows without a user or an item.
    added : str, optional
        The column whose values are added up where a pair repeats.

    Returns
    -------
    list of Finding
        SW240 the shape of the data (info) · SW241 repeated pairs · SW242 users with one interaction · SW243
        items with few users · SW244 lists as long as the catalogue · SW245 rows without user or item ·
        SW246 one tenth of the items takes most interactions (info).
    """
    seen = make_portrait(data)
    found = [
        Finding(
            code="SW240", severity="info",
            message=f"{seen.n_interactions:,} interactions of {seen.n_users:,} users with {seen.n_items:,} items: "
            f"{seen.density:.2%} of all pairs; half of the users have at most {seen.per_user_median:g}",
            evidence={"density": seen.density, "gini": seen.gini},
        )
    ]  # fmt: skip
    if dropped and added:
        found.append(Finding(
            code="SW241", severity="info", evidence={"rows": dropped},
            message=f"{dropped:,} rows repeat a pair of user and item; '{added}' of each pair is added up",
        ))  # fmt: skip
    elif dropped:
        found.append(_doubt(
            "SW241", f"{dropped:,} rows repeat a pair of user and item; the latest of each pair is kept",
            "if repeats mean strength, count them into a rating column", rows=dropped,
        ))  # fmt: skip
    if missing:
        found.append(_doubt("SW245", f"{missing:,} rows lack a user or an item and are left out",
                            "find out where these rows come from", rows=missing))  # fmt: skip
    if seen.single_users > 0.1:
        found.append(_doubt(
            "SW242", f"{seen.single_users:.0%} of the users have a single interaction",
            "they can be served but not tested per user; what they get is close to popularity",
            share=seen.single_users,
        ))  # fmt: skip
    if seen.cold_items > 0.25:
        found.append(_doubt(
            "SW243", f"{seen.cold_items:.0%} of the items have fewer than {_COLD_ITEM} users",
            "next to nothing is known of them; item attributes help (Item attributes in spec.md)",
            share=seen.cold_items,
        ))  # fmt: skip
    if k >= data.n_items / 2:
        found.append(_doubt(
            "SW244", f"lists of {k} from a catalogue of {data.n_items} items show much of it to everybody",
            "ask for shorter lists: recommend.k in plan.md", k=k, items=data.n_items,
        ))  # fmt: skip
    if seen.top_share > 0.5:
        found.append(
            Finding(
                code="SW246", severity="info", evidence={"share": seen.top_share},
                message=f"a tenth of the items takes {seen.top_share:.0%} of the interactions: popularity is a "
                "strong baseline here",
            )
        )  # fmt: skip
    return found


def _doubt(code: str, message: str, advice: str, **evidence: float) -> Finding:
    return Finding(code=code, severity="warning", message=message, evidence=dict(evidence), advice=advice)
