"""Finds and checks the spikes of a trace file.

The rows of a night's `blocks` say which steps and which events belong together: a time window is
found by bisection in them, and in a file that a kill cut off they tell what is whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from bioncl.errors import TraceError, describe
from bioncl.traces import schema

PIECE_EVENTS = 1 << 20
_DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, IndexError)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever h5py and NumPy say about a damaged file into a TraceError."""
    try:
        yield
    except _DAMAGE as error:
        hint = "It may be damaged or cut off: restore it from a copy, or run again with a trace."
        raise TraceError(describe(f"Cannot read the trace {path} ({error})", hint=hint)) from error


class Events:
    """The spikes of an open trace file."""

    def __init__(self, path: Path, file: h5py.File, sizes: schema.Layers, step_ms: float) -> None:
        """Read the blocks of every night, up to the last whose events are all there."""
        self._path = path
        self._file = file
        self._sizes = dict(sizes)
        self._step_ms = step_ms
        held = [_usable_length(file[f"spikes/{name}"]) for name in sizes]
        self._nights = schema.nights_of(file)
        self._blocks = {i: _whole_blocks(night, held) for i, night in self._nights.items()}

    def recorded(self, night: int) -> int:
        """How many steps of a night the file holds."""
        blocks = self._blocks[night]
        return int(blocks[-1, 0]) if len(blocks) else 0

    def window(self, layer: str, night: int, start: int, stop: int) -> Iterator[NDArray[np.int64]]:
        """(step, neuron) of a layer from step `start` up to `stop` of a night, in pieces.

        0 <= start < stop <= recorded(night). Each piece is int64 [events, 2], with at most
        `PIECE_EVENTS` events.
        """
        blocks = self._blocks[night]
        column = 1 + list(self._sizes).index(layer)
        first = np.searchsorted(blocks[:, 0], start, side="right") - 1
        last = np.searchsorted(blocks[:, 0], stop, side="left")
        low, high = int(blocks[first, column]), int(blocks[last, column])
        for begin in range(low, high, PIECE_EVENTS):
            with reading(self._path):
                events = self._read(layer, night, slice(begin, min(begin + PIECE_EVENTS, high)))
            yield events[slice(*np.searchsorted(events[:, 0], [start, stop]))]

    def _read(self, layer: str, night: int, where: slice) -> NDArray[np.int64]:
        group = self._file[f"spikes/{layer}"]
        steps = np.rint(group["timestamps"][where] / self._step_ms).astype(np.int64)
        steps -= int(self._nights[night].attrs["first_step"])
        neurons = group["node_ids"][where].astype(np.int64)
        events = np.stack([steps, neurons], axis=1)
        limits = np.array([self.recorded(night), self._sizes[layer]])
        if np.any((events < 0) | (events >= limits)) or np.any(np.diff(steps) < 0):
            raise ValueError(f"spikes of {layer} outside of the night or the layer")
        return events


def _usable_length(group: h5py.Group) -> int:
    """Events of a layer that have both a time and a neuron."""
    return min(len(group["timestamps"]), len(group["node_ids"]))


def _whole_blocks(night: h5py.Group, held: list[int]) -> NDArray[np.int64]:
    """Rows of `blocks` whose events the file holds, with the start of the night put before."""
    head = np.array([[0, *night.attrs["first_events"]]], np.int64)
    blocks = np.concatenate([head, night["blocks"][:]])
    if np.any(np.diff(blocks, axis=0) < 0):
        raise ValueError("blocks of spikes out of order")
    there = np.all(blocks[:, 1:] <= held, axis=1)
    if bool(night.attrs["complete"]) and not there.all():
        raise ValueError("fewer spikes than the night had")
    return blocks[there]
