"""Train experiments on the declared folds, several at once, and keep what they predicted out of fold.

Reads: the workspace's data. Writes: one experiment folder each. Never: shows a model a row of its
validation fold, or of the holdout.
"""

from __future__ import annotations

import contextlib
import io
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pyarrow import ArrowException

from specweave.engines.base import Engine, TaskResult
from specweave.engines.choice import make_engine
from specweave.errors import CorruptFileError, DataError, StageError
from specweave.experiments.record import ExperimentRecord
from specweave.experiments.run import Run
from specweave.files.atomic import replacing
from specweave.problems.base import Dataset, ModelExperiment, Problem, Split
from specweave.stages.progress import tell
from specweave.stages.recorded import find_recorded, hold_threads

if TYPE_CHECKING:
    from specweave.stages.workspace import Workspace

PREDICTIONS = "predictions.parquet"
FINAL = -1  # the fit on all training rows


@dataclass(frozen=True)
class Shared:
    """What every worker needs; it reaches each of them once. `recorded` holds the threads of fits that are repeated."""

    problem: Problem
    dataset: Dataset
    split: Split
    features: Any
    seed: int
    threads: int
    recorded: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Fit:
    """What one fit gave: the validation fold's outcome, or the final model."""

    outcome: pd.DataFrame | None
    model: Any
    seconds: float


@dataclass
class Progress:
    """One experiment while its fits come in."""

    experiment: ModelExperiment
    run: Run
    fits: dict[int, Fit] = field(default_factory=dict)
    failed: bool = False
    scores: dict[int, float] = field(default_factory=dict)
    logged: int = 0

    def log_in_order(self, name: str, fold: int, value: float) -> None:
        """Log a fold's score when those before it are there; workers finish in any order."""
        self.scores[fold] = value
        while self.logged in self.scores:
            self.run.log_metric(name, self.scores[self.logged], step=self.logged + 1)
            self.logged += 1


def fit_once(item: tuple[ModelExperiment, int], shared: Shared) -> Fit:
    """Fit one experiment on one fold (or, as ``FINAL``, on all training rows)."""
    experiment, fold = item
    rows = shared.split.train if fold == FINAL else shared.split.folds[fold][0]
    threads = shared.recorded.get(experiment.name)
    with hold_threads(threads):
        began = time.perf_counter()
        model = shared.problem.fit(
            experiment,
            shared.dataset,
            rows,
            shared.features,
            seed=shared.seed,
            threads=threads or shared.threads,
        )
        seconds = time.perf_counter() - began
        if fold == FINAL:
            return Fit(None, model, seconds)
        outcome = shared.problem.predict(model, shared.dataset, shared.split.folds[fold][1])
    outcome.insert(1, "fold", fold + 1)
    return Fit(outcome, None, seconds)


def train_experiments(
    workspace: Workspace,
    experiments: Sequence[ModelExperiment],
    *,
    task: str | None,
    role: str,
    engine: str | None = None,
    jobs: int | None = None,
    deadline: float | None = None,
) -> list[ExperimentRecord]:
    """Train each experiment on every fold and on all training rows; return their records in order.

    What is already completed with the same inputs is not run again. A failed one is recorded and the
    rest goes on.

    Parameters
    ----------
    role : str
        ``baseline``, ``candidate`` or ``tuned``; kept as a tag.
    deadline : float, optional
        A value of ``time.monotonic()`` after which no further fit starts.
    """
    # Before anything is opened: an engine that cannot be had must not leave open experiments behind.
    chosen = make_engine(engine or engine_name(workspace))
    recorded = find_recorded()
    open_runs: dict[int, Progress] = {}
    done: dict[int, str] = {}
    for index, experiment in enumerate(experiments):
        inputs = inputs_of(workspace, experiment)
        known = workspace.store.find_completed(experiment.name, inputs)
        if known:
            done[index] = known.id
            tell("experiment", f"{known.id}: already done, kept", name=experiment.name, status="kept")
            continue
        run = workspace.store.create(
            experiment.name, task=task, inputs=inputs, seed=workspace.seed, resume=True,
            increment=workspace.increment.id, data_sha256=workspace.dataset.source.sha256,
            tags={"role": role, "generation": workspace.generation, "holdout": workspace.split.digest(),
                  "algorithm": experiment.algorithm},
        )  # fmt: skip
        done[index] = run.id
        if recorded and experiment.name in recorded.left_out:
            leave_out(run, recorded.left_out[experiment.name])
            continue
        run.log_params(dict(experiment.params))
        if experiment.note:
            run.log_note(experiment.note)
        open_runs[index] = Progress(experiment, run)
    if open_runs:
        _run_all(workspace, open_runs, chosen, jobs, None if recorded else deadline)
    return [workspace.store.get(done[i]) for i in range(len(experiments))]


