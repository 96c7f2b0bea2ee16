"""The one loop: every method learns every stream in it.

`learn_stream` yields after each task, so that the caller can save, show or stop; everything random
in a task comes from the run's seed and the task's index, so going on from a checkpoint between two
tasks gives the same numbers as never having stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from bioncl.errors import DivergedError, describe
from bioncl.learning.evaluation import Scores
from bioncl.learning.learner import Learner
from bioncl.learning.method import Method, Together
from bioncl.streams.stream import Batch, Task


@dataclass(frozen=True)
class TaskOutcome:
    """What one task left.

    Attributes:
        index: Place of the task in the stream.
        scores: Accuracies after the task (asleep, if a method sleeps).
        awake: Accuracies before the night, if a method sleeps.
        seconds: Time for "train", "sleep" and "eval".
        steps: Steps of training.
    """

    index: int
    scores: Scores
    awake: Scores | None
    seconds: dict[str, float]
    steps: int = 0


def learn_stream(learner: Learner, methods: Together, first: int = 0) -> Iterator[TaskOutcome]:
    """Learn the tasks of the learner's stream from the one at `first`, yielding after each.

    Raises:
        UnsupportedError: A method does not suit the stream.
        DivergedError: The loss or the weights became non-finite.
    """
    methods.check(learner.stream)
    methods.attach(learner)
    learner.may_read_past = methods.reads_past
    with learner.progress.start("tasks", len(learner.stream)) as bar:
        bar.advance(first)
        for index in range(first, len(learner.stream)):
            yield learn_task(learner, methods, learner.stream.task(index))
            bar.advance()


def learn_task(learner: Learner, methods: Together, task: Task) -> TaskOutcome:
    """Learn one task, consolidate, and score all tasks."""
    with learner.clock.measure("train"):
        train_task(learner, methods, task)
    awake = sleep_after(learner, methods, task)
    scores = learner.scores()
    return TaskOutcome(task.index, scores, awake, learner.clock.take(), learner.take_steps())


def sleep_after(learner: Learner, methods: Together, task: Task) -> Scores | None:
    """The asleep part of a task; returns the scores before it, or None if no method sleeps."""
    sleeping = [m for m in methods.having("after_task") if m.sleeps]
    if not sleeping:
        return None
    awake = learner.scores()
    for method in sleeping:
        with learner.clock.measure("sleep"):
            method.after_task(learner, task)
        learner.model.eval()
    return awake


def train_task(learner: Learner, methods: Together, task: Task) -> None:
    """The awake part of a task, up to and including what non-sleeping methods do after it."""
    learner.begin(task)
    for method in methods.having("before_task"):
        method.before_task(learner, task)
    learner.make_optimizer()
    learner.model.train()
    epochs = learner.training.epochs_of(task.index)
    with learner.progress.start(f"task {task.index + 1} ({task.name}): epochs", epochs) as bar:
        for epoch in range(epochs):
            learner.epoch = epoch
            train_epoch(learner, methods)
            bar.advance()
    learner.keep_optimizer()
    learner.changed()
    learner.model.eval()
    for method in methods.having("after_task"):
        if not method.sleeps:
            method.after_task(learner, task)


def train_epoch(learner: Learner, methods: Together) -> None:
    """One pass over the learner's data in random order."""
    losses = methods.having("extra_loss")
    adjusting = methods.having("adjust_gradient")
    noting = methods.having("after_step")
    loss = None
    for batch in batches(learner):
        loss = methods.around_gradient(
            learner, batch, partial(find_gradient, learner, batch, losses)
        )
        for method in adjusting:
            method.adjust_gradient(learner, batch)
        learner.optimizer.step()
        learner.steps += 1
        for method in noting:
            method.after_step(learner, batch)
    check_finite(loss, learner)


def find_gradient(learner: Learner, batch: Batch, losses: Sequence[Method]) -> Tensor:
    """Replace the gradient by that of the loss of `batch` with what `losses` add to it."""
    learner.optimizer.zero_grad(set_to_none=True)
    loss = learner.loss(batch)
    for method in losses:
        extra = method.extra_loss(learner, batch)
        loss = loss if extra is None else loss + extra
    loss.backward()
    return loss


def batches(learner: Learner) -> Iterator[Batch]:
    """The learner's data in random order, cut into batches; none if there is no data."""
    data, tasks = learner.data, learner.data_tasks
    if not len(data):
        return
    order = torch.randperm(len(data), generator=learner.order)
    for chosen in order.split(learner.training.batch_size):
        some = data.select(chosen).to(learner.device)
        yield Batch(some.x, some.y, learner.task.index if tasks is None else tasks[chosen])


def check_finite(loss: Tensor | None, learner: Learner) -> None:
    """Stop a training that has blown up."""
    if loss is not None and not torch.isfinite(loss):
        what = f"Training of task {learner.task.index + 1} diverged in epoch {learner.epoch + 1}"
        hint = "Lower train.lr; after a night, lower sleep.rule.inc and sleep.rule.dec."
        raise DivergedError(describe(what, expected="a finite loss", got=loss.item(), hint=hint))
