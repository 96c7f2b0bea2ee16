"""Checks and words that the builders of streams share.

Scenarios: in "class" and "task" every class has an output of its own, in "domain" all tasks share
their outputs; "task" differs from "class" in that the task is known when it is tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from bioncl.errors import DataError, describe
from bioncl.streams.stream import Examples, Scenario


def check_scenario(stream: str, given: str, allowed: Sequence[str] = get_args(Scenario)) -> None:
    """Refuse a scenario that `stream` does not know.

    Raises:
        DataError: `given` is not one of `allowed`.
    """
    if given not in allowed:
        what = f"Scenario of stream {stream}"
        raise DataError(describe(what, expected=" or ".join(allowed), got=repr(given)))


def check_mixed(train: Examples, classes: int, what: str) -> None:
    """Refuse "the first n examples" of data that is sorted by class.

    A few examples may miss a class by chance, so fewer than ten a class are let through.

    Raises:
        DataError: Some of the `classes` of `what` have no example in `train`.
    """
    present = len(train.y.unique())
    if present < classes and len(train) >= 10 * classes:
        text = f"Classes among the first {len(train)} training examples of {what}"
        hint = "The data seems sorted by class: shuffle it, or leave train_per_task out."
        raise DataError(describe(text, expected=classes, got=present, hint=hint))


def listed(what: str, numbers: Sequence[int]) -> str:
    """Numbers for people: "classes 0, 1", or "100 classes from 0 to 99" when there are many."""
    if len(numbers) > 10:
        return f"{len(numbers)} {what} from {min(numbers)} to {max(numbers)}"
    return f"{what} {', '.join(map(str, numbers))}"
