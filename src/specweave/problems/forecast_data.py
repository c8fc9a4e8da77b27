"""Series as they are read: rows on the grid of their frequency, the holdout and the origins before it, and doubts.

Reads: the table that the spec names, once it is laid out. Writes: nothing. Never: uses a column that is not known when
the forecast is made, or learns from steps after those it is judged on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from msgspec import to_builtins

from specweave.errors import DataError, SpecError
from specweave.forecasters.frequency import Frequency
from specweave.forecasters.long_table import LongTable, check_series
from specweave.forecasters.model import Columns, Layout
from specweave.forecasters.origins import roll_origins
from specweave.forecasters.stamps import Stamps
from specweave.problems.base import Dataset, Source, Split
from specweave.problems.forecast_planning import stated_horizon
from specweave.records import Finding
from specweave.tables.kinds import ColumnKind, infer_kinds
from specweave.tables.values import to_numbers

if TYPE_CHECKING:
    from specweave.increments.plan import Plan
    from specweave.increments.spec import Spec

_RANDOM = re.compile(r"random|shuffl|stratif|\bgroup|k-?fold|\d[ -]*folds?\b|cross[ -]?validat|leave", re.I)
_KNOWN = re.compile(r"rolling|origin|time|\blast\b|backtest|expanding|holdout|held out|none|default", re.I)
_ORIGINS = re.compile(r"(\d+)\s*(?:rolling\s+)?(?:origins?|backtests?|windows?)\b", re.I)
_HELD = re.compile(r"last\s+(\d+)\s*(%|steps?|[a-z]+)?", re.I)


def make_series(spec: Spec, plan: Plan, table: LongTable, read: Any, known: Sequence[str]) -> Dataset:
    """Return the dataset of a table in long form; `known` names the columns that are known ahead.

    Raises
    ------
    DataError, SpecError
        With file and line and how to mend it.
    """
    horizon = stated_horizon(spec)
    gaps = str(plan.config.get("gaps", "interpolate"))
    if gaps not in ("interpolate", "zero"):
        raise SpecError(
            f"gaps: '{gaps}' is not known", where=plan.at("gaps"), hint="write interpolate or zero"
        )
    if not _varies(table):
        raise DataError(
            "no series ever changes: there is nothing to forecast, and errors have no scale",
            where=spec.at("Target"), hint="name another target, or bring a longer history",
        )  # fmt: skip
    series = spec.get_list("Series column")
    target, time = (spec.require(k).value.strip("`") for k in ("Target", "Time column"))
    frame = table.frame
    for name in known:
        values = to_numbers(frame[name])[0]
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise DataError(f"'{name}' is known ahead, but row {row + 1} holds {frame[name].iloc[row]!r}, no number",
                            where=spec.at("Known ahead"), hint="write flags as 0 and 1, or take the column out")  # fmt: skip
    kinds = dict(infer_kinds(frame, target=target, time=time))
    for name in series:
        kinds[name] = ColumnKind(kind="category", reason="names the series")
    unused = [c for c in map(str, frame.columns) if c not in (target, time, *series, *known)]
    notes = [*read.notes, *table.notes]
    if unused:
        notes.append(f"not used, since they are not known when the forecast is made: {', '.join(unused)}")
    roles = {
        "target": target, "identifiers": [], "time": time, "group": series[0] if len(series) == 1 and len(np.unique(table.ids)) > 1 else None,
        "series": series, "known_ahead": known,
    }  # fmt: skip
    settings = {
        "horizon": horizon, "gaps": gaps, "frequency": table.frequency.to_record(),
        "stamps": {"form": table.stamps.form, "zone": table.stamps.zone},
        # Repeated rows are gone from the frame; what was said of them is kept for the quality report.
        "repeated": [to_builtins(f) for f in table.findings if f.code == "SW251"],
    }  # fmt: skip
    source = Source(spec.require("Training data").value, read.bytes, read.sha256, len(frame), tuple(notes))
    return Dataset(frame, kinds, roles, source, settings)


def _varies(table: LongTable) -> bool:
    """Return whether any series has two values."""
    known = pd.DataFrame({"id": table.ids, "y": table.y}).dropna()
    return bool((known.groupby("id")["y"].nunique() > 1).any())


def layout_of(dataset: Dataset) -> Layout:
    """Return how the data's rows are placed on its grid."""
    roles, settings = dataset.roles, dataset.settings
    columns = Columns(roles["time"], roles["target"], tuple(roles["series"]), tuple(roles["known_ahead"]))
    return Layout(columns, Stamps(**settings["stamps"]), Frequency(**settings["frequency"]), settings["gaps"])


