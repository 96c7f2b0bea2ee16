"""Checks that the arrays handed to one analysis belong together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bioncl.errors import InputError, describe


def check_neurons(found: NDArray, expected: NDArray, what: str) -> None:
    """Refuse arrays whose last axes (neurons) differ.

    Raises:
        InputError: They differ; most often the arrays come from two different layers.
    """
    if found.shape[-1:] != expected.shape[-1:]:
        message = describe(
            f"{what} do not fit together",
            expected=f"{expected.shape[-1:]} neurons",
            got=f"{found.shape[-1:]}",
            hint="Take both from the same layer.",
        )
        raise InputError(message)


def check_same_shape(before: NDArray, after: NDArray, what: str) -> None:
    """Refuse two states of one thing that differ in shape.

    Raises:
        InputError: They differ.
    """
    if before.shape != after.shape:
        raise InputError(
            describe(f"{what} differ in shape", expected=before.shape, got=after.shape)
        )


def check_same_layers(first: Sequence[NDArray], second: Sequence[NDArray], what: str) -> None:
    """Refuse two lists of weights that differ in number or shapes of layers.

    Raises:
        InputError: They do.
    """
    if len(first) != len(second):
        raise InputError(describe(f"{what} differ in layers", expected=len(first), got=len(second)))
    for one, other in zip(first, second, strict=True):
        check_same_shape(one, other, what)


def check_labels(labels: NDArray[np.int64], examples: int, classes: int) -> None:
    """Refuse labels that are not one number in 0..classes − 1 for each example.

    Raises:
        InputError: There are too few or too many, or one is out of range.
    """
    if labels.shape != (examples,):
        raise InputError(
            describe("labels do not fit", expected=f"{examples} of them", got=labels.shape)
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        got = f"{labels.min()} to {labels.max()}"
        raise InputError(describe("a label is out of range", expected=f"0..{classes - 1}", got=got))


def check_positive(value: int, what: str) -> None:
    """Refuse a number below 1.

    Raises:
        InputError: It is.
    """
    if value < 1:
        raise InputError(describe(f"{what} cannot be used", expected="at least 1", got=value))
