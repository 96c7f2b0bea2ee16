"""Which neurons belong to which class, and whether those fire more at night.

Groups of neurons and synapses (old task, new task) are masks made by `membership` from classes or
from `preferred_class`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bioncl.analysis.fitting import check_labels, check_neurons, check_positive
from bioncl.analysis.undefined import divide, mean_of_defined
from bioncl.seeding import numpy_generator


def membership(labels: NDArray[np.int64], groups: int) -> NDArray[np.bool_]:
    """Which items are in which group: bool [groups, items]; a label of −1 is in none."""
    return labels == np.arange(groups)[:, None]


def class_means(
    activations: NDArray, labels: NDArray[np.int64], classes: int
) -> NDArray[np.float64]:
    """Mean activation of each neuron over the examples of each class: float64 [classes, neurons].

    Args:
        activations: Awake activations of one layer [examples, neurons].
        labels: Classes of the examples: int64 [examples].
        classes: Number of classes; one without examples gets NaN.

    Raises:
        InputError: Labels that do not fit.
    """
    check_labels(labels, len(activations), classes)
    member = membership(labels, classes).astype(np.float64)
    return divide(member @ activations.astype(np.float64), member.sum(axis=1)[:, None])


def class_specific(means: NDArray) -> NDArray[np.float64]:
    """Class means less their mean over classes: what a class has more than others.

    Neurons that are active for everything make every class look replayed at once. Covariances of
    any pattern with these templates add up to 0 over the classes: if one is above 0, another is
    below.

    Args:
        means: Mean awake activations [classes, neurons].
    """
    return means - mean_of_defined(means, axis=0)


def preferred_class(means: NDArray) -> NDArray[np.int64]:
    """The class that each neuron is most active for: int64 [neurons]; −1 if none stands out.

    The first of several equally preferred classes counts; a neuron that is equally active for all
    classes (or silent) prefers none.

    Args:
        means: Mean awake activations [classes, neurons]; classes of NaN are left out.
    """
    ranked = np.where(np.isnan(means), -np.inf, means)
    lowest = np.where(np.isnan(means), np.inf, means).min(axis=0, initial=np.inf)
    if not len(means):
        return np.full(means.shape[1], -1, np.int64)
    return np.where(ranked.max(axis=0) > lowest, ranked.argmax(axis=0), -1)


def top_neurons(activations: NDArray, top: int) -> NDArray[np.int64]:
    """The `top` most active neurons of each row, the first of equals first: int64 [rows, top]."""
    return np.argsort(-activations, axis=1, kind="stable")[:, :top]


@dataclass(frozen=True, eq=False)
class TopReactivation:
    """Sleep spikes of the neurons that were most active awake for each class.

    Attributes:
        top: Mean spike count of the class's top neurons: float64 [classes].
        others: Mean spike count of all other neurons; NaN if there are none: float64 [classes].
        p: Share of random sets of as many neurons that fired at least as much, one-sided, with the
            set itself counted: float64 [classes].
    """

    top: NDArray[np.float64]
    others: NDArray[np.float64]
    p: NDArray[np.float64]


def top_reactivation(
    counts: NDArray[np.int64], means: NDArray, top: int, shuffles: int = 1000, seed: int = 0
) -> TopReactivation:
    """Do the `top` neurons of each class fire more in sleep than others?

    A class whose mean activation is NaN or the same for all neurons has no top neurons: NaN.

    Args:
        counts: Sleep spikes of each neuron: int64 [neurons].
        means: Mean awake activations [classes, neurons].
        top: How many neurons a class has, at most all.
        shuffles: Random sets of neurons that the sets are compared with.
        seed: Of those random sets.

    Raises:
        InputError: `counts` and `means` differ in neurons, or `top` is below 1.
    """
    check_neurons(counts, means, "sleep counts and awake activations")
    check_positive(top, "the number of top neurons")
    chosen = top_neurons(means, top)
    sums, size = counts[chosen].sum(axis=1), chosen.shape[1]
    generator = numpy_generator(seed, "analysis", "top neurons")
    chance = np.array([generator.permutation(counts)[:size].sum() for _ in range(shuffles)])
    p = ((chance[:, None] >= sums).sum(axis=0) + 1) / (shuffles + 1)
    known = means.max(axis=1, initial=-np.inf) > means.min(axis=1, initial=np.inf)
    others = divide(counts.sum() - sums, counts.size - size)
    return TopReactivation(
        *(np.where(known, values, np.nan) for values in (divide(sums, size), others, p))
    )


@dataclass(frozen=True, eq=False)
class ByClass:
    """A number of each example, summarised by class.

    Attributes:
        mean: float64 [classes]; NaN without examples.
        deviation: Standard deviation of the sample (n − 1); NaN below two examples [classes].
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]


def by_class(values: NDArray, labels: NDArray[np.int64], classes: int) -> ByClass:
    """Mean and deviation over the examples of each class, NaN values left out.

    Args:
        values: One number for each example [examples].
        labels: Classes of the examples: int64 [examples].
        classes: Number of classes.

    Raises:
        InputError: Labels that do not fit.
    """
    check_labels(labels, len(values), classes)
    own = np.where(membership(labels, classes), values, np.nan)
    mean, count = mean_of_defined(own, axis=1), (~np.isnan(own)).sum(axis=1)
    squares = mean_of_defined((own - mean[:, None]) ** 2, axis=1)
    return ByClass(mean, np.sqrt(np.where(count > 1, divide(squares * count, count - 1), np.nan)))


def top_counts_by_example(
    counts: NDArray[np.int64],
    activations: NDArray,
    labels: NDArray[np.int64],
    classes: int,
    top: int,
) -> ByClass:
    """Mean sleep count of the neurons most active for an example, averaged by class.

    As published (Tadros et al. 2022, `compute_neural_reactivation.m`).

    Args:
        counts: Sleep spikes of each neuron: int64 [neurons].
        activations: Awake activations of one layer [examples, neurons].
        labels: Classes of the examples: int64 [examples].
        classes: Number of classes.
        top: Neurons taken for each example, at most all.

    Raises:
        InputError: Arrays that do not fit together, or `top` below 1.
    """
    check_neurons(counts, activations, "sleep counts and awake activations")
    check_positive(top, "the number of top neurons")
    chosen = counts[top_neurons(activations, top)]
    return by_class(divide(chosen.sum(axis=1), chosen.shape[1]), labels, classes)
