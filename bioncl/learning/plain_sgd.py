"""For methods that leave to a step only some directions: the optimiser must not bring others in."""

from __future__ import annotations

from bioncl.errors import UnsupportedError, describe
from bioncl.learning.training import Training


def demand_plain_sgd(training: Training, method: str) -> None:
    """Refuse training whose steps are no sums of this task's gradients.

    Momentum within a task is such a sum. Adam scales each number by itself, weight decay adds the
    weights, and momentum that is kept from task to task adds old gradients.

    Args:
        training: Settings of awake training.
        method: Name of the method that projects gradients.

    Raises:
        UnsupportedError: Says what does not suit, and what would.
    """
    faults = {
        'train.optimizer = "adam"': training.optimizer != "sgd",
        f"train.weight_decay = {training.weight_decay}": training.weight_decay > 0,
        "train.keep_optimizer = true": training.keep_optimizer and training.momentum > 0,
    }
    got = [fault for fault, there in faults.items() if there]
    if got:
        what = f"The method {method} projects gradients, and steps have to stay projected"
        expected = "SGD without weight decay, its momentum new in each task"
        raise UnsupportedError(describe(what, expected=expected, got=" and ".join(got)))
