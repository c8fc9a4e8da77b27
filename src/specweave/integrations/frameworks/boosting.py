"""XGBoost, LightGBM, CatBoost: a callback for their own train functions.

Reads: nothing. Writes: through the run. Never: imports a library that was not asked for.
"""

from __future__ import annotations

import json
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from specweave.errors import MissingExtraError, UnknownNameError, did_you_mean
from specweave.experiments.run import Run
from specweave.integrations.frameworks.base import TrackedTraining, model_params, open_run


class TrackedBooster(TrackedTraining, ABC):
    """A booster's training: every round of every evaluation set, the best round, the native model file.

    Attributes
    ----------
    callback : object
        Hand it to the library: ``callbacks=[tracked.callback]``.
    model : object or None
        The booster; found by the callback, or set it yourself.
    """

    file_name: str

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self.model: Any = None
        self._began: float | None = None
        self._rounds = 0
        self.callback: Any = self._make_callback()

    def log_model(self, model: Any) -> None:
        """Name the trained model, where it was not trained with the callback."""
        self.model = model

    @abstractmethod
    def _make_callback(self) -> Any:
        """Return what the library calls after each round."""

    @abstractmethod
    def _write(self, path: Path) -> None:
        """Write the model to `path` in the library's own format."""

    def _best(self) -> tuple[int | None, float | None]:
        """Return the best round (from 0) and its score, where training stopped early."""
        return None, None

    def _params(self) -> dict[str, Any]:
        return model_params(self.model)

    def _round(self, iteration: int, values: Mapping[str, float]) -> None:
        """Record one boosting round."""
        if self._began is None:
            self._began = time.perf_counter()
        self._rounds = iteration + 1
        if values:
            self.run.log_metrics(values, step=iteration)

    def _finish(self) -> None:
        if self.model is None:
            self.run.log_note("no model was trained with the callback; name it with tracked.log_model(model)")
            return
        found: dict[str, float] = {"rounds": self._rounds} if self._rounds else {}
        if self._began is not None:
            found["train_seconds"] = time.perf_counter() - self._began
        best, score = self._best()
        if best is not None:
            found["best_iteration"] = best
        if score is not None:
            found["best_score"] = score
        self.run.log_params(self._params())
        path = self._save(self._save_native)
        if path is not None:
            found["model_bytes"] = path.stat().st_size
        self.run.log_metrics(found)

    def _save_native(self) -> Path:
        temporary = self.run.folder / f".{self.file_name}"
        try:
            self._write(temporary)
            path: Path = self.run.save_model(temporary.read_bytes(), self.file_name)
        finally:
            temporary.unlink(missing_ok=True)
        return path


class TrackedXGBoost(TrackedBooster):
    """XGBoost: ``xgb.train(params, dtrain, callbacks=[tracked.callback])``."""

    file_name = "model.ubj"

    def _make_callback(self) -> Any:
        xgb = _load("xgboost")
        tracked = self

        class Callback(xgb.callback.TrainingCallback):  # type: ignore[misc, name-defined]
            def before_training(self, model: Any) -> Any:
                tracked._began = time.perf_counter()
                return model

            def after_iteration(self, model: Any, epoch: int, evals_log: Mapping[str, Any]) -> bool:
                tracked.model = model
                values = {
                    f"{data}_{metric}": _mean(series[-1])
                    for data, metrics in evals_log.items()
                    for metric, series in metrics.items()
                }
                tracked._round(epoch, values)
                return False

            def after_training(self, model: Any) -> Any:
                tracked.model = model
                return model

            def __deepcopy__(self, memo: dict[int, Any]) -> Any:
                return self

        return Callback()

    def _booster(self) -> Any:
        # xgb.cv hands over its folds, the scikit-learn wrapper is handed over by log_model.
        model = self.model.get_booster() if hasattr(self.model, "get_booster") else self.model
        return model if hasattr(model, "save_raw") else None

    def _write(self, path: Path) -> None:
        booster = self._booster()
        if booster is None:
            raise TypeError("cross-validation leaves several models, none of them final")
        path.write_bytes(bytes(booster.save_raw(raw_format="ubj")))

    def _best(self) -> tuple[int | None, float | None]:
        attributes = self._booster().attributes() if self._booster() is not None else {}
        if "best_iteration" not in attributes:
            return None, None
        return int(attributes["best_iteration"]), float(attributes["best_score"])

    def _params(self) -> dict[str, Any]:
        booster = self._booster()
        if booster is None:
            return {}
        learner = json.loads(booster.save_config())["learner"]
        found: dict[str, Any] = {"objective": learner["objective"]["name"]}
        booster_name = learner["learner_train_param"]["booster"]
        trees = learner["gradient_booster"]
        trees = trees.get("gbtree", trees) if booster_name == "dart" else trees
        found |= {"booster": booster_name, **trees.get("tree_train_param", {})}
        return {name: _number(value) for name, value in found.items()}


