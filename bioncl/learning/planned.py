"""How long the training of a task is going to be, for what changes in its course."""

from __future__ import annotations

from bioncl.learning.learner import Learner


def planned_steps(learner: Learner) -> int:
    """Steps that the loop takes in the learner's present task, over all its epochs."""
    training = learner.training
    each = -(-len(learner.data) // training.batch_size)
    return each * training.epochs_of(learner.task.index)
