"""Neo objects of a trace, which Elephant and Viziphant take.

A `Block` for the run holds a `Segment` for each night and a `Group` for each layer. Each night is
a recording of its own: its times start at the night's first step, so that nights can be laid over
one another; the segment's annotation `first_ms` leads back to the time of the run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bioncl.traces import schema
from bioncl.traces.exports.optional import require
from bioncl.traces.exports.selection import EVERYTHING, Selection, Window, by_neuron

if TYPE_CHECKING:
    import neo

    from bioncl.traces.hdf5_reader import Trace


def to_neo(trace: Trace, which: Selection = EVERYTHING) -> neo.Block:
    """A `neo.Block` with one `SpikeTrain` for each night and neuron, silent ones too.

    Times are in ms, annotations of a train: night, layer, neuron. All of it is in memory, and each
    train takes time to make: choose a night and the layers that matter.

    Raises:
        UnsupportedError: Neo is not installed.
    """
    core = require("neo", "neo")
    settings = schema.to_json(trace.settings)
    block = core.Block(name=trace.path.name, created=trace.created, settings=settings)
    layers = which.layers_of(trace)
    groups = {name: core.Group(name=name, neurons=trace.sizes[name]) for name in layers}
    for window in which.windows(trace):
        segment = _segment(core, window, trace.step_ms)
        for layer, group in groups.items():
            trains = _trains(core, trace, layer, window)
            segment.spiketrains.extend(trains)
            group.spiketrains.extend(trains)
        block.segments.append(segment)
    block.groups.extend(groups.values())
    return block


def _segment(core: Any, window: Window, step_ms: float) -> Any:
    night = window.night
    return core.Segment(
        name=f"night {night.index}",
        index=night.index,
        night=night.index,
        task=night.task,
        first_ms=night.first_step * step_ms,
        complete=night.complete,
    )


def _trains(core: Any, trace: Trace, layer: str, window: Window) -> list[Any]:
    night, size = window.night.index, trace.sizes[layer]
    steps, ends = by_neuron([trace.spikes(layer, night, window.start, window.stop)], size)
    return [
        core.SpikeTrain(
            times,
            units="ms",
            t_start=window.start * trace.step_ms,
            t_stop=window.stop * trace.step_ms,
            night=night,
            layer=layer,
            neuron=neuron,
        )
        for neuron, times in enumerate(np.split(steps * trace.step_ms, ends[:-1]))
    ]
