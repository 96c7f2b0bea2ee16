"""Weight alignment: give the output weights of new classes the size of those of old ones.

    γ = mean ‖w_old‖ / mean ‖w_new‖,      w_new ← γ w_new                    after each task

Training on new classes alone makes their output weights longer, so that they win too often. It
needs no data. Biases stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from bioncl.learning.learner import Learner
from bioncl.learning.method import Method
from bioncl.models.heads import BlockHead, Head
from bioncl.streams.stream import Task


@dataclass
class WeightAlignment(Method):
    """Rescaling of output weights after each task.

    Attributes:
        align: "new" scales the rows of new classes by one factor, as published; "all" gives the row
            of every class seen so far their mean length.
    """

    scenarios: ClassVar[tuple[str, ...]] = ("class",)
    paper: ClassVar[str] = "Zhao et al. 2020 (1911.07053)"

    align: Literal["new", "all"] = "new"

    def after_task(self, learner: Learner, task: Task) -> None:
        """Rescale the rows of the output layer."""
        head = learner.model.head
        place = {output: row for row, output in enumerate(outputs_of_rows(head))}
        past = {output for i in range(task.index) for output in learner.stream.group(i)}
        old = [place[output] for output in sorted(past - set(task.outputs))]
        new = [place[output] for output in task.outputs]
        if self.align == "new" and not old:
            return
        weight = head.weight().detach().clone()
        if self.align == "new":
            weight[new] *= mean_length(weight[old]) / mean_length(weight[new])
        else:
            lengths = weight[old + new].norm(dim=1, keepdim=True)
            weight[old + new] *= lengths.mean() / lengths.clamp(min=torch.finfo(weight.dtype).tiny)
        head.write(weight)
        learner.changed()


def mean_length(rows: Tensor) -> Tensor:
    """Mean Euclidean length of `rows` [n, width], never quite zero."""
    return rows.norm(dim=1).mean().clamp(min=torch.finfo(rows.dtype).tiny)


def outputs_of_rows(head: Head) -> list[int]:
    """The output that each row of `head.weight()` drives."""
    if isinstance(head, BlockHead):
        return [output for group in head.groups[: len(head.blocks)] for output in group]
    return list(range(len(head.weight())))
