"""scikit-learn, and whatever follows its conventions: fit, evaluate, one record.

Reads: nothing. Writes: through the run. Never: changes the estimator or what it predicts.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from specweave.errors import DataError
from specweave.experiments.run import Run
from specweave.integrations.frameworks.base import TrackedTraining, model_params, open_run
from specweave.integrations.frameworks.measures import label_metrics, number_metrics


class TrackedEstimator(TrackedTraining):
    """An estimator whose `fit` and `evaluate` are recorded; any other attribute is the estimator's.

    Attributes
    ----------
    model : object
        The estimator itself.
    """

    def __init__(self, run: Run, model: Any) -> None:
        super().__init__(run)
        self.model = model
        self._fitted = False
        run.log_param("estimator", f"{type(model).__module__}.{type(model).__qualname__}")
        run.log_params(model_params(model))

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith("__") or "model" not in self.__dict__:
                raise
            return getattr(self.model, name)

    def fit(self, X: Any, y: Any = None, **fit_params: Any) -> TrackedEstimator:
        """Fit the estimator, and record how long it took and on how much.

        Parameters
        ----------
        X : array-like, shape (n_rows, n_features)
        y : array-like, shape (n_rows,), optional
        fit_params
            Handed to the estimator's own ``fit``.
        """
        began = time.perf_counter()
        if y is None:
            self.model.fit(X, **fit_params)
        else:
            self.model.fit(X, y, **fit_params)
        seconds = time.perf_counter() - began
        self._fitted = True
        shape = getattr(X, "shape", None)
        self.run.log_params({"train_rows": len(X) if shape is None else shape[0]})
        if shape is not None and len(shape) > 1:
            self.run.log_param("features", shape[1])
        path = self._save(self.run.save_model, self.model)
        found = {"train_seconds": seconds}
        if path is not None:
            found["model_bytes"] = path.stat().st_size
        self.run.log_metrics(found)
        return self

    def evaluate(self, X: Any, y: Any = None, *, prefix: str = "") -> dict[str, float]:
        """Measure the fitted estimator on rows it has not seen.

        Parameters
        ----------
        X : array-like, shape (n_rows, n_features)
        y : array-like, shape (n_rows,), optional
        prefix : str
            Put before each metric's name, ``"valid_"`` for instance.

        Returns
        -------
        dict
            Every metric the predictions allow; the estimator's own ``score`` where it predicts neither
            one label nor one number.
        """
        found = measure_estimator(self.model, X, y)
        self.run.log_metrics({f"{prefix}{name}": value for name, value in found.items()})
        return found

    def _finish(self) -> None:
        if not self._fitted:
            self.run.log_note("the block ended without a call of fit on the tracked model")


def measure_estimator(model: Any, X: Any, y: Any = None) -> dict[str, float]:
    """Return every metric that a fitted estimator's predictions allow.

    Raises
    ------
    DataError
        If the estimator neither predicts nor scores.
    """
    from sklearn.base import is_classifier, is_regressor

    one_output = (y is not None and np.ndim(y) == 1) or np.shape(y)[1:] == (1,)
    if one_output and is_classifier(model):
        return _measure_labels(model, X, np.ravel(y))
    if one_output and is_regressor(model):
        return number_metrics(y, model.predict(X))
    if hasattr(model, "score"):
        return {"score": float(model.score(X) if y is None else model.score(X, y))}
    if not hasattr(model, "predict"):
        raise DataError(
            f"a {type(model).__name__} neither predicts nor scores, so there is nothing to measure"
        )
    labels = np.unique(model.predict(X))
    return {"groups": float(len(labels[labels >= 0]))}


def _measure_labels(model: Any, X: Any, y: Any) -> dict[str, float]:
    labels = list(getattr(model, "classes_", np.unique(y)))
    if hasattr(model, "predict_proba"):
        return label_metrics(y, labels, proba=model.predict_proba(X))
    if hasattr(model, "decision_function") and len(labels) == 2:
        return label_metrics(y, labels, score=model.decision_function(X))
    return label_metrics(y, labels, predicted=model.predict(X))


def track_sklearn_model(
    model: Any, increment: str | None = None, *, name: str | None = None, **options: Any
) -> TrackedEstimator:
    """Track the training of a scikit-learn estimator or pipeline.

    Parameters
    ----------
    model : estimator
    increment : str, optional
        The active one where not given.
    name : str, optional
        Of the experiment; the estimator's class where not given.
    options
        ``task``, ``tags``, ``seed``, ``inputs``, ``data_sha256``, ``resume``: see
        `specweave.experiments.store.ExperimentStore.create`.

    Examples
    --------
    ::

        with track_sklearn_model(RandomForestClassifier(), increment="0042") as tracked:
            tracked.fit(X_train, y_train)
            tracked.evaluate(X_test, y_test)
    """
    return TrackedEstimator(open_run(model, increment, name=name, framework="scikit-learn", **options), model)
