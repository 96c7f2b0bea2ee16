"""The trace of a run: one HDF5 file that only ever holds whole nights.

While a night runs, everything goes to two copies beside the file, with `.part` and `.part2` behind
its name; at the end of the night the first replaces the file. A kill leaves the file as it was and
at least one copy readable up to its last block; an exception removes both.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import h5py
import numpy as np

from bioncl.atomic import commit, storage_errors
from bioncl.errors import InputError, TraceError, describe
from bioncl.traces import schema
from bioncl.traces.hdf5_events import reading
from bioncl.traces.hdf5_night import NightRecorder
from bioncl.traces.hdf5_part import ROOM, writing

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
        parts = [self.path.with_name(self.path.name + ending) for ending in schema.PARTS]
        try:
            first_step = self._prepare(parts, index, task, steps)
            recorder = NightRecorder(
                parts,
                index,
                first_step,
                self.layers,
                compressed=self._compressed,
                keep_before=self._keep_before,
                block_events=self._block_events,
            )
            yield recorder
            recorder.finish()
            with storage_errors(self.path):
                commit(parts[0], self.path)
        finally:
            for part in parts:
                with suppress(OSError):
                    part.unlink(missing_ok=True)

    def _prepare(self, parts: Sequence[Path], index: int, task: int, steps: int) -> int:
        """Make the parts: the nights before `index`, and a new one whose first step is returned.

        The first part appears when its twin is whole, so that it can be read from the beginning.
        """
        part, twin = parts
        with storage_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            part.unlink(missing_ok=True)
            continued = index > 0 and self.path.exists() and self._holds_nights_before(index)
            if continued:
                shutil.copyfile(self.path, twin)
            room = ROOM + 16 * sum(self.layers.values()) + len(schema.to_json(self._settings))
            with writing(twin, room, "r+" if continued else "w") as file:
                if continued:
                    _drop_nights_from(file, index)
                else:
                    schema.create(file, self.layers, self._settings, compressed=self._compressed)
                first_step = _add_night(file, index, task, steps)
            shutil.copyfile(twin, part)
        return first_step

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


def _drop_nights_from(file: h5py.File, index: int) -> None:
    nights = schema.nights_of(file)
    for night in [night for night in nights if night >= index]:
        del nights[night], file[schema.night_path(night)]
    ends = schema.event_ends(list(nights.values())[-1])
    for name, end in zip(schema.layers_of(file), ends, strict=True):
        for what in ("timestamps", "node_ids"):
            file[f"spikes/{name}/{what}"].resize((end,))


def _add_night(file: h5py.File, index: int, task: int, steps: int) -> int:
    """Add an empty night behind those of the file, now unfinished; return its first step."""
    layers = schema.layers_of(file)
    earlier = list(schema.nights_of(file).values())
    first_step, ends = 0, [0] * len(layers)
    if earlier:
        last = earlier[-1]
        lasted = max(int(last.attrs["steps"]), int(last["blocks"][-1, 0]))
        first_step, ends = int(last.attrs["first_step"]) + lasted, schema.event_ends(last)
    night = file.create_group(schema.night_path(index))
    columns = 1 + len(layers)
    night.create_dataset(
        "blocks", (0, columns), np.int64, maxshape=(None, columns), chunks=(256, columns)
    )
    night.attrs["index"] = index
    night.attrs["task"] = task
    night.attrs["steps"] = steps
    night.attrs["first_step"] = first_step
    night.attrs["first_ms"] = first_step * schema.STEP_MS
    night.attrs["first_events"] = np.array(ends, np.int64)
    night.attrs["complete"] = False
    file["bioncl"].attrs["complete"] = False
    return first_step
