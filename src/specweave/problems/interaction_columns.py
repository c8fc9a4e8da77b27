"""Columns of interactions: which is the user, item, rating and time, and what each holds once it is read.

Reads: the spec, the table. Writes: nothing. Never: guesses user or item where neither names nor values tell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from specweave.errors import DataError, SpecError
from specweave.problems.roles import named_column
from specweave.recommenders.columns import find_columns
from specweave.recommenders.interactions import as_labels, distinct_pairs, parse_ratings
from specweave.tables.dates import to_instants
from specweave.tables.kinds import ColumnKind
from specweave.tables.values import to_numbers

if TYPE_CHECKING:
    from specweave.increments.spec import Spec

ROLES = ("user", "item", "rating", "time")
_COUNTS = re.compile(r"play|count|quantity|qty|click|listen|(?<!re)view|purchase|menge|anzahl|cantidad", re.I)
_UNREADABLE = 0.05


def columns_of(spec: Spec, frame: pd.DataFrame) -> dict[str, str | None]:
    """Return the column of each role: the spec's, else found; user and item must be there."""
    given: dict[str, str | None] = {}
    for role in ROLES:
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


def with_keys(frame: pd.DataFrame, user: str, item: str, notes: list[str]) -> tuple[pd.DataFrame, int]:
    """Return the rows that have both keys, and how many had not."""
    gone = (as_labels(frame[user]) == "") | (as_labels(frame[item]) == "")
    missing = int(gone.sum())
    if missing == len(frame):
        raise DataError(f"no row has both '{user}' and '{item}'", hint="look at the first lines of the file")
    if missing:
        notes.append(f"{missing:,} rows without '{user}' or '{item}' are left out")
        frame = frame[~gone]
    return frame, missing


def rating_values(column: pd.Series[Any], name: str, where: str, notes: list[str]) -> np.ndarray:
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


def time_values(
    frame: pd.DataFrame, time: str | None, kinds: Mapping[str, ColumnKind], where: str
) -> np.ndarray | None:
    """Return each row's time in seconds, or as the number it is; None without a column of times."""
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


def distinct_rows(
    frame: pd.DataFrame,
    columns: Mapping[str, str | None],
    kinds: Mapping[str, ColumnKind],
    notes: list[str],
) -> tuple[pd.DataFrame, int]:
    """Return one row per pair of user and item, and how many repeated one."""
    user, item, rating, time = (columns[r] for r in ROLES)
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
