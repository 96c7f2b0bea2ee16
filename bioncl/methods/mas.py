"""MAS, memory aware synapses: keep near old weights where they shape the outputs; needs no labels.

    after a task:   Ω_i ← Ω_i + mean_x |∂‖f(x)‖² / ∂θ_i|             f: the logits that compete
    in a task:      loss + strength · Σ_i Ω_i (θ_i − θ_i*)²          no factor ½

θ* is the network that the task begins with: what the task before left, asleep if a night followed.
So nothing but Ω is carried from task to task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge
from torch import Tensor

from bioncl.learning.fisher import drawn
from bioncl.learning.importance import Named, Rated, evaluating, importance, learning
from bioncl.learning.learner import Learner
from bioncl.learning.method import Method
from bioncl.learning.pull import Pull, on, place_of, plus, with_prefix, without_prefix
from bioncl.models.backbone import Backbone
from bioncl.models.heads import BLOCKED
from bioncl.streams.stream import Batch, Task


@dataclass
class MAS(Method):
    """A quadratic penalty, weighted by how much each parameter changes the outputs.

    Attributes:
        strength: λ of the paper.
        samples: Examples that importance is computed from; 0 takes all.
        batch: Examples whose gradients are averaged before the absolute value is taken; 1, as the
            paper defines it, lets every example count, larger ones let gradients cancel.
    """

    paper: ClassVar[str] = "Aljundi et al. 2018 (1711.09601)"

    strength: Annotated[float, Ge(0)] = 1.0
    samples: Annotated[int, Ge(0)] = 0
    batch: Annotated[int, Ge(1)] = 1
    omega: Named = field(default_factory=dict, init=False, repr=False)
    pull: Pull | None = field(default=None, init=False, repr=False)

    def before_task(self, learner: Learner, task: Task) -> None:
        """Note where the task begins."""
        self.omega = on(learner.device, self.omega)
        self.pull = Pull(self.omega, place_of(learner.model))

    def adjust_gradient(self, learner: Learner, batch: Batch) -> None:
        """Add the gradient of the penalty."""
        if self.pull is not None:
            self.pull.add_gradient(learner.model, self.strength)

    def after_task(self, learner: Learner, task: Task) -> None:
        """Add what shapes the outputs of this task."""
        model = learner.model
        model.use_task(task.index if learner.stream.scenario == "task" else None)
        examples = drawn(task.train, self.samples, learner.seed, task.index)
        if self.batch == 1:
            new = importance(model, examples, squared_length, power=1, device=learner.device)
        else:
            new = importance_of_batches(model, examples.x.split(self.batch), learner.device)
        self.omega = plus(self.omega, new)

    def state(self) -> dict[str, Tensor]:
        """See `Method`."""
        return with_prefix("omega", self.omega)

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """See `Method`."""
        self.omega = without_prefix("omega", state)


def squared_length(logits: Tensor, labels: Tensor, competing: Tensor) -> Rated:
    """Squared length of the competing logits [n, 1], with weight 1."""
    values = logits[:, competing].square().sum(1, keepdim=True)
    return values, torch.ones_like(values)


def importance_of_batches(
    model: Backbone, batches: Sequence[Tensor], device: torch.device
) -> Named:
    """Mean over `batches` [n, *shape] of |∂ mean ‖f(x)‖² / ∂θ|, by name."""
    parameters = learning(model)
    sums = {name: torch.zeros_like(p) for name, p in place_of(model).items()}
    with evaluating(model):
        for x in batches:
            logits = model(x.to(device))
            length = logits[:, logits[0] > BLOCKED / 2].square().sum(1).mean()
            found = torch.autograd.grad(length, list(parameters.values()), allow_unused=True)
            for total, gradient in zip(sums.values(), found, strict=True):
                if gradient is not None:
                    total.add_(gradient.abs())
    return {name: total / len(batches) for name, total in sums.items()}
