"""Stable SGD: a regime of training that ends in wide minima, and moves less and less.

The loss on an old task rises by at most about ½ λ ‖Δw‖², where λ is the largest curvature at its
minimum. Dropout, a large learning rate and small batches lower λ; a learning rate that falls from
task to task shortens Δw:

    lr of task k = max(train.lr · decay^k, lr_min),   k = 0, 1, …

The learning rate of the first task, the size of batches and momentum are those of [train].
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar

from annotated_types import Ge, Interval
from torch import nn

from bioncl.errors import SettingsError, UnsupportedError, describe
from bioncl.learning.learner import Learner
from bioncl.learning.method import Method
from bioncl.models.mlp import Dropout
from bioncl.streams.stream import Batch, Task


@dataclass
class StableSGD(Method):
    """Dropout, and a learning rate that decays from task to task.

    Attributes:
        dropout: Share of activations dropped in training; 0 leaves the network as it is set.
        decay: Factor on the learning rate from one task to the next; 1 leaves it as it is set.
        lr_min: The learning rate does not decay below this.
        fresh_velocity: Whether momentum begins anew with every epoch, as in the authors' code.
    """

    paper: ClassVar[str] = "Mirzadeh et al. 2020 (2006.06958)"

    dropout: Annotated[float, Interval(ge=0, lt=1)] = 0.25
    decay: Annotated[float, Interval(gt=0, le=1)] = 0.8
    lr_min: Annotated[float, Ge(0)] = 5e-5
    fresh_velocity: bool = True
    epoch: int = field(default=-1, init=False, repr=False)

    def attach(self, learner: Learner) -> None:
        """Set learning rates and dropout.

        Raises:
            UnsupportedError: The network has no dropout to set.
            SettingsError: The learning rate decays already, or the network has dropout already.
        """
        if self.dropout > 0:
            set_dropout(learner.model, self.dropout)
        if self.decay == 1:
            return
        training = learner.training
        if training.lr_decay not in (1.0, self.decay):
            hint = "Leave train.lr_decay out."
            what = "stable-sgd sets how the learning rate decays, but train.lr_decay is set too"
            raise SettingsError(describe(what, got=training.lr_decay, hint=hint))
        learner.training = replace(training, lr_decay=self.decay, lr_min=self.lr_min)

    def before_task(self, learner: Learner, task: Task) -> None:
        """Set dropout of a network that another method has put in place."""
        self.epoch = -1
        if self.dropout > 0:
            set_dropout(learner.model, self.dropout)

    def adjust_gradient(self, learner: Learner, batch: Batch) -> None:
        """Drop what the optimiser remembers when an epoch begins."""
        if self.fresh_velocity and learner.epoch != self.epoch:
            self.epoch = learner.epoch
            learner.optimizer.state.clear()


def set_dropout(model: nn.Module, share: float) -> None:
    """Let all dropout layers of `model` drop `share` of the activations in training.

    Raises:
        UnsupportedError: There are none.
        SettingsError: They drop another share already.
    """
    layers = [module for module in model.modules() if isinstance(module, Dropout)]
    if not layers:
        hint = 'Set dropout = 0, or model.name = "mlp" or "convnet".'
        raise UnsupportedError(describe("stable-sgd: this network has no dropout", hint=hint))
    for layer in layers:
        if layer.keep not in (1.0, 1.0 - share):
            what, hint = "stable-sgd sets dropout, but model.dropout is set too", "Leave one out."
            raise SettingsError(describe(what, got=1.0 - layer.keep, hint=hint))
        layer.keep = 1.0 - share
