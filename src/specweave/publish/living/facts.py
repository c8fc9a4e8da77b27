"""What one increment has to say to the living documents, read from its files.

Reads: spec, evaluation, comparison, lock, features of an increment. Writes: nothing. Never: computes a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from specweave.experiments.record import ExperimentRecord
from specweave.experiments.store import ExperimentStore
from specweave.experiments.versions import list_versions
from specweave.increments.project import Increment, Project
from specweave.increments.spec import Spec, load_spec
from specweave.pipeline.validation import metric_label, value_text
from specweave.pipeline.verdicts import metric_from
from specweave.stages.records import find_evaluation


@dataclass(frozen=True)
class Facts:
    """One evaluated increment.

    Attributes
    ----------
    increment : Increment
    spec : Spec
    evaluation : mapping
        The record of ``reports/evaluation.json``.
    best : ExperimentRecord
    records : list of ExperimentRecord
        Everything that was tried, analyses left out.
    version : mapping or None
        Metadata of the registered model of the best experiment.
    """

    increment: Increment
    spec: Spec
    evaluation: Mapping[str, Any]
    best: ExperimentRecord
    records: list[ExperimentRecord]
    version: Mapping[str, Any] | None

    @property
    def key(self) -> str:
        """The selection metric's name in records."""
        return str(self.evaluation["selection_metric"])

    def metric_lines(self, most: int = 5) -> list[str]:
        """Return the first metrics with their intervals, as bullets."""
        found = [metric_from(m) for m in self.evaluation["metrics"]]
        return [f"- {metric_label(m.name)}: {value_text(m)}" for m in found[:most]]

    def operational_lines(self) -> list[str]:
        """Return latency, throughput and size, as bullets."""
        names = ("latency_p95_ms", "throughput", "model_mb")
        found = [metric_from(m) for m in self.evaluation["metrics"] if m["name"] in names]
        return [f"- {metric_label(m.name)}: {value_text(m)}" for m in found]

    def link(self, path: str, depth: int = 3) -> str:
        """Return a relative link from a living document to a file of the increment."""
        return "../" * depth + f"increments/{self.increment.id}/{path}"


def evaluated_increments(project: Project) -> list[Facts]:
    """Return what every evaluated increment has to say, in order of number."""
    return [found for i in project.increments() if (found := load_facts(i)) is not None]


def load_facts(increment: Increment) -> Facts | None:
    """Return what an increment has to say, or None where nothing was evaluated yet."""
    evaluation = find_evaluation(increment.folder)
    if evaluation is None:
        return None
    store = ExperimentStore(increment.experiments)
    records = [r for r in store.list() if r.tags.get("role") != "analysis"]
    best = store.get(str(evaluation["experiment"]))
    return Facts(
        increment,
        load_spec(increment.spec_path),
        evaluation,
        best,
        records,
        _version(increment.folder, best.id),
    )


def _version(folder: Path, experiment: str) -> dict[str, Any] | None:
    matching = [
        v.metadata for v in list_versions(folder / "models") if v.metadata["experiment"] == experiment
    ]
    return matching[-1] if matching else None
