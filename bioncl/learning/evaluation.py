"""How well a network does on the tests of all tasks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from bioncl.learning.objective import decide
from bioncl.models.backbone import Backbone
from bioncl.streams.stream import Examples, Stream

EVALUATION_BATCH = 2000


@dataclass(frozen=True)
class Scores:
    """How well a network does on test data.

    Attributes:
        tasks: Accuracy on each task's test data, 0..1.
        all: Accuracy on all test data together.
        confusion: How often each label (row) was taken for each output (column), over all tasks.
    """

    tasks: tuple[float, ...]
    all: float
    confusion: tuple[tuple[int, ...], ...] = ()


ReadOut = Callable[[Backbone, Tensor], Tensor]


def evaluate(
    model: Backbone, stream: Stream, device: torch.device, read_out: ReadOut | None = None
) -> Scores:
    """Score `model` on every task of `stream`.

    Afterwards it is in the mode it was in, and all its outputs compete.

    In the task-incremental scenario the model is told the task; `all` is then the mean over tasks.

    Args:
        model: The network.
        stream: Whose test data to use.
        device: Where the model is.
        read_out: How a method decides by itself, such as by the nearest class mean: from the model
            and inputs to the chosen outputs int64 [n]. None takes the largest output.
    """
    choose = read_out or largest_output
    tables = []
    for i in range(len(stream)):
        model.use_task(i if stream.scenario == "task" else None)
        tables.append(confusion(model, stream.test(i), device, choose, stream.outputs))
    model.use_task(None)
    tasks = tuple(share_right(table) for table in tables)
    whole = torch.stack(tables).sum(0)
    everything = sum(tasks) / len(tasks) if stream.scenario == "task" else share_right(whole)
    return Scores(tasks, everything, tuple(map(tuple, whole.tolist())))


def share_right(table: Tensor) -> float:
    """Accuracy of a confusion table, 0..1; 0 for an empty one."""
    return float(table.diagonal().sum()) / max(int(table.sum()), 1)


def largest_output(model: Backbone, x: Tensor) -> Tensor:
    """The output that the model itself chooses for each input: int64 [n]."""
    return decide(model.output, model(x))


def confusion(
    model: Backbone, examples: Examples, device: torch.device, choose: ReadOut, outputs: int
) -> Tensor:
    """How often each label was taken for each output: int64 [label, decision]."""
    was_training = model.training
    model.eval()
    pairs = [torch.empty(0, dtype=torch.long)]
    with torch.inference_mode():
        for x, y in zip(
            examples.x.split(EVALUATION_BATCH), examples.y.split(EVALUATION_BATCH), strict=True
        ):
            pairs.append(y * outputs + choose(model, x.to(device)).cpu())
    model.train(was_training)
    return torch.cat(pairs).bincount(minlength=outputs**2).view(outputs, outputs)
