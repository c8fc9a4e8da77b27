"""T-003: what a model must beat. Chance, the most common answer, the best single rule.

Reads: data, split, features. Writes: one experiment per baseline. Never: tunes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from specweave.stages.candidates import ExperimentResults
from specweave.stages.choice import write_comparison
from specweave.stages.training import train_experiments
from specweave.stages.workspace import open_workspace


def train_baseline_model(
    strategies: Sequence[Any] | None = None, increment: str | None = None
) -> ExperimentResults:
    """Train the baselines on the increment's data and folds.

    Parameters
    ----------
    strategies : sequence of str or callable, optional
        ``random``, ``majority``, ``mean``, ``popularity``, ``rule-based``, or a callable that takes the
        raw rows (a DataFrame) and returns one label, probability or number per row. Default: the plan's.
    increment : str, optional
        Id of the increment; the active one by default.

    Returns
    -------
    ExperimentResults
        One record per baseline, in order.

    Raises
    ------
    UnknownNameError
        If a strategy is not known to the problem type.
    """
    workspace = open_workspace(increment)
    if strategies is None:
        strategies = workspace.plan.get("baselines", ["random", "majority", "rule-based"])
    experiments = workspace.problem.baselines(workspace.dataset, workspace.spec, workspace.plan, strategies)
    records = train_experiments(workspace, experiments, task="T-003", role="baseline", jobs=1)
    return ExperimentResults(workspace, records, write_comparison(workspace))
