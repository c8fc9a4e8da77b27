"""Interactions as they are read: the table, its codes, the attributes of users and items.

Reads: the files that the spec names. Writes: nothing. Never: guesses user or item where neither names nor
values tell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from specweave.errors import DataError, SpecError
from specweave.problems.base import Dataset, Source
from specweave.problems.roles import named_column
from specweave.recommenders.columns import find_columns
from specweave.recommenders.interactions import (
    Interactions,
    as_labels,
    distinct_pairs,
    make_interactions,
    parse_ratings,
)
from specweave.recommenders.protocols import Protocol, parse_protocol
from specweave.records import Finding
from specweave.tables.dates import to_instants
from specweave.tables.kinds import ColumnKind, infer_kinds
from specweave.tables.locating import find_data_file
from specweave.tables.reading import read_table
from specweave.tables.values import to_numbers

if TYPE_CHECKING:
    from specweave.increments.plan import Plan
    from specweave.increments.spec import Spec

_ROLES = ("user", "item", "rating", "time")
_COUNTS = re.compile(r"play|count|quantity|qty|click|listen|(?<!re)view|purchase|menge|anzahl|cantidad", re.I)
_EVENT_NAMES = re.compile(r"(?:^|[^a-z])(?:event|action|behaviou?r|activity|interaction)(?:[^a-z]|$)", re.I)
_TITLE_WORDS = ("title", "name", "label", "description", "headline", "product")
_USED_KINDS = ("numeric", "boolean", "category", "datetime")
_UNREADABLE = 0.05


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
    columns = _columns_of(spec, frame)
    user, item, rating, time = (columns[r] for r in _ROLES)
    assert user is not None and item is not None
    frame, missing = _with_keys(frame, user, item, notes)
    if rating is not None:
        frame = frame.assign(**{rating: _ratings(frame[rating], rating, spec.at("Rating column"), notes)})
    keys = [c for c in (user, item) if c]
    kinds = dict(infer_kinds(frame, identifiers=tuple(keys), time=time))
    frame, dropped = _distinct(frame, columns, kinds, notes)
    frame = frame.reset_index(drop=True)
    times = _times(frame, time, kinds, spec.at("Time column"))
    ratings = frame[rating].to_numpy(dtype=float) if rating else None
    k, exclude_seen, positive_from = list_settings(spec, plan)
    try:
        coded = make_interactions(
            as_labels(frame[user]), as_labels(frame[item]), ratings, times, positive_from
        )
    except DataError as error:
        raise DataError(error.what, where=spec.at("Training data"), hint=error.hint) from error
    attributes = {
        "user": _attributes(spec, root, "User attributes", user, coded.users),
        "item": _attributes(spec, root, "Item attributes", item, coded.items),
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


def _distinct(
    frame: pd.DataFrame,
    columns: Mapping[str, str | None],
    kinds: Mapping[str, ColumnKind],
    notes: list[str],
) -> tuple[pd.DataFrame, int]:
    user, item, rating, time = (columns[r] for r in _ROLES)
    keyed = frame.assign(__user=as_labels(frame[str(user)]), __item=as_labels(frame[str(item)]))
    if time is not None and kinds[time].kind == "datetime":
        keyed["__time"] = to_instants(frame[time], kinds[time].format)
    when = "__time" if "__time" in keyed else time
    counts = is_count(rating)
    kept, dropped = distinct_pairs(keyed, "__user", "__item", rating, when, counts)
    if dropped:
        how = f"'{rating}' of each pair is added up" if counts else "the latest of each pair is kept"
        notes.append(f"{dropped:,} rows repeat a pair of user and item; {how}")
    if rating is not None and counts:
        returned = (kept[rating] <= 0).to_numpy()
        if returned.all():
            raise DataError(f"no pair of user and item has a '{rating}' above 0: nobody took anything",
                            hint="write 'Rating column: none' to go by the interactions alone")  # fmt: skip
        if returned.any():
            notes.append(
                f"{int(returned.sum()):,} pairs whose '{rating}' comes to 0 or less (returned) are left out"
            )
            kept = kept[~returned]
    return kept[list(frame.columns)], dropped


def is_count(rating: str | None) -> bool:
    """Return whether a rating column is called like an amount: amounts of one pair add up.

    Examples
    --------
    >>> is_count("Quantity"), is_count("page_views"), is_count("review_score")
    (True, True, False)
    """
    return rating is not None and bool(_COUNTS.search(rating))


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


def _columns_of(spec: Spec, frame: pd.DataFrame) -> dict[str, str | None]:
    """Return the column of each role: the spec's, else found; user and item must be there."""
    given: dict[str, str | None] = {}
    for role in _ROLES:
        given[role] = named_column(spec, f"{role.capitalize()} column", frame)
    found = find_columns(frame, given)
    for role in ("rating", "time"):
        written = spec.fields.get(f"{role}column")
        if given[role] is None and written is not None:
            found[role] = None  # the spec says none
    for role in ("user", "item"):
        if found[role] is None:
            raise SpecError(
                f"no column of the data looks like the {role}", where=spec.at(f"{role.capitalize()} column"),
                hint=f"add under '## Data Requirements': - {role.capitalize()} column: one of {', '.join(map(str, frame.columns))}",
            )  # fmt: skip
    if found["user"] == found["item"]:
        raise SpecError(f"'{found['user']}' cannot be both user and item", where=spec.at("Item column"),
                        hint="name two different columns")  # fmt: skip
    return found


