"""T-006: the chosen model on rows that nothing has seen, measured every way that matters.

Reads: trained experiments, the holdout. Writes: holdout predictions, ``holdout-ledger.jsonl``,
``reports/evaluation.json``. Never: chooses a model, threshold or setting by what the holdout says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from specweave.errors import DataError, StageError
from specweave.experiments.record import ExperimentRecord
from specweave.files.store import save_record
from specweave.metrics.base import MetricRef, find_metric
from specweave.records import Finding, Metric
from specweave.stages import doubts
from specweave.stages.choice import CHOOSABLE, choose_best
from specweave.stages.holdout import MODEL, Evaluated, load_trained, predict_holdout
from specweave.stages.latency import operational_metrics, time_answers
from specweave.stages.measuring import compare_relative, measure_with_interval
from specweave.stages.numbers import short_number
from specweave.stages.progress import tell
from specweave.stages.records import EVALUATION, SCHEMA, load_evaluation
from specweave.stages.segments import band_columns, find_error_columns, measure_segments, worst_rows
from specweave.stages.training import best_of, trained
from specweave.stages.workspace import Workspace, open_workspace
from specweave.statistics.bootstrap import paired_bootstrap
from specweave.statistics.paired import compare_losses

__all__ = ["compare_relative", "evaluate_models", "measure_with_interval"]

KIND = "evaluation"
_TRAIN_ROWS = 20_000  # enough to place the training score to three digits


@dataclass
class Measured:
    """The metrics of one model, and those that are not defined on these rows with the reason."""

    metrics: list[Metric] = field(default_factory=list)
    undefined: dict[str, str] = field(default_factory=dict)


def evaluate_models(
    increment: str | None = None,
    *,
    n_resamples: int = 500,
    calls: int = 200,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> dict[str, Any]:
    """Measure the chosen model on the holdout and write ``reports/evaluation.json``.

    The choice is made on validation folds before the holdout is read. Every trained experiment predicts
    the holdout once; what it predicted is kept beside its out-of-fold predictions, and each reading is
    a line of the ledger.

    Parameters
    ----------
    increment : str, optional
        Id of the increment; the active one by default.
    n_resamples : int
        Of the bootstrap intervals.
    calls : int
        Single-row calls that are timed.
    now : callable
        The time that the ledger notes.

    Returns
    -------
    dict
        The record as written.

    Raises
    ------
    StageError
        If no model was trained on today's data and split.
    CorruptFileError
        If a model file is not the one that was trained.
    """
    workspace = open_workspace(increment)
    best = choose_best(workspace)
    tell("note", f"{best.id} was chosen on validation folds; now the holdout is read")
    everyone = [predict_holdout(workspace, record, now) for record in trained(workspace)]
    chosen = next(e for e in everyone if e.record.id == best.id)
    record = _evaluation(workspace, chosen, everyone, n_resamples=n_resamples, calls=calls)
    path = workspace.folder / EVALUATION
    save_record(path, KIND, SCHEMA, record)
    first: Metric = record["metrics"][0]
    tell(
        "note", f"{best.id}: {first.name} {short_number(first.value)} on {record['n_holdout']} untouched rows"
    )
    return load_evaluation(workspace.folder)


# -- the record ------------------------------------------------------------------------------------


def _evaluation(
    workspace: Workspace, best: Evaluated, everyone: list[Evaluated], *, n_resamples: int, calls: int
) -> dict[str, Any]:
    problem, dataset = workspace.problem, workspace.dataset
    ref = problem.selection_metric(workspace.spec, workspace.plan)
    seed = workspace.seed
    measured = measure_all(workspace, best, n_resamples=n_resamples)
    loss = problem.loss(best.outcome, best.decision)
    bands = _bands(workspace, best.outcome)
    model = load_trained(best.record)
    gap = _gap(workspace, best, model, ref)
    tell("note", f"{best.record.id}: timing single rows and batches")
    latency = time_answers(problem, model, _requests(workspace), best.decision, calls=calls)
    size = int(best.record.get_artifact(MODEL).stat().st_size)
    seconds = best.record.metrics.get("train_seconds")
    comparisons = _comparisons(workspace, best, everyone, ref, n_resamples)
    own_tables, own_doubts = problem.diagnose(model, dataset, workspace.split.train)
    segments = (
        measure_segments(problem, ref, best.outcome, best.decision, bands, best.units, seed=seed)
        if bands
        else None
    )
    findings = [
        *problem.check(best.outcome, best.decision, dataset),
        *own_doubts,
        *doubts.check_chosen(best.role, best.record.id),
        *doubts.check_evaluation(ref, gap, comparisons, segments, measured.metrics, len(best.outcome)),
    ]
    shown, raw = problem.worst_table(best.outcome, dataset)
    return {
        "experiment": best.record.id,
        "algorithm": best.record.tags.get("algorithm", best.record.name),
        "role": best.role,
        "problem": problem.name,
        "selection_metric": ref.key,
        "decision": best.decision,
        "n_holdout": len(best.outcome),
        "answered": workspace.problem.answered,
        "n_train": len(workspace.split.train),
        "holdout": workspace.split.digest(),
        "generation": workspace.generation,
        "split": workspace.split.strategy,
        "data_sha256": dataset.source.sha256,
        "metrics": [*measured.metrics, *operational_metrics(latency, size, _float(seconds))],
        "undefined": measured.undefined,
        "models": [_line(workspace, e, ref) for e in everyone],
        "comparisons": comparisons,
        "tables": [
            {"title": t.title, "columns": t.columns, "rows": t.rows, "note": t.note}
            for t in [*problem.breakdowns(best.outcome, best.decision), *own_tables]
        ],
        "segments": segments,
        "errors": {
            "mean_loss": float(np.mean(loss)),
            "columns": find_error_columns(loss, bands),
            "worst": worst_rows(shown, loss, raw) if "row" in best.outcome else [],
        },
        "overfitting": gap,
        "latency": latency,
        "model_bytes": size,
        "train_seconds": seconds,
        "findings": findings,
    }


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def measure_all(workspace: Workspace, one: Evaluated, *, n_resamples: int = 500) -> Measured:
    """Measure every metric of the problem type and every one that the spec asks for."""
    problem, spec, plan = workspace.problem, workspace.spec, workspace.plan
    asked = [c.metric for c in spec.criteria if c.metric is not None and find_metric(c.metric.name).measure]
    refs = {r.key: r for r in [problem.selection_metric(spec, plan), *asked, *problem.metrics(spec, plan)]}
    found = Measured()
    for key, ref in refs.items():
        try:
            found.metrics.append(
                measure_with_interval(
                    problem,
                    ref,
                    one.outcome,
                    one.decision,
                    one.units,
                    n_resamples=n_resamples,
                    seed=workspace.seed,
                )
            )
        except DataError as error:
            found.undefined[key] = error.what
    if not found.metrics:
        raise StageError(
            f"no metric is defined on the {len(one.outcome)} holdout rows: "
            + next(iter(found.undefined.values())),
            where=one.record.id, hint="widen the holdout in spec.md: Validation: stratified 30% holdout",
        )  # fmt: skip
    return found


def _line(workspace: Workspace, one: Evaluated, ref: MetricRef) -> dict[str, Any]:
    """Return one model's row: its score on validation folds and on the holdout."""
    metrics = one.record.metrics
    return {
        "experiment": one.record.id,
        "algorithm": one.record.tags.get("algorithm", one.record.name),
        "role": one.role,
        "validation": metrics.get(f"cv_{ref.key}"),
        "validation_std": metrics.get(f"cv_{ref.key}_std"),
        "holdout": _measure(workspace, ref, one.outcome, one.decision),
        "train_seconds": metrics.get("train_seconds"),
        "model_bytes": metrics.get("model_bytes"),
    }


