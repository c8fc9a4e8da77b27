"""Which loss a module needs, told by its last layer and its first batch; and what its outputs mean.

Reads: nothing. Writes: nothing. Never: overrules a loss that was passed.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from torch import nn

OutputKind = Literal["probability", "number", "other"]


def choose_loss(model: nn.Module, output: torch.Tensor, target: torch.Tensor) -> tuple[nn.Module, str]:
    """Return a loss and the reason for it.

    Parameters
    ----------
    output : Tensor, shape (n_rows, ...)
    target : Tensor, shape (n_rows, ...)
    """
    last = [m for m in model.modules() if not list(m.children())][-1:]
    ending = type(last[0]).__name__ if last else ""
    columns = output.shape[1] if output.dim() == 2 else 1
    if not torch.is_floating_point(target) and columns > 1:
        if ending == "LogSoftmax":
            return nn.NLLLoss(), "class numbers, and the module ends in LogSoftmax"
        if ending == "Softmax":
            return LogOfSoftmaxLoss(), "class numbers, and the module ends in Softmax"
        return nn.CrossEntropyLoss(), f"class numbers and {columns} outputs"
    two_values = bool(((target == 0) | (target == 1)).all())
    if columns == 1 and two_values:
        if ending == "Sigmoid":
            return nn.BCELoss(), "targets are 0 and 1, and the module ends in Sigmoid"
        return nn.BCEWithLogitsLoss(), "targets are 0 and 1 and there is one output"
    return nn.MSELoss(), "targets are numbers"


class LogOfSoftmaxLoss(nn.Module):  # type: ignore[misc]
    """Negative log likelihood of outputs that are probabilities already."""

    def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the mean loss; `output` holds probabilities, shape (n_rows, n_classes)."""
        return nn.functional.nll_loss(output.clamp_min(1e-12).log(), target)


def fit_target(loss: Any, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the target in the shape and type that the library's own losses insist on."""
    if isinstance(
        loss, nn.BCELoss | nn.BCEWithLogitsLoss | nn.MSELoss | nn.L1Loss | nn.SmoothL1Loss | nn.HuberLoss
    ):
        # Without this (n,) against (n, 1) is broadcast to (n, n) and trains on nonsense.
        fits = target.numel() == output.numel() and target.shape != output.shape
        return (target.reshape(output.shape) if fits else target).to(output.dtype)
    if isinstance(loss, nn.CrossEntropyLoss | nn.NLLLoss) and target.dim() == 2 and target.shape[1] == 1:
        return target[:, 0]
    return target


def scores_of(loss: Any, output: torch.Tensor, target: torch.Tensor) -> tuple[OutputKind, Any]:
    """Return what outputs mean under a loss: probabilities (n_rows, n_classes), numbers, or neither."""
    output = output.detach().float()
    flat = output.dim() == 1 or (output.dim() == 2 and output.shape[1] == 1)
    if isinstance(loss, nn.BCEWithLogitsLoss | nn.BCELoss) and flat:
        positive = (output if isinstance(loss, nn.BCELoss) else output.sigmoid()).reshape(-1).numpy()
        return "probability", np.column_stack([1 - positive, positive])
    if output.dim() == 2 and output.shape[1] > 1 and target.numel() == len(target):
        if isinstance(loss, nn.CrossEntropyLoss):
            return "probability", output.softmax(1).numpy()
        if isinstance(loss, nn.NLLLoss):
            return "probability", output.exp().numpy()
        if isinstance(loss, LogOfSoftmaxLoss):
            return "probability", output.numpy()
    if isinstance(loss, nn.MSELoss | nn.L1Loss | nn.SmoothL1Loss | nn.HuberLoss):
        return "number", output.reshape(-1).numpy()
    return "other", None
