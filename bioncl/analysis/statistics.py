"""How single neurons fire: intervals between spikes and their variation, Fano factor.

`intervals` is made once for a layer; `coefficient_of_variation`, `cv2` and `local_variation` read
it. All equal elephant's functions of the same names (isi, cv, cv2, lv, fanofactor), for a whole
layer at once, except that a variation needs two intervals (two windows) here: elephant gives 0 for
one. For a Poisson process each of these measures is 1; for a clock, 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bioncl.analysis.undefined import divide


@dataclass(frozen=True, eq=False)
class Intervals:
    """Times between successive spikes of the same neuron (ISI).

    Attributes:
        neurons: Neurons of the layer.
        owners: The neuron of each interval, ascending: int64 [intervals].
        lengths: Steps from one spike to the next, in order of time for each neuron [intervals].
    """

    neurons: int
    owners: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def count(self) -> NDArray[np.int64]:
        """Intervals of each neuron: int64 [neurons]."""
        return np.bincount(self.owners, minlength=self.neurons)

    def mean(self) -> NDArray[np.float64]:
        """Mean interval of each neuron in steps; NaN below two spikes [neurons]."""
        return divide(np.bincount(self.owners, self.lengths, self.neurons), self.count())


def intervals(events: NDArray[np.int64], neurons: int) -> Intervals:
    """Intervals between the spikes of each neuron of a layer.

    Args:
        events: (step, neuron) of each spike: int64 [events, 2], in any order.
        neurons: Neurons of the layer.
    """
    if not len(events):
        return Intervals(neurons, np.zeros(0, np.int64), np.zeros(0, np.int64))
    first, last = int(events[:, 0].min()), int(events[:, 0].max())
    span = last - first + 1
    keys = np.sort(events[:, 1] * span + (events[:, 0] - first))  # by neuron, then step
    owners = keys // span
    same = owners[1:] == owners[:-1]
    return Intervals(neurons, owners[1:][same], np.diff(keys)[same])


def interval_histogram(
    pieces: Iterable[NDArray[np.int64]], neurons: int, edges: NDArray
) -> NDArray[np.int64]:
    """How many intervals of all neurons lie in each bin: int64 [bins].

    Args:
        pieces: The spikes in order of time, in any number of pieces, as `intervals` takes them.
        neurons: Neurons of the layer.
        edges: Of the bins in steps, ascending [bins + 1].
    """
    counts = np.zeros(len(edges) - 1, np.int64)
    latest = np.full(neurons, -1, np.int64)
    for piece in pieces:
        known = np.flatnonzero(latest >= 0)
        earlier = np.stack([latest[known], known], axis=1)
        lengths = intervals(np.concatenate([earlier, piece]), neurons).lengths
        counts += np.histogram(lengths, edges)[0]
        np.maximum.at(latest, piece[:, 1], piece[:, 0])
    return counts


def coefficient_of_variation(gaps: Intervals) -> NDArray[np.float64]:
    """CV: standard deviation (of the population) of the intervals, over their mean.

    Returns:
        float64 [neurons]; NaN below two intervals.
    """
    count, mean = gaps.count(), gaps.mean()
    squares = np.bincount(gaps.owners, (gaps.lengths - mean[gaps.owners]) ** 2, gaps.neurons)
    return np.where(count < 2, np.nan, divide(np.sqrt(divide(squares, count)), mean))


def cv2(gaps: Intervals) -> NDArray[np.float64]:
    """CV2: twice the mean of |I₂ − I₁| / (I₂ + I₁) of successive intervals (Holt et al. 1996).

    Returns:
        float64 [neurons]; NaN below two intervals.
    """
    owners, contrast = _contrasts(gaps)
    return 2 * _mean_by_neuron(owners, np.abs(contrast), gaps.neurons)


def local_variation(gaps: Intervals) -> NDArray[np.float64]:
    """LV: three times the mean of ((I₂ − I₁) / (I₂ + I₁))² (Shinomoto et al. 2003).

    Returns:
        float64 [neurons]; NaN below two intervals.
    """
    owners, contrast = _contrasts(gaps)
    return 3 * _mean_by_neuron(owners, contrast**2, gaps.neurons)


def fano_factor(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Variance (of the population) of the spike counts over their mean, of each neuron.

    Args:
        counts: Spikes in windows of equal length: int64 [windows, neurons].

    Returns:
        float64 [neurons]; NaN for a silent neuron and below two windows.
    """
    if len(counts) < 2:
        return np.full(counts.shape[1], np.nan)
    return divide(counts.var(axis=0), counts.mean(axis=0))


def _contrasts(gaps: Intervals) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(I₂ − I₁) / (I₂ + I₁) of successive intervals, and whose they are [pairs]."""
    same = gaps.owners[1:] == gaps.owners[:-1]
    early, late = gaps.lengths[:-1][same], gaps.lengths[1:][same]
    return gaps.owners[1:][same], divide(late - early, late + early)


def _mean_by_neuron(
    owners: NDArray[np.int64], values: NDArray[np.float64], neurons: int
) -> NDArray[np.float64]:
    count = np.bincount(owners, minlength=neurons)
    return divide(np.bincount(owners, values, neurons), count)
