"""How well a network does on the tests of all tasks."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from bioncl.learning.objective import decide
from bioncl.models.backbone import Backbone
from bioncl.streams.stream import Examples, Scenario, Stream

EVALUATION_BATCH = 2000


@dataclass(frozen=True)
class Scores:
    """Accuracy on each task's test data, and on all test data together (0..1)."""

    tasks: tuple[float, ...]
    all: float


def evaluate(model: Backbone, stream: Stream, device: torch.device) -> Scores:
    """Score `model` on every task of `stream`; leaves it in the mode it was in.

    In the task-incremental scenario the model is told the task; `all` is then the mean over tasks.
    """
    counts = [
        (correct(model, stream.test(i), i, stream.scenario, device), len(stream.test(i)))
        for i in range(len(stream))
    ]
    tasks = tuple(right / max(total, 1) for right, total in counts)
    if stream.scenario == "task":
        return Scores(tasks, sum(tasks) / len(tasks))
    return Scores(tasks, sum(c[0] for c in counts) / max(sum(c[1] for c in counts), 1))


def correct(
    model: Backbone, examples: Examples, task: int, scenario: Scenario, device: torch.device
) -> int:
    """Number of `examples` that `model` gets right."""
    was_training = model.training
    model.eval()
    model.use_task(task if scenario == "task" else None)
    right = 0
    with torch.inference_mode():
        for x, y in zip(
            examples.x.split(EVALUATION_BATCH), examples.y.split(EVALUATION_BATCH), strict=True
        ):
            chosen = decide(model.output, model(x.to(device)))
            right += int((chosen == y.to(device)).sum())
    model.train(was_training)
    return right
