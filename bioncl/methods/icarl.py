"""iCaRL: exemplars chosen by herding, distillation, and decisions by the nearest class mean.

    "sigmoid"  Σ_i BCE(sigmoid(z_i), t_i) over all outputs seen; t_i is the old network's sigmoid
               for outputs of old tasks, and 1 for the label, else 0, for new ones (as published).
    "softmax"  CE(softmax(z), t); t is the old network's softmax for exemplars of old tasks, and
               the label for new examples (as in the scripts of Tadros et al. 2022).

Without distillation t is the label everywhere.

Each task trains on its data and the exemplars of old tasks. After it, K / (classes seen) exemplars
of each class are held: those of its own classes are chosen from its data, old lists are cut short.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, one_hot

from bioncl.errors import UnsupportedError, describe
from bioncl.learning.evaluation import largest_output
from bioncl.learning.herding import class_means, features, herd, nearest
from bioncl.learning.learner import Learner
from bioncl.learning.memory import tasks_of
from bioncl.learning.method import Method
from bioncl.learning.mixing import append
from bioncl.models.backbone import Backbone
from bioncl.streams.stream import Batch, Examples, Task, joined


@dataclass
class ICaRL(Method):
    """Exemplars, distillation and nearest class means.

    Attributes:
        memory: Exemplars in all, K.
        selection: How a class's exemplars are chosen from its data: "herding" or at "random".
        distillation: Whether old outputs are held to what the old network says.
        loss: "sigmoid" as in the paper, or "softmax"; see the module.
        decide_by: "nearest-mean" of the exemplars' features, or the largest "output".
    """

    scenarios: ClassVar[tuple[str, ...]] = ("class",)
    paper: ClassVar[str] = "Rebuffi et al. 2017 (1611.07725)"

    memory: Annotated[int, Ge(1)] = 2000
    selection: Literal["herding", "random"] = "herding"
    distillation: bool = True
    loss: Literal["sigmoid", "softmax"] = "sigmoid"
    decide_by: Literal["nearest-mean", "output"] = "nearest-mean"
    exemplars: dict[int, Examples] = field(default_factory=dict, init=False, repr=False)
    tasks: dict[int, int] = field(default_factory=dict, init=False, repr=False)
    old: Backbone | None = field(default=None, init=False, repr=False)
    seen: list[int] = field(default_factory=list, init=False, repr=False)
    known: list[int] = field(default_factory=list, init=False, repr=False)

    def attach(self, learner: Learner) -> None:
        """Take over the loss, and the decisions if they are by nearest mean.

        Raises:
            UnsupportedError: The network is trained with squared error.
        """
        if learner.model.output != "softmax":
            hint = 'Set model.output = "softmax"; the loss of iCaRL may still be "sigmoid".'
            raise UnsupportedError(describe("iCaRL trains logits, not ReLU outputs", hint=hint))
        learner.criterion = self.criterion
        if self.decide_by == "nearest-mean":
            learner.read_out = self.nearest_mean

    def before_task(self, learner: Learner, task: Task) -> None:
        """Keep the network as it is now, and put the exemplars beside the task's data."""
        groups = [learner.stream.group(index) for index in range(task.index + 1)]
        self.seen = sorted(output for group in groups for output in group)
        self.known = sorted(output for group in groups[:-1] for output in group)
        if self.distillation and self.known:
            self.old = copy.deepcopy(learner.model).requires_grad_(False).eval()
        append(learner, self.held())

    def criterion(self, logits: Tensor, batch: Batch) -> Tensor:
        """The loss of a batch, given its logits [n, outputs]; see the module."""
        targets = one_hot(batch.y, logits.shape[1]).to(logits.dtype)
        if self.loss == "softmax":
            return cross_entropy(logits, self.softened(targets, batch))
        if self.old is not None:
            with torch.no_grad():
                targets[:, self.known] = self.old(batch.x)[:, self.known].sigmoid()
        z, wanted = logits[:, self.seen], targets[:, self.seen]
        return binary_cross_entropy_with_logits(z, wanted, reduction="sum") / len(batch)

    def softened(self, targets: Tensor, batch: Batch) -> Tensor:
        """`targets` [n, outputs] with what the old network says for exemplars of old tasks."""
        if self.old is None:
            return targets
        mine = torch.isin(batch.y, torch.tensor(self.known, device=batch.y.device))
        if mine.any():
            with torch.no_grad():
                targets[mine] = self.old(batch.x[mine]).softmax(1)
        return targets

    def after_task(self, learner: Learner, task: Task) -> None:
        """Choose exemplars of the new classes, and cut the old lists short."""
        self.old = None
        classes = task.train.y.unique().tolist()
        share = self.memory // len({*self.exemplars, *classes})
        self.exemplars = {c: some.first(share) for c, some in self.exemplars.items()}
        for label in classes:
            mine = task.train.select((task.train.y == label).nonzero().flatten())
            chosen = self.choose(learner, mine.x, share)
            self.exemplars[label], self.tasks[label] = mine.select(chosen), task.index

    def choose(self, learner: Learner, x: Tensor, count: int) -> Tensor:
        """Places of `count` of the inputs `x` of one class, the most telling first."""
        if self.selection == "random":
            return torch.randperm(len(x), generator=learner.generator)[:count]
        return herd(features(learner.model, x, learner.device), count)

    def held(self) -> Batch:
        """All exemplars, class by class, each in order of choice."""
        none = torch.empty(0, dtype=torch.long)
        if not self.exemplars:
            return Batch(torch.empty(0), none, none)
        labels = sorted(self.exemplars)
        found = joined([self.exemplars[label] for label in labels])
        tasks = [torch.full((len(self.exemplars[c]),), self.tasks[c]) for c in labels]
        return Batch(found.x, found.y, torch.cat(tasks))

    def nearest_mean(self, model: Backbone, x: Tensor) -> Tensor:
        """The class whose exemplars' mean feature is nearest; see `Learner.read_out`."""
        held = self.held()
        if not len(held):
            return largest_output(model, x)
        points = features(model, held.x, x.device)
        classes, means = class_means(points, held.y.to(x.device))
        return nearest(features(model, x, x.device), classes, means)

    def state(self) -> dict[str, Tensor]:
        """See `Method`."""
        held = self.held()
        return {"examples.x": held.x, "examples.y": held.y, "examples.task": tasks_of(held)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """See `Method`."""
        x, y, task = (state[f"examples.{name}"] for name in ("x", "y", "task"))
        self.exemplars, self.tasks = {}, {}
        for label in y.unique().tolist():
            mine = y == label
            self.exemplars[label] = Examples(x[mine], y[mine])
            self.tasks[label] = int(task[mine][0])