def _measure(
    workspace: Workspace, ref: MetricRef, outcome: pd.DataFrame, decision: Mapping[str, Any]
) -> float | None:
    try:
        return workspace.problem.measure(ref, outcome, decision)
    except DataError:
        # Not defined on these rows (one class): there is no number to show.
        return None


def _comparisons(
    workspace: Workspace, best: Evaluated, everyone: list[Evaluated], ref: MetricRef, n_resamples: int
) -> list[dict[str, Any]]:
    """Compare the best with the best baseline and with the runner-up, both picked on validation folds."""
    # A search that ended where it began trained the same model again: no rival.
    others = [e for e in everyone if e is not best and not _same_model(e.record, best.record)]
    picked: list[tuple[str, Evaluated]] = []
    for words, roles in (("best baseline", ("baseline",)), ("runner-up", CHOOSABLE)):
        rivals = [e.record for e in others if e.role in roles]
        if rivals:
            chosen = best_of(workspace, rivals)
            picked.append((words, next(e for e in others if e.record.id == chosen.id)))
    return [
        c
        for words, other in picked
        if (c := _compare(workspace, best, other, ref, words, n_resamples)) is not None
    ]


def _same_model(one: ExperimentRecord, other: ExperimentRecord) -> bool:
    return (one.tags.get("algorithm"), one.params) == (other.tags.get("algorithm"), other.params)


