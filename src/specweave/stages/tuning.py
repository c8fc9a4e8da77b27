"""T-005: tune the best candidates within the plan's trials and time; a killed search goes on where it was.

Reads: data, folds, the plan's search spaces. Writes: one experiment per tuned candidate with its Optuna
journal. Never: repeats a finished trial, scores on the holdout.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from specweave.errors import StageError
from specweave.experiments.record import ExperimentRecord
from specweave.experiments.run import Run
from specweave.files.atomic import write_bytes
from specweave.metrics.base import find_metric
from specweave.problems.base import ModelExperiment
from specweave.stages.candidates import BUDGET_SHARE, ExperimentResults
from specweave.stages.choice import write_comparison
from specweave.stages.progress import tell
from specweave.stages.recorded import find_recorded
from specweave.stages.training import FINAL, Fit, Shared, finish, fit_once, inputs_of, leave_out, trained
from specweave.stages.workspace import Workspace, open_workspace

JOURNAL = "optuna-journal.log"
TRIALS_PER_PARAMETER = 12
_FEWEST_TRIALS = 4  # fewer are no search


def tune_best(
    increment: str | None = None,
    *,
    trials: int | None = None,
    budget: float | str | None = None,
    top: int | None = None,
) -> ExperimentResults:
    """Tune the best candidates with Optuna (TPE, median pruning over folds).

    Parameters
    ----------
    increment : str, optional
    trials : int, optional
        Trials per candidate; the plan's ``tuning.trials`` by default.
    budget : float or str, optional
        Time for all of it, ``90s`` or ``5m``; the plan's ``tuning.time_budget`` by default.
    top : int, optional
        How many candidates are tuned; the plan's ``tuning.top`` by default.

    Returns
    -------
    ExperimentResults
        One record per tuned candidate.

    Raises
    ------
    StageError
        If no candidate was trained.
    """
    from specweave.increments.plan import parse_duration

    workspace = open_workspace(increment)
    plan = workspace.plan
    trials = trials if trials is not None else int(plan.get("tuning.trials", 40))
    top = top if top is not None else int(plan.get("tuning.top", 1))
    seconds = (
        parse_duration(budget) if budget is not None else plan.seconds("tuning.time_budget", 300.0) or 300.0
    )
    total = os.environ.get("SPECWEAVE_BUDGET")
    if total:
        seconds = min(seconds, (1 - BUDGET_SHARE) * float(total))
    ranked = _ranked(workspace)
    chosen = _affordable(workspace, [e for e in ranked if e.search][:top], seconds)
    if not chosen and ranked:
        tell(
            "note",
            f"no trained candidate has a search space: {ranked[0].name} is trained once more, as it is",
        )
        chosen = ranked[:1]
    began = time.monotonic()
    records = []
    for position, experiment in enumerate(chosen):
        # Each gets its share of what is left, so that an early finish helps the next.
        left = max(0.0, seconds - (time.monotonic() - began))
        records.append(
            tune_one(workspace, experiment, trials, left / (len(chosen) - position), budget=seconds)
        )
    return ExperimentResults(workspace, records, write_comparison(workspace))


def _ranked(workspace: Workspace) -> list[ModelExperiment]:
    """Return the plan's candidates that were trained, best first."""
    recorded = find_recorded()
    if recorded and recorded.params:
        planned = workspace.problem.candidates(workspace.dataset, workspace.spec, workspace.plan)
        return [e for e in planned if tuned_name(e) in recorded.params]
    ref = workspace.problem.selection_metric(workspace.spec, workspace.plan)
    key = f"cv_{ref.key}"
    values = {r.name: r.metrics[key] for r in trained(workspace, ["candidate"]) if key in r.metrics}
    if not values:
        raise StageError(
            "no candidate was trained", where=workspace.increment.id,
            hint=f"run: sw do {workspace.increment.number} --task T-004",
        )  # fmt: skip
    planned = workspace.problem.candidates(workspace.dataset, workspace.spec, workspace.plan)
    sign = -1 if find_metric(ref.name).higher_is_better else 1
    return sorted((e for e in planned if e.name in values), key=lambda e: sign * float(values[e.name]))


