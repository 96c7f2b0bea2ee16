"""Replay scores: how much sleep activity looks like the awake activity of each class.

`replay_scores` does the whole night (one row of counts) or windows of it. `normalised` and
`reactivation_by_example` are the published variants (Tadros et al. 2022).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bioncl.analysis.controls import (
    Control,
    benjamini_hochberg,
    reached,
    shuffled_scores,
    upper_p,
)
from bioncl.analysis.correlation import correlate, mean_neuron_correlation
from bioncl.analysis.decoders import centroid_decoder
from bioncl.analysis.selectivity import ByClass, by_class
from bioncl.analysis.undefined import divide


@dataclass(frozen=True, eq=False)
class ReplayScores:
    """Likeness of sleep counts to classes; NaN where either is the same for all neurons.

    Attributes:
        correlation: Pearson's r over neurons: float64 [windows, classes].
        z: r in standard deviations of its distribution under all shuffles of neurons' identity,
            whose mean is exactly 0 and variance exactly 1 / (neurons − 1).
        p: Share of shuffles with an r at least as high, one-sided: float64 [windows, classes].
        q: `p` adjusted for windows × classes tests (Benjamini–Hochberg) [windows, classes].
    """

    correlation: NDArray[np.float64]
    z: NDArray[np.float64]
    p: NDArray[np.float64]
    q: NDArray[np.float64]


def replay_scores(
    counts: NDArray[np.int64],
    means: NDArray,
    shuffles: int = 1000,
    control: Control = "neurons",
    seed: int = 0,
) -> ReplayScores:
    """Correlate the sleep counts of each window with the awake activity of each class.

    Args:
        counts: Sleep spikes in windows: int64 [windows, neurons]; `counts[None]` for the night.
        means: Mean awake activations [classes, neurons], or `class_specific` of them.
        shuffles: For the p-values.
        control: What is shuffled: the neurons' identity, or their time (see `controls`).
        seed: Of the shuffles.

    Raises:
        InputError: Counts and means differ in neurons, or no such control.
    """
    decoder = centroid_decoder(means)
    observed = decoder.scores(counts)
    exceeded = np.zeros(observed.shape, np.int64)
    for shuffled in shuffled_scores(decoder, counts, shuffles, control, seed):
        exceeded += reached(shuffled, observed)
    p = upper_p(exceeded, shuffles, observed)
    z = observed * np.sqrt(max(counts.shape[1] - 1, 0))
    return ReplayScores(observed, z, p, benjamini_hochberg(p))


def normalised(correlation: NDArray[np.float64], activations: NDArray) -> NDArray[np.float64]:
    """Scores over the mean correlation between neurons awake, as published.

    As in `compute_reactivation_figure2.m` of the authors of Tadros et al. 2022. It makes layers
    comparable whose neurons are more or less alike.

    Args:
        correlation: From `ReplayScores`, any shape.
        activations: Awake activations of the layer [examples, neurons].
    """
    return divide(correlation, mean_neuron_correlation(activations))


def reactivation_by_example(
    counts: NDArray[np.int64], activations: NDArray, labels: NDArray[np.int64], classes: int
) -> ByClass:
    """Correlation of the night's counts with each awake example, averaged by class.

    As published (Tadros et al. 2022, `digit_reactivation.m`). Examples that activate all neurons
    alike are left out.

    Args:
        counts: Sleep spikes of each neuron: int64 [neurons].
        activations: Awake activations of one layer [examples, neurons].
        labels: Classes of the examples: int64 [examples].
        classes: Number of classes.

    Raises:
        InputError: Arrays that do not fit together.
    """
    return by_class(correlate(activations, counts[None])[:, 0], labels, classes)
