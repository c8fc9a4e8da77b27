"""From an experiment to a fitted estimator of a table: features fitted once per set of rows, seeds and threads set.

Reads: nothing. Writes: nothing. Never: fits features on other rows than the estimator's.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np

from specweave.problems.base import Dataset, ModelExperiment

_MOST_KEPT = 12


class FeatureMemory:
    """The last few feature steps that were fitted, since every candidate asks for the same ones."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Any, tuple[Any, np.ndarray]] = OrderedDict()

    def fit(self, dataset: Dataset, rows: np.ndarray, features: Any, y: Any) -> tuple[Any, np.ndarray]:
        """Return (the feature step fitted on these rows, the rows encoded by it, shape (n_rows, n_features))."""
        from sklearn.base import clone

        key = (
            dataset.source.sha256,
            dataset.n_rows,
            hash(rows.tobytes()),
            repr(sorted(features.get_params().items(), key=str)),
        )
        if key not in self._kept:
            step = clone(features)
            X = np.asarray(step.fit_transform(dataset.frame.iloc[rows], y), dtype=np.float64)
            self._kept[key] = (step, X)
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


def make_estimator(experiment: ModelExperiment, *, seed: int, threads: int) -> Any:
    """Make the unfitted estimator, seeded and held to `threads` where it knows these parameters.

    Raises
    ------
    DataError
        If the class refuses the parameters; names the experiment.
    """
    estimator = experiment.make()
    if not hasattr(estimator, "get_params"):
        return estimator
    settable: dict[str, Any] = {}
    for name, value in estimator.get_params(deep=True).items():
        leaf = name.rpartition("__")[2]
        if leaf in ("random_state", "random_seed") and value is None:
            settable[name] = seed
        elif (
            leaf in ("n_jobs", "thread_count", "nthread")
            and name.rpartition("__")[2] not in experiment.params
        ):
            settable[name] = threads
    if settable:
        estimator.set_params(**settable)
    return estimator


def fit_estimator(estimator: Any, X: np.ndarray, y: Any) -> None:
    """Fit, with the warnings kept down that a user of the pipeline can do nothing about."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        # Some linear models keep an n_jobs that does nothing; setting it is no mistake of the user's.
        warnings.filterwarnings("ignore", message=".*n_jobs.*", category=FutureWarning)
        estimator.fit(X, y)
