"""Series in long form as users keep them: which column is what, and every row's place on one grid.

Reads: frames. Writes: nothing. Never: guesses past a duplicate stamp, an unreadable date or mixed steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from specweave.errors import DataError
from specweave.forecasters.decomposition import find_season
from specweave.forecasters.frequency import Frequency, infer_frequency, parse_frequency
from specweave.forecasters.repeats import distinct_rows
from specweave.forecasters.stamps import Stamps, read_stamps
from specweave.records import Finding
from specweave.tables.values import level_text, to_numbers

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MOSTLY_ZERO = 0.5  # share of zeros past which the middle of what can come is nothing
ONE = "series"  # the id where there is no series column


@dataclass
class LongTable:
    """Rows sorted by series and time, with their places.

    Attributes
    ----------
    frame : DataFrame, shape (n_rows, n_columns)
        The user's columns; index 0..n_rows-1. Rows without a target at a series' end are in `future`.
    ids : ndarray of str, shape (n_rows,)
    steps : ndarray of int, shape (n_rows,)
    y : ndarray, shape (n_rows,)
    frequency : Frequency
    stamps : Stamps
        How the time column is written.
    future : DataFrame
        Rows after the last known target of their series.
    notes : list of str
    findings : list of Finding
    """

    frame: pd.DataFrame
    ids: Any
    steps: Ints
    y: Floats
    frequency: Frequency
    stamps: Stamps
    future: pd.DataFrame
    notes: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def read_long(
    frame: pd.DataFrame,
    *,
    time: str,
    target: str,
    series: Sequence[str] = (),
    frequency: str | None = None,
    season: int | None = None,
    where: Mapping[str, str] | None = None,
) -> LongTable:
    """Sort a table of series and place its rows on a grid.

    Parameters
    ----------
    frame : DataFrame
    time, target : str
        Columns.
    series : sequence of str
        Columns that together name a series.
    frequency : str, optional
        As a person writes it; inferred, and checked against it where given.
    season : int, optional
        Steps of the season; the frequency's natural one, or a measured one for plain steps.
    where : mapping, optional
        ``file:line`` of "time", "series", "frequency" for messages.

    Raises
    ------
    DataError
        If stamps are missing, stand twice, or follow no one step; if the target is no number, or nowhere.
    """
    where = dict(where or {})
    stamps, instants, notes = read_stamps(frame, time, where.get("time"))
    ids = series_ids(frame, series)
    y, strays = to_numbers(frame[target])
    if strays or not np.isfinite(y).any():
        row = int(np.flatnonzero(~np.isfinite(y) & frame[target].notna().to_numpy())[0]) if strays else 0
        raise DataError(
            f"'{target}' is no quantity: data row {row + 1} holds {frame[target].iloc[row]!r}",
            where=where.get("target"), hint="name a column of numbers as Target",
        )  # fmt: skip
    y = np.where(np.isfinite(y), y, np.nan)
    order = np.lexsort((instants, ids))
    frame = frame.iloc[order].reset_index(drop=True)
    ids, instants, y = ids[order], instants[order], y[order]
    findings: list[Finding] = []
    keep = distinct_rows(frame, ids, instants, y, series, time, where.get("series"), findings)
    frame, ids, instants, y = frame[keep].reset_index(drop=True), ids[keep], instants[keep], y[keep]
    try:
        found = infer_frequency(*_grouped(ids, instants))
    except DataError as error:
        raise DataError(error.what, where=where.get("time"), hint=error.hint) from error
    found = _as_named(found, frequency, where.get("frequency"))
    steps = found.steps(instants)
    table = LongTable(frame, ids, steps, y, found, stamps, frame.iloc[:0], notes, findings)
    _cut_future(table, target)
    if season is not None:
        table.frequency = _with_season(found, season)
    elif found.season == 1 and found.unit == "step" and not _are_years(time, instants):
        m, strength = find_season(_values(table))
        table.frequency = _with_season(found, m)
        if m > 1:
            notes.append(
                f"the steps repeat every {m} (autocorrelation of changes {strength:.2f}): taken as the season"
            )
    table.findings += check_series(table)
    return table


def _are_years(time: str, instants: Any) -> bool:
    """Return whether plain steps are years: they have no season, though a cycle may look like one."""
    named = time.casefold() in ("year", "yr", "jahr", "annee", "ano", "anno")
    return named and bool(np.min(instants) >= 1000 and np.max(instants) <= 2200)


def series_ids(frame: pd.DataFrame, series: Sequence[str]) -> Any:
    """Return the id of each row's series: the columns' values joined by " / "."""
    if not series:
        return np.full(len(frame), ONE, dtype=object).astype(str)
    parts = [frame[c].map(lambda v: level_text(v) or "(missing)").astype(str) for c in series]
    joined = parts[0]
    for part in parts[1:]:
        joined = joined + " / " + part
    return joined.to_numpy().astype(str)


def _grouped(ids: Any, instants: Any) -> tuple[list[Any], list[str]]:
    starts = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]])
    groups = [np.unique(part) for part in np.split(instants, starts[1:])]
    return groups, [str(ids[s]) for s in starts]


def _values(table: LongTable) -> list[Floats]:
    starts = np.flatnonzero(np.r_[True, table.ids[1:] != table.ids[:-1]])
    return [part[np.isfinite(part)] for part in np.split(table.y, starts[1:])]


def _as_named(found: Frequency, named: str | None, where: str | None) -> Frequency:
    """Return the inferred frequency with the season of the named one; refuse one that is not the data's."""
    if not named or named.strip().casefold() == found.name.casefold():
        return found
    base, season = parse_frequency(named, where)
    own = found.name.partition("-")[0].replace("E", "S")
    if found.unit == "step":
        return _with_season(found, season) if base != "step" else found
    if base != own and not (base == "D" and own == "B"):
        raise DataError(
            f"the stamps are {found.name}, not {named}", where=where,
            hint=f"write - Frequency: {found.name}, or aggregate the data first",
        )  # fmt: skip
    return found


