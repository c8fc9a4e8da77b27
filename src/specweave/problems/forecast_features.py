"""The lag table that features of forecasts are learned on: a row per series, origin and step ahead.

Reads: series. Writes: nothing. Never: puts a value after an origin into its row.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from specweave.forecasters.lags import feature_names, lag_table
from specweave.problems.base import Dataset, Split
from specweave.problems.forecast_data import layout_of
from specweave.tables.kinds import ColumnKind

_SCALED = "distance from the last value"


def lag_kinds(dataset: Dataset) -> dict[str, ColumnKind]:
    """Return what each column of the lag table is, without its target."""
    panel = layout_of(dataset).panel(dataset.frame.iloc[:0])
    return {n: ColumnKind(kind="numeric", reason=_reason(n)) for n in feature_names(panel)}


def lagged_table(dataset: Dataset, split: Split) -> tuple[Dataset, Split]:
    """Return the lag table with its training rows and those whose targets are held out."""
    layout, horizon = layout_of(dataset), int(dataset.settings["horizon"])
    panel = layout.panel(dataset.frame.iloc[np.sort(np.r_[split.train, split.holdout])])
    ends = {k: s.end for k, s in layout.panel(dataset.frame.iloc[split.train]).series.items()}
    parts, late = [], []
    for name, one in panel.series.items():
        X, y, steps = lag_table(
            panel.select([name]), horizon, most_rows=max(200, 20_000 // len(panel)), seed=0
        )
        parts.append(np.column_stack([X, y]))
        late.append(steps > ends.get(name, one.end))
    names = feature_names(panel)
    frame = pd.DataFrame(np.vstack(parts), columns=[*names, _SCALED])
    held = np.concatenate(late)
    kinds = {n: ColumnKind(kind="numeric", reason=_reason(n)) for n in [*names, _SCALED]}
    lagged = Dataset(
        frame, kinds, {"target": _SCALED, "identifiers": [], "time": None, "group": None}, dataset.source
    )
    return lagged, Split(np.flatnonzero(~held), np.flatnonzero(held), (), split.strategy)


def _reason(name: str) -> str:
    if name.startswith(("value ", "mean ", "change ")):
        return "a distance from the last known value, in mean steps of the series"
    return {"step ahead": "how far ahead", "spread of the last 13 changes": "how much it moves of late"}.get(
        name, "known when the forecast is made"
    )
