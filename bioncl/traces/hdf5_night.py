"""The recorder of one night: spikes are gathered into blocks and appended to the unfinished file.

No order of writes inside one HDF5 file survives every kill, so each block goes to two files, one
after the other, each opened and closed for it: at least one of them is whole at any moment. A block
covers the same steps in every layer; its row in `blocks` says how far the events reach.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from bioncl.errors import InputError, describe
from bioncl.traces import schema
from bioncl.traces.hdf5_part import ROOM, writing
from bioncl.traces.spikes import Spikes

_BLOCK_SECONDS = 5.0
_SHORT = 1000


@dataclass
class _Layer:
    """What is gathered for one layer: pieces not yet written, and counts of the whole night."""

    name: str
    counts: NDArray[np.int64]
    stop: int = 0
    timestamps: list[NDArray[np.float64]] = field(default_factory=list)
    ids: list[NDArray[np.uint64]] = field(default_factory=list)

    def append_to(self, file: h5py.File) -> int:
        """Append the gathered events to the file; return the end of this layer's events."""
        group = file[f"spikes/{self.name}"]
        first = len(group["node_ids"])
        end = first + sum(map(len, self.ids))
        if end > first:
            for what, pieces in (("timestamps", self.timestamps), ("node_ids", self.ids)):
                data = group[what]
                data.resize((end,))
                data[first:] = np.concatenate(pieces)
                data.flush()  # when it is closed, h5py swallows errors
        return end

    def clear(self) -> None:
        """Forget what was gathered."""
        self.timestamps, self.ids = [], []


