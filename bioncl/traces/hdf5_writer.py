"""The trace of a run: one HDF5 file that only ever holds whole nights.

While a night runs, a thread writes what it hands over to two files beside the trace, with `.part`
and `.part2` behind its name; at the end of the night the first replaces the trace. A kill leaves
the trace as it was and at least one of the two readable up to its last block; an exception removes
both. The night is over only when its trace is complete, so nothing depends on how fast the thread
is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import h5py

from bioncl.atomic import commit, storage_errors
from bioncl.errors import InputError, TraceError, describe
from bioncl.traces import schema
from bioncl.traces.hdf5_background import Background
from bioncl.traces.hdf5_events import reading
from bioncl.traces.hdf5_night import NightRecorder
from bioncl.traces.hdf5_unfinished import UnfinishedNight

BLOCK_EVENTS = 65_536


class TraceFile:
    """Where the nights of one run are written; nothing is touched before the first night."""

    def __init__(
        self,
        path: Path | str,
        layers: Sequence[tuple[str, int]],
        *,
        settings: Mapping[str, object],
        compressed: bool = True,
        keep_before: bool = False,
        block_events: int = BLOCK_EVENTS,
    ) -> None:
        """Describe the file.

        Args:
            path: The file; it is replaced at the end of each night.
            layers: Name and number of neurons of each layer, input first.
            settings: Settings of the run, kept as JSON.
            compressed: Pack with gzip; libsonata reads unpacked files only.
            keep_before: Keep the weights before each night beside their change.
            block_events: Spikes gathered in memory before they are written.

        Raises:
            InputError: A name cannot stand in the file or comes twice, or settings are not JSON.
        """
        self.path = Path(path)
        self.layers = dict(layers)
        self._settings = dict(settings)
        self._compressed = compressed
        self._keep_before = keep_before
        self._block_events = block_events
        for name in self.layers:
            schema.check_name(name)
        if not layers or len(self.layers) != len(layers):
            got = [name for name, _ in layers]
            raise InputError(describe("Layers of a trace", expected="different names", got=got))
        schema.to_json(self._settings)

    @contextmanager
    def night(self, index: int, *, task: int, steps: int) -> Iterator[NightRecorder]:
        """Record the night with this index, which is to last `steps` steps.

        The file keeps its nights before `index` and loses the others, so that a run may repeat a
        night; it changes only when the body ends without an exception.

        Raises:
            StorageError: The disk is full or the place is not writable.
            TraceError: The file there is damaged or holds other layers.
        """
        continued = index > 0 and self.path.exists() and self._holds_nights_before(index)
        night = UnfinishedNight(
            self.path,
            index,
            self.layers,
            compressed=self._compressed,
            keep_before=self._keep_before,
        )
        try:
            with Background("trace") as background:
                background.do(
                    partial(night.begin, self._settings, task, steps, continued=continued)
                )
                recorder = NightRecorder(night, self.layers, background, self._block_events)
                yield recorder
                recorder.finish()
            with storage_errors(self.path):
                commit(night.part, self.path)
        finally:
            night.remove()

    def _holds_nights_before(self, index: int) -> bool:
        with reading(self.path), h5py.File(self.path, "r", locking=False) as file:
            schema.check_format(file)
            found = schema.layers_of(file)
            kept = any(night < index for night in schema.nights_of(file))
        if list(found.items()) != list(self.layers.items()):
            what = f"{self.path} holds other layers"
            hint = "Move it away, or start the run anew."
            raise TraceError(describe(what, expected=self.layers, got=found, hint=hint))
        return kept
