"""PyTorch: epochs, losses, learning rates, checkpoints of the best and the last, resume.

Reads: its own checkpoints. Writes: through the run. Never: changes what a training computes; a resumed
one has its weights, optimizer, scheduler and random state back.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from specweave.errors import DataError, StateError
from specweave.experiments.run import Run
from specweave.files.atomic import replacing
from specweave.integrations.frameworks.base import TrackedTraining, open_run
from specweave.integrations.frameworks.measures import label_metrics, number_metrics
from specweave.integrations.frameworks.torch_losses import choose_loss, fit_target, scores_of

LAST, BEST, WEIGHTS = "checkpoint-last.pt", "checkpoint-best.pt", "model.pt"


class TrackedModule(TrackedTraining):
    """A module whose epochs are recorded.

    Attributes
    ----------
    model : torch.nn.Module
    optimizer : torch.optim.Optimizer
    loss : callable or None
        ``loss(output, target)``; chosen from the first batch where none was passed or found.
    device : torch.device
    epoch : int
        Epochs trained so far; not 0 after a resume.
    """

    def __init__(
        self,
        run: Run,
        model: nn.Module,
        *,
        loss: Any = None,
        optimizer: Any = None,
        scheduler: Any = None,
        device: Any = None,
        monitor: str | None = None,
        clip_norm: float | None = None,
    ) -> None:
        super().__init__(run)
        self.device = torch.device(device) if device is not None else _device_of(model)
        self.model = model.to(self.device)
        self.loss = (
            loss if loss is not None else _found(model, "loss", "criterion", "loss_fn", "loss_function")
        )
        self.optimizer = optimizer if optimizer is not None else _find_optimizer(model)
        self.scheduler = scheduler if scheduler is not None else _found(model, "scheduler", "lr_scheduler")
        self.monitor = monitor
        self.clip_norm = clip_norm
        self.epoch = 0
        self.best: float | None = None
        self.best_epoch: int | None = None
        self._log_params()

    def _log_params(self) -> None:
        weights = [p.numel() for p in self.model.parameters()]
        settings = {k: v for k, v in self.optimizer.param_groups[0].items() if k != "params"}
        self.run.log_params(
            {
                "module": type(self.model).__name__,
                "weights": sum(weights),
                "trained_weights": sum(p.numel() for p in self.model.parameters() if p.requires_grad),
                "device": str(self.device),
                "optimizer": type(self.optimizer).__name__,
                **{f"optimizer_{name}": value for name, value in settings.items()},
                **({"loss": _name_of(self.loss)} if self.loss is not None else {}),
                **({"scheduler": type(self.scheduler).__name__} if self.scheduler is not None else {}),
                **({"clip_norm": self.clip_norm} if self.clip_norm is not None else {}),
            }
        )
        self.run.save_artifact(str(self.model), "architecture.txt")

    # -- training --------------------------------------------------------------------------------

    def epochs(self, total: int) -> Iterator[int]:
        """Yield the numbers of the epochs that are still to be trained, 0 to `total` - 1."""
        while self.epoch < total:
            before = self.epoch
            yield before
            if self.epoch == before:
                raise StateError(
                    "no epoch was trained", where=self.run.id, hint="call tracked.train_epoch(loader)"
                )

    def train_epoch(self, loader: Iterable[Any]) -> float:
        """Train once over the loader's batches, and checkpoint.

        Parameters
        ----------
        loader : iterable
            Batches ``(x, y)``, ``(x1, x2, ..., y)``, or mappings with the target under ``"y"``,
            ``"target"``, ``"labels"`` or ``"label"``.

        Returns
        -------
        float
            Mean training loss per row.

        Raises
        ------
        DataError
            If the loader is empty or a batch holds no target.
        """
        began = time.perf_counter()
        self.model.train()
        total, rows = 0.0, 0
        for batch in loader:
            inputs, target = self._unpack(batch)
            self.optimizer.zero_grad()
            output = self.model(*inputs)
            value = self._loss_of(output, target)
            value.backward()
            if self.clip_norm is not None:
                nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm)
            self.optimizer.step()
            size = len(target)
            total += float(value.detach()) * size
            rows += size
        if not rows:
            raise DataError("the loader gave no batch", where=self.run.id, hint="check its data set's length")
        mean = total / rows
        found = {
            "train_loss": mean,
            "learning_rate": float(self.optimizer.param_groups[0]["lr"]),
            "epoch_seconds": time.perf_counter() - began,
        }
        self.run.log_metrics(found, step=self.epoch)
        if math.isnan(mean):
            self.run.log_note(f"the training loss became NaN in epoch {self.epoch}")
        self._step_scheduler(None)
        self.epoch += 1
        if self.monitor in (None, "train_loss"):
            self._keep_if_best("train_loss", mean, watched=self.monitor == "train_loss")
        self._save_checkpoint(LAST)
        return mean

    def evaluate(self, loader: Iterable[Any], *, prefix: str = "val_") -> dict[str, float]:
        """Measure the module on a loader it is not trained on.

        The best checkpoint follows ``val_loss`` (or `monitor`) from the first call on.

        Returns
        -------
        dict
            ``loss`` and every metric the outputs allow, logged under `prefix` with the step of the
            last trained epoch.
        """
        outputs, targets, total, rows = self._predict(loader)
        found = {"loss": total / rows, **_measure(self.loss, outputs, targets)}
        step = max(0, self.epoch - 1)
        self.run.log_metrics({f"{prefix}{name}": value for name, value in found.items()}, step=step)
        self._step_scheduler(found["loss"])
        watched = self.monitor or f"{prefix}loss"
        if watched.startswith(prefix) and watched[len(prefix) :] in found:
            self._keep_if_best(watched, found[watched[len(prefix) :]], watched=True)
        self._save_checkpoint(LAST)
        return found

    def _predict(self, loader: Iterable[Any]) -> tuple[torch.Tensor, torch.Tensor, float, int]:
        was_training = self.model.training
        self.model.eval()
        outputs, targets, total, rows = [], [], 0.0, 0
        with torch.no_grad():
            for batch in loader:
                inputs, target = self._unpack(batch)
                output = self.model(*inputs)
                total += float(self._loss_of(output, target)) * len(target)
                rows += len(target)
                outputs.append(output.cpu())
                targets.append(target.cpu())
        self.model.train(was_training)
        if not rows:
            raise DataError("the loader gave no batch", where=self.run.id, hint="check its data set's length")
        return torch.cat(outputs), torch.cat(targets), total, rows

    def _unpack(self, batch: Any) -> tuple[list[Any], Any]:
        if isinstance(batch, Mapping):
            named = dict(batch)
            for name in ("y", "target", "targets", "labels", "label"):
                if name in named:
                    target = named.pop(name)
                    return [v.to(self.device) for v in named.values()], target.to(self.device)
        elif isinstance(batch, Sequence) and len(batch) >= 2:
            *inputs, target = batch
            return [v.to(self.device) for v in inputs], target.to(self.device)
        raise DataError(
            f"a batch of type {type(batch).__name__} holds no target",
            where=self.run.id,
            hint="yield (inputs, target) from the loader",
        )

    def _loss_of(self, output: Any, target: Any) -> Any:
        if self.loss is None:
            self.loss, why = choose_loss(self.model, output, target)
            self.run.log_param("loss", _name_of(self.loss))
            self.run.log_note(f"loss {_name_of(self.loss)}: {why}; pass loss=... to choose another")
        return self.loss(output, fit_target(self.loss, output, target))

    def _step_scheduler(self, loss: float | None) -> None:
        if self.scheduler is None:
            return
        needs_loss = isinstance(self.scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau)
        if needs_loss and loss is not None:
            self.scheduler.step(loss)
        elif not needs_loss and loss is None:
            self.scheduler.step()

    # -- checkpoints -----------------------------------------------------------------------------

    def _keep_if_best(self, metric: str, value: float, *, watched: bool) -> None:
        from specweave.metrics.base import find_metric, known_metric

        # An evaluation set takes over from the training loss, which only stands in for one.
        if watched and self.monitor is None:
            self.monitor, self.best = metric, None
        plain = metric.partition("_")[2]
        higher = not plain.endswith("loss") and known_metric(plain) and find_metric(plain).higher_is_better
        better = self.best is None or (value > self.best if higher else value < self.best)
        if better and not math.isnan(value):
            self.best, self.best_epoch = value, self.epoch - 1
            self._save_checkpoint(BEST)

    def _save_checkpoint(self, name: str) -> None:
        state = {
            "epoch": self.epoch,
            "best": self.best,
            "best_epoch": self.best_epoch,
            "monitor": self.monitor,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "random": torch.get_rng_state(),
        }
        with replacing(self.run.folder / name) as temporary:
            torch.save(state, temporary)

    def load_best(self) -> Self:
        """Put the weights of the best epoch into the model.

        Raises
        ------
        StateError
            If no epoch was trained yet.
        """
        path = self.run.folder / BEST
        if not path.exists():
            raise StateError("there is no best epoch yet", where=self.run.id, hint="train an epoch first")
        self.model.load_state_dict(torch.load(path, map_location=self.device, weights_only=True)["model"])
        return self

    def restore(self) -> bool:
        """Go on from the last checkpoint of this run; False where there is none."""
        path = self.run.folder / LAST
        if not path.exists():
            return False
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler is not None and state["scheduler"] is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        self.epoch, self.best = state["epoch"], state["best"]
        self.best_epoch, self.monitor = state["best_epoch"], state["monitor"]
        torch.set_rng_state(state["random"].cpu())
        self.run.log_note(f"resumed after epoch {self.epoch - 1}")
        return True

    def _finish(self) -> None:
        path: Path | None = self._save(self.run.save_model, self.model.state_dict(), WEIGHTS)
        # A copy, so that the caller's module stays on its device.
        on_cpu = self.model if self.device.type == "cpu" else copy.deepcopy(self.model).cpu()
        self._save(self.run.save_model, on_cpu, "model.pkl")
        for name in (LAST, BEST):
            if (self.run.folder / name).exists():
                self.run.log_artifact(self.run.folder / name)
        found: dict[str, float] = {"epochs": self.epoch}
        if path is not None:
            found["model_bytes"] = path.stat().st_size
        if self.best is not None and self.best_epoch is not None:
            found |= {"best_epoch": self.best_epoch, f"best_{self.monitor or 'train_loss'}": self.best}
        self.run.log_metrics(found)


def _measure(loss: Any, output: torch.Tensor, target: torch.Tensor) -> dict[str, float]:
    """Return the metrics that a module's outputs carry."""
    kind, values = scores_of(loss, output, target)
    truth = target.detach().numpy()
    if kind == "number":
        return number_metrics(truth, values) if np.size(values) == np.size(truth) else {}
    if kind == "probability":
        return label_metrics(truth.ravel().astype(int), list(range(values.shape[1])), proba=values)
    return {}


