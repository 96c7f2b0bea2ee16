"""MC-SGD, mode connectivity SGD: a solution joined to the old one and the new one by low loss.

Let w̄ be the network that a task begins with and ŵ the one that training on it ends with. After the
task the network becomes

    argmin_w  Σ_a  L_past(w̄ + a (w − w̄)) + L_task(ŵ + a (w − ŵ)),     a = 0, 1/n, …, 1

L_past is the loss on a few stored examples of all old tasks, L_task that of the task at hand. The
gradient of a term is a · ∇L(point), so a = 0 adds nothing. Descent begins on the way from w̄ to ŵ.
Training itself is whatever the settings say; the paper trains as stable SGD does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Gt, Interval
from torch import Tensor

from bioncl.errors import DivergedError, UnsupportedError, describe
from bioncl.learning.learner import Learner
from bioncl.learning.memory import RingMemory, tasks_of
from bioncl.learning.storing import StoringAsLearnt
from bioncl.models.backbone import Backbone
from bioncl.models.normalisation import batch_statistics, measure_statistics
from bioncl.streams.stream import Batch, Task


@dataclass
class MCSGD(StoringAsLearnt[RingMemory]):
    """Descent on the loss along two lines, after each task.

    Attributes:
        per_class: Latest examples kept of each class of each task.
        points: n, points on each line besides its fixed end.
        start: Where descent begins: share of the way from w̄ to ŵ.
        steps: Steps of descent; the task's data is passed over as often as they need.
        batch_size: Examples of the task, and at most as many stored ones, in each step.
        lr: Learning rate.
        momentum: Of these steps.
    """

    paper: ClassVar[str] = "Mirzadeh et al. 2021 (2010.04495)"

    per_class: Annotated[int, Ge(1)] = 1
    points: Annotated[int, Ge(1)] = 10
    start: Annotated[float, Interval(ge=0, le=1)] = 0.25
    steps: Annotated[int, Ge(0)] = 200
    batch_size: Annotated[int, Ge(1)] = 64
    lr: Annotated[float, Gt(0)] = 0.01
    momentum: Annotated[float, Interval(ge=0, lt=1)] = 0.8
    begun: Tensor | None = field(default=None, init=False, repr=False)
    network: Backbone | None = field(default=None, init=False, repr=False)

    def before_task(self, learner: Learner, task: Task) -> None:
        """Note w̄, in the order of the learner's parameters.

        Raises:
            UnsupportedError: Another method has put a new network in place.
        """
        self.opened(learner)
        self.check_network(learner)
        self.network, self.begun = learner.model, learner.vector()

    def check_network(self, learner: Learner) -> None:
        """Refuse a network that is not the one of before; a checkpoint's is trusted."""
        if self.network is not None and self.network is not learner.model:
            what = "mc-sgd joins the solutions of one network, but another method replaced it"
            raise UnsupportedError(describe(what, hint="Leave mc-sgd or the other method out."))

    def after_task(self, learner: Learner, task: Task) -> None:
        """Go to the solution that both lines lead to.

        Raises:
            UnsupportedError: The network is not the one that the task began with.
            DivergedError: The solution is not finite.
        """
        self.check_network(learner)
        begun, self.begun = self.begun, None
        if self.store is None or begun is None:
            return
        past, ended = self.store.before(task.index).to(learner.device), learner.vector()
        if not len(past):
            return
        if begun.shape != ended.shape:
            what = "mc-sgd joins the solutions of one network, but this one has changed its shape"
            raise UnsupportedError(describe(what, hint="Leave mc-sgd or the other method out."))
        with batch_statistics(learner.model):
            found = self.connected(learner, (begun, ended), past)
        if not torch.isfinite(found).all():
            raise DivergedError(describe("mc-sgd diverged", hint="Lower its lr."))
        learner.set_vector(found)
        once = -(-len(task.train) // self.batch_size)
        pairs = self.pairs(learner, past, once)
        measure_statistics(learner.model, (batch.x for pair in pairs for batch in pair))
        learner.changed()

    def connected(self, learner: Learner, ends: tuple[Tensor, Tensor], past: Batch) -> Tensor:
        """The solution w [parameters]; the learner's network is left at some point of a line.

        Args:
            learner: Whose network.
            ends: The fixed ends w̄ and ŵ of the lines.
            past: All stored examples of old tasks.
        """
        solution = torch.lerp(*ends, self.start)
        velocity = torch.zeros_like(solution)
        name = f"task {learner.task.index + 1} ({learner.task.name}): steps of mc-sgd"
        with learner.progress.start(name, self.steps) as bar:
            for batches in self.pairs(learner, past, self.steps):
                velocity.mul_(self.momentum)
                for end, batch in zip(ends, batches, strict=True):
                    velocity += line_gradient(learner, end, solution, self.points, batch)
                solution.sub_(velocity, alpha=self.lr)
                learner.steps += 1
                bar.advance()
        return solution

    def pairs(self, learner: Learner, past: Batch, count: int) -> Iterator[tuple[Batch, Batch]]:
        """Pairs of batches: of stored examples, and of the task at hand in random order."""
        new, left = learner.task.train, torch.empty(0, dtype=torch.long)
        for _ in range(count):
            if not len(left):
                left = torch.randperm(len(new), generator=learner.generator)
            chosen, left = left[: self.batch_size], left[self.batch_size :]
            part = new.select(chosen).to(learner.device)
            yield self.drawn(learner, past), Batch(part.x, part.y, learner.task.index)

    def drawn(self, learner: Learner, past: Batch) -> Batch:
        """Some of the stored examples, or all if they are few."""
        if len(past) <= self.batch_size:
            return past
        chosen = torch.randperm(len(past), generator=learner.generator)[: self.batch_size]
        return Batch(past.x[chosen], past.y[chosen], tasks_of(past)[chosen])

    def new_store(self, outputs: int) -> RingMemory:
        """See `Storing`."""
        return RingMemory(self.per_class, by="task-class")


def line_gradient(
    learner: Learner, fixed: Tensor, moving: Tensor, points: int, batch: Batch
) -> Tensor:
    """Gradient of Σ_a L(fixed + a (moving − fixed)) at `moving`: Σ_a a · ∇L(point).

    Args:
        learner: Whose network and loss; the network is left at `moving`.
        fixed: The end with a = 0: [parameters].
        moving: The end with a = 1, of the same shape.
        points: n; a = 1/n, 2/n, …, 1.
        batch: What L is the loss of.
    """
    total = torch.zeros_like(moving)
    for place in range(1, points + 1):
        share = place / points
        learner.set_vector(torch.lerp(fixed, moving, share))
        total.add_(learner.gradient_of(batch), alpha=share)
    return total
