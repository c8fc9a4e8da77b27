"""From an experiment to a fitted estimator: made, seeded, and fitted with as much as it asks for.

Reads: nothing. Writes: nothing. Never: hides why a class of the user's cannot be used.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp

from specweave.errors import DataError
from specweave.recommenders.base import Context, Recommender


class RuleRecommender(Recommender):
    """A person's rule as a model: ``rule(history) -> scores`` of shape (n_users, n_items)."""

    personal = False

    def __init__(self, rule: Callable[[sp.csr_matrix], np.ndarray]) -> None:
        self.rule = rule

    def fit(self, history: sp.csr_matrix, context: Context) -> RuleRecommender:
        """Learn nothing."""
        return self

    def scores(self, history: sp.csr_matrix, users: np.ndarray) -> np.ndarray:
        """Ask the rule.

        Raises
        ------
        DataError
            If its answer has another shape.
        """
        made = np.asarray(self.rule(history), dtype=np.float32)
        if made.shape != history.shape:
            name = getattr(self.rule, "__name__", "rule")
            raise DataError(
                f"the rule '{name}' returned shape {made.shape} for histories of shape {history.shape}",
                hint="return one score per user and item",
            )
        return made


def fit_recommender(experiment: Any, history: sp.csr_matrix, context: Context) -> Any:
    """Make and fit the estimator of an experiment.

    Parameters
    ----------
    experiment : ModelExperiment
        Its class needs ``fit(history)`` or ``fit(history, context)``, and ``scores(history, users)``.

    Raises
    ------
    DataError
        If the class refuses its parameters or lacks a method.
    """
    for method in sorted(getattr(experiment.estimator_class, "__abstractmethods__", ())):
        raise _lacks(experiment, method)
    estimator = experiment.make()
    for method in ("fit", "scores"):
        if not hasattr(estimator, method):
            raise _lacks(experiment, method)
    known = estimator.get_params() if hasattr(estimator, "get_params") else {}
    set_to = {"random_state": context.seed} if known.get("random_state", 0) is None else {}
    if "n_jobs" in known and "n_jobs" not in experiment.params:
        set_to["n_jobs"] = context.threads
    if set_to:
        estimator.set_params(**set_to)
    wants = [p for p in inspect.signature(estimator.fit).parameters.values() if p.kind != p.VAR_KEYWORD]
    fitted = estimator.fit(history, context) if len(wants) > 1 else estimator.fit(history)
    return estimator if fitted is None else fitted


def _lacks(experiment: Any, method: str) -> DataError:
    return DataError(
        f"{experiment.algorithm} has no method '{method}'", where=experiment.name,
        hint="a recommender needs fit(history) and scores(history, users); history is a sparse matrix "
        "of users x items",
    )  # fmt: skip
