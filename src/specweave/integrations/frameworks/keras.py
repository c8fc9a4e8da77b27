"""Keras 3 on any backend: one callback records the epochs, the best one and the model.

Reads: nothing. Writes: through the run. Never: changes what `fit` computes.
"""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from specweave.errors import MissingExtraError
from specweave.experiments.run import Run
from specweave.integrations.frameworks.base import name_of, open_run

try:
    import keras
except ImportError as error:
    raise MissingExtraError.for_package("keras", "keras", "KerasCallback") from error

MODEL, BEST = "model.keras", "best.keras"


class KerasCallback(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
    """Records a ``model.fit``: hand it over as ``callbacks=[KerasCallback(increment="0042")]``.

    Parameters
    ----------
    increment : str, optional
        The active one where not given.
    name : str, optional
        Of the experiment; the model's class where not given.
    monitor : str, optional
        What decides the best epoch; ``val_loss`` where there is validation data, else ``loss``.
    mode : {"auto", "min", "max"}
        Whether more of it is better; ``auto`` knows losses and errors from scores.
    save_best : bool
        Keep the model of the best epoch as ``best.keras``.
    options
        ``task``, ``tags``, ``seed``, ``inputs``, ``data_sha256``.

    Attributes
    ----------
    run : Run or None
        The experiment, once training has begun.
    """

    def __init__(
        self,
        increment: str | None = None,
        *,
        name: str | None = None,
        monitor: str | None = None,
        mode: str = "auto",
        save_best: bool = True,
        **options: Any,
    ) -> None:
        super().__init__()
        self.run: Run | None = None
        self.monitor = monitor
        self.mode = mode
        self.save_best = save_best
        self._increment = increment
        self._name = name
        self._options = options
        self._best: tuple[float, int] | None = None
        self._began = 0.0
        self._epoch_began = 0.0

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Open the experiment."""
        name = self._name or (
            name_of(self.model) if type(self.model).__name__ != "Functional" else "keras-model"
        )
        self.run = open_run(self.model, self._increment, name=name, framework="keras", **self._options)
        # Keras does not tell its callbacks when fit fails; the run must not stay "running" for ever.
        weakref.finalize(self, _close_unfinished, self.run)
        self._began = time.perf_counter()
        self._best = None
        optimizer = getattr(self.model, "optimizer", None)
        self.run.log_params(
            {
                **{k: v for k, v in (self.params or {}).items() if k in ("epochs", "steps")},
                "backend": keras.backend.backend(),
                "weights": int(self.model.count_params()) if self.model.built else None,
                "loss": _loss_name(getattr(self.model, "loss", None)),
                **_optimizer_params(optimizer),
            }
        )
        if self.model.built:
            self._describe()

    def _describe(self) -> None:
        lines: list[str] = []
        self.model.summary(print_fn=lambda line, **_: lines.append(str(line)), line_length=100)
        if self.run is not None:
            self.run.save_artifact("\n".join(lines), "architecture.txt")

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Start the epoch's stopwatch."""
        self._epoch_began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Record what Keras measured in this epoch."""
        if self.run is None:
            return
        found = {name: value for name, value in (logs or {}).items() if value is not None}
        rate = getattr(getattr(self.model, "optimizer", None), "learning_rate", None)
        if rate is not None and "learning_rate" not in found:
            found["learning_rate"] = float(keras.ops.convert_to_numpy(rate))
        found["epoch_seconds"] = time.perf_counter() - self._epoch_began
        self.run.log_metrics(found, step=epoch)
        self._keep_if_best(epoch, found)

    def _keep_if_best(self, epoch: int, found: Mapping[str, Any]) -> None:
        if self.monitor is None:
            self.monitor = "val_loss" if "val_loss" in found else "loss"
        value = found.get(self.monitor)
        if value is None or math.isnan(float(value)):
            return
        value = float(value)
        better = self._best is None or (value > self._best[0] if self._higher() else value < self._best[0])
        if better:
            self._best = (value, epoch)
            if self.save_best:
                self._save_model(BEST)

    def _higher(self) -> bool:
        if self.mode != "auto":
            return self.mode == "max"
        from specweave.metrics.base import find_metric, known_metric

        plain = (self.monitor or "").removeprefix("val_")
        if plain.endswith("loss") or "error" in plain:
            return False
        return find_metric(plain).higher_is_better if known_metric(plain) else True

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Save the model and close the experiment."""
        if self.run is None:
            return
        found: dict[str, float] = {"train_seconds": time.perf_counter() - self._began}
        path = self._save_model(MODEL)
        if path is not None:
            found["model_bytes"] = path.stat().st_size
        if self._best is not None:
            found |= {f"best_{self.monitor}": self._best[0], "best_epoch": self._best[1]}
        self.run.log_metrics(found)
        if not (self.run.folder / "architecture.txt").exists() and self.model.built:
            self._describe()
        self.run.close()

    def _save_model(self, name: str) -> Path | None:
        assert self.run is not None
        temporary = self.run.folder / f".{name}"
        try:
            self.model.save(temporary)
            return self.run.save_model(temporary.read_bytes(), name)
        except Exception as error:  # saving runs the layers' own code, and must not stop a training
            self.run.log_note(f"{name} was not saved: {error}")
            self.save_best = False
            return None
        finally:
            temporary.unlink(missing_ok=True)

    def __deepcopy__(self, memo: dict[int, Any]) -> KerasCallback:
        return self


def _close_unfinished(run: Run) -> None:
    if not run.closed:
        run.log_note("FAILED: fit ended before its last epoch")
        run.close("failed")


def _loss_name(loss: Any) -> Any:
    if isinstance(loss, str | type(None)):
        return loss
    return getattr(loss, "name", None) or getattr(loss, "__name__", type(loss).__name__)


def _optimizer_params(optimizer: Any) -> dict[str, Any]:
    if optimizer is None:
        return {}
    config = {k: v for k, v in optimizer.get_config().items() if isinstance(v, int | float | str | bool)}
    config.pop("name", None)
    return {"optimizer": type(optimizer).__name__, **{f"optimizer_{k}": v for k, v in config.items()}}
