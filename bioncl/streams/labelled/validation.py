"""Holding out part of the training data, equally from every class.

Settings must be chosen on held-out training data, not on the test set. With
`evaluate_on="validation"` the returned set does not contain the real test set at all, so that a
search cannot look at it even by mistake.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal, TypeAlias

import torch
from annotated_types import Interval
from torch import Tensor

from bioncl.errors import DataError, describe
from bioncl.seeding import torch_generator
from bioncl.streams.stream import Examples, LabelledSet

EvaluateOn: TypeAlias = Literal["test", "validation"]


@dataclass(frozen=True)
class Validation:
    """How much training data is held out, and what runs are judged on.

    Attributes:
        fraction: Part of each class that is held out.
        seed: Which examples; fixed, so that all seeds of a run hold out the same ones.
        evaluate_on: "validation" judges on the held-out part and drops the real test set.
    """

    fraction: Annotated[float, Interval(gt=0, lt=1)] = 0.1
    seed: int = 0
    evaluate_on: EvaluateOn = "validation"


def stratified_split(y: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Split the indices of labels `y` [n] into (kept, held out), each ascending.

    Of a class with n examples, round(fraction * n) are held out, at least one and not all.

    Raises:
        DataError: The fraction is not between 0 and 1, or a class has a single example.
    """
    if not 0 < fraction < 1:
        raise DataError(
            describe("Validation fraction", expected="more than 0, less than 1", got=fraction)
        )
    held = torch.zeros(len(y), dtype=torch.bool)
    for label in y.unique().tolist():
        members = (y == label).nonzero().flatten()
        if len(members) < 2:
            what = f"Class {label} cannot be split"
            raise DataError(describe(what, expected="two examples or more", got=len(members)))
        count = min(max(round(fraction * len(members)), 1), len(members) - 1)
        order = torch.randperm(len(members), generator=torch_generator(seed, "validation", label))
        held[members[order[:count]]] = True
    return (~held).nonzero().flatten(), held.nonzero().flatten()


def carve_validation(
    labelled: LabelledSet, fraction: float, seed: int, evaluate_on: EvaluateOn
) -> LabelledSet:
    """Hold out `fraction` of each class of the training data.

    Args:
        labelled: The whole set.
        fraction: Part of each class to hold out, more than 0 and less than 1.
        seed: Decides which examples.
        evaluate_on: "validation" puts the held-out part in the place of the test set;
            "test" keeps the test set and leaves the held-out part unused.

    Returns:
        A set whose training data keeps its order and lacks what was held out.

    Raises:
        DataError: The fraction or `evaluate_on` is wrong, or a class is too small.
    """
    if evaluate_on not in ("test", "validation"):
        raise DataError(describe("evaluate_on", expected="test or validation", got=evaluate_on))
    kept, held = stratified_split(labelled.train.y, fraction, seed)
    test: Examples = labelled.test
    if evaluate_on == "validation":
        test = labelled.train.select(held)
    return replace(labelled, train=labelled.train.select(kept), test=test)
