"""The seam between a night and whoever wants to keep it.

An engine hands each layer's spikes to a recorder, chunk by chunk; it does not know whether they are
dropped, kept in memory or written to HDF5. Recorders never change what they are handed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bioncl.traces.spikes import Spikes


class Recorder(Protocol):
    """Takes in what happens during one night."""

    def spikes(self, layer: int, first_step: int, spikes: Spikes) -> None:
        """Take the spikes of one layer (0 is the input) for one chunk of steps.

        Chunks come in order of step; within a chunk, layers come in order from 0.
        """

    def weights(
        self, names: Sequence[str], before: Sequence[NDArray[Any]], after: Sequence[NDArray[Any]]
    ) -> None:
        """Take the weights [post, pre] of all layers before and after the night.

        The arrays are the recorder's until the night is over: they may be written later.
        """

    def arrays(self, values: Mapping[str, NDArray[Any]]) -> None:
        """Take arrays about the night by path, such as "awake/before/hidden1"."""

    def facts(self, values: Mapping[str, object]) -> None:
        """Take single facts about the night (accuracies, seconds, engine): JSON-able values."""


class SilentRecorder:
    """Keeps nothing."""

    def spikes(self, layer: int, first_step: int, spikes: Spikes) -> None:
        """Drop them."""

    def weights(
        self, names: Sequence[str], before: Sequence[NDArray[Any]], after: Sequence[NDArray[Any]]
    ) -> None:
        """Drop them."""

    def arrays(self, values: Mapping[str, NDArray[Any]]) -> None:
        """Drop them."""

    def facts(self, values: Mapping[str, object]) -> None:
        """Drop them."""


class MemoryRecorder:
    """Keeps every spike in memory: for short nights and tests."""

    def __init__(self) -> None:
        """Start empty."""
        self._chunks: dict[int, list[NDArray[np.int64]]] = {}

    def spikes(self, layer: int, first_step: int, spikes: Spikes) -> None:
        """Keep them, with steps counted from the start of the night."""
        events = spikes.events()
        events[:, 0] += first_step
        self._chunks.setdefault(layer, []).append(events)

    def weights(
        self, names: Sequence[str], before: Sequence[NDArray[Any]], after: Sequence[NDArray[Any]]
    ) -> None:
        """Drop them: the network holds the weights after the night."""

    def arrays(self, values: Mapping[str, NDArray[Any]]) -> None:
        """Drop them."""

    def facts(self, values: Mapping[str, object]) -> None:
        """Drop them."""

    def events(self) -> list[NDArray[np.int64]]:
        """(step, neuron) of each layer's spikes, input first: int64 [events, 2] each."""
        return [np.concatenate(self._chunks[layer]) for layer in sorted(self._chunks)]