def _with_season(frequency: Frequency, season: int) -> Frequency:
    return Frequency(
        frequency.unit, frequency.size, frequency.anchor, frequency.name, max(1, int(season)), frequency.clock
    )


def _cut_future(table: LongTable, target: str) -> None:
    """Move rows after each series' last known target to `future`."""
    known = np.isfinite(table.y)
    names, codes = np.unique(table.ids, return_inverse=True)
    last = np.full(len(names), np.iinfo(np.int64).min)
    np.maximum.at(last, codes[known], table.steps[known])
    later = table.steps > last[codes]
    if not later.any():
        return
    table.future = table.frame[later].reset_index(drop=True)
    kept = ~later
    table.frame = table.frame[kept].reset_index(drop=True)
    table.ids, table.steps, table.y = table.ids[kept], table.steps[kept], table.y[kept]
    table.notes.append(
        f"{int(later.sum())} rows after the last known '{target}' are the future: nothing is learned from them"
    )


def zero_share(ids: Any, y: Floats) -> float:
    """Return the share of zeros in the values of the middle series; 0 where a value is negative.

    Parameters
    ----------
    ids : ndarray of str, shape (n_rows,)
    y : ndarray, shape (n_rows,)
    """
    known = np.isfinite(y)
    if not known.any() or y[known].min() < 0:
        return 0.0
    return float(pd.Series(y[known] == 0).groupby(np.asarray(ids)[known]).mean().median())


def check_series(table: LongTable) -> list[Finding]:
    """Return doubts about series: gaps, shortness, constancy, values at or below zero, early ends.

    SW252 gaps · SW253 shorter than two seasons · SW254 constant · SW255 zero or negative values ·
    SW256 series that end early · SW258 mostly zeros.
    """
    found: list[Finding] = []
    starts = np.flatnonzero(np.r_[True, table.ids[1:] != table.ids[:-1]])
    parts = [(str(table.ids[s]), st, y) for s, st, y in zip(
        starts, np.split(table.steps, starts[1:]), np.split(table.y, starts[1:]), strict=True)]  # fmt: skip
    gaps = {n: int(st[-1] - st[0] + 1 - np.isfinite(y).sum()) for n, st, y in parts}
    missing = {n: g for n, g in gaps.items() if g}
    season = table.frequency.season

    def say(
        code: str, severity: Any, names: Sequence[str], message: str, advice: str, **evidence: Any
    ) -> None:
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        found.append(Finding(code=code, severity=severity, message=f"{message}: {shown}" if len(parts) > 1 else message,
                             evidence={"series": list(names[:20]), **evidence}, advice=advice))  # fmt: skip

    if missing:
        total = sum(missing.values())
        share = total / (len(table.y) + total)
        say("SW252", "warning" if share > 0.01 else "info", list(missing),
            f"{total} steps ({share:.1%}) in {len(missing)} of {len(parts)} series have no value and are filled in",
            "they are interpolated; where no row means nothing was sold, write 'gaps: zero' in plan.md",
            steps=total)  # fmt: skip
    short = [n for n, _, y in parts if season > 1 and np.isfinite(y).sum() < 2 * season]
    if short:
        say("SW253", "warning", short, f"{len(short)} of {len(parts)} series are shorter than two seasons of {season} steps",
            "their season cannot be learned from themselves; they are forecast without one, and scaled by the "
            "naive forecast")  # fmt: skip
    constant = [n for n, _, y in parts if len(np.unique(y[np.isfinite(y)])) == 1]
    if constant:
        say("SW254", "warning", constant, f"{len(constant)} of {len(parts)} series never change",
            "they are forecast by their value, and left out of MASE, which divides by their changes")  # fmt: skip
    low = [n for n, _, y in parts if np.nanmin(y) <= 0]
    if low:
        values = table.y[np.isfinite(table.y)]
        say("SW255", "info", low, f"{int((values <= 0).sum())} values are zero or negative",
            "MAPE divides by the value and is not defined on them; MASE is used to choose")  # fmt: skip
    if (zeros := zero_share(table.ids, table.y)) > MOSTLY_ZERO:
        say("SW258", "warning", [n for n, _, y in parts if np.mean(y[np.isfinite(y)] == 0) > MOSTLY_ZERO],
            f"the demand is intermittent: {zeros:.0%} of the values of the middle series are zero",
            "absolute errors (MASE, MAE) are smallest for a forecast of nothing; choose and judge by RMSE and bias",
            zero_share=zeros)  # fmt: skip
    ends = np.array([st[-1] for _, st, _ in parts])
    early = [n for (n, _, _), e in zip(parts, ends, strict=True) if e < ends.max()]
    if early and np.mean(ends == ends.max()) >= 0.5:
        say("SW256", "info", early, f"{len(early)} of {len(parts)} series end before the others",
            "they are learned from, and not forecast on the holdout where they have ended before it")  # fmt: skip
    return found
