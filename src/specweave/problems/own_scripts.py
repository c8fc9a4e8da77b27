"""Increments that run a person's own scripts: data pipelines, reranking rules, plans. No model of ours.

Reads: nothing. Writes: nothing. Never: trains; what such an increment demands is judged by what its scripts log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from specweave.errors import DataError
from specweave.problems.base import Choice, Contributions, Dataset, ModelExperiment, Problem, Split

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from specweave.increments.plan import Plan
    from specweave.increments.spec import Spec
    from specweave.metrics.base import MetricRef


class OwnScripts(Problem):
    """A data pipeline, or anything else that a script does better than one of the nine tasks."""

    name = "own-scripts"
    types = ("Data pipeline", "Own scripts")
    required = ()
    words = ("data pipeline", "data-pipeline", "own script")
    trains: ClassVar[bool] = False

    @classmethod
    def match_request(cls, request: str) -> float:
        """Return more than any other type where the words say it, else nothing."""
        return 1.1 if any(word in request.casefold() for word in cls.words) else 0.0

    @classmethod
    def match_data(cls, request: str, frame: pd.DataFrame, roles: Mapping[str, Any]) -> tuple[float, str]:
        """Go by the words: any table will do."""
        return cls.match_request(request), "the request names a data pipeline"

    @classmethod
    def draft_spec(
        cls, request: str, profile: Mapping[str, Any] | None, roles: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Demand of the published table what any reader would."""
        return {
            "problem": {
                "Problem type": cls.types[0],
                "Input": "what its scripts read",
                "Output": "a table for other increments (data/output.parquet)",
                "Success metrics": "Rows >= 1, Duplicate share <= 0.01",
            },
            "data": {"Target": None, "Validation": "none"},
            "model": {"Latency": "", "Throughput": "", "Accuracy": "", "Explainability": ""},
        }

    def draft_plan(self, spec: Spec, profile: Mapping[str, Any] | None) -> list[Choice]:
        """Return the one setting that every script may need."""
        return [Choice("split.seed", 42, "for scripts that draw at random")]

    def _none(self, what: str) -> NoReturn:
        raise DataError(
            f"an increment of its own scripts has no {what}",
            hint="run your scripts with sw do; for a model, write another 'Problem type' in spec.md",
        )

    def load(self, spec: Spec, plan: Plan, root: Path) -> Dataset:
        """Refuse: its scripts read what they need (``load_training_data``)."""
        self._none("training data that specweave splits")

    def split(self, dataset: Dataset, spec: Spec, plan: Plan) -> Split:
        """Refuse."""
        self._none("holdout")

    def baselines(
        self, dataset: Dataset, spec: Spec, plan: Plan, strategies: Sequence[str]
    ) -> list[ModelExperiment]:
        """Refuse."""
        self._none("baselines")

    def candidates(self, dataset: Dataset, spec: Spec, plan: Plan) -> list[ModelExperiment]:
        """Refuse."""
        self._none("candidates")

    def make_features(
        self, dataset: Dataset, spec: Spec, plan: Plan, definitions: Mapping[str, Any] | None
    ) -> Any:
        """Refuse."""
        self._none("feature step")

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
        """Refuse."""
        self._none("model")

    def predict(self, model: Any, dataset: Dataset, rows: np.ndarray) -> pd.DataFrame:
        """Refuse."""
        self._none("model")

    def decide(self, outcome: pd.DataFrame, dataset: Dataset, spec: Spec, plan: Plan) -> dict[str, Any]:
        """Refuse."""
        self._none("model")

    def metrics(self, spec: Spec, plan: Plan) -> list[MetricRef]:
        """Return the metrics that the criteria name."""
        return [c.metric for c in spec.criteria if c.metric]

    def loss(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> np.ndarray:
        """Refuse."""
        self._none("predictions")

    def contributions(
        self, model: Any, rows: pd.DataFrame, background: pd.DataFrame, *, seed: int
    ) -> Contributions:
        """Refuse."""
        self._none("model")

    def respond(self, model: Any, rows: pd.DataFrame, decision: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Refuse."""
        self._none("model")

    def request_columns(self, dataset: Dataset) -> list[str]:
        """Refuse."""
        self._none("model")

    def ab_metric(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> dict[str, Any]:
        """Refuse."""
        self._none("model")
