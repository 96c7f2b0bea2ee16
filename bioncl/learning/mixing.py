"""Old examples among the new: appended to what a task trains on, or told apart in a batch."""

from __future__ import annotations

import torch

from bioncl.learning.learner import Learner
from bioncl.learning.memory import tasks_of
from bioncl.streams.stream import Batch, Examples, joined


def append(learner: Learner, old: Batch, *, repeat: bool = False) -> None:
    """Append `old` examples to the learner's data, for a method's `before_task`.

    Args:
        learner: Whose data to extend.
        old: Examples on the CPU; nothing happens if there are none.
        repeat: Append them as often as they go into the data, at least once.
    """
    if not len(old):
        return
    times = max(len(learner.data) // len(old), 1) if repeat else 1
    present = Batch(learner.data.x, learner.data.y, learner.task.index)
    tasks = tasks_of(present) if learner.data_tasks is None else learner.data_tasks
    learner.data_tasks = torch.cat([tasks, tasks_of(old).repeat(times)])
    learner.data = joined([learner.data, *[Examples(old.x, old.y)] * times])


def only(batch: Batch, task: int) -> Batch:
    """The examples of `batch` that are of `task`."""
    if isinstance(batch.task, int):
        return batch
    mine = batch.task == task
    return Batch(batch.x[mine], batch.y[mine], task)
