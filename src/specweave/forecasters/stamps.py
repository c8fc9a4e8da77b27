"""How a time column is written: dates in a format, stamps with offsets, numbers; read and written back.

Reads: columns. Writes: nothing. Never: guesses past an unreadable date.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from specweave.errors import DataError
from specweave.forecasters.frequency import show_stamp
from specweave.tables.dates import render_dates, to_instants
from specweave.tables.kinds import infer_kinds
from specweave.tables.values import is_text_like, to_numbers

if TYPE_CHECKING:
    from specweave.tables.kinds import ColumnKind

_OFFSET = re.compile(r"(?:Z|[+-]\d{2}:?\d{2})$")
_DAY = 86_400_000_000
_IRREGULAR = 0.15  # spread of the steps, as a share of their mean; months have 0.03


@dataclass(frozen=True)
class Stamps:
    """How a time column is written: ``numbers``, or dates in a format; and whether offsets are local time."""

    form: str = ""
    zone: str = ""

    def read(self, column: pd.Series[Any]) -> Any:
        """Return the stamps of a column: datetime64, or numbers; NaT or NaN where unreadable."""
        if self.form == "numbers":
            return to_numbers(column)[0]
        if self.zone == "local" and isinstance(column.dtype, pd.DatetimeTZDtype):
            column = column.dt.tz_localize(None)
        elif self.zone == "local" and is_text_like(column):
            column = column.astype("object").map(
                lambda v: _OFFSET.sub("", v.strip()) if isinstance(v, str) else v
            )
        return to_instants(column, self.form)

    def write(self, stamps: Any) -> list[Any]:
        """Return stamps as the column writes them."""
        if self.form == "numbers":
            return [int(v) for v in stamps]
        shown = pd.DatetimeIndex(stamps)
        if self.form in ("unix-s", "unix-ms"):
            unit = 1_000_000 if self.form == "unix-s" else 1_000
            return [int(v) for v in shown.to_numpy().astype("datetime64[us]").astype(np.int64) // unit]
        # What was read with an offset is kept in UTC, and says so.
        mark = "+00:00" if "%z" in self.form or self.zone == "utc" else ""
        if self.form and self.form not in ("ISO8601", "mixed"):
            return [v + mark for v in render_dates(shown, self.form)]
        return [v.isoformat(" ") + mark if mark else show_stamp(v) for v in shown]


def read_stamps(frame: pd.DataFrame, time: str, where: str | None) -> tuple[Stamps, Any, list[str]]:
    """Return (how a time column is written, its stamps, what was decided while reading them).

    Raises
    ------
    DataError
        If a stamp is missing, or cannot be read.
    """
    kind: ColumnKind = infer_kinds(frame[[time]], time=time)[time]
    column = frame[time]
    notes: list[str] = []
    empty = column.isna()
    if empty.any():
        raise DataError(
            f"the time column '{time}' is empty in {int(empty.sum())} rows, first in data row {int(np.argmax(empty)) + 1}",
            where=where, hint="fill in or remove these rows",
        )  # fmt: skip
    if kind.kind != "datetime":
        values, strays = to_numbers(column)
        if strays or not np.isfinite(values).all():
            raise DataError(
                f"'{time}' is no time: {column.iloc[0]!r} is neither a date nor a step number",
                where=where, hint="write dates as 2024-05-31, or whole step numbers, in one format",
            )  # fmt: skip
        return Stamps("numbers"), values, notes
    stamps = Stamps(kind.format)
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        stamps, note = _aware(column)
        notes.append(note)
    elif is_text_like(column):
        offsets = {m[0] for v in column.astype(str).unique() if (m := _OFFSET.search(v.strip())) and ":" in v}
        if offsets:
            stamps, note = _zoned(column, kind.format, offsets)
            notes.append(note)
    instants = stamps.read(column)
    unread = np.isnat(instants)
    if unread.any():
        row = int(np.argmax(unread))
        raise DataError(
            f"'{time}' cannot be read as a date in {int(unread.sum())} rows, first in data row {row + 1} "
            f"({column.iloc[row]!r})", where=where, hint="write all dates in one format",
        )  # fmt: skip
    if kind.note.startswith("ambiguous"):
        stamps, instants, note = _disambiguated(column, stamps, instants, kind.note)
        notes.append(f"'{time}': {note}")
    return stamps, instants, notes


def _aware(column: pd.Series[Any]) -> tuple[Stamps, str]:
    """Take stamps of a time zone as local days where they all have one clock there; else as UTC."""
    local = Stamps("", "local")
    if len(np.unique(local.read(column).astype("datetime64[us]").astype(np.int64) % _DAY)) == 1:
        return local, f"the time zone ({column.dt.tz}) is dropped: stamps are local days"
    return Stamps("", "utc"), f"stamps of the time zone {column.dt.tz} are read as UTC"


def _zoned(column: pd.Series[Any], form: str, offsets: set[str]) -> tuple[Stamps, str]:
    """Take stamps of days or longer as local time, so that a change of the clocks moves nothing; else as UTC."""
    local = Stamps(form.replace("%z", ""), "local")
    clocks = local.read(column).astype("datetime64[us]").astype(np.int64) % _DAY
    if len(offsets) > 1 and len(np.unique(clocks)) == 1:
        return local, f"time zone offsets ({', '.join(sorted(offsets))}) are dropped: stamps are local days"
    return Stamps(form), f"stamps with offsets ({', '.join(sorted(offsets))}) are read as UTC"


def _disambiguated(
    column: pd.Series[Any], stamps: Stamps, instants: Any, note: str
) -> tuple[Stamps, Any, str]:
    """Read day and month the other way round where only that gives regular steps."""
    swapped = stamps.form.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m")
    other = Stamps(swapped, stamps.zone)
    read = other.read(column)
    if np.isnat(read).any():
        return stamps, instants, note
    first, second = (_irregularity(np.unique(i)) for i in (instants, read))
    if first > _IRREGULAR > second:
        return (
            other, read, f"no value tells day from month; read as {swapped}, since only so the steps are regular",
        )  # fmt: skip
    return stamps, instants, note


def _irregularity(stamps: Any) -> float:
    gaps = np.diff(stamps.astype("datetime64[D]").astype(np.int64))
    return float(np.std(gaps) / max(np.mean(gaps), 1e-9)) if len(gaps) else 0.0
