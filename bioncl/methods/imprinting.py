"""Imprinting: the output weights of a class begin as its mean feature, and learn in its task only.

    before task k:   w_c ← length · m_c / ‖m_c‖    for each class c of the task,
                     m_c = mean of the features of the examples of c, each of length 1
    in task k:       cross-entropy among the outputs of the task; the layers below stand still
                     (compete = "seen": among all outputs so far)
    after task k:    w_c ← length · w_c / ‖w_c‖

So an output looks for the cosine between an input's features and its class's, bent by what tells
the classes of one task apart; old outputs are never touched, and equal lengths keep them comparable
without old data. A night before the task (`sleep.when = "before-task"`, listed before this method)
is then the only thing that changes the layers below.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Gt
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from bioncl.errors import UnsupportedError, describe
from bioncl.learning.herding import class_means, features
from bioncl.learning.learner import Learner
from bioncl.learning.method import Method
from bioncl.models.heads import BLOCKED, SingleHead
from bioncl.streams.stream import Batch, Task


@dataclass
class Imprinting(Method):
    """Output weights of equal length that begin as class means of features.

    Attributes:
        length: Euclidean length of the output weights of each class; the longer, the steeper the
            softmax that tunes them.
        compete: Outputs in the cross-entropy of an example: those of its "own" task, or all "seen"
            so far, which then learn too; that needs rehearsal beside it.
    """

    scenarios: ClassVar[tuple[str, ...]] = ("class",)
    paper: ClassVar[str] = "Qi et al. 2018 (1712.07136)"

    length: Annotated[float, Gt(0)] = 20.0
    compete: Literal["own", "seen"] = "own"
    own: Tensor = field(init=False, repr=False)
    seen: Tensor = field(init=False, repr=False)

    def attach(self, learner: Learner) -> None:
        """See `Method`."""
        model = learner.model
        single = isinstance(model.head, SingleHead) and model.head.bias() is None
        if model.output != "softmax" or not single:
            expected = "a softmax over one output layer without bias"
            hint = 'Set model.output = "softmax", model.head = "single" and model.bias = false.'
            raise UnsupportedError(
                describe("Imprinting compares lengths of weights", expected=expected, hint=hint)
            )
        self.own = torch.zeros(len(learner.stream), learner.stream.outputs, dtype=torch.bool)
        for index, row in enumerate(self.own):
            row[list(learner.stream.group(index))] = True
        self.seen = self.own.any(0)
        learner.criterion = self.criterion

    def criterion(self, logits: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy of `logits` [n, outputs] among the outputs that compete."""
        competing = (self.own[batch.task] if self.compete == "own" else self.seen).to(logits.device)
        return cross_entropy(logits.masked_fill(~competing, BLOCKED), batch.y)

    def before_task(self, learner: Learner, task: Task) -> None:
        """Write the class means into the output layer; nothing else is to learn awake."""
        self.seen = self.own[: task.index + 1].any(0)
        head = set(learner.model.head.parameters())
        for parameter in learner.model.parameters():
            parameter.requires_grad_(parameter in head)
        points = features(learner.model, task.train.x, learner.device)
        classes, means = class_means(points, task.train.y.to(learner.device))
        weight = learner.model.head.weight().detach().clone()
        weight[classes] = self.length * means
        learner.model.head.write(weight)
        learner.changed()

    def after_task(self, learner: Learner, task: Task) -> None:
        """Bring the weights that learnt back to their length."""
        weight = learner.model.head.weight().detach().clone()
        rows = self.own[task.index] if self.compete == "own" else self.seen
        weight[rows] = self.length * normalize(weight[rows])
        learner.model.head.write(weight)
        learner.changed()
