"""What types share that predict an amount per row: measures, conformal intervals, baselines, answers.

Reads: a table with a numeric target. Writes: nothing. Never: judges residuals it was fitted to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin

from specweave.errors import DataError, SpecError
from specweave.metrics.base import MetricRef
from specweave.problems.amount_intervals import half_widths, inside, interval_tables, learn_interval
from specweave.problems.base import Dataset, ModelExperiment, Table
from specweave.problems.choosing import make_rule_experiment, selection_first
from specweave.problems.tabular import TabularProblem
from specweave.records import Figure, Finding

if TYPE_CHECKING:
    from specweave.increments.plan import Plan
    from specweave.increments.spec import Spec
    from specweave.problems.example_rows import ExampleRow


class AmountProblem(TabularProblem):
    """Base of problem types whose target is a number per row."""

    task: ClassVar[str] = "regression"
    plan_keys: ClassVar[tuple[str, ...]] = ("target_transform",)

    # -- data --------------------------------------------------------------------------------------

    def check_target_values(self, dataset: Dataset, where: str) -> None:
        """Refuse a target that is constant, not numeric, or infinite."""
        target = dataset.roles["target"]
        column = dataset.frame[target]
        values = self.target_values(dataset)
        bad = ~np.isfinite(values)
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise DataError(
                f"the target '{target}' is no finite number in {int(bad.sum())} row{'s' * int(bad.sum() > 1)}, "
                f"first in data row {row + 1} ({column.iloc[row]})",
                where=where, hint="mend or remove these rows; for labels write 'Problem type: Binary classification'",
            )  # fmt: skip
        if len(np.unique(values)) < 2:
            raise DataError(
                f"the target '{target}' holds only one value ({values[0]:g}): there is nothing to learn",
                where=where, hint="name another target",
            )  # fmt: skip

    def target_values(self, dataset: Dataset) -> np.ndarray:
        """Return the target as floats, shape (n_rows,)."""
        from specweave.tables.values import to_numbers

        return np.asarray(to_numbers(dataset.frame[dataset.roles["target"]])[0], dtype=float)

    def encode(self, dataset: Dataset) -> np.ndarray:
        """Return the target as floats."""
        return self.target_values(dataset)

    # -- models ------------------------------------------------------------------------------------

    def baseline_table(self) -> dict[str, ModelExperiment]:
        """Random, mean (majority, popularity), median, the best single feature."""
        from sklearn.dummy import DummyRegressor

        from specweave.tables.rules import SingleFeatureRegressor

        mean = ModelExperiment("baseline-mean", DummyRegressor, {"strategy": "mean"}, note="always the mean")
        return {
            "random": ModelExperiment("baseline-random", RandomRegressor, note="a random training value"),
            "mean": mean,
            "majority": mean,
            "popularity": mean,
            "median": ModelExperiment(
                "baseline-median", DummyRegressor, {"strategy": "median"}, note="always the median"
            ),
            "rule-based": ModelExperiment(
                "baseline-rule", SingleFeatureRegressor, note="the best single feature"
            ),
        }

    def rule_experiment(self, rule: Any, name: str | None = None) -> ModelExperiment:
        """Wrap a callable over raw rows that returns one number per row."""
        return make_rule_experiment(RuleRegressor, rule, name)

    def candidate_table(self, n_rows: int) -> dict[str, ModelExperiment]:
        """Linear, random forest, LightGBM, XGBoost, neural net; CatBoost where installed."""
        from specweave.problems import estimators

        return estimators.regressors(n_rows)

    def adapt(self, estimator: Any, dataset: Dataset, rows: np.ndarray) -> Any:
        """Let candidates learn the target's logarithm where the plan says so."""
        if dataset.settings.get("target_transform") != "log1p":
            return estimator
        from sklearn.compose import TransformedTargetRegressor
        from sklearn.dummy import DummyRegressor

        if isinstance(estimator, DummyRegressor | RandomRegressor):
            return estimator
        return TransformedTargetRegressor(
            estimator, func=np.log1p, inverse_func=np.expm1, check_inverse=False
        )

    def load(self, spec: Spec, plan: Plan, root: Any) -> Dataset:
        """Read the table; the plan's ``target_transform`` becomes a setting of the data."""
        dataset = super().load(spec, plan, root)
        transform = plan.config.get("target_transform")
        if transform not in (None, "none", "log1p"):
            raise SpecError(f"target_transform '{transform}' is not known", where=plan.at("target_transform"),
                            hint="write log1p, or remove the line")  # fmt: skip
        if transform == "log1p":
            if (self.target_values(dataset) <= -1).any():
                raise DataError(
                    "log1p needs a target above -1", where=plan.at("target_transform"), hint="remove the line"
                )
            dataset.settings["target_transform"] = "log1p"
        return dataset

    def predict(self, model: Any, dataset: Dataset, rows: np.ndarray) -> pd.DataFrame:
        """Return ``row``, ``truth`` and ``prediction``."""
        frame = dataset.frame.iloc[rows]
        truth = self.target_values(dataset)[rows]
        return pd.DataFrame(
            {"row": np.asarray(rows), "truth": truth, "prediction": self.raw_output(model, frame)}
        )

    def raw_output(self, model: Any, rows: pd.DataFrame) -> np.ndarray:
        """Return the predicted number of each row."""
        if isinstance(model, RuleRegressor):
            return model.predict(rows)
        X = np.asarray(model.named_steps["features"].transform(rows), dtype=np.float64)
        return np.asarray(model.named_steps["model"].predict(X), dtype=float).ravel()

    def decide(self, outcome: pd.DataFrame, dataset: Dataset, spec: Spec, plan: Plan) -> dict[str, Any]:
        """Learn the interval from out-of-fold residuals."""
        interval = learn_interval(outcome["truth"].to_numpy(float), outcome["prediction"].to_numpy(float))
        where = "" if "bands" not in interval else " in each fifth of the predictions"
        return {"interval": interval,
                "rule": f"{interval['level']:.0%} of validation residuals{where} lie within it"}  # fmt: skip

    # -- measuring ---------------------------------------------------------------------------------

    def metrics(self, spec: Spec, plan: Plan) -> list[MetricRef]:
        """Return the usual metrics of the type, the selection metric first."""
        names = ("rmse", "mae", "r2", "median_ae", "mape", "smape", "max_error", "bias")
        return selection_first(names, plan)

    def loss(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> np.ndarray:
        """Return the squared error of each row."""
        return np.asarray((outcome["truth"] - outcome["prediction"]) ** 2, dtype=float)

    def breakdowns(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> list[Table]:
        """Return errors by band of the truth, and how often the interval held."""
        rows = []
        for _, part in outcome.groupby(_bands(outcome["truth"]), observed=True):
            error = part["prediction"] - part["truth"]
            low, high = f"{part['truth'].min():.4g}", f"{part['truth'].max():.4g}"
            rows.append((low if low == high else f"{low} to {high}", len(part), float(error.abs().mean()),
                         float(np.sqrt((error**2).mean())), float(error.mean())))  # fmt: skip
        errors = Table("By band of the target", ("band", "rows", "MAE", "RMSE", "bias"), tuple(rows),
                       "Bias is prediction minus truth.")  # fmt: skip
        return [errors, *interval_tables(outcome, decision.get("interval") or {})]

    def check(self, outcome: pd.DataFrame, decision: Mapping[str, Any], dataset: Dataset) -> list[Finding]:
        """Say so where the interval does not hold what it promises."""
        interval = decision.get("interval") or {}
        if not interval:
            return []
        held = float(inside(outcome, interval).mean())
        n = len(outcome)
        short = interval["level"] - held
        if short < 2.6 * np.sqrt(interval["level"] * (1 - interval["level"]) / n):
            return []
        return [
            Finding(
                code="SW311", severity="warning", where="reports/evaluation.json",
                message=f"the {interval['level']:.0%} interval held {held:.0%} of the holdout",
                evidence={"level": interval["level"], "held": held, "rows": n},
                advice="the holdout differs from the training rows; look at the drift table and at the split",
            )
        ]  # fmt: skip

    def figures(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> list[Figure]:
        """Return predicted against actual, residuals and their distribution."""
        from specweave.problems.amount_pictures import regression_figures

        return regression_figures(outcome, decision)

    def examples(self, outcome: pd.DataFrame, decision: Mapping[str, Any], limit: int) -> list[ExampleRow]:
        """Pick rows as :func:`specweave.problems.example_rows.regression_examples` does."""
        from specweave.problems.example_rows import regression_examples

        return regression_examples(outcome, decision, limit)

    # -- serving -----------------------------------------------------------------------------------

    def respond(self, model: Any, rows: pd.DataFrame, decision: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Answer with the number and its interval."""
        return self.answers(pd.DataFrame({"prediction": self.raw_output(model, rows)}), decision)

    def answers(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the answers that belong to predicted numbers."""
        interval, told = decision.get("interval") or {}, outcome["prediction"].to_numpy(dtype=float)
        if not interval:
            return [{"prediction": float(value)} for value in told]
        level, least = interval["level"], float(interval.get("least", -np.inf))
        return [
            {"prediction": float(value), "interval": {"low": max(float(value - half), min(least, float(value))),
                                                      "high": float(value + half), "level": level}}
            for value, half in zip(told, half_widths(told, interval), strict=True)
        ]  # fmt: skip

    def ab_metric(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> dict[str, Any]:
        """Compare the mean absolute error."""
        error = (outcome["truth"] - outcome["prediction"]).abs()
        return {"metric": "mean absolute error", "kind": "mean", "baseline": float(error.mean()),
                "std": float(error.std()), "unit": "row", "higher_is_better": False}  # fmt: skip


class RuleRegressor:
    """A person's rule as a model: ``rule(raw_rows)`` returns one number per row."""

    answers_raw_rows = True  # it learns nothing and needs no feature step

    def __init__(self, rule: Any) -> None:
        self.rule = rule

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        """Return shape (n_rows,)."""
        answer = np.asarray(self.rule(rows), dtype=float)
        if answer.shape != (len(rows),):
            raise DataError(
                f"the rule '{self.rule.__name__}' returned shape {answer.shape} for {len(rows)} rows",
                hint="return one number per row",
            )
        return answer


class RandomRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Answer with a random value of the training target: the chance level of regression."""

    def __init__(self, random_state: int | None = None) -> None:
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> RandomRegressor:
        """Remember the training target."""
        self.values_ = np.asarray(y, dtype=float)
        self.n_features_in_ = np.asarray(X).shape[1]
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return shape (n_samples,); the same rows always get the same draw."""
        rng = np.random.default_rng(self.random_state)
        return rng.choice(self.values_, size=len(np.asarray(X)))


def _bands(truth: pd.Series) -> pd.Series:
    """Return the number of each row's band: five of one size, or one of the value that many share and the rest's."""
    shared = truth.mode().iloc[0]
    same = (truth == shared).to_numpy()
    if same.mean() <= 0.2:
        return pd.Series(pd.qcut(truth, 5, labels=False, duplicates="drop"), index=truth.index)
    below, above = truth[truth < shared], truth[truth > shared]
    made = pd.Series(0, index=truth.index)
    for part, sign in ((below, -1), (above, 1)):
        if len(part):
            number = pd.qcut(part, min(4, len(part)), labels=False, duplicates="drop")
            made[part.index] = number + 1 if sign > 0 else number - 10
    return made
