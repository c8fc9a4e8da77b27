"""Attributes of users and items: the file that a field names, laid along the codes of interactions.

Reads: that file. Writes: nothing. Never: takes a file none of whose columns holds the keys.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from specweave.errors import DataError
from specweave.recommenders.interactions import as_labels
from specweave.tables.kinds import ColumnKind, infer_kinds
from specweave.tables.locating import find_data_file
from specweave.tables.reading import read_table

if TYPE_CHECKING:
    from specweave.increments.spec import Spec

_TITLE_WORDS = ("title", "name", "label", "description", "headline", "product")
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
