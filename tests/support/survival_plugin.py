"""A problem type of somebody else's, in one file: how long until an event that some rows have not seen yet.

Reads: a table with a duration and whether it ended. Writes: nothing.
Never: counts a row that is still under way as one that ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import PoissonRegressor

from specweave.errors import DataError, SpecError
from specweave.metrics.base import MetricDef, MetricRef, parse_metric_ref
from specweave.problems.base import Choice, ModelExperiment
from specweave.problems.tabular import TabularProblem, common_choices


def measure_concordance(outcome: pd.DataFrame, ref: MetricRef, decision: Mapping[str, Any]) -> float:
    """Return how often the row that ended first was expected to (Harrell's C), ties as half."""
    time, ended = outcome["truth"].to_numpy(float), outcome["ended"].to_numpy(bool)
    score = outcome["log_expected"].to_numpy(float)
    pairs = ended[:, None] & (time[:, None] < time[None, :])
    if not pairs.any():
        raise DataError(
            "no two rows can be ordered: nothing ended", hint="bring rows in which the event came"
        )
    gap = score[None, :] - score[:, None]
    return float(((gap > 0) + 0.5 * (gap == 0))[pairs].mean())


METRICS = (
    MetricDef("concordance", "Concordance", ("c-index", "harrell's c"), floor=0.5, best=1.0, measure=measure_concordance,
              description="Share of comparable pairs in the right order; Harrell et al. 1982, JAMA 247."),
)  # fmt: skip


class Hazard(RegressorMixin, BaseEstimator):
    """Exponential survival: a Poisson regression of events per unit of time, weighted by the time."""

    def __init__(self, kind: str = "linear", alpha: float = 1e-3, random_state: int | None = None) -> None:
        self.kind, self.alpha, self.random_state = kind, alpha, random_state

    def fit(self, X: Any, y: Any) -> Hazard:
        """Fit to signed durations: negative where the event did not come (XGBoost's convention)."""
        time, rate = np.abs(y), (np.asarray(y) > 0) / np.abs(y)
        inner: Any = PoissonRegressor(alpha=self.alpha, max_iter=500)
        if self.kind == "trees":
            inner = HistGradientBoostingRegressor(
                loss="poisson", max_iter=60, max_leaf_nodes=6, random_state=self.random_state
            )
        self.inner_ = inner.fit(X, rate, sample_weight=time / time.mean())
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the logarithm of the expected time, shape (n_rows,)."""
        return -np.log(np.maximum(self.inner_.predict(X), 1e-12))


class Constant(RegressorMixin, BaseEstimator):
    """The same expected time for every row, or one in random order around it."""

    def __init__(self, spread: float = 0.0, random_state: int | None = None) -> None:
        self.spread, self.random_state = spread, random_state

    def fit(self, X: Any, y: Any) -> Constant:
        """Learn time at risk per event."""
        self.level_ = float(np.log(np.abs(y).sum() / max(1, (np.asarray(y) > 0).sum())))
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return shape (n_rows,); the same rows always get the same draw."""
        return self.level_ + self.spread * np.random.default_rng(self.random_state).normal(size=len(X))


class Rule(RegressorMixin, BaseEstimator):
    """A person's rule over features."""

    def __init__(self, rule: Any) -> None:
        self.rule = rule

    def fit(self, X: Any, y: Any) -> Rule:
        """Learn nothing."""
        self.n_features_in_ = np.shape(X)[1]
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return shape (n_rows,)."""
        return np.asarray(self.rule(X), dtype=float)


class Survival(TabularProblem):
    """Time until an event, with rows still under way."""

    name = "time-to-event"  # not the entry point's name: neither may be taken for the other
    types = ("Survival", "Time to event")
    words = ("survival", "time until", "time to event")
    spec_keys = ("Event column",)
    task = "regression"

    @classmethod
    def match_data(cls, request: str, frame: pd.DataFrame, roles: Mapping[str, Any]) -> tuple[float, str]:
        """Go by the words."""
        return cls.match_request(request), "the request asks for a time until something"

    @classmethod
    def draft_spec(
        cls, request: str, profile: Mapping[str, Any] | None, roles: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Take a column of yes and no whose name says so for the event."""
        frame = roles.get("frame")
        known = [] if frame is None else [c for c in ("ended", "event", "died") if c in frame.columns]
        return {
            "problem": {"Output": "Expected time until the event", "Success metrics": "Concordance > 0.6"},
            "data": {"Event column": known[0] if known else "(fill in: 1 where the event came)"},
            "model": {"Accuracy": "Better than best baseline by 10%"},
        }

    def draft_plan(self, spec: Any, profile: Mapping[str, Any] | None) -> list[Choice]:
        """Choose by concordance."""
        return [
            *common_choices((profile or {}).get("rows"), {}),
            Choice("selection_metric", "concordance", "what matters is who comes first"),
            Choice("baselines", ["random", "constant"], "chance, and one rate for all"),
            Choice("candidates", [{"name": "linear", "search": {"alpha": {"low": 1e-4, "high": 1.0, "log": True}}},
                                  {"name": "trees"}], "linear hazard and boosted hazard"),
        ]  # fmt: skip

    def _roles(self, spec: Any, frame: pd.DataFrame, target: str) -> dict[str, Any]:
        event = spec.require("Event column").value.strip("`")
        if event not in frame.columns:
            raise SpecError(f"'{event}' is no column of the data", where=spec.at("Event column"))
        return {**super()._roles(spec, frame, target), "event": event}

    def check_target_values(self, dataset: Any, where: str) -> None:
        """Refuse durations that are not above zero, and an event that is not 0 or 1."""
        event = dataset.roles.get("event")
        if not (pd.to_numeric(dataset.frame[dataset.roles["target"]], errors="coerce") > 0).all():
            raise DataError("a duration is not above zero", where=where, hint="mend these rows")
        if event and not dataset.frame[event].isin([0, 1]).all():
            raise DataError(f"'{event}' holds more than 0 and 1", where=where, hint="mend these rows")

    def encode(self, dataset: Any) -> np.ndarray:
        """Return durations, negative where the event did not come."""
        time = dataset.frame[dataset.roles["target"]].to_numpy(float)
        return np.where(dataset.frame[dataset.roles["event"]] == 1, time, -time)

    def drops(self, dataset: Any, plan: Any) -> dict[str, str]:
        """Leave out what is only known once it is over."""
        return {**super().drops(dataset, plan), dataset.roles["event"]: "known only when it is over"}

    def request_columns(self, dataset: Any) -> list[str]:
        """Ask for what is known while it is under way."""
        return [c for c in super().request_columns(dataset) if c != dataset.roles["event"]]

    def baseline_table(self) -> dict[str, ModelExperiment]:
        """Return a random order and one rate for all."""
        return {"random": ModelExperiment("baseline-random", Constant, {"spread": 1.0}),
                "constant": ModelExperiment("baseline-constant", Constant)}  # fmt: skip

    def rule_experiment(self, rule: Any, name: str | None = None) -> ModelExperiment:
        """Wrap a callable."""
        return ModelExperiment(f"baseline-{name or rule.__name__}", Rule, {"rule": rule})

    def candidate_table(self, n_rows: int) -> dict[str, ModelExperiment]:
        """Return a linear and a boosted hazard."""
        return {"linear": ModelExperiment("linear", Hazard),
                "trees": ModelExperiment("trees", Hazard, {"kind": "trees"})}  # fmt: skip

    def predict(self, model: Any, dataset: Any, rows: np.ndarray) -> pd.DataFrame:
        """Return when it ended, whether it did, and what was expected."""
        frame = dataset.frame.iloc[rows]
        return pd.DataFrame({
            "row": np.asarray(rows), "truth": frame[dataset.roles["target"]].to_numpy(float),
            "ended": frame[dataset.roles["event"]].to_numpy() == 1, "log_expected": self.raw_output(model, frame),
        })  # fmt: skip

    def raw_output(self, model: Any, rows: pd.DataFrame) -> np.ndarray:
        """Return the logarithm of the expected time."""
        ready = np.asarray(model.named_steps["features"].transform(rows), dtype=float)
        return np.asarray(model.named_steps["model"].predict(ready), dtype=float)

    def decide(self, outcome: pd.DataFrame, dataset: Any, spec: Any, plan: Any) -> dict[str, Any]:
        """Judge chances at the middle of the observed times."""
        return {"horizon": float(outcome["truth"].median())}

    def metrics(self, spec: Any, plan: Any) -> list[MetricRef]:
        """Return the concordance."""
        return [parse_metric_ref("concordance")]

    def loss(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> np.ndarray:
        """Return how far the logarithms lie apart; a row under way only tells when it lasts longer."""
        gap = np.log(outcome["truth"].to_numpy(float)) - outcome["log_expected"].to_numpy(float)
        return np.where(outcome["ended"], np.abs(gap), np.maximum(gap, 0.0))

    def respond(self, model: Any, rows: pd.DataFrame, decision: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Answer with the expected time and the chance to last beyond the horizon."""
        return self.answers(pd.DataFrame({"log_expected": self.raw_output(model, rows)}), decision)

    def answers(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the answers that belong to stored outcomes."""
        expected = np.exp(outcome["log_expected"].to_numpy(float))
        beyond = np.exp(-float(decision["horizon"]) / expected)
        return [{"expected": float(e), "beyond": float(b)} for e, b in zip(expected, beyond, strict=True)]

    def ab_metric(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> dict[str, Any]:
        """Compare how many last beyond the horizon."""
        share = float((outcome["truth"] > decision["horizon"]).mean())
        return {"metric": "share beyond the horizon", "kind": "proportion", "baseline": share, "std": None,
                "unit": "row", "higher_is_better": True}  # fmt: skip
