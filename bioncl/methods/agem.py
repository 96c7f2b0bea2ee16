"""A-GEM, Averaged GEM: no step may raise the loss on a random batch of old examples.

With g the gradient of the batch and r that of the old examples, a step uses g if ⟨g, r⟩ ≥ 0, else

    g̃ = g − (⟨g, r⟩ / ⟨r, r⟩) r

which is the vector nearest to g with ⟨g̃, r⟩ ≥ 0: GEM with one constraint, for any number of tasks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge
from torch import Tensor

from bioncl.learning.learner import Learner
from bioncl.learning.memory import RingMemory
from bioncl.learning.storing import StoringAsLearnt
from bioncl.streams.stream import Batch, Task


@dataclass
class AGEM(StoringAsLearnt[RingMemory]):
    """Projection of the gradient along that of old examples.

    Attributes:
        per_class: Latest examples kept of each class of each task.
        reference_batch: Old examples drawn at each step; all of them if there are fewer.
    """

    paper: ClassVar[str] = "Chaudhry et al. 2019 (1812.00420)"

    per_class: Annotated[int, Ge(1)] = 25
    reference_batch: Annotated[int, Ge(1)] = 256
    old: Batch | None = field(default=None, init=False, repr=False)

    def before_task(self, learner: Learner, task: Task) -> None:
        """Lay out the examples of old tasks, which stay as they are during this one."""
        self.old = self.opened(learner).before(task.index)

    def adjust_gradient(self, learner: Learner, batch: Batch) -> None:
        """Project the gradient if it would raise the loss of the old examples drawn."""
        if self.old is None or not len(self.old):
            return
        reference = learner.gradient_of(self.drawn(learner, self.old))
        gradient = learner.gradient()
        projected = project(gradient, reference)
        if projected is not gradient:
            learner.set_gradient(projected)

    def drawn(self, learner: Learner, old: Batch) -> Batch:
        """The old examples that judge this step."""
        chosen = torch.randperm(len(old), generator=learner.generator)[: self.reference_batch]
        tasks = old.task[chosen] if isinstance(old.task, Tensor) else old.task
        return Batch(old.x[chosen], old.y[chosen], tasks).to(learner.device)

    def new_store(self, outputs: int) -> RingMemory:
        """See `Storing`."""
        return RingMemory(self.per_class, by="task-class")


def project(gradient: Tensor, reference: Tensor) -> Tensor:
    """`gradient` [p] without its part against `reference` [p]; itself where there is none."""
    product = gradient @ reference
    if not product < 0:
        return gradient
    return gradient - product / (reference @ reference) * reference
