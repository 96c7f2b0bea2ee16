"""Rehearsal: store some examples and train on them beside the new ones.

    loss = loss(batch) + weight · loss(drawn from memory)

The memory is offered every training example once, in the first epoch, after the step that used it.
Experience replay of Chaudhry et al. 2019 is this with one pass; "naive rehearsal" of Hsu et al.
2018 is this with `policy = "ring"`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge
from torch import Tensor

from bioncl.learning.learner import Learner
from bioncl.learning.memory import ReservoirMemory, RingMemory
from bioncl.learning.method import Method
from bioncl.streams.stream import Batch, Task


@dataclass
class Rehearsal(Method):
    """Replay of stored examples.

    Attributes:
        memory: Examples stored in all.
        policy: "reservoir" keeps every example seen with the same probability; "ring" keeps the
            latest of each class, memory / outputs of each.
        batch: Stored examples replayed at each step; 0 replays as many as the batch has.
        weight: Weight of their loss.
    """

    paper: ClassVar[str] = "Chaudhry et al. 2019 (1902.10486)"

    memory: Annotated[int, Ge(0)] = 200
    policy: Literal["reservoir", "ring"] = "reservoir"
    batch: Annotated[int, Ge(0)] = 0
    weight: Annotated[float, Ge(0)] = 1.0
    store: ReservoirMemory | RingMemory | None = field(default=None, init=False, repr=False)

    def before_task(self, learner: Learner, task: Task) -> None:
        """Make the memory when the first task begins."""
        if self.store is None:
            self.store = self._empty(learner.stream.outputs)

    def extra_loss(self, learner: Learner, batch: Batch) -> Tensor | None:
        """Loss of examples drawn from memory; nothing in the first task."""
        if not self.store or not len(self.store) or learner.task.index == 0:
            return None
        drawn = self.store.draw(self.batch or len(batch), learner.generator)
        return self.weight * learner.loss(drawn.to(learner.device))

    def after_step(self, learner: Learner, batch: Batch) -> None:
        """Offer the batch to the memory, once per example."""
        if self.store is not None and learner.epoch == 0:
            self.store.add(batch, learner.generator)

    def state(self) -> dict[str, Tensor]:
        """See `Method`."""
        return self.store.state() if self.store else {}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """See `Method`."""
        if state:
            self.store = self._empty(1)
            self.store.load_state(state)

    def _empty(self, outputs: int) -> ReservoirMemory | RingMemory:
        if self.policy == "reservoir":
            return ReservoirMemory(self.memory)
        return RingMemory(self.memory // outputs)
