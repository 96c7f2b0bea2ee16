"""The files that a night is written to until it is complete.

No order of writes inside one HDF5 file survives every kill, so each block goes to two files, one
after the other, each opened and closed for it: at least one of them is whole at any moment. The
first, `.part`, also holds the nights before and becomes the trace; its twin, `.part2`, holds this
night's spikes alone, unpacked. What is known only at the end of the night goes to the first.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from bioncl.atomic import storage_errors
from bioncl.traces import schema
from bioncl.traces.hdf5_part import ROOM, writing
from bioncl.traces.spikes import Spikes

_SHORT = 1000
_PIECE = 1 << 19


@dataclass(frozen=True)
class Block:
    """Spikes of all layers up to the same step of the night.

    Attributes:
        stop: First step after the block.
        layers: For each layer its chunks of steps in order: first step, and spikes.
    """

    stop: int
    layers: Sequence[Sequence[tuple[int, Spikes]]]


class UnfinishedNight:
    """One night on its way to the disk; its methods are called one after another, `begin` first.

    All of them raise StorageError if the disk is full or the place is not writable.
    """

    def __init__(
        self,
        path: Path,
        index: int,
        layers: schema.Layers,
        *,
        compressed: bool,
        keep_before: bool,
    ) -> None:
        """Say what will be written: night `index` of the trace at `path`; see `TraceFile`."""
        self._path = path
        self.part, self._twin = (path.with_name(path.name + ending) for ending in schema.PARTS)
        self._index = index
        self._group = schema.night_path(index)
        self._counts = {name: np.zeros(neurons, np.int64) for name, neurons in layers.items()}
        self._layers = layers
        self._compressed = compressed
        self._keep_before = keep_before
        self._first_step = 0

    def begin(
        self, settings: Mapping[str, object], task: int, steps: int, *, continued: bool
    ) -> None:
        """Make both files; `continued` takes the nights before this one from the trace.

        The first appears when it is whole, and nothing is written to it before its twin is there.
        """
        with storage_errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self.part.unlink(missing_ok=True)
            if continued:
                shutil.copyfile(self._path, self._twin)
            room = ROOM + 16 * sum(self._layers.values()) + len(schema.to_json(settings))
            with writing(self._twin, room, "r+" if continued else "w") as file:
                if continued:
                    _drop_nights_from(file, self._index)
                else:
                    schema.create(file, self._layers, settings, compressed=self._compressed)
                self._first_step = _steps_before(file)
                self._add_night(file, task, steps)
            self._twin.replace(self.part)
            with writing(self._twin, room, "w") as file:
                schema.create(file, self._layers, settings, compressed=False)
                self._add_night(file, task, steps)

    def append(self, block: Block) -> None:
        """Write a block to both files."""
        columns = {
            name: _columns(chunks, self._first_step)
            for name, chunks in zip(self._layers, block.layers, strict=True)
        }
        events = 0
        for name, (_, ids) in columns.items():
            self._counts[name] += np.bincount(ids, minlength=self._layers[name])
            events += len(ids)
        # every data set also writes its last, partly filled chunk anew
        room = ROOM + 16 * (events + schema.CHUNK_EVENTS * len(columns))
        for path in (self.part, self._twin):
            with writing(path, room) as file:
                ends = [_append(file[f"spikes/{name}"], *both) for name, both in columns.items()]
                blocks = file[self._group]["blocks"]
                blocks.resize(len(blocks) + 1, axis=0)
                blocks[-1] = [block.stop, *ends]

    def weights(
        self, names: Sequence[str], before: Sequence[NDArray[Any]], after: Sequence[NDArray[Any]]
    ) -> None:
        """Write the change of each layer's weights [post, pre], and their norms."""
        room = ROOM + 3 * sum(new.nbytes for new in after)
        with writing(self.part, room) as file:
            for name, old, new in zip(names, before, after, strict=True):
                group = file.require_group(f"{self._group}/weights").create_group(name)
                packing = schema.quick_filters(compressed=self._compressed)
                _write_weights(group, old, new, packing, keep_before=self._keep_before)

    def arrays(self, values: Mapping[str, NDArray[Any]]) -> None:
        """Write arrays about the night under their paths."""
        room = ROOM + 2 * sum(array.nbytes for array in values.values())
        packing = schema.filters(compressed=self._compressed)
        with writing(self.part, room) as file:
            for path, array in values.items():
                file[self._group].create_dataset(path, data=array, **packing)

    def finish(self, facts: Mapping[str, object]) -> None:
        """Write the facts, and mark night and file as complete."""
        text = schema.to_json(facts)
        room = ROOM + len(text) + 16 * sum(self._layers.values())
        with writing(self.part, room) as file:
            night = file[self._group]
            night["facts_json"] = text
            _repeat_single_facts(night, facts)
            for name, counts in self._counts.items():
                night.create_dataset(f"layers/{name}/spike_counts", data=counts)
            _update_mean_rates(file)
            night.attrs["complete"] = True
            file["bioncl"].attrs["complete"] = True

    def remove(self) -> None:
        """Remove what is left of the files."""
        for path in (self.part, self._twin):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _add_night(self, file: h5py.File, task: int, steps: int) -> None:
        """Add the night, empty, behind those of the file."""
        earlier = list(schema.nights_of(file).values())
        ends = schema.event_ends(earlier[-1]) if earlier else [0] * len(self._layers)
        night = file.create_group(self._group)
        columns = 1 + len(self._layers)
        night.create_dataset(
            "blocks", (0, columns), np.int64, maxshape=(None, columns), chunks=(256, columns)
        )
        night.attrs["index"] = self._index
        night.attrs["task"] = task
        night.attrs["steps"] = steps
        night.attrs["first_step"] = self._first_step
        night.attrs["first_ms"] = self._first_step * schema.STEP_MS
        night.attrs["first_events"] = np.array(ends, np.int64)
        night.attrs["complete"] = False
        file["bioncl"].attrs["complete"] = False