class TrackedLightGBM(TrackedBooster):
    """LightGBM: ``lgb.train(params, data, callbacks=[tracked.callback])``."""

    file_name = "model.txt"

    def _make_callback(self) -> Callable[[Any], None]:
        _load("lightgbm")

        def callback(environment: Any) -> None:
            self.model = environment.model
            if environment.params:
                self.run.log_params(environment.params) if environment.iteration == 0 else None
            values = {
                f"{entry[0]}_{entry[1]}": entry[2] for entry in environment.evaluation_result_list or ()
            }
            self._round(environment.iteration, values)

        # After the library's own record of results, before an early stop ends the round.
        callback.order = 25  # type: ignore[attr-defined]
        return callback

    def _booster(self) -> Any:
        return getattr(self.model, "booster_", self.model)

    def _write(self, path: Path) -> None:
        booster = self._booster()
        if hasattr(booster, "boosters"):
            raise TypeError("cross-validation leaves several models, none of them final")
        booster.save_model(str(path))

    def _best(self) -> tuple[int | None, float | None]:
        booster = self._booster()
        best = getattr(booster, "best_iteration", -1)
        if best is None or best <= 0:
            return None, None
        scores = getattr(booster, "best_score", None) or {}
        values = [v for metrics in scores.values() if isinstance(metrics, Mapping) for v in metrics.values()]
        return best - 1, float(values[0]) if len(values) == 1 else None

    def _params(self) -> dict[str, Any]:
        return dict(getattr(self._booster(), "params", None) or {})


class TrackedCatBoost(TrackedBooster):
    """CatBoost: ``model.fit(X, y, callbacks=[tracked.callback])``."""

    file_name = "model.cbm"

    def _make_callback(self) -> Any:
        _load("catboost")
        tracked = self

        class Callback:
            def after_iteration(self, info: Any) -> bool:
                if tracked.model is None:
                    tracked.model = _find_catboost()
                values = {
                    f"{data}_{metric}": series[-1]
                    for data, metrics in info.metrics.items()
                    for metric, series in metrics.items()
                    if series
                }
                # The library counts rounds from 1.
                tracked._round(info.iteration - 1, values)
                return True

        return Callback()

    def _write(self, path: Path) -> None:
        self.model.save_model(str(path))

    def _best(self) -> tuple[int | None, float | None]:
        best = self.model.get_best_iteration()
        if best is None:
            return None, None
        scores = (self.model.get_best_score() or {}).get("validation", {})
        return int(best), float(next(iter(scores.values()))) if len(scores) == 1 else None


def _find_catboost() -> Any:
    """Return the model whose fit calls us: CatBoost tells its callbacks everything but that."""
    import catboost

    frame = sys._getframe(1)
    while frame is not None:
        owner = frame.f_locals.get("self")
        if isinstance(owner, catboost.CatBoost):
            return owner
        frame = frame.f_back  # type: ignore[assignment]
    return None


_FRAMEWORKS: dict[str, type[TrackedBooster]] = {
    "xgboost": TrackedXGBoost,
    "lightgbm": TrackedLightGBM,
    "catboost": TrackedCatBoost,
}


def track_boosting_model(
    framework: str, increment: str | None = None, *, name: str | None = None, **options: Any
) -> TrackedBooster:
    """Track a training with the library's own functions.

    Parameters
    ----------
    framework : {"xgboost", "lightgbm", "catboost"}
    increment : str, optional
        The active one where not given.
    name : str, optional
        Of the experiment; the framework's where not given.
    options
        ``task``, ``tags``, ``seed``, ``inputs``, ``data_sha256``, ``resume``.

    Raises
    ------
    UnknownNameError
        If the framework is none of the three.
    MissingExtraError
        If it is not installed.

    Examples
    --------
    ::

        with track_boosting_model("xgboost", increment="0042") as tracked:
            model = xgb.train(params, dtrain, callbacks=[tracked.callback])
    """
    known = str(framework).strip().lower()
    if known not in _FRAMEWORKS:
        raise UnknownNameError(
            f"no boosting framework is called '{framework}'", hint=did_you_mean(known, _FRAMEWORKS)
        )
    _load(known)
    run = open_run(None, increment, name=name or known, framework=known, **options)
    return _FRAMEWORKS[known](run)


def _load(package: str) -> Any:
    import importlib

    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise MissingExtraError.for_package(package, package, "tracking this booster") from error


def _mean(value: Any) -> float:
    # xgb.cv reports (mean, std) of the folds.
    return float(value[0]) if isinstance(value, tuple) else float(value)


def _number(text: Any) -> Any:
    try:
        number = float(text)
    except (TypeError, ValueError):
        return text
    return int(number) if number.is_integer() else number
