"""Labels as text: read from a column, sorted, held to what can be learned, and which one counts as positive.

Reads: columns of labels. Writes: nothing. Never: takes 1.0 and 1 for two labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from specweave.errors import DataError

_POSITIVE_WORDS = (
    "yes",
    "1",
    "true",
    "y",
    "t",
    "positive",
    "fraud",
    "churn",
    "churned",
    "default",
    "bad",
    "spam",
)
_MAX_CLASSES = 100


def as_labels(column: Any) -> np.ndarray:
    """Return labels as text; 1.0 and 1 are the same label."""
    values = pd.Series(np.asarray(column))
    if pd.api.types.is_float_dtype(values) and (values.dropna() == values.dropna().round()).all():
        values = values.astype("int64")
    return values.astype(str).str.strip().to_numpy(dtype=object)


def sorted_labels(labels: Iterable[str]) -> list[str]:
    """Return each label once, sorted (numbers by value)."""
    found = set(labels)
    try:
        return sorted(found, key=float)
    except ValueError:
        return sorted(found)


def positive_label(labels: Sequence[str]) -> str | None:
    """Return the label whose word says that something is the case, or None where none does."""
    return next((x for x in labels if str(x).casefold() in _POSITIVE_WORDS), None)


def check_labels(column: pd.Series[Any], target: str, where: str) -> None:
    """Refuse a constant target, a label with one row, or a target that is a quantity.

    Raises
    ------
    DataError
        Names the target and how to mend it.
    """
    counts = pd.Series(as_labels(column)).value_counts()
    if len(counts) < 2:
        raise DataError(
            f"the target '{target}' holds only one value ({counts.index[0]!r}): there is nothing to learn",
            where=where, hint="name another target, or bring data that holds every label",
        )  # fmt: skip
    if len(counts) > _MAX_CLASSES:
        raise DataError(
            f"the target '{target}' holds {len(counts)} different labels",
            where=where, hint="for a quantity write 'Problem type: Regression' in spec.md; else group the labels",
        )  # fmt: skip
    lonely = [str(label) for label, n in counts.items() if n < 2]
    if lonely:
        raise DataError(
            f"the label {', '.join(repr(x) for x in lonely[:5])} of '{target}' has one row: "
            "it cannot be both learned and tested",
            where=where, hint="bring more rows of it, merge it into another label, or remove the row",
        )  # fmt: skip
