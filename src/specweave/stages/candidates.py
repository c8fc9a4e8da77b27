"""T-004: candidates side by side. Cross-validated with the declared folds, one experiment each.

Reads: data, split, features, plan. Writes: one experiment per candidate, ``comparison.md``. Never: lets
one failure stop the others.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from specweave.errors import DataError, StageError, UnknownNameError, did_you_mean
from specweave.experiments.compare import Comparison
from specweave.experiments.record import ExperimentRecord
from specweave.problems.base import ModelExperiment
from specweave.stages.choice import write_comparison
from specweave.stages.progress import tell
from specweave.stages.recorded import find_recorded
from specweave.stages.training import train_experiments
from specweave.stages.workspace import Workspace, open_workspace

# Share of a whole run's time budget that candidates may use; tuning gets what they leave.
BUDGET_SHARE = 0.6


class ExperimentResults(Sequence[ExperimentRecord]):
    """The records of a set of experiments, in the order they were given; printed as a table.

    Attributes
    ----------
    comparison : Comparison or None
    """

    def __init__(
        self, workspace: Workspace, records: Sequence[ExperimentRecord], comparison: Comparison | None
    ) -> None:
        self._workspace = workspace
        self._records = list(records)
        self.comparison = comparison

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, str):
            found = next((r for r in self._records if index in (r.id, r.name)), None)
            if found is None:
                names = [r.name for r in self._records]
                raise UnknownNameError(
                    f"no experiment here is called '{index}'", hint=did_you_mean(index, names)
                )
            return found
        return self._records[index]

    def __iter__(self) -> Iterator[ExperimentRecord]:
        return iter(self._records)

    @property
    def best(self) -> ExperimentRecord:
        """The best of these by the selection metric on validation folds."""
        from specweave.stages.training import best_of

        return best_of(self._workspace, [r for r in self._records if r.status == "completed"])

    def __repr__(self) -> str:
        ref = self._workspace.problem.selection_metric(self._workspace.spec, self._workspace.plan)
        lines = [f"{'experiment':<32} {'status':<12} {ref.key}"]
        for record in self._records:
            value = record.metrics.get(f"cv_{ref.key}")
            spread = record.metrics.get(f"cv_{ref.key}_std")
            shown = f"{value:.4f} ± {spread:.4f}" if value is not None and spread is not None else "-"
            lines.append(f"{record.id:<32} {record.status:<12} {shown}")
        return "\n".join(lines)


def candidate_experiments(increment: str | None = None) -> list[ModelExperiment]:
    """Return the candidates that ``plan.md`` names, ready for :func:`run_experiments`."""
    workspace = open_workspace(increment)
    return workspace.problem.candidates(workspace.dataset, workspace.spec, workspace.plan)


def run_experiments(
    experiments: Sequence[ModelExperiment] | None = None,
    increment: str | None = None,
    save_to: str | Path | None = None,
    *,
    jobs: int | None = None,
    engine: str | None = None,
    budget: float | str | None = None,
) -> ExperimentResults:
    """Train experiments on the increment's own data, split, features and folds, several at once.

    Parameters
    ----------
    experiments : sequence of ModelExperiment, optional
        The plan's candidates by default.
    increment : str, optional
        Id of the increment; the active one by default.
    save_to : path, optional
        Folder of the experiments, inside the increment; ``experiments/`` by default.
    jobs : int, optional
        Parallel workers; all cores by default.
    engine : {"local", "ray"}, optional
    budget : float or str, optional
        Seconds, or ``90s``, ``5m``: after it no further fit starts. Default: none, or what ``sw do
        --budget`` leaves.

    Returns
    -------
    ExperimentResults

    Raises
    ------
    DataError
        If two experiments have the same name.
    StageError
        If none could be trained.

    Notes
    -----
    An experiment already completed with the same data, split, features and parameters is not run again.
    ``comparison.md`` and ``comparison.json`` are written beside the experiments afterwards.
    """
    workspace = open_workspace(increment)
    if save_to is not None:
        workspace = workspace.saving_to(Path(save_to))
    experiments = list(experiments) if experiments is not None else candidate_experiments(increment)
    names = [e.name for e in experiments]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise DataError(f"two experiments are called '{twice[0]}'", hint="give each a name of its own")
    records = train_experiments(
        workspace,
        experiments,
        task="T-004",
        role="candidate",
        engine=engine,
        jobs=jobs,
        deadline=_deadline(budget),
    )
    if experiments and not find_recorded() and all(r.status == "interrupted" for r in records):
        # Time cut off every one of them. The first, said to be the cheapest, is trained all the same.
        tell(
            "note",
            f"the time budget was used up before any candidate was trained; {names[0]} is, whatever it takes",
        )
        first = train_experiments(
            workspace, experiments[:1], task="T-004", role="candidate", engine=engine, jobs=jobs
        )
        records = [*first, *records[1:]]
    records += _train_combinations(workspace, experiments, records, engine, jobs, _deadline(budget))
    if experiments and not any(r.status == "completed" for r in records):
        reasons = "; ".join(f"{r.id}: {r.last_note()}" for r in records)
        raise StageError(f"no candidate could be trained: {reasons}", where=workspace.increment.id,
                         hint="see logs/ in the experiments' folders")  # fmt: skip
    return ExperimentResults(workspace, records, write_comparison(workspace))


def _train_combinations(
    workspace: Workspace,
    experiments: Sequence[ModelExperiment],
    records: Sequence[ExperimentRecord],
    engine: str | None,
    jobs: int | None,
    deadline: float | None,
) -> list[ExperimentRecord]:
    """Train what the problem type makes of the candidates that came out best."""
    from specweave.metrics.base import find_metric

    ref = workspace.problem.selection_metric(workspace.spec, workspace.plan)
    scores = {
        e.name: float(r.metrics[f"cv_{ref.key}"])
        for e, r in zip(experiments, records, strict=True)
        if r.status == "completed" and f"cv_{ref.key}" in r.metrics
    }
    recorded = find_recorded()
    if recorded and recorded.scores:
        scores = dict(recorded.scores)
    more = workspace.problem.combinations(
        experiments, scores, workspace.plan, higher_is_better=find_metric(ref.name).higher_is_better
    )
    if not more:
        return []
    return train_experiments(
        workspace, more, task="T-004", role="candidate", engine=engine, jobs=jobs, deadline=deadline
    )


def _deadline(budget: float | str | None) -> float | None:
    if budget is not None:
        from specweave.increments.plan import parse_duration

        return time.monotonic() + parse_duration(budget)
    total = os.environ.get("SPECWEAVE_BUDGET")
    return time.monotonic() + BUDGET_SHARE * float(total) if total else None