def _with_keys(frame: pd.DataFrame, user: str, item: str, notes: list[str]) -> tuple[pd.DataFrame, int]:
    gone = (as_labels(frame[user]) == "") | (as_labels(frame[item]) == "")
    missing = int(gone.sum())
    if missing == len(frame):
        raise DataError(f"no row has both '{user}' and '{item}'", hint="look at the first lines of the file")
    if missing:
        notes.append(f"{missing:,} rows without '{user}' or '{item}' are left out")
        frame = frame[~gone]
    return frame, missing


def _ratings(column: pd.Series[Any], name: str, where: str, notes: list[str]) -> np.ndarray:
    """Return ratings as numbers, those written as text read; a few unreadable ones count as not given."""
    values = parse_ratings(column)
    unreadable = np.isnan(values) & column.notna().to_numpy()
    if unreadable.any():
        first = str(column[unreadable].iloc[0])
        if unreadable.mean() > _UNREADABLE:
            raise DataError(
                f"'{name}' holds {int(unreadable.sum()):,} values that are no rating, such as '{first}'", where=where,
                hint="write 'Rating column: none' to go by the interactions alone, or mend the column",
            )  # fmt: skip
        notes.append(
            f"{int(unreadable.sum()):,} values of '{name}' are no number (such as '{first}') and count as none"
        )
    return values


def _times(
    frame: pd.DataFrame, time: str | None, kinds: Mapping[str, ColumnKind], where: str
) -> np.ndarray | None:
    if time is None:
        return None
    if kinds[time].kind == "datetime":
        stamps = to_instants(frame[time], kinds[time].format)
        gone = np.isnat(stamps)
        values = stamps.astype("datetime64[ms]").astype(np.int64) / 1000.0
    else:
        values, _ = to_numbers(frame[time])
        gone = ~np.isfinite(values)
    if gone.any():
        raise DataError(
            f"'{time}' cannot be read as a time in {int(gone.sum()):,} rows, such as '{frame[time][gone].iloc[0]}'",
            where=where, hint="mend or remove these rows, or write 'Time column: none' and a random split",
        )  # fmt: skip
    return np.asarray(values, dtype=float)


def stamps_of(data: InteractionData) -> Any:
    """Return each row's time as a date, or as the number it is; None without times."""
    if data.coded.time is None:
        return None
    if data.kinds[data.roles["time"]].kind == "datetime":
        return pd.Series(pd.to_datetime(data.coded.time, unit="s"))
    return pd.Series(data.coded.time)


def _attributes(
    spec: Spec, root: Path, key: str, column: str, labels: np.ndarray
) -> tuple[pd.DataFrame | None, dict[str, ColumnKind], np.ndarray | None, str | None]:
    """Return (attributes by code, their kinds, titles, sha256) of the file that a field names."""
    named = spec.get(key)
    if named is None:
        return None, {}, None, None
    read = read_table(find_data_file(root, named, spec.at(key)))
    frame = read.frame
    wanted = set(labels.tolist())
    shares = {str(c): len(wanted & set(as_labels(frame[c]).tolist())) / len(wanted) for c in frame.columns}
    own = column if column in shares and shares[column] > 0 else max(shares, key=lambda c: shares[c])
    if shares[own] < 0.1:
        raise DataError(
            f"no column of {named} holds the keys of '{column}'", where=spec.at(key),
            hint=f"name its key column '{column}'",
        )  # fmt: skip
    frame = frame.assign(**{own: as_labels(frame[own])}).drop_duplicates(own).set_index(own)
    table = frame.reindex(labels).reset_index(drop=True)
    titles = None
    if "item" in key.casefold():
        named_so = [c for w in _TITLE_WORDS for c in table.columns if w in str(c).casefold()]
        if named_so:
            text = table[named_so[0]].astype("string").str.strip()
            titles = text.where(text.notna() & (text != ""), pd.Series(labels, dtype="string")).to_numpy(
                dtype=object
            )
    kinds = {str(c): k for c, k in infer_kinds(table).items() if k.kind in _USED_KINDS}
    kinds = {
        c: k
        for c, k in kinds.items()
        if k.kind != "category" or table[c].nunique() <= max(50, len(table) // 20)
    }
    return table[list(kinds)] if kinds else None, kinds, titles, read.sha256


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


def draft_validation(frame: pd.DataFrame, user: str, time: str | None, per_user: float) -> tuple[str, float]:
    """Return the Validation line to draft, and how many interactions it holds out per user."""
    if time is not None:
        kind = infer_kinds(frame[[time]], time=time)[time]
        stamps = (
            to_instants(frame[time], kind.format) if kind.kind == "datetime" else to_numbers(frame[time])[0]
        )
        order = np.argsort(stamps, kind="stable")
        keys = as_labels(frame[user])[order]
        cut = round(0.8 * len(keys))
        warm = np.isin(keys[cut:], keys[:cut]).mean() if cut < len(keys) else 0.0
        # Where hardly any of the latest users has a past, a split by time tests popularity and nothing else.
        if warm >= 0.5:
            tested = max(1, len(set(keys[cut:].tolist())))
            return "last 20% by time", (len(keys) - cut) / tested
    return "random 25% per user", max(1.0, 0.25 * per_user)
