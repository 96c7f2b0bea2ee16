"""Progressive networks: a new column for each task, fed by the frozen old ones.

    before task k   a new network stands beside those of tasks 1..k−1, which stop learning;
                    lateral connections lead from their layers into its own
    task k          is answered by column k, for ever; see `bioncl.models.progressive`

Nothing of an old task changes, so nothing is forgotten, to the bit; what old columns know helps the
new one. The price is a network a task, and laterals whose number grows with the square of it.

The learner's network is the latest column; earlier ones, and all laterals, are what is carried.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge
from torch import Tensor

from bioncl.learning.company import demand_alone
from bioncl.learning.importance import Named
from bioncl.learning.learner import Learner
from bioncl.learning.method import Method
from bioncl.learning.objective import decide
from bioncl.learning.pull import with_prefix, without_prefix
from bioncl.learning.task_heads import demand_per_task_head
from bioncl.models.backbone import Backbone
from bioncl.models.progressive import Column, LateralKind, ProgressiveNetwork, stages
from bioncl.streams.stream import Task


@dataclass
class Progressive(Method):
    """One column a task.

    Attributes:
        lateral: "adapter" brings all earlier columns down to the width of one before they feed the
            new one; "linear" feeds it by all of them directly.
        alpha: Largest initial factor on what comes from an earlier column, with "adapter".
    """

    scenarios: ClassVar[tuple[str, ...]] = ("task",)
    paper: ClassVar[str] = "Rusu et al. 2016 (1606.04671)"

    lateral: LateralKind = "adapter"
    alpha: Annotated[float, Ge(0)] = 0.1
    frozen: list[Named] = field(default_factory=list, init=False, repr=False)
    laterals: Named = field(default_factory=dict, init=False, repr=False)
    seed: int = field(default=0, init=False, repr=False)
    network: ProgressiveNetwork | None = field(default=None, init=False, repr=False)

    def check_beside(self, others: Sequence[Method]) -> None:
        """Refuse other methods, sleep too."""
        reason = "old columns stand still, so nothing is left to protect"
        demand_alone("progressive", others, reason)

    def attach(self, learner: Learner) -> None:
        """Decide with the column of the task; refuse a network that has no columns."""
        demand_per_task_head(learner.model, "progressive")
        stages(learner.model)
        learner.read_out, self.seed = self.read_out, learner.seed

    def before_task(self, learner: Learner, task: Task) -> None:
        """Put the column of the task before away, and begin one beside it."""
        if task.index > len(self.frozen):
            self.frozen.append(self.finished(learner.model, task.index - 1))
            self.laterals = {}
            learner.replace_model()
        self.network = self.joined(learner.model)
        learner.replace_model(self.network)

    def after_task(self, learner: Learner, task: Task) -> None:
        """Leave the learner the column itself; its laterals are carried here."""
        if self.network is not None:
            held = self.network.last.laterals.state_dict()
            self.laterals = {name: tensor.clone() for name, tensor in held.items()}
            learner.replace_model(self.network.net)
            learner.model.eval()

    def finished(self, net: Backbone, index: int) -> Named:
        """Copies of all that column `index` consists of: `net`, with one head, and laterals."""
        own = f"head.blocks.{index}."
        tensors = net.state_dict().items()
        kept = {k: v.clone() for k, v in tensors if not k.startswith("head.") or k.startswith(own)}
        return with_prefix("net", kept) | with_prefix("laterals", self.laterals)

    def joined(self, net: Backbone) -> ProgressiveNetwork:
        """The frozen columns, and `net` as the last one."""
        device = next(net.parameters()).device
        columns = []
        for index, tensors in enumerate(self.frozen):
            column = self.column(copy.deepcopy(net), index)
            column.load_state_dict(tensors, strict=False)  # heads of other tasks are not kept
            columns.append(column)
        last = self.column(net, len(self.frozen))
        if self.laterals:
            last.laterals.load_state_dict(self.laterals)
        network = ProgressiveNetwork([*columns, last])
        for column in network.columns:
            column.to(device)
        return network

    def column(self, net: Backbone, index: int) -> Column:
        """A column around `net`, its laterals new."""
        return Column.new(net, index, self.lateral, self.alpha, self.seed)

    def read_out(self, model: Backbone, x: Tensor) -> Tensor:
        """The outputs chosen by the column of the task that `model` was told: int64 [n]."""
        if self.network is None or self.network.net is not model:
            self.network = self.joined(model)
        with torch.no_grad():
            return decide(model.output, self.network(x))

    def state(self) -> dict[str, Tensor]:
        """See `Method`: earlier columns, and the laterals of the latest."""
        found = with_prefix("laterals", self.laterals)
        for index, tensors in enumerate(self.frozen):
            found |= with_prefix(f"column.{index}", tensors)
        return found

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """See `Method`."""
        self.laterals, self.frozen = without_prefix("laterals", state), []
        while tensors := without_prefix(f"column.{len(self.frozen)}", state):
            self.frozen.append(tensors)
        self.network = None
