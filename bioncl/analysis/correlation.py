"""Pearson correlations: between patterns of activity, and between the examples of classes.

`standardise` and `correlate` are what replay scores and decoders stand on; `class_correlations`
says how alike the representations of classes are, and `correlation_change` what a night did to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bioncl.analysis.fitting import check_labels, check_neurons, check_same_shape
from bioncl.analysis.undefined import defined_rows, divide, mean_of_defined


def standardise(rows: NDArray) -> NDArray[np.float64]:
    """Each row less its mean, at unit length, so that products of rows are correlations.

    Args:
        rows: [rows, neurons].

    Returns:
        float64 [rows, neurons]; all NaN for a constant row (a silent layer, a single neuron).
    """
    shifted = rows.astype(np.float64)
    shifted -= shifted[:, :1]  # a constant row becomes exactly 0, whatever its mean rounds to
    shifted -= shifted.mean(axis=1, keepdims=True) if shifted.size else 0.0
    shifted = divide(shifted, np.abs(shifted).max(axis=1, keepdims=True, initial=0.0))
    return shifted / np.sqrt((shifted**2).sum(axis=1, keepdims=True))


def correlate(left: NDArray, right: NDArray) -> NDArray[np.float64]:
    """Pearson's r of each row of one array with each row of another.

    Args:
        left: [m, neurons].
        right: [k, neurons].

    Returns:
        float64 [m, k] in −1..1; NaN where either row is constant.

    Raises:
        InputError: The numbers of neurons differ.
    """
    check_neurons(left, right, "the rows to correlate")
    first, second = standardise(left), standardise(right)
    defined = np.outer(defined_rows(first), defined_rows(second))
    product = np.nan_to_num(first) @ np.nan_to_num(second).T
    return np.where(defined, product.clip(-1.0, 1.0), np.nan)


def mean_neuron_correlation(activations: NDArray) -> float:
    """Mean Pearson correlation between all pairs of neurons over examples, self-pairs included.

    The published replay scores are divided by it (Tadros et al. 2022,
    `compute_reactivation_figure2.m`). It is the signed mean and can be near 0; the authors' own is
    NaN as soon as one neuron is silent, here constant neurons are left out.

    Args:
        activations: Awake activations [examples, neurons].

    Returns:
        NaN if no neuron varies.
    """
    rows = standardise(activations.T)
    rows = rows[defined_rows(rows)]
    return float(divide((rows.sum(axis=0) ** 2).sum(), len(rows) ** 2))


@dataclass(frozen=True, eq=False)
class ClassCorrelations:
    """How alike the examples of classes are represented.

    Attributes:
        matrix: Mean correlation of an example of class i with one of class j: float64
            [classes, classes]; NaN where there is no such pair.
        used: Examples of each class whose activations are not constant: int64 [classes].
    """

    matrix: NDArray[np.float64]
    used: NDArray[np.int64]

    @property
    def within(self) -> float:
        """Mean over the classes' own blocks (the diagonal)."""
        return float(mean_of_defined(np.diagonal(self.matrix)))

    @property
    def between(self) -> float:
        """Mean over the blocks of two different classes; NaN for a single class."""
        return float(mean_of_defined(self.matrix[~np.eye(len(self.matrix), dtype=bool)]))


def class_correlations(
    activations: NDArray, labels: NDArray[np.int64], classes: int, *, self_pairs: bool = False
) -> ClassCorrelations:
    """Mean correlation between the activations of examples, by class and class.

    Equals block means of the matrix of all examples' correlations, which is never formed: the mean
    of products of standardised rows is the product of their means.

    Args:
        activations: Of one layer, awake [examples, neurons].
        labels: Classes of the examples: int64 [examples].
        classes: Number of classes.
        self_pairs: Count each example's correlation of 1 with itself in its class's block, as the
            authors do (Tadros et al. 2022, `compute_activation_correlation.m`).

    Raises:
        InputError: Labels that do not fit.
    """
    check_labels(labels, len(activations), classes)
    rows = standardise(activations)
    member = ((labels == np.arange(classes)[:, None]) & defined_rows(rows)).astype(np.float64)
    used = member.sum(axis=1)
    sums = member @ np.nan_to_num(rows)
    totals, pairs = sums @ sums.T, np.outer(used, used)
    if not self_pairs:
        totals, pairs = totals - np.diag(used), pairs - np.diag(used)
    return ClassCorrelations(divide(totals, pairs), used.astype(np.int64))


@dataclass(frozen=True, eq=False)
class CorrelationChange:
    """What a night did to the likeness of representations: after less before.

    Attributes:
        matrix: Change of each block: float64 [classes, classes].
        within: Change of the mean of classes' own blocks.
        between: Change of the mean between different classes; below 0: they decorrelate.
    """

    matrix: NDArray[np.float64]
    within: float
    between: float


def correlation_change(before: ClassCorrelations, after: ClassCorrelations) -> CorrelationChange:
    """After less before, block by block and on average.

    Raises:
        InputError: The numbers of classes differ.
    """
    check_same_shape(before.matrix, after.matrix, "correlations before and after")
    return CorrelationChange(
        after.matrix - before.matrix, after.within - before.within, after.between - before.between
    )
