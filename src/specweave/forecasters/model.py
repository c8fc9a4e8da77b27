"""A fitted forecaster together with how its series are written: it answers rows of the user's own table.

Reads: rows. Writes: nothing. Never: answers a step inside the history as if it had been forecast.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from specweave.errors import DataError
from specweave.forecasters.base import Fitted
from specweave.forecasters.frequency import Frequency
from specweave.forecasters.long_table import LongTable, read_long, series_ids
from specweave.forecasters.panel import Panel, Series, make_panel
from specweave.forecasters.simple import naive2
from specweave.forecasters.stamps import Stamps
from specweave.tables.values import to_numbers

Floats = npt.NDArray[np.float64]

NOWHERE = -(2**62)  # the step of a stamp that cannot be placed


@dataclass(frozen=True)
class Columns:
    """The user's columns by what they are."""

    time: str
    target: str
    series: tuple[str, ...] = ()
    known: tuple[str, ...] = ()

    @property
    def request(self) -> list[str]:
        """What a row to be answered carries."""
        return [*self.series, self.time, *self.known]


@dataclass(frozen=True)
class Layout:
    """How a table of series is laid out on its grid.

    Attributes
    ----------
    columns : Columns
    stamps : Stamps
    frequency : Frequency
    gaps : {"interpolate", "zero"}
    """

    columns: Columns
    stamps: Stamps
    frequency: Frequency
    gaps: str = "interpolate"

    def place(self, rows: pd.DataFrame) -> tuple[Any, Any, Floats]:
        """Return (ids, steps, known columns) of rows; the step is ``NOWHERE`` where it cannot be read."""
        ids = series_ids(rows, self.columns.series)
        stamps = self.stamps.read(rows[self.columns.time])
        there = ~np.isnat(stamps) if np.asarray(stamps).dtype.kind == "M" else np.isfinite(stamps)
        steps = np.full(len(rows), NOWHERE, dtype=np.int64)
        if there.any():
            good = self.frequency.on_grid(stamps[there])
            places = np.flatnonzero(there)[good]
            steps[places] = self.frequency.steps(stamps[places])
        return ids, steps, self.known(rows)

    def known(self, rows: pd.DataFrame) -> Floats:
        """Return the columns known ahead as numbers, shape (n_rows, n_known)."""
        made = [
            to_numbers(rows[c])[0] if c in rows.columns else np.full(len(rows), np.nan)
            for c in self.columns.known
        ]
        return np.column_stack(made) if made else np.empty((len(rows), 0))

    def panel(self, rows: pd.DataFrame) -> Panel:
        """Return the panel that rows with targets make."""
        ids, steps, known = self.place(rows)
        y = to_numbers(rows[self.columns.target])[0]
        usable = steps > NOWHERE
        return make_panel(
            ids[usable], steps[usable], y[usable], known[usable], season=self.frequency.season,
            known_names=self.columns.known, gaps=self.gaps, frequency=self.frequency,
        )  # fmt: skip


def naive_scale(one: Series, season: int) -> float:
    """Return the in-sample mean absolute error of the seasonal naive forecast; NaN of too short a series."""
    y = one.values
    if len(y) <= season:
        season = 1
    return float(np.mean(np.abs(y[season:] - y[:-season]))) if len(y) > 1 else float("nan")


