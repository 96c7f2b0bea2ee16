"""Methods with a memory of examples: when it is made, what goes into it, how it is saved.

`Storing` makes, saves and loads one memory; `StoringAsLearnt` also offers it the examples of every
task as they are learnt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from torch import Tensor

from bioncl.learning.learner import Learner
from bioncl.learning.memory import Memory
from bioncl.learning.method import Method
from bioncl.learning.mixing import only
from bioncl.streams.stream import Batch

M = TypeVar("M", bound=Memory)


@dataclass
class Storing(Method, Generic[M]):
    """Base of methods that carry one memory of examples.

    Attributes:
        store: The memory, None until `opened` or `load_state` is called.
    """

    store: M | None = field(default=None, init=False, repr=False)

    def new_store(self, outputs: int) -> M:
        """An empty memory for a stream with so many outputs."""
        raise NotImplementedError

    def opened(self, learner: Learner) -> M:
        """The memory, which is made if there is none yet."""
        if self.store is None:
            self.store = self.new_store(learner.stream.outputs)
        return self.store

    def state(self) -> dict[str, Tensor]:
        """See `Method`."""
        return self.store.state() if self.store is not None else {}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """See `Method`; how much room there is comes with the state."""
        if state:
            self.store = self.new_store(1)
            self.store.load_state(state)


@dataclass
class StoringAsLearnt(Storing[M]):
    """Base of methods that store from the steps of training."""

    def after_step(self, learner: Learner, batch: Batch) -> None:
        """Offer this task's examples to the memory, once each."""
        if self.store is not None and learner.epoch == 0:
            self.store.add(only(batch, learner.task.index), learner.generator)