def split_series(dataset: Dataset, spec: Spec, plan: Plan) -> Split:
    """Hold out the last horizon; fold before it by rolling origins. A random split is refused."""
    horizon = int(dataset.settings["horizon"])
    wanted = stated_origins(spec, horizon) or int(plan.get("split.folds", 4))
    ids, steps, _ = layout_of(dataset).place(dataset.frame)
    codes = np.unique(ids, return_inverse=True)[1]
    season = int(dataset.settings["frequency"]["season"])
    try:
        found = roll_origins(codes, steps, horizon, wanted, season=season)
    except DataError as error:
        raise DataError(error.what, where=spec.at("Horizon"), hint=error.hint) from error
    known = np.isfinite(to_numbers(dataset.frame[dataset.roles["target"]])[0])
    folds = tuple((fit, valid[known[valid]]) for fit, valid in found.folds)
    cut = "at the same steps" if found.common_end else "each at its own end"
    words = (
        f"the last {horizon} steps of {found.n_holdout} of {found.n_series} series held out, "
        f"{len(folds)} rolling origins {found.spacing} steps apart before them, series cut {cut}"
    )
    return Split(found.train, found.holdout[known[found.holdout]], folds, words)


def stated_origins(spec: Spec, horizon: int) -> int | None:
    """Return how many origins the spec's Validation line asks for; None where it leaves them to the plan.

    Raises
    ------
    SpecError
        If the line asks for a split that is not by time, for a holdout that is not one horizon, or for no known one.
    """
    text = spec.get("Validation") or ""
    where, hint = spec.at("Validation"), "write - Validation: rolling origin"
    several = _ORIGINS.search(text)
    if _RANDOM.search(text):
        raise SpecError(
            f"'{text}' would let a model learn from the days after those it is judged on; a forecast never has them",
            where=where, hint=hint,
        )  # fmt: skip
    if text and not _KNOWN.search(text):
        raise SpecError(f"'{text}' is no validation of forecasts", where=where,
                        hint=f"{hint}, or 6 rolling origins")  # fmt: skip
    held = _HELD.search(text)
    if held and (held[2] == "%" or int(held[1]) != horizon):
        raise SpecError(
            f"'{held[0].strip()}' is not the horizon: what is held out is one horizon of {horizon} steps",
            where=where, hint=f"{hint}, and set - Horizon: to the steps that matter",
        )  # fmt: skip
    return max(1, int(several[1])) if several else None


def check_rows(dataset: Dataset) -> list[Finding]:
    """Return gaps, short, constant and non-positive series; columns that are not used."""
    table = _table(dataset)
    found = [Finding(**f) for f in dataset.settings.get("repeated", [])] + check_series(table)
    roles = dataset.roles
    used = (roles["target"], roles["time"], *roles["series"], *roles["known_ahead"])
    unused = [c for c in map(str, dataset.frame.columns) if c not in used]
    if unused:
        found.append(Finding(
            code="SW257", severity="info", where=", ".join(unused),
            message=f"{len(unused)} columns are not used: their values at the steps to forecast are not known then",
            evidence={"columns": unused},
            advice="name those that are fixed beforehand (holidays, planned prices) in spec.md: - Known ahead: NAME",
        ))  # fmt: skip
    return found


def _table(dataset: Dataset) -> LongTable:
    layout = layout_of(dataset)
    ids, steps, _ = layout.place(dataset.frame)
    y = to_numbers(dataset.frame[dataset.roles["target"]])[0]
    return LongTable(dataset.frame, ids, steps, y, layout.frequency, layout.stamps, dataset.frame.iloc[:0])
