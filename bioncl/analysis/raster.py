"""Rasters of spikes, binned to a size that can be drawn or compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def binned_raster(
    events: NDArray[np.int64], step_edges: NDArray[np.int64], neuron_edges: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Count the spikes in each bin of time and group of neurons: int64 [bins, groups].

    Spikes outside of the edges are left out. Rasters of several lots of spikes add up.

    Args:
        events: (step, neuron) of each spike: int64 [events, 2].
        step_edges: First step of each bin, then the end of the last: ascending [bins + 1].
        neuron_edges: The same for neurons [groups + 1].
    """
    shape = len(step_edges) - 1, len(neuron_edges) - 1
    bins = np.searchsorted(step_edges, events[:, 0], side="right") - 1
    groups = np.searchsorted(neuron_edges, events[:, 1], side="right") - 1
    inside = (bins >= 0) & (bins < shape[0]) & (groups >= 0) & (groups < shape[1])
    cells = np.ravel_multi_index((bins[inside], groups[inside]), shape)
    return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)
