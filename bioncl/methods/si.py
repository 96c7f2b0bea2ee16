"""SI, synaptic intelligence: keep near old weights where moving them lowered the loss.

    each step:    ω_i ← ω_i − g_i Δθ_i
    task's end:   Ω_i ← Ω_i + max(0, ω_i) / ((θ_i − θ_i*)² + xi),      ω ← 0
    in a task:    loss + c · Σ_i Ω_i (θ_i − θ_i*)²                       no factor ½

g is the gradient of the loss without the penalty; the sum of ω over all parameters is its path
integral, and so the fall of the loss. θ* is the network that the task begins with: what the task
before left, asleep if a night followed. So nothing but Ω is carried from task to task.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from bioncl.learning.importance import Named, learning
from bioncl.learning.learner import Learner
from bioncl.learning.method import Method
from bioncl.learning.pull import Pull, on, place_of, plus, with_prefix, without_prefix
from bioncl.streams.stream import Batch, Task


@dataclass
class SI(Method):
    """A quadratic penalty, weighted by what each parameter did for the loss.

    Attributes:
        c: Strength of the penalty.
        xi: Damping ξ, which bounds the importance of parameters that hardly moved.
    """

    paper: ClassVar[str] = "Zenke, Poole & Ganguli 2017 (1703.04200)"

    c: Annotated[float, Ge(0)] = 0.1
    xi: Annotated[float, Gt(0)] = 0.1
    omega: Named = field(default_factory=dict, init=False, repr=False)
    pull: Pull | None = field(default=None, init=False, repr=False)
    path: Named = field(default_factory=dict, init=False, repr=False)
    step: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict, init=False, repr=False)

    def before_task(self, learner: Learner, task: Task) -> None:
        """Note where the task begins."""
        self.omega = on(learner.device, self.omega)
        self.pull = Pull(self.omega, place_of(learner.model))
        self.path = {name: torch.zeros_like(p) for name, p in self.pull.anchor.items()}

    def adjust_gradient(self, learner: Learner, batch: Batch) -> None:
        """Note gradient and place before the step, then add the gradient of the penalty."""
        self.step = {
            name: (p.grad.clone(), p.detach().clone())
            for name, p in learning(learner.model).items()
            if p.grad is not None
        }
        if self.pull is not None:
            self.pull.add_gradient(learner.model, self.c)

    def after_step(self, learner: Learner, batch: Batch) -> None:
        """Add the step to the path integral."""
        parameters = learning(learner.model)
        for name, (gradient, before) in self.step.items():
            self.path[name].addcmul_(gradient, before.sub_(parameters[name].detach()))

    def after_task(self, learner: Learner, task: Task) -> None:
        """Turn the path integral into importance."""
        if self.pull is None:
            return
        new = {}
        for name, p in learning(learner.model).items():
            moved = (p.detach() - self.pull.anchor[name]).square()
            new[name] = self.path[name].clamp(min=0) / (moved + self.xi)
        self.omega = plus(self.omega, new)
        self.step = {}

    def state(self) -> dict[str, Tensor]:
        """See `Method`."""
        return with_prefix("omega", self.omega)

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """See `Method`."""
        self.omega = without_prefix("omega", state)
