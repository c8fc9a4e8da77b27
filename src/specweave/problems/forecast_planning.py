"""How a forecast is planned: which columns play which role, what the spec asks, which forecasters are tried.

Reads: a request, the table's kinds, the series for a look at their length. Writes: nothing. Never: fits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from specweave.errors import DataError, SpecError
from specweave.forecasters import roles as reading
from specweave.forecasters.long_table import MOSTLY_ZERO, LongTable, read_long, zero_share
from specweave.problems.base import (
    Choice,
    ModelExperiment,
    Problem,
)
from specweave.problems.forecast_candidates import forecasters_by_name, plan_candidates
from specweave.problems.roles import check_column
from specweave.tables.kinds import ColumnKind, infer_kinds
from specweave.tables.locating import find_data_file
from specweave.tables.reading import check_target, read_table

if TYPE_CHECKING:
    from specweave.increments.spec import Spec

# What may choose a model, where the spec asks for it.
_CHOOSING = ("mase", "owa", "mape", "smape", "rmse", "mae")


class ForecastPlanning(Problem):
    """The planning half of the problem type: roles, drafted documents, the table as the spec names it."""

    # -- planning ----------------------------------------------------------------------------------

    @classmethod
    def match_request(cls, request: str) -> float:
        """Return 1 where the request asks how something goes on in time."""
        return 1.0 if reading.asks_for_future(request) else 0.0

    @classmethod
    def match_data(cls, request: str, frame: pd.DataFrame, roles: Mapping[str, Any]) -> tuple[float, str]:
        """A request for the future and a time column make a forecast; either alone does not."""
        target = roles.get("target")
        kinds = infer_kinds(frame, target=target)
        time = (
            (roles["time"], f"'{roles['time']}' holds the time")
            if roles.get("time")
            else reading.find_time(frame, kinds, target)
        )
        if not reading.asks_for_future(request):
            return 0.0, "the request does not ask for a forecast"
        if time is None:
            return 0.3, "the request asks for a forecast, but no column holds a time"
        return 0.97, f"the request asks for a forecast, and {time[1]}"

    def check_planned(self, frame: pd.DataFrame, roles: Mapping[str, Any], where: str) -> None:
        """Refuse a time that is split over two columns: neither of them orders the rows."""
        found = None if roles.get("asked_time") else reading.find_split_time(frame, infer_kinds(frame))
        if found:
            raise DataError(
                f"the time stands in two columns, '{found[0]}' and '{found[1]}'; a series needs one", where=where,
                hint="make one of them, written like 2024Q1, 2024-W07, 2024-05 or 2024-05-31",
            )  # fmt: skip

    @classmethod
    def infer_roles(
        cls, request: str, frame: pd.DataFrame, kinds: Mapping[str, ColumnKind], roles: Mapping[str, Any]
    ) -> list[Choice]:
        """Find time, series, frequency, horizon and what is known ahead."""
        target = roles.get("target")
        found = [Choice("identifiers", [], "")]
        time, why = (
            (roles["time"], "") if roles.get("time") else reading.find_time(frame, kinds, target) or ("", "")
        )
        if not time:
            return found
        found.append(Choice("time", time, why))
        if not target:
            numbers = [c for c, k in kinds.items() if k.kind == "numeric" and c != time]
            if len(numbers) != 1:
                return [*found, Choice("target", None, _several_words(numbers))] if numbers else found
            target = numbers[0]
            found.append(Choice("target", target, f"`{target}` is the only quantity"))
        series, why = reading.find_series(frame, kinds, time, target)
        found.append(Choice("series", series, why))
        table = read_long(frame, time=time, target=target, series=series)
        horizon, why_h = reading.find_horizon(request, table.frequency.name)
        known, others = reading.find_known_ahead(frame, kinds, [time, target, *series])
        frequency = table.frequency
        told = "; ".join(
            [f"the stamps follow {frequency.name} steps, a season has {frequency.season}", *table.notes]
        )
        return [
            *found,
            Choice("frequency", frequency.name, told),
            Choice("season", frequency.season, ""),
            Choice("horizon", horizon, why_h),
            Choice("known_ahead", known, known_words(known, others)),
            Choice("n_series", len(np.unique(table.ids)), ""),
            Choice("length", int(np.median(np.unique(table.ids, return_counts=True)[1])), ""),
            Choice("lowest", float(np.nanmin(table.y)), ""),
            Choice("zero_share", zero_share(table.ids, table.y), ""),
        ]

    @classmethod
    def draft_spec(
        cls, request: str, profile: Mapping[str, Any] | None, roles: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Draft the bullets; MASE below 1 is asked for where nothing else is demanded and values are not mostly 0."""
        target = roles.get("target") or "the quantity"
        horizon = roles.get("horizon") or reading.find_horizon(request, "step")[0]
        series, known = roles.get("series") or [], roles.get("known_ahead") or []
        of = f" of each of {roles['n_series']} series" if series and roles.get("n_series", 1) > 1 else ""
        problem = {
            "Problem type": cls.types[0],
            "Input": f"The history of {target}{of}" + (f", and {', '.join(known)} ahead" if known else ""),
            "Output": f"{target} of the next {horizon} steps{of}, with 80 and 95 % intervals",
            # Of values that are mostly zero, forecasting nothing has the smallest absolute error.
            "Success metrics": "Interval coverage@95 > 0.9"
            if roles.get("zero_share", 0) > MOSTLY_ZERO
            else "MASE < 1",
        }
        data = {
            "Identifier": "none",
            "Series column": ", ".join(series) or "none",
            "Frequency": roles.get("frequency") or "inferred",
            "Season length": roles.get("season") or "inferred",
            "Horizon": horizon,
            "Known ahead": ", ".join(known) or "none",
            "Validation": "rolling origin",
        }
        model = {
            "Latency": "<500ms inference",
            "Throughput": "",
            "Accuracy": "Better than best baseline",
            "Explainability": "Must explain top-3 drivers per forecast",
        }
        return {"problem": problem, "data": data, "model": model}

    def draft_plan(self, spec: Spec, profile: Mapping[str, Any] | None) -> list[Choice]:
        """Choose origins, metric, baselines and candidates, each with its reason."""
        table = self._peek(spec)
        n, length = (len(np.unique(table.ids)), median_length(table)) if table else (1, 100)
        season = table.frequency.season if table else 1
        horizon = stated_horizon(spec) if spec.find("Horizon") else 12
        folds = int(
            np.clip(
                (length - horizon - 2 * season) // max(horizon, 1), 2, 6 if n < 5 else 4 if n < 100 else 3
            )
        )
        metric, why = self._selection(spec, table)
        zeros = zero_share(table.ids, table.y) if table else 0.0
        listed, reason = plan_candidates(n, n * length, intermittent=zeros > MOSTLY_ZERO)
        for entry in listed:
            if metric == "rmse" and entry["name"] == "lightgbm":
                entry["params"] = {"objective": "l2"}  # aims at the mean, as RMSE does
        return [
            Choice("split.folds", folds, f"up to {folds} rolling origins, {horizon} steps apart, with two seasons before each where there are"),
            Choice("split.seed", 42, "fixed, so that a second run samples alike"),
            Choice("gaps", "interpolate", "steps without a value; write zero where no row means none"),
            Choice("selection_metric", metric, why),
            Choice("baselines", ["naive", "seasonal-naive", "drift", "mean"],
                   "the last value, the last season, the line through first and last, the mean: what any model must beat"),
            Choice("candidates", listed, reason),
            Choice("ensemble", True, "the best of them are averaged: combinations of different methods rarely lose"),
            Choice("tuning.trials", 12, "for models with a search space; the others choose their own parameters"),
            Choice("tuning.time_budget", "3m", "tuning stops at whichever comes first"),
            Choice("tuning.top", 1, "of the candidates with a search space, the best alone is worth the time"),
            Choice("explain.rows", 300, "forecast rows whose parts are kept"),
            Choice("explain.examples", 5, "forecasts explained in words"),
        ]  # fmt: skip

    def candidate_table(self, n_series: int = 1) -> dict[str, ModelExperiment]:
        """Return every forecaster by the name a plan gives it."""
        return forecasters_by_name(n_series)

    def _selection(self, spec: Spec, table: LongTable | None) -> tuple[str, str]:
        low = float(np.nanmin(table.y)) if table is not None else 1.0
        for criterion in spec.criteria:
            if criterion.metric and criterion.metric.name in _CHOOSING:
                if criterion.metric.name == "mape" and low <= 0:
                    return (
                        "mase",
                        f"spec.md asks for MAPE, which divides by values as low as {low:g} and is not defined",
                    )
                return criterion.metric.name, f"spec.md asks for {criterion.metric.label}"
        if table is not None and zero_share(table.ids, table.y) > MOSTLY_ZERO:
            return (
                "rmse",
                "most values are zero: MASE would choose whatever forecasts nothing, RMSE aims at the mean",
            )
        return "mase", "errors of all series on one scale, without trouble at zero"

    def _peek(self, spec: Spec) -> LongTable | None:
        """Return the spec's series for planning, or None where the spec does not name them yet."""
        if any(spec.find(k) is None for k in ("Training data", "Target", "Time column")):
            return None
        # .specweave/increments/NNNN-slug/spec.md
        root = spec.path.parent.parent.parent.parent
        try:
            return self._read(spec, root)[0]
        except (DataError, SpecError):
            # Planning goes on without the data; `load` says what is wrong with it.
            return None

    # -- data --------------------------------------------------------------------------------------

    def _read(self, spec: Spec, root: Path) -> tuple[LongTable, Any, list[str]]:
        named = spec.require("Training data")
        target = spec.require("Target").value.strip("`")
        time = spec.require("Time column", "ds").value.strip("`")
        read = read_table(find_data_file(root, named.value, spec.at("Training data")))
        check_target(read.frame, target)
        series, known = spec.get_list("Series column"), spec.get_list("Known ahead")
        for key, names in (("Time column", [time]), ("Series column", series), ("Known ahead", known)):
            for name in names:
                check_column(name, read.frame, spec.at(key))
        table = read_long(
            read.frame, time=time, target=target, series=series, frequency=stated_value(spec, "Frequency"),
            season=whole_number(spec, "Season length"),
            where={k: spec.at(v) for k, v in (("time", "Time column"), ("series", "Series column"),
                                              ("target", "Target"), ("frequency", "Frequency"))},
        )  # fmt: skip
        return table, read, known


