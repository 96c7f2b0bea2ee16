"""In which order the night replays: sequence, dwell times, transitions, drift.

All start from the class of each window as `decoding` gives it (−1: none). Windows should not
overlap: windows that share spikes follow each other by construction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bioncl.analysis.fitting import check_labels
from bioncl.analysis.undefined import divide
from bioncl.seeding import numpy_generator


@dataclass(frozen=True, eq=False)
class Episodes:
    """Runs of windows with the same class, in order of time.

    Attributes:
        classes: Class of each: int64 [episodes].
        first: Its first window: int64 [episodes].
        length: Its windows (dwell time): int64 [episodes].
    """

    classes: NDArray[np.int64]
    first: NDArray[np.int64]
    length: NDArray[np.int64]


def episodes(labels: NDArray[np.int64]) -> Episodes:
    """Runs of equal labels [windows]; windows without a class (−1) end a run and make none."""
    starts = np.flatnonzero(np.diff(labels, prepend=-2))
    length = np.diff(starts, append=len(labels))
    kept = labels[starts] >= 0
    return Episodes(labels[starts][kept], starts[kept], length[kept])


def mean_dwell(runs: Episodes, classes: int) -> NDArray[np.float64]:
    """Mean length of the episodes of each class in windows: float64 [classes]; NaN without any."""
    count = np.bincount(runs.classes, minlength=classes)
    return divide(np.bincount(runs.classes, runs.length, classes), count)


def transitions(labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """How often class j follows class i: int64 [classes, classes], row i, column j.

    From each window with a class to the next one with a class; windows without are passed over.
    The diagonal counts windows in which a class stays.

    Raises:
        InputError: A label that is neither −1 nor a class.
    """
    decoded = labels[labels != -1]
    check_labels(decoded, len(decoded), classes)
    pairs = decoded[:-1] * classes + decoded[1:]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def successive_information(follows: NDArray[np.int64]) -> float:
    """Mutual information in bits between a window's class and the next one's.

    0 if the next class does not depend on the present one, log₂(classes) for a fixed cycle. NaN
    without transitions. Few transitions bias it upwards, for shuffled orders just as much.

    Args:
        follows: From `transitions`.
    """
    joint = divide(follows, follows.sum())
    independent = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    ratio = np.where(follows > 0, divide(joint, independent), 1.0)
    return float((joint * np.log2(ratio)).sum())


@dataclass(frozen=True, eq=False)
class OrderTest:
    """Transitions against those of the same windows in random order.

    Attributes:
        transitions: int64 [classes, classes], see `transitions`.
        expected: Mean over all orders, nᵢ (nⱼ − [i = j]) / windows: float64 [classes, classes].
        p: Share of random orders with at least as many, for each: float64 [classes, classes].
        information: Of `successive_information`, in bits.
        information_p: Share of random orders with at least as much; NaN without transitions.
    """

    transitions: NDArray[np.int64]
    expected: NDArray[np.float64]
    p: NDArray[np.float64]
    information: float
    information_p: float


def order_test(
    labels: NDArray[np.int64], classes: int, shuffles: int = 1000, seed: int = 0
) -> OrderTest:
    """Is there an order in the night's replay?

    Args:
        labels: Class of each window, −1 for none: int64 [windows].
        classes: Number of classes.
        shuffles: Random orders of the windows with a class.
        seed: Of those orders.

    Raises:
        InputError: A label that is neither −1 nor a class.
    """
    decoded = labels[labels != -1]
    observed = transitions(decoded, classes)
    information = successive_information(observed)
    generator = numpy_generator(seed, "analysis", "order")
    exceeded, informative = np.zeros_like(observed), 0
    for _ in range(shuffles):
        shuffled = transitions(generator.permutation(decoded), classes)
        exceeded += shuffled >= observed
        informative += successive_information(shuffled) >= information - 1e-12
    n = np.bincount(decoded, minlength=classes)
    expected = divide(np.outer(n, n) - np.diag(n), len(decoded))
    information_p = np.nan if np.isnan(information) else (1 + informative) / (1 + shuffles)
    p = (1 + exceeded) / (1 + shuffles)
    return OrderTest(observed, expected, p, information, information_p)


@dataclass(frozen=True, eq=False)
class Trend:
    """Spearman's rank correlation with time.

    Attributes:
        rho: −1..1; above 0: rises over the night. NaN for constant values or fewer than two.
        p: Share of random orders with at least as large a |rho|: two-sided.
    """

    rho: float
    p: float


def trend(values: NDArray, shuffles: int = 1000, seed: int = 0) -> Trend:
    """Does something rise or fall over the night: a class's score, or the task replayed?

    For drift from old to new tasks, give the task of each window's class, NaN without a class.

    Args:
        values: One for each window, in order of time [windows]; NaN is left out.
        shuffles: Random orders for the p-value.
        seed: Of those orders.
    """
    given = np.asarray(values, np.float64)
    ranks = _ranks(given[~np.isnan(given)])
    ranks = ranks - ranks.mean() if len(ranks) else ranks
    time = np.arange(len(ranks)) - (len(ranks) - 1) / 2
    scale = np.sqrt((ranks**2).sum() * (time**2).sum())
    if scale == 0:
        return Trend(np.nan, np.nan)
    generator = numpy_generator(seed, "analysis", "trend")
    chance = np.array([generator.permutation(ranks) @ time for _ in range(shuffles)]) / scale
    rho = float(ranks @ time / scale)
    return Trend(rho, float((1 + (np.abs(chance) >= abs(rho) - 1e-12).sum()) / (1 + shuffles)))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1, the mean rank for equal values."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[place]