def leave_out(run: Run, reason: str) -> None:
    """Close an experiment that is not trained, as one that time cut off was closed."""
    run.log_note(f"NOT RUN: {reason}")
    run.close("interrupted")


def engine_name(workspace: Workspace) -> str:
    """Return the engine to use: ``$SPECWEAVE_ENGINE``, the project's ``engine``, else ``local``."""
    import os

    return os.environ.get("SPECWEAVE_ENGINE") or str(
        workspace.increment.project.config().get("engine", "local")
    )


def inputs_of(workspace: Workspace, experiment: ModelExperiment) -> dict[str, Any]:
    """Return what decides the result of an experiment: the same inputs mean the same work."""
    return {
        "generation": workspace.generation,
        "algorithm": f"{getattr(experiment.estimator_class, '__module__', '')}.{experiment.algorithm}",
        "params": {k: repr(v) if callable(v) else v for k, v in experiment.params.items()},
        "seed": workspace.seed,
    }


def _run_all(
    workspace: Workspace,
    open_runs: dict[int, Progress],
    engine: Engine,
    jobs: int | None,
    deadline: float | None,
) -> None:
    n_folds = len(workspace.split.folds)
    order = [*range(n_folds), FINAL]
    keys = [(index, fold) for index in open_runs for fold in order]

    def on_result(result: TaskResult) -> None:
        index, fold = keys[result.index]
        _take(workspace, open_runs[index], fold, result, n_folds)

    with contextlib.ExitStack() as stack:
        # Entered so that Ctrl-C or an error marks every open run; closed ones ignore the exit.
        for progress in open_runs.values():
            stack.callback(_close_if_open, progress.run)
        try:
            cores = workspace.asked_jobs or engine.capacity()
            jobs = min(jobs or cores, len(keys))
            threads = min(engine.threads_each(jobs), max(1, cores // jobs))
            held = recorded.threads if (recorded := find_recorded()) else {}
            shared = Shared(
                workspace.problem, workspace.dataset, workspace.split, workspace.features(), workspace.seed, threads,
                held,
            )  # fmt: skip
            for progress in open_runs.values():
                # The last digits of a sum depend on how many threads share it.
                progress.run.add_tag("threads", held.get(progress.experiment.name, threads))
            engine.map(
                fit_once, [(open_runs[i].experiment, fold) for i, fold in keys], jobs=jobs, on_result=on_result,
                deadline=deadline, labels=[f"{open_runs[i].experiment.name} fold {f + 1}" for i, f in keys],
                shared=shared,
            )  # fmt: skip
        except KeyboardInterrupt:
            for progress in open_runs.values():
                if not progress.run.closed:
                    progress.run.close("interrupted")
            raise


def _close_if_open(run: Run) -> None:
    if not run.closed:
        run.close("interrupted")


def _take(workspace: Workspace, progress: Progress, fold: int, result: TaskResult, n_folds: int) -> None:
    run, name = progress.run, progress.experiment.name
    if progress.failed:
        return
    if result.status != "ok":
        progress.failed = True
        reason = result.error or "the time budget was used up before it could run"
        run.log_note(f"{'FAILED' if result.status == 'failed' else 'NOT RUN'}: {reason}")
        if result.trace:
            (run.folder / "logs" / "traceback.txt").write_text(result.trace, encoding="utf-8")
        run.close("failed" if result.status == "failed" else "interrupted")
        tell("experiment", f"{run.id}: {result.status}: {reason}", name=name, status=result.status)
        return
    fit: Fit = result.value
    progress.fits[fold] = fit
    if fold != FINAL and fit.outcome is not None:
        ref = workspace.problem.selection_metric(workspace.spec, workspace.plan)
        value = _measured(workspace, ref, fit.outcome, {})
        if value is not None:
            progress.log_in_order(ref.key, fold, value)
        shown = f"{ref.key} {value:.4g}" if value is not None else "done"
        tell("fold", f"{name}: fold {fold + 1}/{n_folds}, {shown}, {fit.seconds:.1f} s", name=name, fold=fold + 1,
             folds=n_folds, metric=ref.key, value=value, seconds=fit.seconds)  # fmt: skip
    if len(progress.fits) == n_folds + 1:
        try:
            summary = finish(workspace, run, [progress.fits[f] for f in range(n_folds)], progress.fits[FINAL])
        except (DataError, StageError, ValueError, OSError) as error:
            run.fail(error)
            tell("experiment", f"{run.id}: failed: {error}", name=name, status="failed")
            return
        tell("experiment", f"{run.id}: {summary}", name=name, status="completed")


def finish(workspace: Workspace, run: Run, folds: Sequence[Fit], final: Fit) -> str:
    """Write predictions, metrics and model of a trained experiment; return its result in words."""
    problem, spec, plan = workspace.problem, workspace.spec, workspace.plan
    outcome = pd.concat([f.outcome for f in folds if f.outcome is not None], ignore_index=True)
    outcome.insert(1, "part", "oof")
    decision = problem.decide(outcome, workspace.dataset, spec, plan)
    outcome = problem.complete(outcome, decision)
    save_predictions(run, outcome)
    parts = [part for _, part in outcome.groupby("fold", sort=True)]
    metrics: dict[str, float] = {}
    for ref in problem.metrics(spec, plan):
        values = [_measured(workspace, ref, part, decision) for part in parts]
        known = [v for v in values if v is not None]
        if known:
            metrics[f"cv_{ref.key}"] = float(np.mean(known))
            metrics[f"cv_{ref.key}_std"] = float(np.std(known, ddof=1)) if len(known) > 1 else 0.0
        pooled = _measured(workspace, ref, outcome, decision)
        if pooled is not None:
            metrics[ref.key] = pooled
    path = run.save_model(final.model)
    metrics["train_seconds"] = final.seconds
    metrics["cv_seconds"] = float(sum(f.seconds for f in folds))
    metrics["model_bytes"] = float(path.stat().st_size)
    run.log_metrics(metrics)
    run.close("completed")
    key = f"cv_{problem.selection_metric(spec, plan).key}"
    if key not in metrics:
        return "done"
    return f"{key[3:]} {metrics[key]:.4f} ± {metrics[f'{key}_std']:.4f} over {len(folds)} folds, {final.seconds:.1f} s"


def save_predictions(run_or_record: Run | ExperimentRecord, outcome: pd.DataFrame) -> None:
    """Write an experiment's ``predictions.parquet``."""
    buffer = io.BytesIO()
    outcome.to_parquet(buffer, index=False)
    with replacing(run_or_record.folder / PREDICTIONS) as temporary:
        temporary.write_bytes(buffer.getvalue())


def load_predictions(record: ExperimentRecord, part: str | None = None) -> pd.DataFrame | None:
    """Read an experiment's predictions (``oof``, ``holdout`` or all), or None where none were kept.

    Raises
    ------
    CorruptFileError
        If the file is damaged.
    """
    path = record.folder / PREDICTIONS
    if not path.exists():
        return None
    try:
        outcome = pd.read_parquet(path)
    except (OSError, ArrowException) as error:
        raise CorruptFileError(
            f"the kept predictions cannot be read: {str(error).splitlines()[0]}",
            where=f"{record.id}/{PREDICTIONS}",
            hint=f"delete the folder {record.id}, then run: sw do --from T-003",
        ) from error
    if part is None:
        return outcome
    chosen = outcome[outcome["part"] == part].dropna(axis=1, how="all").reset_index(drop=True)
    return None if chosen.empty else chosen


def _measured(workspace: Workspace, ref: Any, outcome: pd.DataFrame | None, decision: Any) -> float | None:
    """Return a metric, or None where it is not defined on these rows (a fold with one class)."""
    if outcome is None:
        return None
    try:
        value = workspace.problem.measure(ref, outcome, decision)
    except (DataError, ValueError):
        return None
    return value if math.isfinite(value) else None


def trained(workspace: Workspace, roles: Sequence[str] | None = None) -> list[ExperimentRecord]:
    """Return the completed experiments that share today's data, split and features, in order of number."""
    return [
        r
        for r in workspace.store.list()
        if r.status == "completed"
        and r.tags.get("generation") == workspace.generation
        and (roles is None or r.tags.get("role") in roles)
    ]


def best_of(workspace: Workspace, records: Sequence[ExperimentRecord]) -> ExperimentRecord:
    """Return the experiment with the best selection metric on validation folds.

    Raises
    ------
    StageError
        If none was trained.
    """
    from specweave.metrics.base import find_metric

    ref = workspace.problem.selection_metric(workspace.spec, workspace.plan)
    sign = 1.0 if find_metric(ref.name).higher_is_better else -1.0
    scored = [r for r in records if isinstance(r.metrics.get(f"cv_{ref.key}"), float | int)]
    if not scored:
        raise StageError(
            f"no trained experiment has {ref.key} on validation folds", where=workspace.increment.id,
            hint=f"run: sw do {workspace.increment.number} --task T-004",
        )  # fmt: skip
    return max(scored, key=lambda r: (sign * float(r.metrics[f"cv_{ref.key}"]), -r.number))
