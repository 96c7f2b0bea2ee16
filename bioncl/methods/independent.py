"""Independent: a network of its own for each task; no forgetting and no transfer.

The upper end where the task is told. Each task starts from the same initial weights. The network at
hand is the learner's; those of earlier tasks are kept as tensors and answer for their tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor
from torch.func import functional_call

from bioncl.learning.learner import Learner
from bioncl.learning.method import Method
from bioncl.learning.objective import decide
from bioncl.learning.pull import on, with_prefix, without_prefix
from bioncl.learning.task_heads import demand_task_heads
from bioncl.models.backbone import Backbone
from bioncl.streams.stream import Task


@dataclass
class Independent(Method):
    """One network for each task."""

    scenarios: ClassVar[tuple[str, ...]] = ("task",)
    paper: ClassVar[str] = "upper reference where the task is told"

    nets: list[dict[str, Tensor]] = field(default_factory=list, init=False, repr=False)

    def attach(self, learner: Learner) -> None:
        """Decide with the network of the task."""
        demand_task_heads(learner.model, "independent")
        learner.read_out = self.read_out

    def before_task(self, learner: Learner, task: Task) -> None:
        """Put the network of the task before away and start a new one."""
        if task.index > len(self.nets):
            tensors = learner.model.state_dict()
            self.nets.append({name: tensor.clone() for name, tensor in tensors.items()})
            learner.replace_model()

    def read_out(self, model: Backbone, x: Tensor) -> Tensor:
        """The outputs chosen by the network of the task that `model` was told: int64 [n].

        The network at hand answers for its own task and for tasks to come.
        """
        task = demand_task_heads(model, "independent").task
        if task is None or task >= len(self.nets):
            return decide(model.output, model(x))
        logits = functional_call(model, on(x.device, self.nets[task]), (x,))
        return decide(model.output, logits)

    def state(self) -> dict[str, Tensor]:
        """See `Method`; the network of the latest task is the learner's."""
        found: dict[str, Tensor] = {}
        for task, net in enumerate(self.nets):
            found |= with_prefix(f"net.{task}", net)
        return found

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """See `Method`."""
        self.nets = []
        while net := without_prefix(f"net.{len(self.nets)}", state):
            self.nets.append(net)
