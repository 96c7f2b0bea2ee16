"""Averaging: the mean of the weights of the tasks' networks, without data and without sleep.

    after task k:   mean ← mean + (θ_k − mean) / k

θ_k is what training of task k ends with. With `start = "initial"` each task begins at the same
initial weights, so the networks stay comparable; with "previous" it begins at θ_{k−1}; with "mean"
at the mean. Between tasks the learner's network is the mean, asleep if a night followed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor

from bioncl.learning.learner import Learner
from bioncl.learning.method import Method
from bioncl.learning.pull import with_prefix, without_prefix
from bioncl.streams.stream import Task


@dataclass
class Averaging(Method):
    """The running mean of the networks of all tasks.

    Attributes:
        start: Where each task begins: at the "initial" weights, at those of the "previous" task's
            network, or at the "mean" of all so far.
    """

    paper: ClassVar[str] = "model merging; baseline of agbld/sleep-replay-consolidation-python"

    start: Literal["initial", "previous", "mean"] = "initial"
    mean: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)
    trained: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)

    def before_task(self, learner: Learner, task: Task) -> None:
        """Note the mean, and go where the task begins."""
        self.mean = floating(learner)
        if self.start == "initial" and task.index > 0:
            learner.replace_model()
        elif self.start == "previous":
            write(learner, self.trained)

    def after_task(self, learner: Learner, task: Task) -> None:
        """Bring this task's network into the mean, and the mean into the learner."""
        new = floating(learner)
        if self.start == "previous":
            self.trained = new
        share = 1 / (task.index + 1)
        write(learner, {name: self.mean[name].lerp(new[name], share) for name in new})
        learner.changed()

    def state(self) -> dict[str, Tensor]:
        """See `Method`; the mean is the learner's network."""
        return with_prefix("trained", self.trained)

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """See `Method`."""
        self.trained = without_prefix("trained", state)


def floating(learner: Learner) -> dict[str, Tensor]:
    """Copies of all numbers of the network that can be averaged: parameters, running statistics."""
    tensors = learner.model.state_dict()
    return {name: t.clone() for name, t in tensors.items() if t.is_floating_point()}


def write(learner: Learner, tensors: Mapping[str, Tensor]) -> None:
    """Copy `tensors` into those of the network that have their names."""
    own = learner.model.state_dict()
    with torch.no_grad():
        for name, tensor in tensors.items():
            own[name].copy_(tensor)
