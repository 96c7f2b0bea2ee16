"""Binned rasters against a loop over the spikes."""

from __future__ import annotations

import numpy as np
import pytest

from bioncl.analysis.raster import binned_raster
from bioncl.analysis.rates import bin_edges


@pytest.mark.parametrize("seed", range(3))
def test_binned_raster_counts_as_a_loop_does(seed: int) -> None:
    """Spikes before, after and beside the edges are left out."""
    random = np.random.default_rng(seed)
    events = np.stack([random.integers(0, 60, 500), random.integers(0, 30, 500)], axis=1)
    steps, neurons = bin_edges(5, 50, 7), bin_edges(3, 29, 4)
    expected = np.zeros((7, 4), np.int64)
    for step, neuron in events:
        for row in range(7):
            for column in range(4):
                in_row = steps[row] <= step < steps[row + 1]
                expected[row, column] += in_row and neurons[column] <= neuron < neurons[column + 1]
    assert expected.sum() < len(events)
    assert np.array_equal(binned_raster(events, steps, neurons), expected)


def test_the_finest_bins_give_the_raster_itself() -> None:
    """One step and one neuron a bin."""
    raster = np.random.default_rng(0).random((12, 9)) < 0.3
    counts = binned_raster(np.argwhere(raster), np.arange(13), np.arange(10))
    assert np.array_equal(counts, raster.astype(np.int64))


def test_no_spikes_give_an_empty_raster() -> None:
    """Of the right shape."""
    events = np.zeros((0, 2), np.int64)
    assert binned_raster(events, np.array([0, 5, 9]), np.array([0, 2])).tolist() == [[0], [0]]
