"""LwF, Learning without Forgetting: on new data, keep giving the old network's outputs.

    fixed:  loss = CE + strength · Σ_k KD_T(old outputs of group k, present ones)
    1/t:    loss = (1/t) · CE + (1 − 1/t) · strength · mean_k KD_T(…)        in task t = 1, 2, …

KD_T is `bioncl.learning.objective.distillation`. The groups hold old outputs only: of each old
task where the task is told, of all old tasks together where all classes compete; where tasks
share their outputs, all are old. Nothing is carried from task to task: the old network is the one
that a task begins with, and is evaluated on each batch.

Where all classes compete, `new_outputs = "zero"` lets the new outputs take part in the softmax,
with nothing wanted of them, as van de Ven & Tolias 2018 do. On the new data this works against the
labels. `over_outputs = "mean"` divides the distillation of a group by the number of outputs that
compete in it, as an early version of their code did.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from bioncl.errors import UnsupportedError, describe
from bioncl.learning.learner import Learner
from bioncl.learning.method import Method
from bioncl.learning.objective import distillation
from bioncl.models.backbone import Backbone
from bioncl.models.heads import BLOCKED
from bioncl.streams.stream import Batch, Stream, Task


@dataclass
class LwF(Method):
    """Distillation from the network before the task.

    Attributes:
        strength: Weight of the distillation, λ_o of the paper.
        temperature: T of the softened outputs.
        weighting: "fixed", as in the paper, or "1/t", which gives each task seen an equal share
            (van de Ven & Tolias 2018).
        new_outputs: Of the class-incremental scenario: "apart" distils old outputs among
            themselves, "zero" asks that new ones have no probability beside them.
        over_outputs: "sum", as cross-entropy is defined, or "mean", which divides it by the number
            of outputs (van de Ven & Tolias 2018).
        warm_up: Epochs of each later task in which the head alone learns; they are the first of
            train.epochs.
    """

    scenarios: ClassVar[tuple[str, ...]] = ("task", "domain", "class")
    paper: ClassVar[str] = "Li & Hoiem 2016 (1606.09282)"

    strength: Annotated[float, Ge(0)] = 1.0
    temperature: Annotated[float, Gt(0)] = 2.0
    weighting: Literal["fixed", "1/t"] = "fixed"
    new_outputs: Literal["apart", "zero"] = "apart"
    over_outputs: Literal["sum", "mean"] = "sum"
    warm_up: Annotated[int, Ge(0)] = 0
    old: Backbone | None = field(default=None, init=False, repr=False)
    groups: list[list[int]] = field(default_factory=list, init=False, repr=False)
    silent: list[int] = field(default_factory=list, init=False, repr=False)

    def before_task(self, learner: Learner, task: Task) -> None:
        """Keep the network as it is now."""
        if learner.model.output != "softmax":
            hint = 'Set model.output = "softmax".'
            raise UnsupportedError(describe("LwF distils probabilities", hint=hint))
        if task.index > 0:
            self.old = copy.deepcopy(learner.model).requires_grad_(False).eval()
            self.old.use_task(None)
            self.groups = old_groups(learner.stream, task.index)
            if learner.stream.scenario == "class" and self.new_outputs == "zero":
                self.silent = [o for o in task.outputs if o not in self.groups[0]]
                self.groups = [self.groups[0] + self.silent]

    def extra_loss(self, learner: Learner, batch: Batch) -> Tensor | None:
        """Distance of the old outputs from what they were."""
        if self.old is None:
            return None
        with torch.no_grad():
            wanted = self.old(batch.x)
            wanted[:, self.silent] = BLOCKED
        learner.model.use_task(None)
        logits = learner.model(batch.x)
        parts = [
            distillation(logits[:, g], wanted[:, g], self.temperature) / self._divisor(g)
            for g in self.groups
        ]
        kept = self.strength * torch.stack(parts).sum()
        if self.weighting == "fixed":
            return kept
        old_share = 1 - 1 / (learner.task.index + 1)  # the loop has added one whole CE already
        return old_share * (kept / len(parts) - learner.loss(batch))

    def _divisor(self, group: list[int]) -> int:
        return len(group) if self.over_outputs == "mean" else 1

    def adjust_gradient(self, learner: Learner, batch: Batch) -> None:
        """Let the head alone learn in the first epochs of a task."""
        if self.old is not None and learner.epoch < self.warm_up:
            head = set(learner.model.head.parameters())
            for parameter in learner.parameters():
                if parameter not in head:
                    parameter.grad = None

    def after_task(self, learner: Learner, task: Task) -> None:
        """Drop the old network."""
        self.old = None


def old_groups(stream: Stream, index: int) -> list[list[int]]:
    """The groups of outputs that the tasks before the one at `index` have left behind."""
    if stream.scenario == "domain":
        return [list(range(stream.outputs))]
    groups = [list(stream.group(k)) for k in range(index)]
    if stream.scenario == "task":
        return groups
    return [sorted({output for group in groups for output in group})]