def _several_words(numbers: Sequence[str]) -> str:
    named = ", ".join(f"`{c}`" for c in numbers[:4]) + (", ..." if len(numbers) > 4 else "")
    return (
        f"{len(numbers)} quantities: {named}. Name the one to forecast under Target. Where each column is a series of "
        "its own, bring one row per series and time first (pandas.melt does it), with a Series column"
    )


def stated_horizon(spec: Spec) -> int:
    found = whole_number(spec, "Horizon")
    if found is None:
        spec.require("Horizon", "12")
        raise SpecError(
            "'Horizon' is no number of steps", where=spec.at("Horizon"), hint="write - Horizon: 12"
        )
    return found


def stated_value(spec: Spec, key: str) -> str | None:
    value = spec.get(key)
    return None if value is None or value.casefold() in ("inferred", "auto") else value


def whole_number(spec: Spec, key: str) -> int | None:
    value = stated_value(spec, key)
    if value is None:
        return None
    match = re.match(r"\s*(\d+)\b", value)
    if match is None or int(match[1]) < 1:
        raise SpecError(f"'{key}' must be a whole number of steps above 0, not '{value}'", where=spec.at(key),
                        hint=f"write - {key}: 12")  # fmt: skip
    return int(match[1])


def median_length(table: LongTable) -> int:
    return int(np.median(np.unique(table.ids, return_counts=True)[1]))


def known_words(known: Sequence[str], others: Mapping[str, str]) -> str:
    told = []
    if known:
        told.append(f"{', '.join(known)}: fixed before the day comes, by their names")
    if others:
        told.append(f"not used: {', '.join(f'{c} ({r})' for c, r in others.items())}")
    return "; ".join(told)
