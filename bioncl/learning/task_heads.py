"""For methods that need outputs of its own for each task."""

from __future__ import annotations

from bioncl.errors import UnsupportedError, describe
from bioncl.models.backbone import Backbone
from bioncl.models.heads import MaskedHead, PerTaskHead
from bioncl.streams.stream import Scenario


def demand_task_heads(model: Backbone, method: str) -> MaskedHead | PerTaskHead:
    """The head of `model`, if it can let the outputs of one task alone compete.

    Raises:
        UnsupportedError: It cannot; says how to choose one for the method called `method`.
    """
    if isinstance(model.head, MaskedHead | PerTaskHead):
        return model.head
    hint = 'Set model.head = "per-task" or "masked".'
    what = f"The method {method} needs outputs of its own for each task"
    got = type(model.head).__name__
    expected = f"{PerTaskHead.__name__} or {MaskedHead.__name__}"
    raise UnsupportedError(describe(what, expected=expected, got=got, hint=hint))


def demand_per_task_head(model: Backbone, method: str) -> PerTaskHead:
    """The head of `model`, if each task has a layer of its own in it.

    Raises:
        UnsupportedError: It has not; says how to choose one for the method called `method`.
    """
    if isinstance(model.head, PerTaskHead):
        return model.head
    hint = 'Set model.head = "per-task".'
    what = f"The method {method} needs an output layer for each task"
    got = type(model.head).__name__
    expected = PerTaskHead.__name__
    raise UnsupportedError(describe(what, expected=expected, got=got, hint=hint))


def heads_apart(model: Backbone, scenario: Scenario) -> bool:
    """Whether each task has outputs of its own that no later task's training touches."""
    return scenario == "task" and isinstance(model.head, MaskedHead | PerTaskHead)