def _compare(
    workspace: Workspace, ours: Evaluated, theirs: Evaluated, ref: MetricRef, words: str, n_resamples: int
) -> dict[str, Any] | None:
    problem = workspace.problem
    try:
        result = paired_bootstrap(
            lambda rows: problem.measure(ref, rows, ours.decision), ours.outcome, theirs.outcome,
            ours.units, theirs.units, measure_b=lambda rows: problem.measure(ref, rows, theirs.decision),
            n_resamples=n_resamples, seed=workspace.seed,
        )  # fmt: skip
    except DataError as error:
        tell("note", f"{ours.record.id} against {theirs.record.id}: {error.what}")
        return None
    value, other = (_measure(workspace, ref, e.outcome, e.decision) for e in (ours, theirs))
    better = result.low > 0 if find_metric(ref.name).higher_is_better else result.high < 0
    worse = result.high < 0 if find_metric(ref.name).higher_is_better else result.low > 0
    return {
        "against": theirs.record.id, "role": words, "metric": ref.key, "ours": value, "theirs": other,
        "difference": result.difference, "low": result.low, "high": result.high,
        "p_value": result.p_value, "test": result.method, "n": result.n,
        "verdict": "better" if better else "worse" if worse else "not told apart",
        "loss_test": _loss_test(workspace, ours, theirs),
    }  # fmt: skip


def _loss_test(workspace: Workspace, ours: Evaluated, theirs: Evaluated) -> dict[str, Any] | None:
    a, b = _by_row(workspace, ours), _by_row(workspace, theirs)
    try:
        test = compare_losses(a[0], b[0], a[1])
    except DataError:
        # Losses of another number of rows or units cannot be paired; the bootstrap above has its own way.
        return None
    return {"test": test.name, "p_value": test.p_value, "n": test.n}


def _by_row(workspace: Workspace, one: Evaluated) -> tuple[Any, Any]:
    loss = np.asarray(workspace.problem.loss(one.outcome, one.decision), dtype=float)
    if "row" not in one.outcome:
        return loss, one.units
    order = np.argsort(one.outcome["row"].to_numpy(), kind="stable")
    return loss[order], None if one.units is None else np.asarray(one.units)[order]


def _gap(workspace: Workspace, best: Evaluated, model: Any, ref: MetricRef) -> dict[str, Any]:
    """Return the selection metric on training rows, validation folds and holdout."""
    rows = workspace.split.train
    if len(rows) > _TRAIN_ROWS:
        rows = np.sort(np.random.default_rng(workspace.seed).choice(rows, _TRAIN_ROWS, replace=False))
    outcome = workspace.problem.predict(model, workspace.dataset, rows)
    outcome = workspace.problem.complete(outcome, best.decision)
    metrics = best.record.metrics
    return {
        "metric": ref.key,
        "train": _measure(workspace, ref, outcome, best.decision),
        "cv": metrics.get(f"cv_{ref.key}"),
        "cv_std": metrics.get(f"cv_{ref.key}_std"),
        "holdout": _measure(workspace, ref, best.outcome, best.decision),
        "n_folds": len(workspace.split.folds),
    }


def _bands(workspace: Workspace, outcome: pd.DataFrame) -> dict[str, Any]:
    """Cut the holdout's raw rows into segments, in the order of the outcome table."""
    if "row" not in outcome:
        return {}
    roles = workspace.dataset.roles
    without = [str(roles[r]) for r in ("target", "group") if isinstance(roles.get(r), str)]
    frame, kinds = workspace.problem.segment_table(workspace.dataset, outcome)
    return band_columns(frame, kinds, without=without)


def _requests(workspace: Workspace) -> pd.DataFrame:
    """Return raw holdout rows as requests carry them."""
    return workspace.problem.requests(workspace.dataset, workspace.split.holdout)


def evaluation_findings(record: Mapping[str, Any]) -> list[Finding]:
    """Return the findings of an evaluation record."""
    return [Finding(**f) for f in record.get("findings", [])]
