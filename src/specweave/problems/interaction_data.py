"""Interactions as they are read: the table, its codes, the attributes of users and items.

Reads: the files that the spec names. Writes: nothing. Never: guesses user or item where neither names nor
values tell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from specweave.errors import DataError, SpecError
from specweave.problems.base import Dataset, Source
from specweave.problems.interaction_attributes import own_attributes, read_attributes
from specweave.problems.interaction_columns import (
    ROLES,
    columns_of,
    distinct_rows,
    rating_values,
    time_values,
    with_keys,
)
from specweave.recommenders.interactions import (
    Interactions,
    as_labels,
    make_interactions,
)
from specweave.recommenders.protocols import Protocol, parse_protocol
from specweave.records import Finding
from specweave.tables.kinds import infer_kinds
from specweave.tables.locating import find_data_file
from specweave.tables.reading import read_table

if TYPE_CHECKING:
    from specweave.increments.plan import Plan
    from specweave.increments.spec import Spec

_EVENT_NAMES = re.compile(r"(?:^|[^a-z])(?:event|action|behaviou?r|activity|interaction)(?:[^a-z]|$)", re.I)


@dataclass(frozen=True)
class InteractionData(Dataset):
    """A dataset of interactions: the table as read, and the same as codes.

    Attributes
    ----------
    coded : Interactions
        One entry per row of ``frame``.
    ratings : ndarray of float, shape (n_rows,), or None
    user_table, item_table : DataFrame or None
        Attributes by code; `user_kinds` and `item_kinds` say what they are.
    titles : ndarray of str, shape (n_items,)
    dropped, missing : int
        Rows left out: repeated pairs, and rows without a user or item.
    """

    coded: Interactions = None  # type: ignore[assignment]
    ratings: np.ndarray | None = None
    user_table: pd.DataFrame | None = None
    item_table: pd.DataFrame | None = None
    attribute_kinds: Any = None
    titles: np.ndarray = None  # type: ignore[assignment]
    protocol: Protocol = field(default_factory=lambda: Protocol("random"))
    dropped: int = 0
    missing: int = 0


def load_interactions(spec: Spec, plan: Plan, root: Path) -> InteractionData:
    """Read interactions and attributes; one row per pair of user and item stays.

    Raises
    ------
    DataError, SpecError
        With file and line and how to mend it.
    """
    named = spec.require("Training data", "data/interactions.csv")
    path = find_data_file(root, named.value, spec.at("Training data"))
    read = read_table(path)
    frame, notes = read.frame, list(read.notes)
    columns = columns_of(spec, frame)
    user, item, rating, time = (columns[r] for r in ROLES)
    assert user is not None and item is not None
    frame, missing = with_keys(frame, user, item, notes)
    if rating is not None:
        frame = frame.assign(
            **{rating: rating_values(frame[rating], rating, spec.at("Rating column"), notes)}
        )
    keys = [c for c in (user, item) if c]
    kinds = dict(infer_kinds(frame, identifiers=tuple(keys), time=time))
    frame, dropped = distinct_rows(frame, columns, kinds, notes)
    frame = frame.reset_index(drop=True)
    times = time_values(frame, time, kinds, spec.at("Time column"))
    ratings = frame[rating].to_numpy(dtype=float) if rating else None
    k, exclude_seen, positive_from = list_settings(spec, plan)
    try:
        coded = make_interactions(
            as_labels(frame[user]), as_labels(frame[item]), ratings, times, positive_from
        )
    except DataError as error:
        raise DataError(error.what, where=spec.at("Training data"), hint=error.hint) from error
    taken = (user, item, rating, time)
    attributes = {
        side: read_attributes(spec, root, f"{side.capitalize()} attributes", column, labels)
        if spec.get(f"{side.capitalize()} attributes")
        else own_attributes(frame, column, labels, taken, notes)
        for side, column, labels in (("user", user, coded.users), ("item", item, coded.items))
    }
    titles = attributes["item"][2]
    protocol = parse_protocol(
        spec.get("Validation"), where=spec.at("Validation"), timed=coded.time is not None
    )
    source = Source(named.value, read.bytes, read.sha256, len(frame), tuple(notes))
    roles = {
        "target": None,
        "identifiers": [user],
        "time": time,
        "user": user,
        "item": item,
        "rating": rating,
    }
    settings = {
        "k": k, "exclude_seen": exclude_seen, "positive_from": positive_from, "protocol": protocol.words,
        "attributes": {side: a[3] for side, a in attributes.items()},
    }  # fmt: skip
    return InteractionData(
        frame, kinds, roles, source, settings, coded=coded, ratings=ratings,
        user_table=attributes["user"][0], item_table=attributes["item"][0],
        attribute_kinds={side: a[1] for side, a in attributes.items()},
        titles=coded.items if titles is None else titles, protocol=protocol, dropped=dropped, missing=missing,
    )  # fmt: skip


def check_events(data: InteractionData) -> list[Finding]:
    """Say so where rows are events of several kinds (SW247): a view then counts as much as a purchase."""
    found = []
    for name, kind in data.kinds.items():
        if kind.kind not in ("category", "boolean") or not _EVENT_NAMES.search(name.replace("_", " ")):
            continue
        levels = sorted(data.frame[name].dropna().astype(str).unique())
        if name not in data.roles.values() and len(levels) > 1:
            shown = ", ".join(levels[:5]) + (f" and {len(levels) - 5} more" if len(levels) > 5 else "")
            found.append(Finding(
                code="SW247", severity="warning", where=name, evidence={"kinds": levels[:20]},
                message=f"the rows are {len(levels)} kinds of events ({shown}), and each counts alike",
                advice="keep the rows of the kind that matters, or add a column of weights and name it in spec.md: "
                "- Rating column: NAME",
            ))  # fmt: skip
    return found


def data_of(dataset: Dataset) -> InteractionData:
    """Return the dataset as interactions, which it is."""
    assert isinstance(dataset, InteractionData)
    return dataset


def stamps_of(data: InteractionData) -> Any:
    """Return each row's time as a date, or as the number it is; None without times."""
    if data.coded.time is None:
        return None
    if data.kinds[data.roles["time"]].kind == "datetime":
        return pd.Series(pd.to_datetime(data.coded.time, unit="s"))
    return pd.Series(data.coded.time)


def list_settings(spec: Spec, plan: Plan) -> tuple[int, bool, float | None]:
    """Return (list length, whether seen items are taken out, the lowest rating that is a hit)."""
    asked = [c.metric.k for c in spec.criteria if c.metric is not None and c.metric.k]
    k = plan.get("recommend.k", max(asked, default=10))
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise SpecError(f"recommend.k must be a whole number from 1 on, not {k!r}", where=plan.at("recommend.k"),
                        hint="write k: 10")  # fmt: skip
    floor = plan.get("recommend.positive_from")
    if floor is not None and not isinstance(floor, int | float):
        raise SpecError(f"recommend.positive_from must be a rating, not {floor!r}",
                        where=plan.at("recommend.positive_from"), hint="write positive_from: 4")  # fmt: skip
    return (
        max([k, *asked]),
        bool(plan.get("recommend.exclude_seen", True)),
        None if floor is None else float(floor),
    )
