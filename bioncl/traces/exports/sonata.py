"""SONATA spike files, which libsonata and bmtk read.

A trace that was recorded without compression is such a file already; libsonata cannot unpack a
compressed one. Times are those of the run: step k of a night stands at first_ms + k * step_ms.
The nights and the settings are kept under /bioncl, where readers of SONATA do not look.
Memory: one piece of about a million spikes.
Source: SONATA developer guide, "Spike file" (Dai et al. 2020, doi:10.1371/journal.pcbi.1007696).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from bioncl.traces import schema
from bioncl.traces.exports.selection import Selection, Window
from bioncl.traces.hdf5_part import ROOM, writing

if TYPE_CHECKING:
    from bioncl.traces.hdf5_reader import Trace

FORMAT = "bioncl-export"
_COLUMNS = ("night", "task", "first_step", "start", "stop")


def write(trace: Trace, out: Path, which: Selection) -> int:
    """Write the chosen spikes to the new file `out`; return how many.

    Raises:
        StorageError: There is no room for it.
    """
    settings = schema.to_json(trace.settings)
    with writing(out, ROOM + len(settings), "w") as file:
        schema.mark_sonata(file)
        for layer in which.layers_of(trace):
            schema.create_population(file, layer, trace.sizes[layer], compressed=False)
        _describe(file, trace, settings, which.windows(trace))
    written = 0
    for layer in which.layers_of(trace):
        for window, events in which.pieces(trace, layer):
            milliseconds = (events[:, 0] + window.night.first_step) * trace.step_ms
            with writing(out, ROOM + 16 * len(events)) as file:
                _append(file[f"spikes/{layer}/timestamps"], milliseconds)
                _append(file[f"spikes/{layer}/node_ids"], events[:, 1])
            written += len(events)
    return written


def _describe(file: h5py.File, trace: Trace, settings: str, windows: list[Window]) -> None:
    own = file.create_group("bioncl")
    own.attrs["format"] = FORMAT
    own.attrs["created"] = trace.created
    own.attrs["step_ms"] = trace.step_ms
    own["config_json"] = settings
    rows = [(w.night.index, w.night.task, w.night.first_step, w.start, w.stop) for w in windows]
    own["nights"] = np.array(rows, np.int64)
    own["nights"].attrs["columns"] = list(_COLUMNS)


def _append(data: h5py.Dataset, values: NDArray[Any]) -> None:
    first = len(data)
    data.resize((first + len(values),))
    data[first:] = values
    data.flush()  # when it is closed, h5py swallows errors
