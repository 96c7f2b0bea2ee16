"""The recorder of one night: takes what happens, and has it written beside the night.

Spikes are gathered into blocks. A block covers the same steps in every layer; its row in `blocks`
says how far the events reach. Spikes and arrays are copied when they are handed in, weights are
not: see `bioncl.traces.recorder`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioncl.errors import InputError, describe
from bioncl.traces import schema
from bioncl.traces.hdf5_background import Background
from bioncl.traces.hdf5_unfinished import Block, UnfinishedNight
from bioncl.traces.spikes import Spikes

_BLOCK_SECONDS = 5.0


class NightRecorder:
    """Writes one night; see `bioncl.traces.recorder.Recorder`.

    Any call may raise a StorageError: what has been handed in so far could not be written.
    """

    def __init__(
        self,
        night: UnfinishedNight,
        layers: schema.Layers,
        background: Background,
        block_events: int,
    ) -> None:
        """Record into `night`, whose methods `background` calls."""
        self._night = night
        self._layers = list(layers.items())
        self._background = background
        self._block_events = block_events
        self._stops = [0] * len(self._layers)
        self._facts: dict[str, object] = {}
        self._empty()

    def spikes(self, layer: int, first_step: int, spikes: Spikes) -> None:
        """Take the spikes of one layer for one chunk of steps; handed on when a block is full.

        Raises:
            InputError: The chunk does not fit the layer or comes out of order.
        """
        self._check(layer, first_step, spikes)
        late = time.monotonic() - self._begun > _BLOCK_SECONDS
        if layer == 0 and (self._gathered >= self._block_events or late):
            self._hand_on()
        self._stops[layer] = first_step + spikes.steps
        if len(spikes.ids):
            copy = Spikes(spikes.neurons, np.array(spikes.offsets), np.array(spikes.ids))
            self._chunks[layer].append((first_step, copy))
            self._gathered += len(spikes.ids)

    def _check(self, layer: int, first_step: int, spikes: Spikes) -> None:
        if not 0 <= layer < len(self._layers):
            expected = f"0 to {len(self._layers) - 1}"
            raise InputError(describe("Layer handed to a trace", expected=expected, got=layer))
        name, neurons = self._layers[layer]
        if spikes.neurons != neurons:
            what, expected = f"Spikes of layer {name}", f"{neurons} neurons"
            raise InputError(describe(what, expected=expected, got=spikes.neurons))
        if first_step < self._stops[layer]:
            what, expected = f"Chunk of layer {name}", f"step {self._stops[layer]} or later"
            raise InputError(describe(what, expected=expected, got=first_step))

    def weights(
        self, names: Sequence[str], before: Sequence[NDArray[Any]], after: Sequence[NDArray[Any]]
    ) -> None:
        """Take the weights [post, pre] of all layers before and after the night."""
        for name in names:
            schema.check_name(name)
        self._background.do(partial(self._night.weights, names, before, after))

    def arrays(self, values: Mapping[str, NDArray[Any]]) -> None:
        """Take arrays about the night by path."""
        copies = {path: np.array(array) for path, array in values.items()}
        self._background.do(partial(self._night.arrays, copies))

    def facts(self, values: Mapping[str, object]) -> None:
        """Keep facts about the night until its end; a later value replaces an earlier one.

        Raises:
            InputError: A value has no form in JSON.
        """
        schema.to_json(values)
        self._facts.update(values)

    def finish(self) -> None:
        """Write what is left, mark night and file as complete, and wait until that is done."""
        self._hand_on()
        self._background.do(partial(self._night.finish, self._facts))
        self._background.wait()

    def _hand_on(self) -> None:
        self._background.do(partial(self._night.append, Block(max(self._stops), self._chunks)))
        self._empty()

    def _empty(self) -> None:
        self._chunks: list[list[tuple[int, Spikes]]] = [[] for _ in self._layers]
        self._gathered = 0
        self._begun = time.monotonic()