def _affordable(workspace: Workspace, chosen: list[ModelExperiment], seconds: float) -> list[ModelExperiment]:
    """Return those worth tuning in `seconds`, each given its share: the first, and others with time for a few trials.

    A search of one trial repeats the candidate as it was, and its time is missed where trials are cheap.
    """
    if find_recorded() or len(chosen) < 2:
        return chosen
    took = {
        r.name: float(r.metrics.get("cv_seconds", 0.0)) / max(1, workspace.jobs)
        for r in trained(workspace, ["candidate"])
    }
    kept = [chosen[0]]
    for experiment in chosen[1:]:
        if _FEWEST_TRIALS * took.get(experiment.name, 0.0) <= seconds / len(chosen):
            kept.append(experiment)
        else:
            tell("note", f"{experiment.name} is not tuned: {_FEWEST_TRIALS} trials of about {took[experiment.name]:.0f} s "
                         "do not fit the time left; it goes to the others")  # fmt: skip
    return kept


def tuned_name(experiment: ModelExperiment) -> str:
    """Return what a candidate is called once it is tuned."""
    return f"tuned-{experiment.name}"


def tune_one(
    workspace: Workspace,
    experiment: ModelExperiment,
    trials: int,
    seconds: float,
    *,
    budget: float | None = None,
) -> ExperimentRecord:
    """Tune one candidate in an experiment of its own and train the best parameters found.

    A search that time had ended early goes on, in a new experiment, where there is a larger `budget` (seconds
    for all searches; `seconds` where not given).
    """
    budget = seconds if budget is None else budget
    name = tuned_name(experiment)
    recorded = find_recorded()
    inputs = {**inputs_of(workspace, experiment), "search": dict(experiment.search), "trials": trials}
    known = workspace.store.find_completed(name, inputs)
    # A space of one or two parameters is searched through long before the plan's trials are used up.
    trials = min(trials, max(1, TRIALS_PER_PARAMETER * len(experiment.search)))
    if known and (known.metrics.get("n_trials", trials) >= trials or budget <= _budget_of(known)):
        tell("experiment", f"{known.id}: already done, kept", name=name, status="kept")
        return known
    run = workspace.store.create(
        name, task="T-005", inputs=inputs, seed=workspace.seed, resume=True, increment=workspace.increment.id,
        data_sha256=workspace.dataset.source.sha256,
        tags={"role": "tuned", "generation": workspace.generation, "algorithm": experiment.algorithm,
              "budget_s": f"{budget:g}"},
    )  # fmt: skip
    if known and (known.folder / JOURNAL).exists() and not (run.folder / JOURNAL).exists():
        write_bytes(run.folder / JOURNAL, (known.folder / JOURNAL).read_bytes())
    if recorded and name in recorded.left_out:
        leave_out(run, recorded.left_out[name])
        return workspace.store.get(run.id)
    with run:
        threads = recorded.threads.get(name, workspace.jobs) if recorded else workspace.jobs
        run.add_tag("threads", threads)
        held = {name: threads, experiment.name: threads} if recorded else {}
        shared = Shared(
            workspace.problem, workspace.dataset, workspace.split, workspace.features(), workspace.seed, threads, held
        )  # fmt: skip
        count: int | None = None
        folds: list[Fit] = []
        if recorded and name in recorded.params:
            best = {k: v for k, v in recorded.params[name].items() if k in experiment.search}
        else:
            search = _Search(trials, seconds)
            if recorded:
                search = _Search(recorded.trials.get(name, trials), None, recorded.points.get(name, []))
            best, count, folds = _search(workspace, run, experiment, shared, search)
        tuned = experiment.with_params(best, name)
        run.log_params(dict(tuned.params))
        if count is not None:
            run.log_metric("n_trials", count)
        if not folds:  # the best trial belongs to an earlier process: its predictions are made again
            folds = [fit_once((tuned, i), shared) for i in range(len(workspace.split.folds))]
        final: Fit = fit_once((tuned, FINAL), shared)
        summary = finish(workspace, run, folds, final)
    told = f", {count} trials" if count is not None else ", parameters as recorded"
    tell("experiment", f"{run.id}: {summary}{told}", name=name, status="completed")
    return workspace.store.get(run.id)


def _budget_of(record: ExperimentRecord) -> float:
    """Return the seconds that a search was given; those of an older version count as enough."""
    return float(record.tags.get("budget_s", "inf"))


@dataclass(frozen=True)
class _Search:
    """How far a search goes: `seconds` is None where only the trials count; `points` are tried as they are."""

    trials: int
    seconds: float | None
    points: Sequence[Mapping[str, Any]] = ()


