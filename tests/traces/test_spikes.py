"""Spikes as sparse events against the raster they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioncl.traces.spikes import Spikes


@st.composite
def rasters(draw):
    steps, neurons = draw(st.integers(0, 12)), draw(st.integers(0, 9))
    lit = draw(st.floats(0, 1))
    generator = np.random.default_rng(draw(st.integers(0, 99)))
    return generator.random((steps, neurons)) < lit


@given(rasters())
def test_raster_there_and_back(raster):
    spikes = Spikes.from_raster(raster)
    assert (spikes.steps, spikes.neurons) == raster.shape
    assert np.array_equal(spikes.raster(), raster)
    assert (spikes.ids.dtype, spikes.offsets.dtype) == (np.int32, np.int64)


@given(rasters())
def test_events_steps_and_counts_are_those_of_the_raster(raster):
    """NumPy lists the true places of a raster by step, then neuron."""
    spikes = Spikes.from_raster(raster)
    assert np.array_equal(spikes.events(), np.argwhere(raster))
    assert np.array_equal(spikes.event_steps(), np.nonzero(raster)[0])
    assert np.array_equal(spikes.counts(), raster.sum(axis=0))
    assert spikes.events().dtype == spikes.counts().dtype == np.int64


@given(rasters())
def test_each_step_has_its_neurons_ascending(raster):
    spikes = Spikes.from_raster(raster)
    assert spikes.offsets[0] == 0
    for step, row in enumerate(raster):
        ids = spikes.ids[spikes.offsets[step] : spikes.offsets[step + 1]]
        assert ids.tolist() == np.flatnonzero(row).tolist()


@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_order_and_views_do_not_matter(order):
    raster = np.asarray(np.random.default_rng(0).random((20, 15)) < 0.3, order=order)
    assert np.array_equal(Spikes.from_raster(raster[::2, 3:]).raster(), raster[::2, 3:])
