"""Which classes are taken for which, before and after a night."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bioncl.analysis.fitting import check_labels
from bioncl.analysis.undefined import divide


def confusion_matrix(
    labels: NDArray[np.int64], predictions: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """Examples of class i (row) that are taken for class j (column): int64 [classes, classes].

    Raises:
        InputError: Labels and predictions differ in number, or one is not a class.
    """
    check_labels(labels, len(labels), classes)
    check_labels(predictions, len(labels), classes)
    pairs = np.bincount(labels * classes + predictions, minlength=classes**2)
    return pairs.reshape(classes, classes)


def class_accuracies(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of each class that is recognised (recall): float64 [classes]; NaN without examples."""
    return divide(np.diagonal(matrix), matrix.sum(axis=1))


@dataclass(frozen=True, eq=False)
class Flips:
    """Examples of each class whose fate a night changed.

    Attributes:
        recovered: Wrong before and right after: int64 [classes].
        lost: Right before and wrong after: int64 [classes].
    """

    recovered: NDArray[np.int64]
    lost: NDArray[np.int64]


def flips(
    labels: NDArray[np.int64],
    before: NDArray[np.int64],
    after: NDArray[np.int64],
    classes: int,
) -> Flips:
    """Count what was recovered and what was lost, which accuracies alone do not tell apart.

    Args:
        labels: True classes: int64 [examples].
        before: Predictions before the night: int64 [examples].
        after: Predictions afterwards: int64 [examples].
        classes: Number of classes.

    Raises:
        InputError: The arrays differ in length, or one holds what is not a class.
    """
    for predictions in (labels, before, after):
        check_labels(predictions, len(labels), classes)
    was, now = before == labels, after == labels
    return Flips(
        np.bincount(labels[~was & now], minlength=classes),
        np.bincount(labels[was & ~now], minlength=classes),
    )
