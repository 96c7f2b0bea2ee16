"""Spike counts of each neuron in windows of time.

`regular_windows` or `random_windows` say where the windows lie, `window_counts` counts in them;
scores, decoders and Fano factors start from these counts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bioncl.analysis.fitting import check_neurons, check_positive
from bioncl.analysis.raster import binned_raster
from bioncl.seeding import numpy_generator


def regular_windows(steps: int, width: int, stride: int | None = None) -> NDArray[np.int64]:
    """Windows of `width` steps, one each `stride` (default `width`) steps, that fit in `steps`.

    Returns:
        First step and end of each: int64 [windows, 2]; [0, 2] if not one fits. What is left at the
        end of the night belongs to no window.

    Raises:
        InputError: A width or stride below 1.
    """
    stride = width if stride is None else stride
    check_positive(width, "a window's width")
    check_positive(stride, "the stride of windows")
    first = np.arange(0, max(steps - width + 1, 0), stride, dtype=np.int64)
    return np.stack([first, first + width], axis=1)


def random_windows(steps: int, width: int, windows: int, seed: int = 0) -> NDArray[np.int64]:
    """Windows of `width` steps at random places, which may overlap: int64 [windows, 2].

    The published figures take 200 of them (Tadros et al. 2022, `compute_reactivation_figure2.m`;
    the authors' windows are one step longer than asked). None if `width` exceeds `steps`.

    Raises:
        InputError: A width below 1.
    """
    check_positive(width, "a window's width")
    places = max(steps - width + 1, 0)
    generator = numpy_generator(seed, "analysis", "windows")
    first = np.sort(generator.integers(0, max(places, 1), windows if places else 0))
    return np.stack([first, first + width], axis=1)


def window_counts(
    events: NDArray[np.int64], neurons: int, windows: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Spikes of each neuron in each window: int64 [windows, neurons].

    Windows may overlap. The cost grows with the events and with windows × neurons.

    Args:
        events: (step, neuron) of each spike: int64 [events, 2], in any order.
        neurons: Neurons of the layer.
        windows: First step and end of each: int64 [windows, 2].
    """
    if not len(windows):
        return np.zeros((0, neurons), np.int64)
    edges = np.unique(windows)
    counts = binned_raster(events, edges, np.arange(neurons + 1))
    total = np.concatenate([np.zeros((1, neurons), np.int64), np.cumsum(counts, axis=0)])
    start, stop = np.searchsorted(edges, windows).T
    return total[stop] - total[start]


def counts_by_class(
    counts: NDArray[np.int64], class_of_output: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """Output spikes of each class in each window: int64 [windows, classes].

    Args:
        counts: Spikes of the output layer: int64 [windows, outputs].
        class_of_output: Class that each output stands for: int64 [outputs]; −1 for none. Several
            heads may have outputs of the same class.
        classes: Number of classes.

    Raises:
        InputError: `class_of_output` does not have one class for each output.
    """
    check_neurons(class_of_output, counts, "counts and the outputs' classes")
    return counts @ (class_of_output[:, None] == np.arange(classes)).astype(np.int64)
