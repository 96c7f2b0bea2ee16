"""DER and DER++, Dark Experience Replay: on stored examples, keep giving the stored logits.

    loss = loss(batch) + alpha · mean (z − h(x))²  over one draw  + beta · loss(another draw)

z are the logits that the network gave when x was stored; h(x) are those of now. beta = 0 is DER.
The memory is a reservoir, offered every example once, in the first epoch, after its step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge
from torch import Tensor

from bioncl.learning.learner import Learner
from bioncl.learning.memory import ReservoirMemory
from bioncl.learning.method import Method
from bioncl.learning.mixing import only
from bioncl.models.heads import BLOCKED
from bioncl.streams.stream import Batch, Task


@dataclass
class DER(Method):
    """Replay of stored examples and of what the network said about them.

    Attributes:
        memory: Examples stored in all.
        alpha: Weight of the squared distance between stored and present logits.
        beta: Weight of the loss of stored examples under their labels.
        batch: Stored examples in each draw; 0 draws as many as the batch has.
    """

    paper: ClassVar[str] = "Buzzega et al. 2020 (2004.07211)"

    memory: Annotated[int, Ge(1)] = 200
    alpha: Annotated[float, Ge(0)] = 0.5
    beta: Annotated[float, Ge(0)] = 0.5
    batch: Annotated[int, Ge(0)] = 0
    store: ReservoirMemory | None = field(default=None, init=False, repr=False)
    logits: Tensor = field(default_factory=lambda: torch.empty(0, 0), init=False, repr=False)

    def before_task(self, learner: Learner, task: Task) -> None:
        """Make the memory when the first task begins."""
        if self.store is None:
            self.store = ReservoirMemory(self.memory)
            self.logits = torch.full((self.memory, learner.stream.outputs), BLOCKED)

    def extra_loss(self, learner: Learner, batch: Batch) -> Tensor | None:
        """Both terms, each on a draw of its own; nothing while the memory is empty."""
        if not self.store:
            return None
        count = self.batch or len(batch)
        places = self.store.choose(count, learner.generator)
        again = self.store.draw(count, learner.generator)
        kept = self.distance(learner, self.store.at(places).x, self.logits[places])
        return self.alpha * kept + self.beta * learner.loss(again.to(learner.device))

    def distance(self, learner: Learner, x: Tensor, stored: Tensor) -> Tensor:
        """Mean square of stored minus present logits, over the outputs that there were."""
        learner.model.use_task(None)
        wanted = stored.to(learner.device)
        there = wanted > BLOCKED / 2
        return (learner.model(x.to(learner.device)) - wanted)[there].square().mean()

    def after_step(self, learner: Learner, batch: Batch) -> None:
        """Offer this task's examples to the memory, once each, with their logits."""
        if self.store is None or learner.epoch > 0:
            return
        fresh = only(batch, learner.task.index)
        places, which = self.store.add(fresh, learner.generator)
        if places:
            self.logits[places] = said(learner, fresh.x[which]).cpu()

    def state(self) -> dict[str, Tensor]:
        """See `Method`."""
        if not self.store:
            return {}
        return self.store.state() | {"examples.logits": self.logits[: len(self.store)]}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """See `Method`."""
        if state:
            self.store = ReservoirMemory(self.memory)
            self.store.load_state(state)
            held = state["examples.logits"]
            self.logits = held.new_full((self.memory, held.shape[1]), BLOCKED)
            self.logits[: len(held)] = held


def said(learner: Learner, x: Tensor) -> Tensor:
    """Logits of all outputs for `x`, without dropout."""
    learner.model.use_task(None)
    learner.model.eval()
    with torch.no_grad():
        logits: Tensor = learner.model(x)
    learner.model.train()
    return logits
