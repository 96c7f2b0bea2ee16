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
    """Accuracy on each task's test data, and on all test data together (0..1)."""

    tasks: tuple[float, ...]
    all: float


ReadOut = Callable[[Backbone, Tensor], Tensor]


def evaluate(
    model: Backbone, stream: Stream, device: torch.device, read_out: ReadOut | None = None
) -> Scores:
    """Score `model` on every task of `stream`; leaves it in the mode it was in.

    In the task-incremental scenario the model is told the task; `all` is then the mean over tasks.

    Args:
        model: The network.
        stream: Whose test data to use.
        device: Where the model is.
        read_out: How a method decides by itself, such as by the nearest class mean: from the model
            and inputs to the chosen outputs int64 [n]. None takes the largest output.
    """
    choose = read_out or largest_output
    counts = []
    for i in range(len(stream)):
        model.use_task(i if stream.scenario == "task" else None)
        counts.append((correct(model, stream.test(i), device, choose), len(stream.test(i))))
    tasks = tuple(right / max(total, 1) for right, total in counts)
    if stream.scenario == "task":
        return Scores(tasks, sum(tasks) / len(tasks))
    return Scores(tasks, sum(c[0] for c in counts) / max(sum(c[1] for c in counts), 1))


def largest_output(model: Backbone, x: Tensor) -> Tensor:
    """The output that the model itself chooses for each input: int64 [n]."""
    return decide(model.output, model(x))


def correct(model: Backbone, examples: Examples, device: torch.device, choose: ReadOut) -> int:
    """Number of `examples` for which `choose` finds the label."""
    was_training = model.training
    model.eval()
    right = 0
    with torch.inference_mode():
        for x, y in zip(
            examples.x.split(EVALUATION_BATCH), examples.y.split(EVALUATION_BATCH), strict=True
        ):
            right += int((choose(model, x.to(device)) == y.to(device)).sum())
    model.train(was_training)
    return right
