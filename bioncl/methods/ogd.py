"""OGD, Orthogonal Gradient Descent: steps leave old examples' outputs alone, to first order.

Some examples of each task are kept as directions: the gradients ∇f(x) of outputs f of the network
by its weights, as it is when the task is done. Each step of later tasks takes

    g̃ = g − Σ_v ⟨g, v⟩ v        v: an orthonormal basis S of all directions kept

    variant = "gtl"   f is the logit of the example's label ("ground-truth logit")
              "all"   every logit, a direction each
              "ave"   the mean of the logits

Then f(x; θ − η g̃) = f(x; θ) + O(η²), and with no second order for a network that is linear in its
weights. In the task-incremental scenario heads of their own for each task are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge
from torch import Tensor
from torch.nn import Parameter

from bioncl.learning.fisher import drawn
from bioncl.learning.importance import Named, evaluating, learning
from bioncl.learning.learner import Learner
from bioncl.learning.method import Method
from bioncl.learning.orthogonal import extended, off
from bioncl.learning.plain_sgd import demand_plain_sgd
from bioncl.learning.pull import with_prefix, without_prefix
from bioncl.learning.task_heads import heads_apart
from bioncl.models.heads import BLOCKED
from bioncl.streams.stream import Batch, Task

ROWS = 50
"""Directions that are found at a time."""

LEAST = 1e-3
"""Share of a direction that has to lie off those kept for it to be kept too."""


@dataclass
class OGD(Method):
    """Steps orthogonal to the gradients of old examples' outputs.

    Attributes:
        variant: Which outputs; see the module.
        samples: Examples of each task whose directions are kept.
    """

    paper: ClassVar[str] = "Farajtabar, Azizan, Mott & Li 2020 (1910.07104)"

    variant: Literal["gtl", "all", "ave"] = "gtl"
    samples: Annotated[int, Ge(1)] = 200
    basis: Tensor = field(default_factory=lambda: torch.empty(0, 0), init=False, repr=False)
    widths: dict[str, int] = field(default_factory=dict, init=False, repr=False)

    def attach(self, learner: Learner) -> None:
        """Refuse optimisers that leave the projection.

        Raises:
            UnsupportedError: Says which, and what would suit.
        """
        demand_plain_sgd(learner.training, "ogd")

    def before_task(self, learner: Learner, task: Task) -> None:
        """Lay out the basis for the parameters that there are now; new ones get zeros."""
        old = self.parts()
        apart = heads_apart(learner.model, learner.stream.scenario)
        parameters = {
            name: p
            for name, p in learning(learner.model).items()
            if not (apart and name.split(".")[0] == "head")
        }
        parts = [
            old[name] if name in old else torch.zeros(len(self.basis), p.numel())
            for name, p in parameters.items()
        ]
        self.basis = torch.cat([part.to(learner.device) for part in parts], 1)
        self.widths = {name: p.numel() for name, p in parameters.items()}

    def adjust_gradient(self, learner: Learner, batch: Batch) -> None:
        """Take all directions out of the gradient."""
        if not len(self.basis):
            return
        parameters = self.parameters(learner)
        found = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        left = off(flat(found)[None], self.basis)[0].split(list(self.widths.values()))
        for p, part in zip(parameters, left, strict=True):
            p.grad = part.view_as(p)

    def after_task(self, learner: Learner, task: Task) -> None:
        """Keep the directions of some examples."""
        model = learner.model
        model.use_task(task.index if learner.stream.scenario == "task" else None)
        with evaluating(model):
            rows = self.directions(learner, task)
            for some in iter(lambda: list(islice(rows, ROWS)), []):
                self.basis = extended(self.basis, torch.stack(some), LEAST)

    def directions(self, learner: Learner, task: Task) -> Iterator[Tensor]:
        """The gradients of all outputs wanted, as vectors."""
        parameters = self.parameters(learner)
        examples = drawn(task.train, self.samples, learner.seed, task.index).to(learner.device)
        for x, label in zip(examples.x, examples.y.tolist(), strict=True):
            for value in self.values(learner.model(x[None])[0], label):
                yield flat(
                    torch.autograd.grad(
                        value, parameters, retain_graph=True, materialize_grads=True
                    )
                )

    def values(self, logits: Tensor, label: int) -> list[Tensor]:
        """The outputs of one example, from its `logits` [outputs], that are to stay."""
        if self.variant == "gtl":
            return [logits[label]]
        there = logits[logits.detach() > BLOCKED / 2]
        return [there.mean()] if self.variant == "ave" else list(there)

    def parameters(self, learner: Learner) -> list[Parameter]:
        """The parameters whose gradient is projected, in the order of the basis."""
        parameters = learning(learner.model)
        return [parameters[name] for name in self.widths]

    def parts(self) -> Named:
        """The basis, cut up by parameter: [directions, numbers of the parameter] each."""
        return dict(zip(self.widths, self.basis.split(list(self.widths.values()), 1), strict=True))

    def state(self) -> dict[str, Tensor]:
        """See `Method`."""
        return with_prefix("basis", self.parts())

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """See `Method`."""
        parts = without_prefix("basis", state)
        self.widths = {name: part.shape[1] for name, part in parts.items()}
        self.basis = torch.cat(list(parts.values()), 1) if parts else torch.empty(0, 0)


def flat(tensors: Sequence[Tensor]) -> Tensor:
    """All numbers of `tensors` as one vector."""
    return torch.cat([tensor.reshape(-1) for tensor in tensors])