class NightRecorder:
    """Writes one night into the unfinished file; see `bioncl.traces.recorder.Recorder`."""

    def __init__(
        self,
        parts: Sequence[Path],
        index: int,
        first_step: int,
        layers: schema.Layers,
        *,
        compressed: bool,
        keep_before: bool,
        block_events: int,
    ) -> None:
        """Take over a night whose group stands in `parts` already and starts at `first_step`.

        Blocks go to all parts; what is known only at the end of the night goes to the first.
        """
        self._parts = parts
        self._group = schema.night_path(index)
        self._layers = [_Layer(name, np.zeros(n, np.int64)) for name, n in layers.items()]
        self._packing = schema.filters(compressed=compressed)
        self._quick = schema.quick_filters(compressed=compressed)
        self._keep_before = keep_before
        self._block_events = block_events
        self._buffered = 0
        self._written = time.monotonic()
        self._facts: dict[str, object] = {}
        self._first_step = first_step

    def spikes(self, layer: int, first_step: int, spikes: Spikes) -> None:
        """Take the spikes of one layer for one chunk of steps; written when a block is full.

        Raises:
            InputError: The chunk does not fit the layer or comes out of order.
            StorageError: The block cannot be written.
        """
        into = self._checked(layer, first_step, spikes)
        late = time.monotonic() - self._written > _BLOCK_SECONDS
        if layer == 0 and (self._buffered >= self._block_events or late):
            self._flush()
        into.stop = first_step + spikes.steps
        into.counts += spikes.counts()
        if len(spikes.ids):
            steps = spikes.event_steps() + (self._first_step + first_step)
            into.timestamps.append(np.multiply(steps, schema.STEP_MS, dtype=np.float64))
            into.ids.append(spikes.ids.astype(np.uint64))
            self._buffered += len(spikes.ids)

    def _checked(self, layer: int, first_step: int, spikes: Spikes) -> _Layer:
        if not 0 <= layer < len(self._layers):
            expected = f"0 to {len(self._layers) - 1}"
            raise InputError(describe("Layer handed to a trace", expected=expected, got=layer))
        into = self._layers[layer]
        if spikes.neurons != len(into.counts):
            what, expected = f"Spikes of layer {into.name}", f"{len(into.counts)} neurons"
            raise InputError(describe(what, expected=expected, got=spikes.neurons))
        if first_step < into.stop:
            what, expected = f"Chunk of layer {into.name}", f"step {into.stop} or later"
            raise InputError(describe(what, expected=expected, got=first_step))
        return into

    def weights(
        self, names: Sequence[str], before: Sequence[NDArray[Any]], after: Sequence[NDArray[Any]]
    ) -> None:
        """Write the change of each layer's weights [post, pre], and their norms."""
        room = ROOM + 3 * sum(new.nbytes for new in after)
        with writing(self._parts[0], room) as file:
            for name, old, new in zip(names, before, after, strict=True):
                schema.check_name(name)
                group = file.require_group(f"{self._group}/weights").create_group(name)
                _write_weights(group, old, new, self._quick, keep_before=self._keep_before)

    def arrays(self, values: Mapping[str, NDArray[Any]]) -> None:
        """Write arrays about the night under their paths."""
        room = ROOM + 2 * sum(array.nbytes for array in values.values())
        with writing(self._parts[0], room) as file:
            for path, array in values.items():
                file[self._group].create_dataset(path, data=array, **self._packing)

    def facts(self, values: Mapping[str, object]) -> None:
        """Keep facts about the night until its end; a later value replaces an earlier one.

        Raises:
            InputError: A value has no form in JSON.
        """
        schema.to_json(values)
        self._facts.update(values)

    def finish(self) -> None:
        """Write what is left and mark night and file as complete."""
        self._flush()
        facts = schema.to_json(self._facts)
        room = ROOM + len(facts) + 16 * sum(len(layer.counts) for layer in self._layers)
        with writing(self._parts[0], room) as file:
            night = file[self._group]
            night["facts_json"] = facts
            self._repeat_single_facts(night)
            for layer in self._layers:
                night.create_dataset(f"layers/{layer.name}/spike_counts", data=layer.counts)
            _update_mean_rates(file)
            night.attrs["complete"] = True
            file["bioncl"].attrs["complete"] = True

    def _repeat_single_facts(self, night: h5py.Group) -> None:
        """Set numbers and short texts as attributes, where other programs show them."""
        for name, value in self._facts.items():
            short = isinstance(value, str) and len(value) < _SHORT and "\0" not in value
            if name not in night.attrs and (short or isinstance(value, int | float | np.number)):
                night.attrs[name] = value

    def _flush(self) -> None:
        stop = max(layer.stop for layer in self._layers)
        # every data set also writes its last, partly filled chunk anew
        room = ROOM + 16 * (self._buffered + schema.CHUNK_EVENTS * len(self._layers))
        for part in self._parts:
            with writing(part, room) as file:
                ends = [layer.append_to(file) for layer in self._layers]
                blocks = file[self._group]["blocks"]
                blocks.resize(len(blocks) + 1, axis=0)
                blocks[-1] = [stop, *ends]
        for layer in self._layers:
            layer.clear()
        self._buffered = 0
        self._written = time.monotonic()


def _write_weights(
    group: h5py.Group,
    before: NDArray[Any],
    after: NDArray[Any],
    packing: Mapping[str, object],
    *,
    keep_before: bool,
) -> None:
    change = after - before
    group.create_dataset("delta", data=change, **packing)
    if keep_before:
        single = before.astype(np.float32)  # exact for a network that learns in float32
        kept = single if np.array_equal(single, before) else before
        group.create_dataset("before", data=kept, **packing)
    for what, values in (("before", before), ("after", after), ("delta", change)):
        group.attrs[f"norm_{what}"] = float(np.linalg.norm(values.astype(np.float64)))


def _update_mean_rates(file: h5py.File) -> None:
    """Set /bioncl/layers/<layer>/rate_hz from the counts and lengths of all nights."""
    nights = schema.nights_of(file).values()
    seconds = sum(int(night["blocks"][-1, 0]) for night in nights) * schema.STEP_MS / 1000
    for name in schema.layers_of(file):
        counts = sum(night[f"layers/{name}/spike_counts"][:] for night in nights)
        file[f"bioncl/layers/{name}/rate_hz"][:] = counts / max(seconds, schema.STEP_MS / 1000)
