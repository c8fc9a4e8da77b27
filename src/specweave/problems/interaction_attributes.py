"""Attributes of users and items: a file that a field names, or columns beside the interactions, by code.

Reads: that file. Writes: nothing. Never: takes a file none of whose columns holds the keys, or a column that
differs from one interaction of a key to the next.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from specweave.errors import DataError
from specweave.recommenders.interactions import as_labels
from specweave.tables.kinds import ColumnKind, infer_kinds
from specweave.tables.locating import find_data_file
from specweave.tables.reading import read_table
from specweave.tables.values import is_text_like, levels_of

if TYPE_CHECKING:
    from specweave.increments.spec import Spec

_TITLE_WORDS = ("title", "name", "label", "description", "headline", "product")
_REPEATS = 2  # rows per key from which it can be told whether a column belongs to it
_SAME = 0.95
# What was counted over all rows knows those that are held out.
_AGGREGATES = re.compile(
    r"(?:^|[^a-z])(?:n|avg|average|mean|median|counts?|total|sum|num|freq\w*|popularity|rank|last|since)(?:[^a-z]|$)"
)
_SEPARATORS = ("|", ";", ",")
_LISTS = 0.1  # share of cells that list several labels, from which a column is one of lists
_MOST_LABELS = 60
_USED_KINDS = ("numeric", "boolean", "category", "datetime")


def read_attributes(
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
    return (*_described(table, labels, items="item" in key.casefold()), read.sha256)


def own_attributes(
    frame: pd.DataFrame, key: str, labels: np.ndarray, taken: Sequence[str | None], notes: list[str]
) -> tuple[pd.DataFrame | None, dict[str, ColumnKind], np.ndarray | None, str | None]:
    """Return what :func:`read_attributes` does, from columns of the interactions that say the same of a key
    each time it comes.

    Parameters
    ----------
    frame : DataFrame, shape (n_interactions, n_columns)
    key : str
        The column of users or items; `labels` are its values by code.
    taken : sequence of str or None
        Columns that have a role, no attributes.
    notes : list of str
        Told which columns are used.
    """
    codes = pd.Index(labels).get_indexer(as_labels(frame[key]))
    if len(frame) < _REPEATS * len(labels) or (codes < 0).any():
        return None, {}, None, None
    first = np.full(len(labels), -1)
    first[codes[::-1]] = np.arange(len(frame))[::-1]
    own = []
    for name in map(str, frame.columns):
        if name in taken or _AGGREGATES.search(_spaced(name)):
            continue
        values, levels = levels_of(frame[name])
        if len(levels) > 1 and np.mean(values == values[first][codes]) >= _SAME:
            own.append(name)
    if not own:
        return None, {}, None, None
    table, kinds, titles = _described(
        frame[own].iloc[first].reset_index(drop=True), labels, items=key == taken[1]
    )
    if kinds or titles is not None:
        told = [c for c in own if c in kinds] or own
        notes.append(f"{', '.join(told)} hardly differ for one '{key}': taken as what is known of it")
    return table, kinds, titles, None


def _spaced(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).casefold()


def _labels_apart(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with columns of several labels (``Action|Comedy``) taken apart into one of 0 and 1 per label."""
    made: dict[str, pd.Series[Any]] = {}
    for name in map(str, table.columns):
        flags = _flags(table[name]) if is_text_like(table[name]) else None
        if flags is None:
            made[name] = table[name]
        else:
            made |= {f"{name} {label}": flags[label] for label in flags.columns}
    return pd.DataFrame(made, index=table.index)


def _flags(column: pd.Series[Any]) -> pd.DataFrame | None:
    """Return 0 and 1 per label of a column whose cells list labels of a small vocabulary; None of any other column."""
    known = column.dropna().astype(str)
    for separator in _SEPARATORS:
        if known.empty or known.str.contains(separator, regex=False).mean() < _LISTS:
            continue
        labels = known.str.strip("[](){} ").str.split(separator, regex=False).explode().str.strip(" '\"")
        counts = labels[labels != ""].groupby(level=0).unique().explode().value_counts()
        counts = counts[counts >= max(2, 0.005 * len(known))]
        covered = labels.isin(counts.index).mean()
        if 2 <= len(counts) <= _MOST_LABELS and covered > 0.9 and counts.sum() > 5 * len(counts):
            flags = pd.crosstab(labels.index, labels).clip(upper=1)[sorted(counts.index)]
            return flags.reindex(column.index).where(column.notna(), None).astype("Float64").astype(float)
    return None


def _described(
    table: pd.DataFrame, labels: np.ndarray, *, items: bool
) -> tuple[pd.DataFrame | None, dict[str, ColumnKind], np.ndarray | None]:
    """Return the attributes that can be used of a table by code, their kinds, and titles of items."""
    titles = None
    if items:
        named_so = [
            c
            for w in _TITLE_WORDS
            for c in table.columns
            if w in str(c).casefold() and table[c].nunique() > len(table) / 2
        ]
        if named_so:
            text = table[named_so[0]].astype("string").str.strip()
            titles = text.where(text.notna() & (text != ""), pd.Series(labels, dtype="string")).to_numpy(
                dtype=object
            )
    table = _labels_apart(table)
    kinds = {str(c): k for c, k in infer_kinds(table).items() if k.kind in _USED_KINDS}
    kinds = {
        c: k
        for c, k in kinds.items()
        if k.kind != "category" or table[c].nunique() <= min(len(table) / 2, max(50, len(table) // 20))
    }
    return table[list(kinds)] if kinds else None, kinds, titles
