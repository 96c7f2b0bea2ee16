"""NWB files: read back by pynwb and Neo, validated, and looked at by nwbinspector."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioncl.traces.exports import Selection, export

pynwb = pytest.importorskip("pynwb", reason="pynwb is not installed")


def as_events(windows, layer, neuron, seconds):
    """(night, layer, step, neuron) from times in seconds of the run."""
    found = []
    for step in np.rint(np.asarray(seconds) * 1000).astype(int).tolist():
        night = max(
            (w.night for w in windows if w.night.first_step <= step), key=lambda n: n.first_step
        )
        found.append((night.index, layer, step - night.first_step, int(neuron)))
    return found


def in_order(events, layers):
    """By layer, night, step, neuron."""
    return sorted(events, key=lambda e: (layers.index(e[1]), e[0], e[2], e[3]))


@pytest.mark.slow
@settings(max_examples=15)
@given(data=st.data())
def test_pynwb_reads_the_same_spikes_and_finds_the_file_valid(data, cases, tmp_path_factory):
    """Each neuron is a unit, silent ones too; each night is an epoch."""
    run, trace, which = data.draw(cases)
    folder = tmp_path_factory.getbasetemp()
    windows, layers = which.windows(trace), which.layers_of(trace)
    written = export(trace, "nwb", folder / "out.nwb", which)
    assert pynwb.validate(path=str(folder / "out.nwb")) == []
    found = []
    with pynwb.NWBHDF5IO(str(folder / "out.nwb"), "r") as source:
        content = source.read()
        units, epochs = content.units, content.epochs
        assert len(units) == sum(run.layers[layer] for layer in layers)
        for unit in range(len(units)):
            layer, neuron = units["layer"][unit], units["neuron"][unit]
            found += as_events(windows, layer, neuron, units["spike_times"][unit])
        nights = zip(epochs["night"][:], epochs["task"][:], strict=True)
        assert list(nights) == [(w.night.index, w.night.task) for w in windows]
        for epoch, window in enumerate(windows):
            ends = [window.night.first_step + s for s in (window.start, window.stop)]
            times = epochs["start_time"][epoch], epochs["stop_time"][epoch]
            assert list(times) == [end / 1000 for end in ends]
    assert in_order(found, layers) == run.events(which)
    assert written == len(found)


def test_the_file_says_what_it_is(run):
    with run.recorded() as (trace, folder):
        export(trace, "nwb", folder / "out.nwb")
        with pynwb.NWBHDF5IO(str(folder / "out.nwb"), "r") as source:
            content = source.read()
            assert content.session_start_time.isoformat() == trace.created
            assert content.notes == '{"seed": 3}'
            assert "no animal" in content.subject.description
            assert content.units.resolution == 0.001
            assert ["numpy", np.__version__] in content.was_generated_by[:].tolist()


def test_joined_nights_are_one_interval_of_observation_and_others_are_not(run):
    """Nights of 40 and 25 steps; a part that leaves steps out between them cannot be chosen."""
    from bioncl.traces.exports import nwb

    assert nwb._merged([(0.0, 1.0), (1.0, 2.0), (3.0, 4.0)]) == [(0.0, 2.0), (3.0, 4.0)]
    with run.recorded() as (trace, folder):
        export(trace, "nwb", folder / "out.nwb", Selection(start=10))
        with pynwb.NWBHDF5IO(str(folder / "out.nwb"), "r") as source:
            intervals = source.read().units["obs_intervals"]
            assert [intervals[unit].tolist() for unit in range(8)] == [[[0.01, 0.065]]] * 8


@pytest.mark.slow
@settings(max_examples=15)
@given(data=st.data())
def test_neo_reads_the_same_spikes(data, cases, tmp_path_factory):
    """Its reader keeps the order of the units and their interval, and the nights as epochs."""
    neo = pytest.importorskip("neo", reason="Neo is not installed")
    run, trace, which = data.draw(cases)
    folder = tmp_path_factory.getbasetemp()
    windows, layers = which.windows(trace), which.layers_of(trace)
    export(trace, "nwb", folder / "out.nwb", which)
    source = neo.io.NWBIO(str(folder / "out.nwb"), "r")
    (block,) = source.read_all_blocks()
    source.close()
    (segment,) = block.segments
    neurons = [(layer, i) for layer in layers for i in range(run.layers[layer])]
    found = []
    for train, (layer, neuron) in zip(segment.spiketrains, neurons, strict=True):
        seconds = train.rescale("s").magnitude
        found += as_events(windows, layer, neuron, seconds)
    assert in_order(found, layers) == run.events(which)
    (epochs,) = segment.epochs
    assert epochs.labels.tolist() == [f"night {window.night.index}" for window in windows]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # those of nwbinspector and what it imports
@pytest.mark.parametrize("rules", [None, "dandi"])
@pytest.mark.parametrize("night", [None, 0])
def test_nwbinspector_has_but_suggestions(run, rules, night):
    """Such as a name of the institution; also by the stricter rules of the DANDI archive."""
    inspector = pytest.importorskip("nwbinspector", reason="nwbinspector is not installed")
    with run.recorded() as (trace, folder):
        export(trace, "nwb", folder / "out.nwb", Selection(night))
        config = rules and inspector.load_config(rules)
        found = list(inspector.inspect_nwbfile(nwbfile_path=folder / "out.nwb", config=config))
    assert found
    assert {message.importance.name for message in found} == {"BEST_PRACTICE_SUGGESTION"}
