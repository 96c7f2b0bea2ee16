"""Reads a trace file piece by piece; opening one reads a few numbers for each night.

What a file holds is described in `bioncl.traces.schema`. Nothing in it is ever executed: settings
and facts are JSON. An unfinished file, left by a kill, opens up to its last whole block: give the
name that ends in `.part`; where the kill has torn that one, its twin is read in its place.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from bioncl.errors import TraceError, describe, did_you_mean
from bioncl.traces import schema
from bioncl.traces.hdf5_events import Events, reading


@dataclass(frozen=True)
class Night:
    """What is known about one night.

    Attributes:
        index: Its number in the run.
        task: The task after which it was slept.
        steps: How many steps it was to last.
        recorded: How many of them the file holds.
        first_step: Steps of all earlier nights.
        complete: Whether it was written to its end.
        facts: What was noted about it: accuracies, seconds, engine.
    """

    index: int
    task: int
    steps: int
    recorded: int
    first_step: int
    complete: bool
    facts: dict[str, Any]


def open_trace(path: Path | str) -> Trace:
    """Open a trace file for reading; use it in a `with` statement or call `close`.

    Raises:
        TraceError: The file is missing, damaged, foreign, or of a newer version.
    """
    path = Path(path)
    part = path.with_name(path.name + schema.PARTS[0])
    if path.suffix == schema.PARTS[0]:
        twin = path.with_suffix(schema.PARTS[1])
        return _open_either(path, twin) if twin.is_file() else _open(path)
    if not path.is_file() and part.is_file():
        hint = f"Open the unfinished night {part}."
        raise TraceError(describe(f"There is no trace {path} yet", hint=hint))
    return _open(path)


def _open(path: Path) -> Trace:
    if not path.is_file():
        inside = path / "trace.h5"
        hint = f"It is a folder; open {inside} in it." if inside.is_file() else "Check the path."
        raise TraceError(describe(f"There is no trace {path}", hint=hint))
    with reading(path):
        file = h5py.File(path, "r", locking=False)
        try:
            schema.check_format(file)
            return Trace(path, file)
        except BaseException:
            file.close()
            raise


def _open_either(part: Path, twin: Path) -> Trace:
    """Open an unfinished file or its twin, whichever a kill has left whole."""
    try:
        return _open_checked(part)
    except TraceError:
        return _open_checked(twin)


def _open_checked(path: Path) -> Trace:
    """Open an unfinished file and read all its spikes and counts.

    Those of complete nights too: the last chunk of a data set, which a new night's first block
    writes anew, also holds spikes of the night before.
    """
    trace = _open(path)
    try:
        for layer in trace.layers:
            trace.counts(layer)
            for _ in trace.pieces(layer):
                pass
    except TraceError:
        trace.close()
        raise
    return trace


class Trace:
    """An open trace file; arrays are read when asked for.

    Attributes:
        path: The file.
        settings: Settings of the run.
        versions: Versions of the programs that wrote it.
        created: When the file was begun (ISO 8601, UTC).
        complete: Whether every night was written to its end.
        step_ms: Length of one step in ms.
        sizes: Neurons of each layer by name, input first.
        nights: All nights, in order.
    """

    def __init__(self, path: Path, file: h5py.File) -> None:
        """Read what describes the file; use `open_trace`."""
        own = file["bioncl"]
        self.path = path
        self._file = file
        self.settings: dict[str, Any] = json.loads(own["config_json"][()])
        self.versions: dict[str, str] = json.loads(own.attrs["versions"])
        self.created = str(own.attrs["created"])
        self.complete = bool(own.attrs["complete"])
        self.step_ms = float(own.attrs["step_ms"])
        self.sizes = schema.layers_of(file)
        self._events = Events(path, file, self.sizes, self.step_ms)
        self.nights = [
            _night(group, self._events.recorded(index))
            for index, group in schema.nights_of(file).items()
        ]

    @property
    def layers(self) -> list[str]:
        """Names of the layers, input first."""
        return list(self.sizes)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Trace:
        """Return the open trace."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()

    def spikes(
        self, layer: str, night: int | None = None, start: int = 0, stop: int | None = None
    ) -> NDArray[np.int64]:
        """(step, neuron) of a layer's spikes, by step, then neuron: int64 [events, 2].

        Steps count from the start of the night with index `night`; without one, all nights are
        read and steps run on over them. Only steps from `start` up to `stop` (excluded) are read.

        Raises:
            TraceError: No such layer or night, or the file is damaged.
        """
        pieces = list(self.pieces(layer, night, start, stop))
        return np.concatenate(pieces) if pieces else np.zeros((0, 2), np.int64)

    def pieces(
        self, layer: str, night: int | None = None, start: int = 0, stop: int | None = None
    ) -> Iterator[NDArray[np.int64]]:
        """Yield what `spikes` returns in pieces of at most about a million events."""
        self._check_layer(layer)
        for info in self._chosen(night):
            shift = info.first_step if night is None else 0
            first = max(start - shift, 0)
            last = info.recorded if stop is None else min(stop - shift, info.recorded)
            if first < last:
                for piece in self._events.window(layer, info.index, first, last):
                    piece[:, 0] += shift
                    yield piece

    def counts(self, layer: str, night: int | None = None) -> NDArray[np.int64]:
        """Spikes of each neuron in one night, or in all: int64 [neurons]."""
        self._check_layer(layer)
        total = np.zeros(self.sizes[layer], np.int64)
        for info in self._chosen(night):
            if info.complete:
                with reading(self.path):
                    group = self._file[schema.night_path(info.index)]
                    total += group[f"layers/{layer}/spike_counts"][:]
            else:
                for piece in self.pieces(layer, info.index):
                    total += np.bincount(piece[:, 1], minlength=len(total))
        return total

    def rates(self, night: int | None = None) -> dict[str, NDArray[np.float64]]:
        """Firing rate in Hz of each neuron of each layer, in one night or over all."""
        steps = sum(info.recorded for info in self._chosen(night))
        seconds = max(steps, 1) * self.step_ms / 1000
        return {layer: self.counts(layer, night) / seconds for layer in self.layers}

    def weight_names(self, night: int) -> list[str]:
        """Names of the layers whose weights were kept for a night."""
        (info,) = self._chosen(night)
        with reading(self.path):
            return list(self._file[schema.night_path(info.index)].get("weights", {}))

    def weights(self, name: str, night: int, what: str = "delta") -> NDArray[Any]:
        """Weights of a layer [post, pre]: their change over a night, or what they were before it.

        Args:
            name: One of `weight_names(night)`.
            night: Index of the night.
            what: "delta" (after less before), or "before", if the run was asked to keep that.

        Raises:
            TraceError: The file does not hold them, or is damaged.
        """
        known = self.weight_names(night)
        if name not in known:
            message = f"{self.path}, night {night}: no weights '{name}'"
            raise TraceError(describe(message, hint=did_you_mean(name, known)))
        with reading(self.path):
            group = self._file[f"{schema.night_path(night)}/weights/{name}"]
            if what not in group:
                message = f"{self.path} does not keep '{what}' of the weights {name}"
                raise TraceError(describe(message, expected=", ".join(group), got=what))
            values: NDArray[Any] = group[what][:]
            return values

    def array_names(self, night: int) -> list[str]:
        """Paths of the arrays about the network that were noted around a night."""
        (info,) = self._chosen(night)
        found: list[str] = []
        with reading(self.path):
            group = self._file[schema.night_path(info.index)]
            for top in ("awake", "biases", "confusion"):
                if top in group:
                    group[top].visititems(lambda name, item, top=top: _note(found, top, name, item))
        return found

    def array(self, name: str, night: int) -> NDArray[Any]:
        """An array about the network noted around a night, such as "awake/before/hidden1".

        Raises:
            TraceError: The file does not hold it, or is damaged.
        """
        known = self.array_names(night)
        if name not in known:
            message = f"{self.path}, night {night}: no array '{name}'"
            raise TraceError(describe(message, hint=did_you_mean(name, known)))
        with reading(self.path):
            values: NDArray[Any] = self._file[f"{schema.night_path(night)}/{name}"][:]
            return values

    def weight_change(self, name: str, night: int) -> NDArray[Any]:
        """Weights after the night less those before: [post, pre]."""
        return self.weights(name, night)

    def _check_layer(self, layer: str) -> None:
        if layer not in self.sizes:
            message = f"{self.path} has no layer '{layer}'"
            raise TraceError(describe(message, hint=did_you_mean(layer, self.sizes)))

    def _chosen(self, night: int | None) -> list[Night]:
        """The night with this index, or all nights for None."""
        found = [info for info in self.nights if night in (None, info.index)]
        if not found and night is not None:
            expected = ", ".join(str(info.index) for info in self.nights) or "none"
            raise TraceError(describe(f"Night of {self.path}", expected=expected, got=night))
        return found


def _note(found: list[str], top: str, name: str, item: object) -> None:
    if isinstance(item, h5py.Dataset):
        found.append(f"{top}/{name}")


def _night(group: h5py.Group, recorded: int) -> Night:
    return Night(
        index=int(group.attrs["index"]),
        task=int(group.attrs["task"]),
        steps=int(group.attrs["steps"]),
        recorded=recorded,
        first_step=int(group.attrs["first_step"]),
        complete=bool(group.attrs["complete"]),
        facts=json.loads(group["facts_json"][()]) if "facts_json" in group else {},
    )
