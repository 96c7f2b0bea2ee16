"""Firing rates, from counts of spikes or from the spikes themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def mean_rates(counts: NDArray[np.int64], steps: int, step_ms: float = 1.0) -> NDArray[np.float64]:
    """Rate in Hz of each neuron that fired `counts` times [neurons] in `steps` steps."""
    return counts / (max(steps, 1) * step_ms / 1000)


def bin_edges(start: int, stop: int, bins: int) -> NDArray[np.int64]:
    """Cut the steps from `start` up to `stop` into at most `bins` bins of nearly equal length.

    Returns:
        int64 [bins + 1]: the first step of each bin, and `stop`; no bin is empty.
    """
    bins = max(1, min(bins, stop - start))
    return start + np.arange(bins + 1, dtype=np.int64) * (stop - start) // bins


def population_rate(
    steps: NDArray[np.int64], neurons: int, edges: NDArray[np.int64], step_ms: float = 1.0
) -> NDArray[np.float64]:
    """Mean rate in Hz of a layer's neurons in each bin of time: [bins].

    Rates of the same bins over several lots of spikes add up.

    Args:
        steps: The step of each spike of the layer, ascending: int64 [events].
        neurons: Neurons of the layer.
        edges: From `bin_edges`.
        step_ms: Length of one step.
    """
    counts = np.diff(np.searchsorted(steps, edges))
    return counts / (np.diff(edges) * (step_ms / 1000) * neurons)