def _drop_nights_from(file: h5py.File, index: int) -> None:
    nights = schema.nights_of(file)
    for night in [night for night in nights if night >= index]:
        del nights[night], file[schema.night_path(night)]
    ends = schema.event_ends(list(nights.values())[-1])
    for name, end in zip(schema.layers_of(file), ends, strict=True):
        for what in ("timestamps", "node_ids"):
            file[f"spikes/{name}/{what}"].resize((end,))


def _steps_before(file: h5py.File) -> int:
    """Steps of all nights of the file together."""
    nights = list(schema.nights_of(file).values())
    if not nights:
        return 0
    last = nights[-1]
    lasted = max(int(last.attrs["steps"]), int(last["blocks"][-1, 0]))
    return int(last.attrs["first_step"]) + lasted


def _columns(
    chunks: Sequence[tuple[int, Spikes]], first_step: int
) -> tuple[NDArray[np.float64], NDArray[np.uint64]]:
    """Times in ms and neurons of all spikes of `chunks`, in a night that starts at `first_step`."""
    steps = [spikes.event_steps() + (first_step + first) for first, spikes in chunks]
    ids = [spikes.ids for _, spikes in chunks]
    times = np.concatenate([np.zeros(0), *steps]) * schema.STEP_MS
    return times, np.concatenate([np.zeros(0, np.int32), *ids]).astype(np.uint64)


def _append(group: h5py.Group, times: NDArray[np.float64], ids: NDArray[np.uint64]) -> int:
    """Append spikes to a layer; return where they end now."""
    first = len(group["node_ids"])
    end = first + len(ids)
    if end > first:
        for what, values in (("timestamps", times), ("node_ids", ids)):
            data = group[what]
            data.resize((end,))
            data[first:] = values
            data.flush()  # when it is closed, h5py swallows errors
    return end


def _write_weights(
    group: h5py.Group,
    before: NDArray[Any],
    after: NDArray[Any],
    packing: Mapping[str, object],
    *,
    keep_before: bool,
) -> None:
    """Write some rows at a time: fresh memory for whole matrices takes longer than the packing."""
    shape, rows = before.shape, max(1, min(len(before), _PIECE // (before[:1].nbytes or 1)))
    pieces = [slice(first, first + rows) for first in range(0, len(before), rows)]
    form = {"shape": shape, "chunks": (rows, *shape[1:])}
    delta = group.create_dataset("delta", dtype=np.result_type(before, after), **form, **packing)
    if keep_before:
        # float32 is exact for a network that learns in float32. These weights shrink by a few per
        # cent only, so they are not packed.
        single = all(np.array_equal(before[p], before[p].astype(np.float32)) for p in pieces)
        dtype = np.float32 if single else before.dtype
        kept = group.create_dataset(
            "before", dtype=dtype, **form, **schema.quick_filters(compressed=False)
        )
    squares = np.zeros(3)
    for p in pieces:
        change = after[p] - before[p]
        delta[p] = change
        if keep_before:
            kept[p] = before[p]
        squares += [np.square(v, dtype=np.float64).sum() for v in (before[p], after[p], change)]
    for what, norm in zip(("before", "after", "delta"), np.sqrt(squares), strict=True):
        group.attrs[f"norm_{what}"] = float(norm)


def _repeat_single_facts(night: h5py.Group, facts: Mapping[str, object]) -> None:
    """Set numbers and short texts as attributes, where other programs show them."""
    for name, value in facts.items():
        short = isinstance(value, str) and len(value) < _SHORT and "\0" not in value
        if name not in night.attrs and (short or isinstance(value, int | float | np.number)):
            night.attrs[name] = value


def _update_mean_rates(file: h5py.File) -> None:
    """Set /bioncl/layers/<layer>/rate_hz from the counts and lengths of all nights."""
    nights = schema.nights_of(file).values()
    seconds = sum(int(night["blocks"][-1, 0]) for night in nights) * schema.STEP_MS / 1000
    for name in schema.layers_of(file):
        counts = sum(night[f"layers/{name}/spike_counts"][:] for night in nights)
        file[f"bioncl/layers/{name}/rate_hz"][:] = counts / max(seconds, schema.STEP_MS / 1000)
