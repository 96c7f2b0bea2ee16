"""How a network is trained while it is awake: the settings, and the optimiser they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt, Interval, MinLen
from torch import Tensor, nn


@dataclass(frozen=True)
class Training:
    """Settings of awake training.

    Attributes:
        epochs: Passes over each task's training data; a list gives one number a task.
        batch_size: Examples a step; the last step of an epoch takes what is left.
        optimizer: "sgd" or "adam".
        lr: Learning rate of the first task.
        lr_decay: Factor on the learning rate from one task to the next.
        lr_min: The learning rate never decays below this.
        momentum: Of SGD.
        weight_decay: L2 penalty inside the optimiser.
        keep_optimizer: Whether momentum buffers live on from task to task and through sleep (as
            published for Sleep Replay Consolidation), or each task starts afresh.
        threads: torch's number of threads; small networks are fastest with one.
    """

    epochs: Annotated[int, Ge(0)] | Annotated[tuple[Annotated[int, Ge(0)], ...], MinLen(1)] = 1
    batch_size: Annotated[int, Ge(1)] = 100
    optimizer: Literal["sgd", "adam"] = "sgd"
    lr: Annotated[float, Gt(0)] = 0.1
    lr_decay: Annotated[float, Interval(gt=0, le=1)] = 1.0
    lr_min: Annotated[float, Ge(0)] = 0.0
    momentum: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    weight_decay: Annotated[float, Ge(0)] = 0.0
    keep_optimizer: bool = False
    threads: Annotated[int, Ge(1)] = 1

    def epochs_of(self, task: int) -> int:
        """Passes over the data of the task at `task`; the last number stands for all later ones."""
        if isinstance(self.epochs, int):
            return self.epochs
        return self.epochs[min(task, len(self.epochs) - 1)]

    def lr_of(self, task: int) -> float:
        """Learning rate of the task at `task`: max(lr · lr_decay^task, lr_min)."""
        return max(self.lr * self.lr_decay**task, self.lr_min)

    def make_optimizer(self, model: nn.Module, task: int) -> torch.optim.Optimizer:
        """A fresh optimiser for the task at `task`."""
        parameters = [p for p in model.parameters() if p.requires_grad]
        lr = self.lr_of(task)
        if self.optimizer == "adam":
            return torch.optim.Adam(parameters, lr=lr, weight_decay=self.weight_decay, fused=True)
        decay, momentum = self.weight_decay, self.momentum
        return torch.optim.SGD(
            parameters, lr=lr, momentum=momentum, weight_decay=decay, foreach=True
        )


def optimizer_state(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, Tensor]:
    """The optimiser's tensors as "<parameter>:<what>"; copies nothing."""
    found = {}
    for name, parameter in model.named_parameters():
        for what, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, Tensor):
                found[f"{name}:{what}"] = value
    return found


def restore_optimizer(
    optimizer: torch.optim.Optimizer, model: nn.Module, state: Mapping[str, Tensor]
) -> None:
    """Put back what `optimizer_state` returned, wherever name and shape still fit."""
    parameters = dict(model.named_parameters())
    for key, value in state.items():
        name, _, what = key.rpartition(":")
        parameter = parameters.get(name)
        if parameter is None or (value.dim() and value.shape != parameter.shape):
            continue
        optimizer.state[parameter][what] = value.to(parameter.device) if value.dim() else value
