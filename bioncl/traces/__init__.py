"""Spikes, and where they go.

Engines make `Spikes` and hand them to a `Recorder`. `bioncl.traces.hdf5_writer.TraceFile` gives
recorders that write to one HDF5 file a run, in the layout that `bioncl.traces.schema` describes;
`bioncl.traces.hdf5_reader.open_trace` reads such a file piece by piece. Those two import h5py, so
they are not imported here.
"""

from __future__ import annotations

from bioncl.traces.recorder import MemoryRecorder, Recorder, SilentRecorder
from bioncl.traces.spikes import Spikes

__all__ = ["MemoryRecorder", "Recorder", "SilentRecorder", "Spikes"]
