"""Which column plays which part, as a spec names it.

Reads: the spec, the columns of the table. Writes: nothing. Never: takes a name that no column has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from specweave.errors import SpecError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from specweave.increments.spec import Spec


def named_column(spec: Spec, key: str, frame: pd.DataFrame) -> str | None:
    """Return the column that a bullet of the spec names, or None where it names none.

    Raises
    ------
    SpecError
        If the table has no such column.
    """
    name = (spec.get(key) or "").strip("`") or None
    if name is not None:
        check_column(name, frame, spec.at(key))
    return name


def check_column(name: str, frame: pd.DataFrame, where: str) -> None:
    """Raise SpecError with the nearest name where the table has no such column."""
    if name not in frame.columns:
        raise SpecError(
            f"'{name}' is no column of the data",
            where=where,
            hint=did_you_mean(name, map(str, frame.columns)),
        )
