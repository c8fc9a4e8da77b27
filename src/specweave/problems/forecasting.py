"""Forecasting: how one or many series go on, with intervals that rolling origins have earned.

Reads: a table of series in long form. Writes: nothing. Never: validates on steps before its training rows,
uses a column that is not known when the forecast is made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from msgspec import to_builtins

from specweave.errors import DataError, SpecError, UnknownNameError, did_you_mean
from specweave.forecasters.base import Forecaster
from specweave.forecasters.catalogue import FORECASTERS
from specweave.forecasters.explaining import explain_rows
from specweave.forecasters.intervals import apply_intervals, complete_folds, half_widths, learn_intervals
from specweave.forecasters.lags import feature_names, lag_table
from specweave.forecasters.long_table import LongTable, Stamps, check_series
from specweave.forecasters.model import Columns, Layout, SeriesModel
from specweave.forecasters.origins import roll_origins
from specweave.metrics.base import MetricRef, find_metric, parse_metric_ref
from specweave.problems.base import (
    Contributions,
    Dataset,
    ModelExperiment,
    Source,
    Split,
    Table,
)
from specweave.problems.forecast_planning import (
    ForecastPlanning,
    stated_horizon,
)
from specweave.records import Figure, Finding
from specweave.tables.kinds import ColumnKind, infer_kinds
from specweave.tables.values import to_numbers

if TYPE_CHECKING:
    from specweave.increments.plan import Plan
    from specweave.increments.spec import Spec
    from specweave.problems.example_rows import ExampleRow

_RANDOM = re.compile(r"random|shuffl|stratif|\bgroup", re.I)
_SCALED = "distance from the last value"
_NEAR = 1.5  # times the best score: worse candidates are left out of the combination
_CHANCE = 0.2  # how far the scores of two models on one path of errors lie apart, as a share


class Forecasting(ForecastPlanning):
    """Forecasts of series."""

    name = "forecasting"
    types = ("Forecasting", "Time series", "Time series forecasting", "Forecast")
    required = ("Training data", "Target", "Time column", "Horizon")
    words = ("forecast", "time series", "next week", "next month", "weeks ahead", "months ahead")
    plan_keys = ("gaps",)
    spec_keys = ("Series column", "Known ahead", "Horizon", "Frequency", "Season length")
    task = "regression"
    default_validation = "rolling origin"

    def __init__(self) -> None:
        self._memo: dict[Any, Any] = {}

    def load(self, spec: Spec, plan: Plan, root: Path) -> Dataset:
        """Read the table, sort it by series and time, and place every row on the grid of its frequency."""
        table, read, known = self._read(spec, root)
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
        source = Source(named_path(spec), read.bytes, read.sha256, len(frame), tuple(notes))
        return Dataset(frame, kinds, roles, source, settings)

    def layout(self, dataset: Dataset) -> Layout:
        """Return how the data's rows are placed on its grid."""
        from specweave.forecasters.frequency import Frequency

        roles, settings = dataset.roles, dataset.settings
        columns = Columns(roles["time"], roles["target"], tuple(roles["series"]), tuple(roles["known_ahead"]))
        return Layout(
            columns, Stamps(**settings["stamps"]), Frequency(**settings["frequency"]), settings["gaps"]
        )

    def split(self, dataset: Dataset, spec: Spec, plan: Plan) -> Split:
        """Hold out the last horizon; fold before it by rolling origins. A random split is refused."""
        text = spec.get("Validation") or ""
        if _RANDOM.search(text):
            raise SpecError(
                f"'{text}' would let a model learn from the days after those it is judged on; a forecast never has them",
                where=spec.at("Validation"), hint="write - Validation: rolling origin",
            )  # fmt: skip
        horizon = int(dataset.settings["horizon"])
        ids, steps, _ = self.layout(dataset).place(dataset.frame)
        codes = np.unique(ids, return_inverse=True)[1]
        season = int(dataset.settings["frequency"]["season"])
        try:
            found = roll_origins(codes, steps, horizon, int(plan.get("split.folds", 4)), season=season)
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

    def units(self, dataset: Dataset, outcome: pd.DataFrame) -> np.ndarray | None:
        """Return the series of each row; of one series, blocks of consecutive steps of one origin."""
        ids = outcome["unique_id"].astype(str)
        if ids.nunique() > 1 or dataset.settings.get("one_unit_per_series"):
            return ids.to_numpy().astype(str)
        h = outcome["h"].to_numpy(float)
        width = max(1, int(np.ceil(float(dataset.settings["horizon"]) ** (1 / 3))))
        blocks = ((h - 1) // width).astype(int).astype(str)
        return np.char.add(np.char.add(outcome["cutoff"].astype(str).to_numpy().astype(str), "/"), blocks)

    def segment_table(self, dataset: Dataset, outcome: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Return the rows with how many steps ahead each was forecast."""
        frame, kinds = super().segment_table(dataset, outcome)
        ahead = ColumnKind(kind="numeric", reason="steps from the origin")
        return frame.assign(**{"step ahead": outcome["h"].to_numpy()}), {**kinds, "step ahead": ahead}

    def check_data(self, dataset: Dataset) -> list[Finding]:
        """Return gaps, short, constant and non-positive series; columns that are not used."""
        table = self._table(dataset)
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

    def _table(self, dataset: Dataset) -> LongTable:
        layout = self.layout(dataset)
        ids, steps, _ = layout.place(dataset.frame)
        y = to_numbers(dataset.frame[dataset.roles["target"]])[0]
        return LongTable(
            dataset.frame, ids, steps, y, layout.frequency, layout.stamps, dataset.frame.iloc[:0]
        )

    def data_tables(self, dataset: Dataset, split: Split) -> list[Table]:
        """Return tests of stationarity and the strength of trend and season, on training rows."""
        from specweave.problems.forecast_tables import stationarity_table

        return [stationarity_table(self.layout(dataset).panel(dataset.frame.iloc[split.train]))]

    def data_figures(self, dataset: Dataset) -> list[Figure]:
        """Return the series, their decomposition, and their autocorrelations."""
        from specweave.problems.forecast_pictures import data_figures

        layout = self.layout(dataset)
        return data_figures(layout.panel(dataset.frame), layout)

    # -- models ------------------------------------------------------------------------------------

    def baselines(
        self, dataset: Dataset, spec: Spec, plan: Plan, strategies: Sequence[Any]
    ) -> list[ModelExperiment]:
        """Return one experiment per strategy; random and rule-based ones have their nearest kin here."""
        kin = {"random": "naive", "majority": "mean", "popularity": "mean", "rule-based": "seasonal-naive"}
        table = self.candidate_table()
        simple = ("naive", "seasonal-naive", "drift", "mean", "light-theta")
        made: dict[str, ModelExperiment] = {}
        for strategy in strategies:
            name = kin.get(str(strategy), str(strategy))
            if name not in simple:
                raise UnknownNameError(f"no baseline strategy is called '{strategy}'", where=plan.at("baselines"),
                                       hint=did_you_mean(str(strategy), simple))  # fmt: skip
            made[name] = replace(table[name], name=f"baseline-{name}")
        return list(made.values())

    def candidates(self, dataset: Dataset, spec: Spec, plan: Plan) -> list[ModelExperiment]:
        """Return the plan's candidates, in its order."""
        n_series = (
            len(dataset.frame[dataset.roles["series"]].drop_duplicates()) if dataset.roles["series"] else 1
        )
        table = self.candidate_table(n_series)
        listed = plan.get("candidates")
        if listed is None:
            listed = self._plan_candidates(n_series, len(dataset.frame))[0]
        made = []
        for item in listed:
            entry = item if isinstance(item, Mapping) else {"name": item}
            name = str(entry.get("name", ""))
            if entry.get("estimator"):
                from specweave.problems.tabular import import_named

                base = ModelExperiment(name, import_named(str(entry["estimator"]), plan.at("candidates")))
            elif name in table:
                base = table[name]
            elif entry.get("members"):
                base = ModelExperiment(
                    name or "combination", FORECASTERS["combination"], {"members": list(entry["members"])}
                )
            else:
                raise UnknownNameError(
                    f"no candidate is called '{name}'", where=plan.at("candidates"),
                    hint=did_you_mean(name, table) + "; or name a class of your own with 'estimator: package.module.Class'",
                )  # fmt: skip
            made.append(ModelExperiment(
                name or base.name, base.estimator_class, {**base.params, **(entry.get("params") or {})},
                entry.get("search", base.search) or {}, str(entry.get("note", base.note)),
            ))  # fmt: skip
        return made

    def combinations(
        self,
        experiments: Sequence[ModelExperiment],
        scores: Mapping[str, float],
        plan: Plan,
        *,
        higher_is_better: bool,
    ) -> list[ModelExperiment]:
        """Return the mean of the single candidates that come near the best, weighted by 1 / score."""
        if plan.get("ensemble", True) is False:
            return []
        names: dict[Any, str] = {cls: n for n, cls in FORECASTERS.items()}
        single = {
            e.name: {"name": names[e.estimator_class], "params": dict(e.params)}
            for e in experiments
            if e.name in scores and names.get(e.estimator_class) not in (None, "combination")
        }
        best = min((scores[n] for n in single), default=0.0)
        near = [n for n in single if scores[n] <= _NEAR * best]
        if len(near) < 2 or best <= 0 or higher_is_better:
            return []
        weights = np.array([best / scores[n] for n in near])
        shares = [float(f"{w:.4f}") for w in weights / weights.sum()]
        told = ", ".join(f"{n} {w:.0%}" for n, w in zip(near, shares, strict=True))
        params = {"members": [single[n] for n in near], "how": "mean", "weights": shares}
        return [ModelExperiment("combination", FORECASTERS["combination"], params,
                                note=f"the mean of what came near the best on validation folds: {told}")]  # fmt: skip

    def allowance(self, algorithm: str, outcome: pd.DataFrame | None = None) -> float:
        """Allow combinations 0.2 / sqrt(paths of errors): the best single model of a few paths is so by chance."""
        if algorithm != FORECASTERS["combination"].__name__:
            return 0.0
        paths = 1 if outcome is None else outcome.groupby(["unique_id", "cutoff"]).ngroups
        return float(_CHANCE / np.sqrt(max(1, paths)))

    def make_features(
        self, dataset: Dataset, spec: Spec, plan: Plan, definitions: Mapping[str, Any] | None
    ) -> Any:
        """Return the unfitted feature step over the lag table; what it drops, the boosted model leaves out."""
        from specweave.tables.features import from_definitions, make_features

        if definitions:
            return from_definitions(dict(definitions))
        panel = self.layout(dataset).panel(dataset.frame.iloc[:0])
        kinds = {n: ColumnKind(kind="numeric", reason=_feature_reason(n)) for n in feature_names(panel)}
        return make_features(kinds, task=self.task, seed=int(plan.get("split.seed", 42)))

    def feature_table(self, dataset: Dataset, split: Split) -> tuple[Dataset, Split]:
        """Return the lag table: a row per series, origin and step ahead; held out are targets of the holdout."""
        layout, horizon = self.layout(dataset), int(dataset.settings["horizon"])
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
        kinds = {n: ColumnKind(kind="numeric", reason=_feature_reason(n)) for n in [*names, _SCALED]}
        lagged = Dataset(
            frame, kinds, {"target": _SCALED, "identifiers": [], "time": None, "group": None}, dataset.source
        )
        return lagged, Split(np.flatnonzero(~held), np.flatnonzero(held), (), split.strategy)

    def encode(self, dataset: Dataset) -> np.ndarray:
        """Return the target as floats, shape (n_rows,)."""
        return np.asarray(to_numbers(dataset.frame[dataset.roles["target"]])[0], dtype=float)

    def fit(
        self,
        experiment: ModelExperiment,
        dataset: Dataset,
        rows: np.ndarray,
        features: Any,
        *,
        seed: int,
        threads: int,
    ) -> Any:
        """Fit to the series that these rows make."""
        try:
            recipe = experiment.estimator_class(**dict(experiment.params))
        except TypeError as error:
            raise DataError(f"{experiment.algorithm} does not take these parameters: {error}",
                            where=experiment.name) from error  # fmt: skip
        if not isinstance(recipe, Forecaster):
            raise DataError(f"{experiment.algorithm} is no forecaster", where=experiment.name,
                            hint="derive it from specweave.forecasters.base.Forecaster")  # fmt: skip
        left_out = tuple(sorted(getattr(features, "drop", None) or {}))
        if left_out and hasattr(recipe, "without"):
            recipe.without = left_out
        layout = self.layout(dataset)
        panel = layout.panel(dataset.frame.iloc[rows])
        if len(self._memo) > 200:
            self._memo.clear()
        fitted = recipe.fit(
            panel, int(dataset.settings["horizon"]), seed=seed, threads=threads, memo=self._memo
        )
        return SeriesModel(fitted, layout)

    def predict(self, model: Any, dataset: Dataset, rows: np.ndarray) -> pd.DataFrame:
        """Return a row per step after the model's history: truth, prediction, scale, Naive2; others are left out."""
        frame = dataset.frame.iloc[rows]
        told: pd.DataFrame = model.answer(frame)
        told.insert(0, "row", np.asarray(rows))
        told.insert(5, "truth", to_numbers(frame[dataset.roles["target"]])[0])
        known = np.isfinite(told["prediction"].to_numpy(float)) & np.isfinite(told["truth"].to_numpy(float))
        kept: pd.DataFrame = told[known].reset_index(drop=True).astype({"h": int})
        return kept

    def decide(self, outcome: pd.DataFrame, dataset: Dataset, spec: Spec, plan: Plan) -> dict[str, Any]:
        """Learn the intervals from the errors of rolling origins."""
        try:
            learned = learn_intervals(outcome)
        except DataError as error:
            return {"intervals": {}, "rule": f"no intervals: {error.what}"}
        told = f"from {learned['n']} errors of rolling origins, by step ahead and series"
        return {"intervals": learned, "rule": told}

    def complete(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> pd.DataFrame:
        """Add the bounds of the intervals."""
        if "fold" in outcome.columns:
            return complete_folds(outcome, decision["intervals"])
        return apply_intervals(outcome, decision["intervals"])

    # -- measuring ---------------------------------------------------------------------------------

    def metrics(self, spec: Spec, plan: Plan) -> list[MetricRef]:
        """Return the usual metrics of forecasts, the selection metric first."""
        names = (
            "mase",
            "smape",
            "mape",
            "owa",
            "rmse",
            "mae",
            "bias",
            "interval_coverage@80",
            "interval_coverage@95",
        )
        refs = [parse_metric_ref(n) for n in names]
        chosen = plan.get("selection_metric")
        if chosen:
            first = parse_metric_ref(str(chosen))
            refs = [first, *[r for r in refs if r != first]]
        return refs

    def measure(self, ref: MetricRef, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> float:
        """Return one metric; MAPE is refused where a truth is zero or negative."""
        if find_metric(ref.name).name == "mape":
            low = int((outcome["truth"].to_numpy(float) <= 0).sum())
            if low:
                raise DataError(
                    f"MAPE is not defined: {low} of {len(outcome)} truths are zero or negative, and it divides by them",
                    hint="ask for MASE or sMAPE in spec.md",
                )
        if ref.name == "interval_coverage" and "lo95" not in outcome.columns and decision.get("intervals"):
            outcome = apply_intervals(outcome, decision["intervals"])
        return super().measure(ref, outcome, decision)

    def loss(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> np.ndarray:
        """Return the absolute error of each row in units of its series' scale."""
        error = np.abs(outcome["truth"].to_numpy(float) - outcome["prediction"].to_numpy(float))
        scale = outcome["scale"].to_numpy(float)
        size = np.maximum(np.abs(outcome["truth"].to_numpy(float)), 1.0)
        return np.asarray(error / np.where(np.isfinite(scale) & (scale > 0), scale, size))

    def breakdowns(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> list[Table]:
        """Return errors by step ahead, the best and worst series, and how often the intervals held."""
        from specweave.problems.forecast_tables import outcome_tables

        return outcome_tables(outcome, self.loss(outcome, decision))

    def check(self, outcome: pd.DataFrame, decision: Mapping[str, Any], dataset: Dataset) -> list[Finding]:
        """Say so where an interval does not hold what it promises."""
        from specweave.problems.forecast_tables import check_coverage

        units = self.units(dataset, outcome)
        return check_coverage(outcome, decision, len(outcome) if units is None else len(np.unique(units)))

    def diagnose(self, model: Any, dataset: Dataset, rows: np.ndarray) -> tuple[list[Table], list[Finding]]:
        """Test the model's one-step residuals for autocorrelation (Ljung-Box) and normality (Jarque-Bera)."""
        from specweave.problems.forecast_tables import residual_analysis

        return residual_analysis(model)

    def figures(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> list[Figure]:
        """Return the error by step ahead and how often the intervals held."""
        from specweave.problems.forecast_pictures import outcome_figures

        return outcome_figures(outcome, self.loss(outcome, decision))

    def path_figures(
        self, earlier: pd.DataFrame, outcome: pd.DataFrame, decision: Mapping[str, Any]
    ) -> list[Figure]:
        """Return fan charts: what came before, the forecast with its intervals, and the truth."""
        from specweave.problems.forecast_pictures import fan_charts

        return fan_charts(earlier, outcome, self.loss(outcome, decision))

    # -- explaining and serving --------------------------------------------------------------------

    def contributions(
        self, model: Any, rows: pd.DataFrame, background: pd.DataFrame, *, seed: int
    ) -> Contributions:
        """Explain by SHAP on lags, or by level, trend and season of the forecast path."""
        ids, steps, known = model.layout.place(rows)
        found = explain_rows(model.fitted, ids, steps, known if model.layout.columns.known else None)
        return Contributions(found.names, found.values, found.base, found.shown, found.method,
                             unit=model.layout.columns.target, of="feature")  # fmt: skip

    def examples(self, outcome: pd.DataFrame, decision: Mapping[str, Any], limit: int) -> list[ExampleRow]:
        """Pick the closest and the farthest forecast, and typical ones."""
        from specweave.problems.example_rows import regression_examples

        return regression_examples(outcome, decision, limit)

    def respond(self, model: Any, rows: pd.DataFrame, decision: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Answer rows of the next steps: the forecast and its intervals; None where there is none, with the reason."""
        told = model.answer(rows)
        return self.answers(apply_intervals(told, decision.get("intervals") or {}), decision)

    def answers(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the answers that belong to forecasts."""
        learned = decision.get("intervals") or {}
        levels = [int(v) for v in learned.get("levels", [])]
        half = half_widths(outcome["unique_id"], outcome["h"], outcome["scale"], learned) if learned else {}
        middle = outcome["prediction"].to_numpy(float)
        made: list[dict[str, Any]] = []
        for i, value in enumerate(middle):
            if not np.isfinite(value):
                made.append(
                    {
                        "prediction": None,
                        "note": "no forecast: the series is unknown, or the stamp is not after its history",
                    }
                )
                continue
            bounds: dict[str, float] = {}
            for level in levels:
                bounds |= {
                    f"low{level}": float(value - half[level][i]),
                    f"high{level}": float(value + half[level][i]),
                }
            made.append(
                {
                    "prediction": float(value),
                    "step": int(outcome["h"].iloc[i]),
                    **({"interval": bounds} if bounds else {}),
                    **_beyond(int(outcome["h"].iloc[i]), learned.get("horizon")),
                }
            )
        return made

    def continue_from(
        self, model: Any, history: pd.DataFrame, horizon: int | None
    ) -> tuple[Any, pd.DataFrame]:
        """Go on from the end of `history` for `horizon` steps."""
        return model.continue_from(history, horizon)  # type: ignore[no-any-return]

    def request_columns(self, dataset: Dataset) -> list[str]:
        """Return the series' columns, the time, and what is known ahead."""
        return self.layout(dataset).columns.request

    def request_schema(self, schema: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        """Require only what a request carries."""
        wanted = self.request_columns(dataset)
        columns = {}
        for name, entry in schema["columns"].items():
            if name in wanted or name == dataset.roles["target"]:
                columns[name] = {**entry, "required": name in wanted}
        return {**schema, "columns": columns}

    def ab_metric(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> dict[str, Any]:
        """Compare the mean absolute scaled error per forecast step."""
        loss = self.loss(outcome, decision)
        return {"metric": "mean absolute scaled error of forecasts", "kind": "mean", "baseline": float(loss.mean()),
                "std": float(loss.std(ddof=1)) if len(loss) > 1 else 0.0, "unit": "forecast",
                "higher_is_better": False}  # fmt: skip


def named_path(spec: Spec) -> str:
    """Return the training data's path as the spec writes it."""
    return spec.require("Training data").value


def _varies(table: LongTable) -> bool:
    """Return whether any series has two values."""
    known = pd.DataFrame({"id": table.ids, "y": table.y}).dropna()
    return bool((known.groupby("id")["y"].nunique() > 1).any())


def _beyond(step: int, horizon: int | None) -> dict[str, str]:
    """Return what is said of a step that no origin was judged on."""
    if horizon is None or step <= horizon:
        return {}
    return {"note": f"beyond the {horizon} steps that were validated: the interval is an extrapolation"}


def _feature_reason(name: str) -> str:
    if name.startswith(("value ", "mean ", "change ")):
        return "a distance from the last known value, in mean steps of the series"
    return {"step ahead": "how far ahead", "spread of the last 13 changes": "how much it moves of late"}.get(
        name, "known when the forecast is made"
    )
