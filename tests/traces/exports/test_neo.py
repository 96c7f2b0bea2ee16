"""Neo objects: train by train against the rasters, and taken by Elephant."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioncl.traces.exports import Selection, to_neo

REASON = "Neo is not installed"


@given(data=st.data())
def test_a_train_for_each_night_and_neuron(data, cases):
    """Silent neurons have theirs; times count from the start of the night."""
    pytest.importorskip("neo", reason=REASON)
    run, trace, which = data.draw(cases)
    block = to_neo(trace, which)
    windows = which.windows(trace)
    layers = which.layers_of(trace)
    neurons = [(layer, i) for layer in layers for i in range(run.layers[layer])]
    found = []
    for segment, window in zip(block.segments, windows, strict=True):
        assert segment.annotations["night"] == window.night.index
        assert segment.annotations["task"] == 10 + window.night.index
        assert segment.annotations["first_ms"] == run.first_steps()[window.night.index]
        trains = segment.spiketrains
        known = [(train.annotations["layer"], train.annotations["neuron"]) for train in trains]
        assert known == neurons
        for train, (layer, neuron) in zip(trains, known, strict=True):
            assert train.units.dimensionality.string == "ms"
            assert (float(train.t_start), float(train.t_stop)) == (window.start, window.stop)
            found += [(window.night.index, layer, int(t), neuron) for t in train.magnitude]
    order = {layer: i for i, layer in enumerate(layers)}
    found.sort(key=lambda event: (order[event[1]], event[0], event[2], event[3]))
    assert found == run.events(which)


def test_a_group_holds_the_trains_of_its_layer(run):
    pytest.importorskip("neo", reason=REASON)
    with run.recorded() as (trace, _):
        block = to_neo(trace)
    assert {group.name: len(group.spiketrains) for group in block.groups} == {
        "input": 2 * 5,
        "hidden": 2 * 3,
    }
    assert block.groups[1].spiketrains[3] is block.segments[1].spiketrains[5]
    assert block.annotations["settings"] == '{"seed": 3}'


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # those of Elephant and what it imports
def test_elephant_finds_our_rates(run):
    """Its mean firing rate of each train equals the trace's."""
    pytest.importorskip("neo", reason=REASON)
    statistics = pytest.importorskip("elephant.statistics", reason="elephant is not installed")
    with run.recorded() as (trace, _):
        for night in (0, 1):
            (segment,) = to_neo(trace, Selection(night)).segments
            found = [
                float(statistics.mean_firing_rate(train).rescale("Hz"))
                for train in segment.spiketrains
            ]
            expected = np.concatenate(list(trace.rates(night).values()))
            np.testing.assert_allclose(found, expected, rtol=1e-12)
