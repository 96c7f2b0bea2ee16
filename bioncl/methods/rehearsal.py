"""Rehearsal: store some examples and train on them beside the new ones.

    mix = "loss":    loss = loss(batch) + weight · loss(drawn from memory)
    mix = "append":  the stored examples join the data of each new task, and the loss is that of
                     batches from both

The memory is offered every training example of a task once: in the first epoch, after the step that
used it. With `fraction` there is no memory: that share of all old data is drawn anew for each task.

Experience replay of Chaudhry et al. 2019 is mix = "loss" with one pass; "naive rehearsal" of Hsu et
al. 2018 is mix = "append", repeated, with policy = "class-balanced"; the rehearsal of Tadros et al.
2022 is `fraction`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Interval
from torch import Tensor

from bioncl.errors import SettingsError, describe
from bioncl.learning.balanced import BalancedMemory
from bioncl.learning.learner import Learner
from bioncl.learning.memory import Memory, ReservoirMemory, RingMemory
from bioncl.learning.mixing import append
from bioncl.learning.storing import StoringAsLearnt
from bioncl.streams.stream import Batch, Stream, Task, joined


@dataclass
class Rehearsal(StoringAsLearnt[Memory]):
    """Replay of stored examples.

    Attributes:
        memory: Examples stored in all.
        policy: "reservoir" keeps every example seen with the same probability; "ring" keeps the
            latest of each class, memory / outputs of each; "class-balanced" keeps as many of every
            class, each of them with the same probability.
        batch: Stored examples replayed at each step; 0 replays as many as the batch has.
        weight: Weight of their loss.
        mix: "loss" or "append"; see the module.
        repeat: With "append", repeat the stored examples until they are about as many as the new.
        fraction: With "append", draw this share of all old data for each task instead of storing
            `memory` examples; all old data then counts as stored.
        round_to: Round the number drawn by `fraction` to a multiple of this.
    """

    paper: ClassVar[str] = "Chaudhry et al. 2019 (1902.10486)"

    memory: Annotated[int, Ge(0)] = 200
    policy: Literal["reservoir", "ring", "class-balanced"] = "reservoir"
    batch: Annotated[int, Ge(0)] = 0
    weight: Annotated[float, Ge(0)] = 1.0
    mix: Literal["loss", "append"] = "loss"
    repeat: bool = False
    fraction: Annotated[float, Interval(ge=0, le=1)] = 0.0
    round_to: Annotated[int, Ge(1)] = 1

    @property
    def reads_past(self) -> bool:
        """Old data is drawn from if a fraction of it is."""
        return self.fraction > 0

    def check(self, stream: Stream) -> None:
        """See `Method`."""
        super().check(stream)
        if self.fraction > 0 and self.mix != "append":
            hint = 'Set mix = "append", or leave fraction out.'
            raise SettingsError(describe("Rehearsal appends a fraction of old data", hint=hint))
        if self.policy == "ring" and 0 < self.memory < stream.outputs and not self.fraction:
            what = "A ring of examples for each output would be empty: methods.memory"
            expected = f"at least {stream.outputs}, the outputs of the stream"
            hint = 'Store more, or set policy = "class-balanced".'
            raise SettingsError(describe(what, expected=expected, got=self.memory, hint=hint))

    def before_task(self, learner: Learner, task: Task) -> None:
        """Make the memory when the first task begins; append old examples if asked to."""
        if not self.fraction:
            self.opened(learner)
        if self.mix == "append" and task.index > 0:
            append(learner, self.old(learner), repeat=self.repeat)

    def old(self, learner: Learner) -> Batch:
        """The old examples that join a task: those stored, or some of all."""
        if self.store is not None:
            held = self.store.examples()
            return Batch(held.x, held.y, self.store.tasks())
        parts = learner.past()
        everything = joined(parts)
        lengths = torch.tensor([len(part) for part in parts])
        tasks = torch.arange(len(parts)).repeat_interleave(lengths)
        count = round(self.fraction * len(everything) / self.round_to) * self.round_to
        chosen = torch.randperm(len(everything), generator=learner.generator)[:count]
        drawn = everything.select(chosen)
        return Batch(drawn.x, drawn.y, tasks[chosen])

    def extra_loss(self, learner: Learner, batch: Batch) -> Tensor | None:
        """Loss of examples drawn from memory; nothing in the first task."""
        if self.mix != "loss" or not self.store or learner.task.index == 0:
            return None
        drawn = self.store.draw(self.batch or len(batch), learner.generator)
        return self.weight * learner.loss(drawn.to(learner.device))

    def new_store(self, outputs: int) -> Memory:
        """See `Storing`."""
        if self.policy == "reservoir":
            return ReservoirMemory(self.memory)
        if self.policy == "ring":
            return RingMemory(self.memory // outputs)
        return BalancedMemory(self.memory)
