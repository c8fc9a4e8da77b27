"""Which experiment is best, and how sure that is: the comparison over validation folds.

Reads: metrics and out-of-fold predictions. Writes: ``comparison.md`` and ``.json`` beside the experiments. Never:
looks at the holdout.
"""

from __future__ import annotations

from typing import Any

from specweave.errors import DataError
from specweave.experiments.compare import Comparison, compare, save_comparison
from specweave.experiments.record import ExperimentRecord
from specweave.metrics.base import find_metric
from specweave.stages.training import best_of, load_predictions, trained
from specweave.stages.workspace import Workspace

CHOOSABLE = ("candidate", "tuned")
_TOLD_APART = 0.1


def choose_best(workspace: Workspace) -> ExperimentRecord:
    """Return the best candidate or tuned experiment; a baseline only where nothing else was trained, or where it is
    better on validation folds and the problem type lets baselines compete.

    Where the problem type makes an allowance for a steadier kind of model, and a paired test on out-of-fold
    losses cannot tell that one from the best, it is taken instead.
    """
    records = choosable(workspace, trained(workspace))
    best = best_of(workspace, records)
    steady = [r for r in records if workspace.problem.allowance(r.tags.get("algorithm", "")) > 0]
    if not steady or best in steady:
        return best
    second = best_of(workspace, steady)
    outcome = load_predictions(second, "oof")
    if outcome is None:
        return best
    key = f"cv_{workspace.problem.selection_metric(workspace.spec, workspace.plan).key}"
    first_score, score = float(best.metrics[key]), float(second.metrics[key])
    allowed = workspace.problem.allowance(second.tags.get("algorithm", ""), outcome) * abs(first_score)
    test = paired_tests(workspace, best, [second]).get(second.id)
    told_apart = test is None or test["p_value"] <= _TOLD_APART
    return best if told_apart or abs(score - first_score) > allowed else second


def choosable(workspace: Workspace, records: list[ExperimentRecord]) -> list[ExperimentRecord]:
    """Return those of `records` that may be chosen."""
    if workspace.problem.baselines_compete:
        return records
    return [r for r in records if r.tags.get("role") in CHOOSABLE] or records


def write_comparison(workspace: Workspace) -> Comparison | None:
    """Compare every experiment of today's data and split; None where nothing was trained yet."""
    records = trained(workspace)
    if not records:
        return None
    ref = workspace.problem.selection_metric(workspace.spec, workspace.plan)
    best = choose_best(workspace)
    listed = [
        r.id
        for r in workspace.store.list()
        if r.tags.get("generation") in (workspace.generation, None) and r.tags.get("role") != "analysis"
    ]
    others = [
        m.key for m in workspace.problem.metrics(workspace.spec, workspace.plan)[:4] if m.key != ref.key
    ]
    top = best_of(workspace, choosable(workspace, records))
    comparison = compare(
        workspace.store,
        metric=ref.key,
        higher_is_better=find_metric(ref.name).higher_is_better,
        experiments=listed,
        also=others,
        best=best.id,
        reason=None
        if top.id == best.id
        else f"{top.name} has the better {ref.key} on validation folds, but a paired test cannot tell the two "
        f"apart, and {best.name} is the steadier kind of model",
        tests=paired_tests(workspace, best, records),
    )
    save_comparison(workspace.store.folder, comparison)
    return comparison


def paired_tests(
    workspace: Workspace, best: ExperimentRecord, records: list[ExperimentRecord]
) -> dict[str, Any]:
    """Return, for each other experiment, the paired test of the best against it on out-of-fold losses."""
    from specweave.statistics.paired import compare_losses

    ours = load_predictions(best, "oof")
    if ours is None:
        return {}
    ours = ours.sort_values("row", kind="stable").reset_index(drop=True)
    units = workspace.problem.units(workspace.dataset, ours)
    tests: dict[str, Any] = {}
    for record in records:
        theirs = None if record.id == best.id else load_predictions(record, "oof")
        if theirs is None or len(theirs) != len(ours):
            continue
        theirs = theirs.sort_values("row", kind="stable").reset_index(drop=True)
        try:
            test = compare_losses(workspace.problem.loss(ours, {}), workspace.problem.loss(theirs, {}), units)
        except DataError:
            # Losses that cannot be paired (another set of rows) leave the pair untested, and it says so.
            continue
        tests[record.id] = {"test": test.name, "p_value": test.p_value, "n": test.n}
    return tests
