"""Rows that stand twice at one stamp: left out where they repeat wholly, refused where they differ.

Reads: sorted rows of series. Writes: nothing. Never: chooses between two values of one stamp.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from specweave.errors import DataError
from specweave.forecasters.frequency import show_stamp
from specweave.records import Finding

Floats = npt.NDArray[np.float64]

_CLOCKS = (
    "the clocks are set back then, and that hour stands twice: write stamps with their offset (02:00:00+01:00) "
    "or in UTC, or average the two rows"
)


def _clocks_set_back(instants: Any) -> bool:
    """Return whether stamps that stand twice lie where the clocks are set back: early on a Sunday of autumn."""
    if np.asarray(instants).dtype.kind != "M":
        return False
    stamps = pd.DatetimeIndex(instants)
    return bool(
        ((stamps.dayofweek == 6) & (stamps.hour < 4) & np.isin(stamps.month, (3, 4, 10, 11))).all()
        and len(np.unique(stamps.normalize())) <= 2 * len(np.unique(stamps.year))
    )


def distinct_rows(
    frame: pd.DataFrame, ids: Any, instants: Any, y: Floats, series: Sequence[str], time: str,
    where: str | None, findings: list[Finding],
) -> Any:  # fmt: skip
    """Return which rows to keep; rows that repeat another one wholly go, others of one stamp are refused."""
    same = np.r_[False, (ids[1:] == ids[:-1]) & (instants[1:] == instants[:-1])]
    if not same.any():
        return np.ones(len(ids), dtype=bool)
    repeated = frame.duplicated().to_numpy()
    clash = same & ~repeated
    if clash.any():
        row = int(np.argmax(clash))
        of = f" of series '{ids[row]}'" if series else ""
        column = _telling_column(frame, [*series, time])
        hint = (
            _CLOCKS
            if _clocks_set_back(instants[clash])
            else (
                f"'{column}' tells these rows apart: write in spec.md: - Series column: {', '.join([*series, column])}"
                if column
                else "sum or average the rows of one stamp first, or name the series' column in spec.md"
            )
        )
        raise DataError(
            f"{int(clash.sum())} stamps stand twice with different rows, first {show_stamp(instants[row])}{of}",
            where=where, hint=hint,
        )  # fmt: skip
    findings.append(
        Finding(
            code="SW251", severity="warning", where=time,
            message=f"{int(same.sum())} rows repeat another row of the same stamp and are left out",
            evidence={"rows": int(same.sum())}, advice="remove them from the data if they are errors",
        )
    )  # fmt: skip
    return ~same


def _telling_column(frame: pd.DataFrame, keys: Sequence[str]) -> str | None:
    """Return the column that, with `keys`, makes rows unique; the one with the fewest values."""
    found = [
        (frame[c].nunique(), str(c))
        for c in frame.columns
        if c not in keys and frame[c].nunique() < len(frame) / 3 and not frame.duplicated([*keys, c]).any()
    ]
    return min(found)[1] if found else None
