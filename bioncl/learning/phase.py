"""A phase of training of a method's own, before or after the loop's, on the task at hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch

from bioncl.learning.learner import Learner
from bioncl.learning.loop import batches, check_finite

Moment = Callable[[], None]


def phase_optimizer(learner: Learner, factor: float = 1.0) -> torch.optim.Optimizer:
    """A fresh optimiser like the loop's, its learning rate times `factor`."""
    training = learner.training
    training = dataclasses.replace(
        training, lr=training.lr * factor, lr_min=training.lr_min * factor
    )
    return training.make_optimizer(learner.model, learner.task.index)


def train_phase(
    learner: Learner,
    optimizer: torch.optim.Optimizer,
    epochs: int,
    name: str,
    *,
    adjust_gradient: Moment,
    after_step: Moment,
) -> None:
    """Train the learner's network on the learner's data; it is left in evaluation mode.

    Args:
        learner: Whose network, data and order of batches.
        optimizer: Makes the steps.
        epochs: Passes over the data.
        name: What people are shown.
        adjust_gradient: Called after each backward pass.
        after_step: Called after each step.

    Raises:
        DivergedError: The loss became non-finite.
    """
    learner.model.train()
    with learner.progress.start(f"{name}: epochs", epochs) as bar:
        for _ in range(epochs):
            loss = None
            for batch in batches(learner):
                optimizer.zero_grad(set_to_none=True)
                loss = learner.loss(batch)
                loss.backward()
                adjust_gradient()
                optimizer.step()
                learner.steps += 1
                after_step()
            check_finite(loss, learner)
            bar.advance()
    learner.model.eval()
