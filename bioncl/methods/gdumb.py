"""GDumb: keep a class-balanced memory, and train a new network on nothing else.

A task's examples are offered to the memory, in random order, before the task is learnt; then the
network starts afresh and the task's epochs go over the memory. It asks whether a method does better
than its memory alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge

from bioncl.learning.balanced import BalancedMemory
from bioncl.learning.learner import Learner
from bioncl.learning.storing import Storing
from bioncl.streams.stream import Batch, Examples, Task


@dataclass
class GDumb(Storing[BalancedMemory]):
    """A new network trained on a greedy, class-balanced memory.

    Attributes:
        memory: Examples stored in all.
        when: Train after "each" task, or only after the "last" one; the network is a new one
            until then.
    """

    paper: ClassVar[str] = "Prabhu et al. 2020 (ECCV)"

    memory: Annotated[int, Ge(1)] = 500
    when: Literal["each", "last"] = "each"

    def before_task(self, learner: Learner, task: Task) -> None:
        """Store some of the task, and start afresh on the memory alone."""
        store = self.opened(learner)
        order = torch.randperm(len(task.train), generator=learner.generator)
        offered = task.train.select(order)
        store.add(Batch(offered.x, offered.y, task.index), learner.generator)
        learner.replace_model()
        trains = self.when == "each" or task.index == len(learner.stream) - 1
        held = store.examples()
        learner.data = held if trains else Examples(held.x[:0], held.y[:0])
        learner.data_tasks = store.tasks()[: len(learner.data)]

    def new_store(self, outputs: int) -> BalancedMemory:
        """See `Storing`."""
        return BalancedMemory(self.memory, within="first")
