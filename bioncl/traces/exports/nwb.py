"""NWB files through pynwb: a units table of all chosen neurons, and the nights as epochs.

Times are in seconds from the start of the run, whose moment is the start of the trace. NWB is made
for animals; what it asks about the subject is filled with what is true of a network, and says so.
Neo's reader needs the tags of the epochs, and one interval of observation for each unit.
Memory: 8 bytes a spike for all layers, and 56 more a spike of the layer that is being sorted.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bioncl.traces import schema
from bioncl.traces.exports.optional import require
from bioncl.traces.exports.selection import Selection, Window, by_neuron
from bioncl.traces.hdf5_part import ROOM, writing

if TYPE_CHECKING:
    from bioncl.traces.hdf5_reader import Trace

_SUBJECT = (
    "An artificial neural network, simulated asleep; no animal. Species and sex do not apply; "
    "its age counts from the start of the run."
)


def write(trace: Trace, out: Path, which: Selection) -> int:
    """Write the chosen spikes to the new file `out`; return how many.

    Raises:
        UnsupportedError: pynwb is not installed.
    """
    nwb = require("pynwb", "nwb")
    content = _file(nwb, trace)
    windows = which.windows(trace)
    content.units = _units(nwb, trace, which, windows)
    content.add_epoch_column("night", "index of the night in the run")
    content.add_epoch_column("task", "the task after which it was slept")
    for window in windows:
        start, stop = _seconds(trace, window)
        night = window.night
        tags = [f"night {night.index}"]
        content.add_epoch(start, stop, tags, night=night.index, task=night.task)
    spikes = len(content.units.spike_times.data)
    room = 4 * ROOM + 8 * spikes + 200 * len(content.units) + len(content.notes)
    with writing(out, room, "w") as file:
        target = nwb.NWBHDF5IO(file=file, mode="w")  # kept, as it closes the file when dropped
        target.write(content)
    return spikes


def _file(nwb: Any, trace: Trace) -> Any:
    """An NWBFile without data: what the run was; without keywords, which Neo cannot read."""
    seed = trace.settings.get("seed")
    name = "network" if seed is None else f"network-seed-{seed}"
    return nwb.NWBFile(
        session_description="Spikes of an artificial neural network during sleep (bioncl)",
        experiment_description=f"Exported from the trace {trace.path.name}; one step counts as "
        f"{trace.step_ms:g} ms by convention. The settings of the run stand in `notes`.",
        identifier=str(uuid.uuid4()),
        session_start_time=datetime.fromisoformat(trace.created),
        notes=schema.to_json(trace.settings),
        was_generated_by=[[package, found] for package, found in trace.versions.items()],
        subject=nwb.file.Subject(
            subject_id=name,
            description=_SUBJECT,
            species="Artificial network",  # in the form of a binomial, which is asked for
            sex="U",
            age="P0D",
        ),
    )


def _units(nwb: Any, trace: Trace, which: Selection, windows: list[Window]) -> Any:
    """The units table, filled by columns: row by row it takes pynwb many times longer."""
    layers = which.layers_of(trace)
    times, ends = _spike_times(trace, which, layers)
    sizes = [trace.sizes[layer] for layer in layers]
    observed = np.array(_merged([_seconds(trace, window) for window in windows]))
    per_unit = np.tile(observed, (len(ends), 1))
    names = np.repeat(np.array(layers, object), sizes).tolist()
    neurons = np.concatenate([np.arange(size) for size in sizes])
    columns = [
        *_ragged(nwb, "spike_times", "times of the spikes in seconds", times, ends),
        *_ragged(
            nwb,
            "obs_intervals",
            "when the unit was recorded, in seconds",
            per_unit,
            len(observed) * np.arange(1, len(ends) + 1),
        ),
        nwb.core.VectorData(name="layer", description="layer of the network", data=names),
        nwb.core.VectorData(name="neuron", description="index within the layer", data=neurons),
    ]
    return nwb.misc.Units(
        name="units",
        description="neurons of the network, silent ones too",
        id=nwb.core.ElementIdentifiers(name="id", data=np.arange(len(ends))),
        columns=columns,
        resolution=trace.step_ms / 1000,
    )


def _spike_times(
    trace: Trace, which: Selection, layers: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Seconds of all spikes, unit by unit, and where each unit's end."""
    times, ends, total = [], [], 0
    for layer in layers:
        pieces = []
        for window, events in which.pieces(trace, layer):
            events[:, 0] += window.night.first_step
            pieces.append(events)
        steps, ends_of_layer = by_neuron(pieces, trace.sizes[layer])
        times.append(steps * trace.step_ms / 1000)
        ends.append(ends_of_layer + total)
        total += len(steps)
    return np.concatenate(times), np.concatenate(ends)


def _ragged(
    nwb: Any, name: str, description: str, data: NDArray[Any], ends: NDArray[np.int64]
) -> list[Any]:
    """A column with any number of values a row, and its index."""
    values = nwb.core.VectorData(name=name, description=description, data=data)
    index = nwb.core.VectorIndex(name=f"{name}_index", target=values, data=ends.astype(np.uint64))
    return [values, index]


def _seconds(trace: Trace, window: Window) -> tuple[float, float]:
    """Start and end of a window, in seconds from the start of the run."""
    first = window.night.first_step  # rounded as the times of the spikes are
    start, stop = (first + step for step in (window.start, window.stop))
    return start * trace.step_ms / 1000, stop * trace.step_ms / 1000


def _merged(intervals: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Join intervals of which one begins where the one before ends."""
    found = intervals[:1]
    for start, stop in intervals[1:]:
        if start == found[-1][1]:
            found[-1] = (found[-1][0], stop)
        else:
            found.append((start, stop))
    return found