@dataclass
class SeriesModel:
    """A forecaster fitted to a table's series.

    Attributes
    ----------
    fitted : Fitted
    layout : Layout
    """

    fitted: Fitted
    layout: Layout
    _scales: dict[str, float] = field(default_factory=dict)

    @property
    def panel(self) -> Panel:
        """The history that forecasts start from."""
        return self.fitted.panel

    @property
    def horizon(self) -> int:
        """Steps ahead that the model was made for."""
        return self.fitted.horizon

    def answer(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the forecast of each row.

        Returns
        -------
        DataFrame, shape (n_rows, ...)
            ``unique_id``, ``ds``, ``cutoff``, ``h``, ``prediction``, ``naive2``, ``scale``; NaN where a row's
            series is unknown, its stamp off the grid or inside the history.
        """
        ids, steps, known = self.layout.place(rows)
        prediction = self.fitted.predict(ids, steps, known if self.layout.columns.known else None)
        ahead, scale, reference = (np.full(len(rows), np.nan) for _ in range(3))
        cutoffs: list[Any] = [None] * len(rows)
        for name in np.unique(ids):
            one = self.panel.series.get(str(name))
            if one is None:
                continue
            place = np.flatnonzero((ids == name) & (steps > one.end))
            if not len(place):
                continue
            season = self.panel.season_of(one)
            h = steps[place] - one.end
            ahead[place], scale[place] = h, self._scale(one, season)
            reference[place] = naive2(one.values, season, int(h.max()))[h - 1]
            cutoff = self.layout.stamps.write(self.layout.frequency.stamps([one.end]))[0]
            for i in place:
                cutoffs[i] = str(cutoff)
        return pd.DataFrame(
            {
                "unique_id": ids, "ds": rows[self.layout.columns.time].astype(str).to_numpy(), "cutoff": cutoffs,
                "h": ahead, "prediction": prediction, "naive2": reference, "scale": scale,
            }
        )  # fmt: skip

    def _scale(self, one: Series, season: int) -> float:
        if one.id not in self._scales:
            self._scales[one.id] = naive_scale(one, season)
        return self._scales[one.id]

    def continue_from(
        self, history: pd.DataFrame, horizon: int | None = None
    ) -> tuple[SeriesModel, pd.DataFrame]:
        """Return (the model at the end of `history`, the rows of the next steps).

        Parameters
        ----------
        history : DataFrame
            Rows with targets; rows after a series' last one carry what is known ahead.
        horizon : int, optional

        Raises
        ------
        DataError
            If a column is missing, the steps are others than those learned, or what is known ahead is not
            given for the steps to forecast.
        """
        columns = self.layout.columns
        for name in (*columns.series, columns.time, columns.target):
            if name not in history.columns:
                raise DataError(f"the history lacks the column '{name}'", hint="give all rows as in training")
        table = read_long(history, time=columns.time, target=columns.target, series=columns.series,
                          season=self.layout.frequency.season)  # fmt: skip
        if table.frequency.name != self.layout.frequency.name:
            raise DataError(
                f"the history is {table.frequency.name}, the model was made for {self.layout.frequency.name}"
            )
        layout = replace(self.layout, stamps=table.stamps, frequency=table.frequency)
        fresh = self.updated(layout, table.frame)
        return fresh, future_rows(fresh, table, horizon or self.horizon)

    def updated(self, layout: Layout, rows: pd.DataFrame) -> SeriesModel:
        """Return the model fitted to the series that rows with targets make; itself where it has just that history."""
        panel = layout.panel(rows)
        same = panel.digest() == self.panel.digest() and layout.frequency == self.layout.frequency
        return SeriesModel(self.fitted if same else self.fitted.update(panel), layout)


def future_rows(model: SeriesModel, table: LongTable, horizon: int) -> pd.DataFrame:
    """Return the next `horizon` rows of each series of a table, with what is known ahead."""
    if horizon < 1:
        raise DataError(f"a horizon of {horizon} steps is none", hint="write --horizon 12")
    layout, columns = model.layout, model.layout.columns
    first = table.frame.drop_duplicates(list(columns.series)) if columns.series else table.frame.iloc[:1]
    ids = series_ids(first, columns.series)
    made = []
    for i, name in enumerate(ids):
        one = model.panel.series.get(str(name))
        if one is None:
            continue
        steps = one.end + 1 + np.arange(horizon)
        part: dict[str, Any] = {c: [first[c].iloc[i]] * horizon for c in columns.series}
        part[columns.time] = layout.stamps.write(layout.frequency.stamps(steps))
        made.append(pd.DataFrame(part))
    rows = pd.concat(made, ignore_index=True)
    if columns.known:
        rows = _with_known(rows, table, layout)
    return rows[columns.request]


def _with_known(rows: pd.DataFrame, table: LongTable, layout: Layout) -> pd.DataFrame:
    keys = layout.place(rows)[:2]
    index = pd.MultiIndex.from_arrays(keys)
    if len(table.future):
        given = layout.place(table.future)
        known = pd.DataFrame(
            given[2], index=pd.MultiIndex.from_arrays(given[:2]), columns=list(layout.columns.known)
        )
        known = known[~known.index.duplicated()].reindex(index)
    else:
        known = pd.DataFrame(np.nan, index=index, columns=list(layout.columns.known))
    absent = known.isna().any(axis=1).to_numpy()
    if absent.any():
        row = int(np.argmax(absent))
        raise DataError(
            f"{', '.join(layout.columns.known)} must be given for the steps to forecast; {int(absent.sum())} rows are "
            f"missing, first {rows[layout.columns.time].iloc[row]}",
            hint=f"append rows with these columns and an empty '{layout.columns.target}', or take 'Known ahead' "
            "out of spec.md",
        )  # fmt: skip
    for c in layout.columns.known:
        rows[c] = known[c].to_numpy()
    return rows
