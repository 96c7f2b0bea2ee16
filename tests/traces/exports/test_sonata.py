"""SONATA files: read back with h5py, libsonata and bmtk."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bioncl.errors import TraceError
from bioncl.traces.exports import export
from bioncl.traces.hdf5_reader import open_trace


def as_events(nights, layer, times, ids):
    """(night, layer, step, neuron) from times in ms and the rows (night, task, first step, …)."""
    starts = [row[2] for row in nights]
    found = []
    for time, neuron in zip(times, ids, strict=True):
        row = max(i for i, start in enumerate(starts) if start <= time)
        found.append((nights[row][0], layer, int(time) - starts[row], int(neuron)))
    return found


@settings(max_examples=30)
@given(data=st.data())
def test_h5py_reads_the_same_spikes(data, cases, tmp_path_factory):
    """With the table of nights that is exported beside them."""
    run, trace, which = data.draw(cases)
    folder = tmp_path_factory.getbasetemp()
    written = export(trace, "sonata", folder / "out.h5", which)
    with h5py.File(folder / "out.h5") as file:
        nights = file["bioncl/nights"][:].tolist()
        found = [
            event
            for layer in which.layers_of(trace)
            for event in as_events(
                nights,
                layer,
                file[f"spikes/{layer}/timestamps"][:],
                file[f"spikes/{layer}/node_ids"][:],
            )
        ]
        assert set(file["spikes"]) == set(which.layers_of(trace))
    assert found == run.events(which)
    assert written == len(found)


def test_the_layout_is_that_of_a_trace_without_packing(run):
    """Attributes and types as in a trace, whose layout others were shown to read."""
    with run.recorded(compressed=False) as (trace, folder):
        export(trace, "sonata", folder / "out.h5")
        with h5py.File(folder / "out.h5") as new, h5py.File(trace.path, locking=False) as old:
            assert dict(new.attrs)["magic"] == old.attrs["magic"]
            assert np.array_equal(new.attrs["version"], old.attrs["version"])
            for layer in run.layers:
                assert dict(new[f"spikes/{layer}"].attrs) == dict(old[f"spikes/{layer}"].attrs)
                for name in ("timestamps", "node_ids"):
                    ours, theirs = new[f"spikes/{layer}/{name}"], old[f"spikes/{layer}/{name}"]
                    assert np.array_equal(ours, theirs)
                    assert (ours.dtype, ours.compression) == (theirs.dtype, None)
            assert new["bioncl/config_json"][()] == b'{"seed": 3}'
            assert new["bioncl/nights"].attrs["columns"].tolist()[:3] == [
                "night",
                "task",
                "first_step",
            ]


def test_an_export_is_no_trace(run):
    """It lacks the weights and counts; opening it says so."""
    with run.recorded() as (trace, folder):
        export(trace, "sonata", folder / "out.h5")
        with pytest.raises(TraceError, match="not a trace of bioncl"):
            open_trace(folder / "out.h5")


@settings(max_examples=30)
@given(data=st.data())
def test_libsonata_reads_the_same_spikes_of_a_packed_trace(data, cases, tmp_path_factory):
    libsonata = pytest.importorskip("libsonata", reason="libsonata is not installed")
    run, trace, which = data.draw(cases)
    folder = tmp_path_factory.getbasetemp()
    export(trace, "sonata", folder / "out.h5", which)
    reader = libsonata.SpikeReader(str(folder / "out.h5"))
    nights = [(w.night.index, 0, w.night.first_step) for w in which.windows(trace)]
    assert set(reader.get_population_names()) == set(which.layers_of(trace))
    found = []
    for layer in which.layers_of(trace):
        assert reader[layer].sorting == "by_time"
        spikes = reader[layer].get_dict()
        found += as_events(nights, layer, spikes["timestamps"], spikes["node_ids"])
    assert found == run.events(which)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # bmtk's own
def test_bmtk_reads_the_same_spikes(run):
    reason = "bmtk is not installed"
    trains = pytest.importorskip("bmtk.utils.reports.spike_trains", reason=reason)
    with run.recorded() as (trace, folder):
        export(trace, "sonata", folder / "out.h5")
        spikes = trains.SpikeTrains.from_sonata(str(folder / "out.h5"))
        nights = [(night.index, 0, night.first_step) for night in trace.nights]
        found = []
        for layer in run.layers:
            frame = spikes.to_dataframe(populations=layer)
            found += as_events(nights, layer, frame["timestamps"], frame["node_ids"])
    assert found == run.events()