def _search(
    workspace: Workspace, run: Run, experiment: ModelExperiment, shared: Shared, search: _Search
) -> tuple[dict[str, Any], int, list[Fit]]:
    """Return the best parameters, the number of finished trials (those of an earlier process included), and
    the fits of the best trial where it was run here."""
    import optuna

    trials = search.trials
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    ref = workspace.problem.selection_metric(workspace.spec, workspace.plan)
    direction = "maximize" if find_metric(ref.name).higher_is_better else "minimize"
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(run.folder / JOURNAL))
    )
    study = optuna.create_study(
        study_name=run.name, storage=storage, direction=direction, load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=workspace.seed + len(_finished(run.folder / JOURNAL)), multivariate=True),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=6, n_warmup_steps=1),
    )  # fmt: skip
    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        # Left by a process that was killed; it will never report.
        storage.set_trial_state_values(trial._trial_id, optuna.trial.TrialState.FAIL)
    ended = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    done = len(study.get_trials(deepcopy=False, states=ended))
    if search.points:
        trials = len(search.points)
        for point in search.points:
            study.enqueue_trial(dict(point))
    elif done:
        tell("note", f"{run.id}: goes on after {done} finished trials")
    else:
        defaults = {k: v for k, v in experiment.params.items() if k in experiment.search}
        waiting = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.WAITING,))
        # Not `skip_if_exists`: a first trial that was killed must be tried again.
        if defaults and not waiting:
            study.enqueue_trial(defaults)

    kept: dict[int, list[Fit]] = {}
    failures: list[str] = []

    def objective(trial: Any) -> float:
        params = {k: _suggest(trial, k, space) for k, space in experiment.search.items()}
        values = []
        fits: list[Fit] = []
        kept[trial.number] = fits
        for i in range(len(workspace.split.folds)):
            try:
                fit = fit_once((experiment.with_params(params), i), shared)
            except Exception as error:  # whatever an estimator raises costs this trial, not the search
                failures.append(f"{type(error).__name__}: {error}")
                tell("note", f"{run.name}: trial {trial.number + 1} failed: {failures[-1]}")
                raise
            fits.append(fit)
            assert fit.outcome is not None  # every fold has one; only the final fit has none
            values.append(workspace.problem.measure(ref, fit.outcome, {}))
            trial.report(sum(values) / len(values), i)
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(sum(values) / len(values))

    def after(study: Any, trial: Any) -> None:
        if trial.state != optuna.trial.TrialState.COMPLETE:  # a pruned one saw only some of the folds
            kept.pop(trial.number, None)
            return
        for other in [n for n in kept if n != study.best_trial.number]:
            del kept[other]
        run.log_metrics({ref.key: trial.value, f"best_{ref.key}": study.best_value}, step=trial.number + 1)
        tell("trial", f"{run.name}: trial {trial.number + 1}/{trials}, {ref.key} {trial.value:.4g}, best {study.best_value:.4g}",
             name=run.name, trial=trial.number + 1, trials=trials, value=trial.value, best=study.best_value)  # fmt: skip

    if trials > done:
        began = time.monotonic()
        # One trial always runs, whatever the clock says, so that a tiny budget still gives a tuned record.
        study.optimize(objective, n_trials=1, callbacks=[after], catch=(Exception,))
        left = None if search.seconds is None else search.seconds - (time.monotonic() - began)
        if trials > done + 1 and (left is None or left > 0):
            study.optimize(
                objective, n_trials=trials - done - 1, timeout=left, callbacks=[after], catch=(Exception,)
            )
    finished = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if not finished and failures:
        raise StageError(
            f"no trial could be trained: {failures[0]}", where=run.id, hint="mend its search space in plan.md"
        )
    if not finished:
        return dict(experiment.params), 0, []
    count = len(study.get_trials(deepcopy=False, states=ended))
    return dict(study.best_params), count, kept.get(study.best_trial.number, [])


def _finished(journal: Any) -> bytes:
    # A resumed sampler must not draw the same points again; the journal's length makes its seed new.
    return b"" if not journal.exists() else b"x" * (journal.stat().st_size % 100_003)


def _suggest(trial: Any, name: str, space: Any) -> Any:
    """Ask a trial for one parameter; see ``ModelExperiment.search`` for the forms."""
    if isinstance(space, list | tuple):
        return trial.suggest_categorical(name, list(space))
    low, high, log = space["low"], space["high"], bool(space.get("log", False))
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(name, low, high, log=log)
    return trial.suggest_float(name, float(low), float(high), log=log)