def _device_of(model: nn.Module) -> torch.device:
    first = next(model.parameters(), None)
    if first is not None and first.device.type != "cpu":
        return first.device
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("cpu")


def _found(model: nn.Module, *names: str) -> Any:
    return next(
        (v for name in names if (v := getattr(model, name, None)) is not None and not _is_method(v)), None
    )


def _is_method(value: Any) -> bool:
    # A method called `loss` may take anything; only objects are taken for a loss.
    return hasattr(value, "__self__")


def _find_optimizer(model: nn.Module) -> Any:
    found = _found(model, "optimizer", "optim")
    if found is not None:
        return found
    configure = getattr(model, "configure_optimizers", None)
    if callable(configure):
        made = configure()
        if isinstance(made, torch.optim.Optimizer):
            return made
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise DataError("the module has no weights to train", hint="pass optimizer=...")
    return torch.optim.Adam(parameters)


def _name_of(loss: Any) -> str:
    return (
        type(loss).__name__ if isinstance(loss, nn.Module) else getattr(loss, "__name__", type(loss).__name__)
    )


def track_pytorch_model(
    model: nn.Module,
    increment: str | None = None,
    *,
    name: str | None = None,
    loss: Any = None,
    optimizer: Any = None,
    scheduler: Any = None,
    device: Any = None,
    monitor: str | None = None,
    clip_norm: float | None = None,
    resume: bool = False,
    **options: Any,
) -> TrackedModule:
    """Track the training of a PyTorch module.

    Parameters
    ----------
    model : torch.nn.Module
    increment : str, optional
        The active one where not given.
    name : str, optional
        Of the experiment; the module's class where not given.
    loss : callable, optional
        ``loss(output, target)``. Else the module's ``loss``, ``criterion``, ``loss_fn`` or
        ``loss_function``, else one that fits the first batch (said in a note).
    optimizer, scheduler : optional
        Else the module's own (``optimizer``, ``configure_optimizers()``), else Adam and none.
    device : str or torch.device, optional
        Where the module is, or a GPU where there is one.
    monitor : str, optional
        What decides the best epoch: ``val_loss`` where `evaluate` is called, else ``train_loss``.
    clip_norm : float, optional
        Largest norm of the gradient.
    resume : bool
        Go on with the interrupted or failed run of that name, from its last checkpoint.
    options
        ``task``, ``tags``, ``seed``, ``inputs``, ``data_sha256``.

    Examples
    --------
    ::

        with track_pytorch_model(NeuralNet(), increment="0042") as tracked:
            for epoch in tracked.epochs(10):
                tracked.train_epoch(train_loader)
                tracked.evaluate(valid_loader)
    """
    run = open_run(model, increment, name=name, framework="pytorch", resume=resume, **options)
    try:
        tracked = TrackedModule(
            run,
            model,
            loss=loss,
            optimizer=optimizer,
            scheduler=scheduler,
            device=device,
            monitor=monitor,
            clip_norm=clip_norm,
        )
        if resume:
            tracked.restore()
    except BaseException as error:
        run.fail(error)
        raise
    return tracked
