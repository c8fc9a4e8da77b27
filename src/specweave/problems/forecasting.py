"""Forecasting: how one or many series go on, with intervals that rolling origins have earned.

Reads: a table of series in long form. Writes: nothing. Never: validates on steps before its training rows,
uses a column that is not known when the forecast is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from specweave.errors import DataError
from specweave.forecasters.base import Forecaster
from specweave.forecasters.catalogue import FORECASTERS
from specweave.forecasters.explaining import explain_rows
from specweave.forecasters.intervals import apply_intervals, complete_folds, learn_intervals
from specweave.forecasters.model import Layout, SeriesModel
from specweave.metrics.base import MetricRef, find_metric
from specweave.problems.base import Contributions, Dataset, ModelExperiment, Split, Table
from specweave.problems.choosing import choose_candidates, selection_first
from specweave.problems.forecast_answers import path_answers
from specweave.problems.forecast_candidates import choose_simple, make_members, plan_candidates, weigh_nearest
from specweave.problems.forecast_data import check_rows, layout_of, make_series, split_series
from specweave.problems.forecast_features import lag_kinds, lagged_table
from specweave.problems.forecast_planning import ForecastPlanning
from specweave.records import Figure, Finding
from specweave.tables.features import from_definitions, make_features
from specweave.tables.kinds import ColumnKind
from specweave.tables.values import to_numbers

if TYPE_CHECKING:
    from specweave.increments.plan import Plan
    from specweave.increments.spec import Spec
    from specweave.problems.example_rows import ExampleRow

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
    baselines_compete = True
    covers: ClassVar[Mapping[str, str]] = {
        "T-001": "stationarity tests (ADF, KPSS), seasonal decomposition, ACF and PACF, gaps and repeated stamps",
        "T-002": "lags, calendar, and what is known ahead",
        "T-006": "rolling origins, interval coverage, residual analysis (Ljung-Box, Jarque-Bera), fan charts",
        "T-008": "the steps that were asked for, in reports/forecast.csv",
    }
    ahead = "forecast"
    answered = "step"

    def __init__(self) -> None:
        self._memo: dict[Any, Any] = {}

    def load(self, spec: Spec, plan: Plan, root: Path) -> Dataset:
        """Read the table, sort it by series and time, and place every row on the grid of its frequency."""
        table, read, known = self._read(spec, root)
        return make_series(spec, plan, table, read, known)

    def layout(self, dataset: Dataset) -> Layout:
        """Return how the data's rows are placed on its grid."""
        return layout_of(dataset)

    def split(self, dataset: Dataset, spec: Spec, plan: Plan) -> Split:
        """Hold out the last horizon; fold before it by rolling origins. A random split is refused."""
        return split_series(dataset, spec, plan)

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
        return check_rows(dataset)

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
        return choose_simple(strategies, self.candidate_table(), plan)

    def candidates(self, dataset: Dataset, spec: Spec, plan: Plan) -> list[ModelExperiment]:
        """Return the plan's candidates, in its order."""
        n_series = (
            len(dataset.frame[dataset.roles["series"]].drop_duplicates()) if dataset.roles["series"] else 1
        )
        usual = plan_candidates(n_series, len(dataset.frame))[0]
        return choose_candidates(self.candidate_table(n_series), plan, usual=usual, make_other=make_members)

    def combinations(
        self,
        experiments: Sequence[ModelExperiment],
        scores: Mapping[str, float],
        plan: Plan,
        *,
        higher_is_better: bool,
    ) -> list[ModelExperiment]:
        """Return the mean of the single candidates that come near the best, weighted by 1 / score."""
        if plan.get("ensemble", True) is False or higher_is_better:
            return []
        return weigh_nearest(experiments, scores)

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
        if definitions:
            return from_definitions(dict(definitions))
        return make_features(lag_kinds(dataset), task=self.task, seed=int(plan.get("split.seed", 42)))

    def feature_table(self, dataset: Dataset, split: Split) -> tuple[Dataset, Split]:
        """Return the lag table: a row per series, origin and step ahead; held out are targets of the holdout."""
        return lagged_table(dataset, split)

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
        recipe = experiment.make()
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
        return selection_first(names, plan)

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
        return path_answers(outcome, decision)

    def continue_from(
        self, model: Any, history: pd.DataFrame, horizon: int | None
    ) -> tuple[Any, pd.DataFrame]:
        """Go on from the end of `history` for `horizon` steps."""
        return model.continue_from(history, horizon)  # type: ignore[no-any-return]

    def bring_up_to_date(
        self, model: Any, dataset: Dataset, features: Any, *, seed: int, threads: int
    ) -> Any:
        """Fit the recipe to all of each series, the held-out steps too: the next step follows the last one known."""
        return model.updated(self.layout(dataset), dataset.frame)

    def figures_ahead(
        self, outcome: pd.DataFrame, told: pd.DataFrame, roles: Mapping[str, Any]
    ) -> list[Figure]:
        """Return how the longest and other series go on, with their intervals."""
        from specweave.problems.forecast_pictures import ahead_charts

        return ahead_charts(outcome, told, list(roles.get("series") or []), str(roles["time"]))

    def row_names(self, dataset: Dataset) -> list[str]:
        """Return the series' columns and the time."""
        columns = self.layout(dataset).columns
        return [*columns.series, columns.time]

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
