"""Nights of networks whose neurons do not see each other, in tiles: the fast path of `event`.

    chunks of input spikes ─► batches ─► layer after layer ─► recorder
                                          └ tiles of neurons, shared among threads

A layer runs through all of a batch before the next layer begins. Neither batches nor the width of
tiles, which follows each layer's activity, nor who runs which tile change a bit of the result.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from bioncl.spiking.engines import tile_kernels as kernels
from bioncl.spiking.engines.batches import BATCH_STEPS, Batch, batches
from bioncl.spiking.engines.checks import diverged
from bioncl.spiking.engines.room import Room
from bioncl.spiking.engines.rule_numbers import rule_numbers
from bioncl.spiking.engines.sharing import Helpers
from bioncl.spiking.engines.tile_kernels import Events, Hits, Numbers, Tiled
from bioncl.spiking.network import SpikingNetwork
from bioncl.traces.recorder import Recorder
from bioncl.traces.spikes import Spikes

# Many lanes sum fastest; few make the copy of a changed row into its tile cheap. By bytes a weight.
WIDE = {4: 32, 8: 16}
NARROW = {4: 16, 8: 8}
BUSY = 0.004  # spikes for each neuron and step from which on narrow tiles are faster
# With fewer additions of one tile a layer is done before other threads have begun.
WORTH_THREADS = 20_000
HIT_STEPS = BATCH_STEPS + 1024  # room for a batch, which may end beyond, so that most fit at once


class TiledLayer:
    """One layer of a night: its weights as rows, and in tiles of a width that may change."""

    def __init__(self, network: SpikingNetwork, index: int, width: int, room: Room) -> None:
        """Take a layer, to be laid out in tiles of `width` neurons, or (0) as its activity asks."""
        self.room = room
        self.weight = network.weights[index].detach().numpy()
        self.membrane = network.membranes[index].numpy()
        self.rows = np.ascontiguousarray(self.weight)
        self.numbers, self.rule = numbers_of(network, index, self.rows.dtype)
        bias = network.biases[index]
        self.bias = None if bias is None else bias.detach().numpy()
        self.narrow, self.wide = (width or widths[self.rows.itemsize] for widths in (NARROW, WIDE))
        self.width = self.wide
        self.tiled: Tiled | None = None
        self.hits: Hits | None = None

    def run(self, below: Events, helpers: Helpers) -> tuple[Events, int]:
        """The layer's spikes in a batch, and the first step in which weights broke, or −1."""
        fresh = self.tiled is None
        layer = self.tiled = self.tiled or self._lay_out()
        tiles, steps = len(layer.tiles), len(below.offsets) - 1
        hits = self._room_for_hits(tiles, steps)
        worth = tiles > 1 and (len(below.ids) + steps) * tiles > WORTH_THREADS
        job = (layer, hits, below, fresh, helpers.begin())
        try:
            if worth and helpers:
                kernels.share(*job)
                helpers.call()
            kernels.run(*job)
        finally:
            helpers.finish()
        spikes, broken = kernels.merge(hits, steps, self.width)
        self._choose_width(len(spikes.ids) > BUSY * steps * len(self.rows))
        return spikes, broken

    def put_back(self) -> None:
        """Write weights and membranes into the network."""
        if self.tiled is None:
            return
        self.membrane[:] = self.tiled.membranes.ravel()[: len(self.rows)]
        if self.rows is not self.weight:
            self.weight[:] = self.rows
        self.tiled = None

    def _choose_width(self, busy: bool) -> None:
        width = self.narrow if busy else self.wide
        if width != self.width:
            self.put_back()
            self.width, self.hits = width, None

    def _lay_out(self) -> Tiled:
        rows, lanes = self.rows, self.width
        count = -(-len(rows) // lanes)
        tiles = self.room((count, rows.shape[1], lanes), rows.dtype)
        membranes, biases = state = self.room((2, count, lanes), rows.dtype)
        state[:] = 0  # also where there is no neuron
        membranes.ravel()[: len(rows)] = self.membrane
        if self.bias is not None:
            biases.ravel()[: len(rows)] = self.bias
        idle = bool(self.numbers.threshold > 0) and (self.bias is None or not biases.any())
        return Tiled(rows, tiles, membranes, biases, self.numbers, self.rule, idle, (None,) * lanes)

    def _room_for_hits(self, tiles: int, steps: int) -> Hits:
        """Empty lists of hits, in the same memory while it is long enough."""
        if self.hits is None or self.hits.steps.shape[1] < steps:
            shape = (tiles, max(steps, HIT_STEPS))
            places = self.room(shape, np.dtype(np.int32))
            masks = self.room(shape, np.dtype(np.uint64))
            self.hits = Hits(places, masks, *np.empty((2, tiles), np.int64))
        self.hits.counts[:] = 0
        self.hits.broken[:] = -1
        return self.hits


def run(
    network: SpikingNetwork,
    chunks: Iterable[Spikes],
    recorder: Recorder,
    *,
    threads: int,
    width: int,
    first: int = 0,
) -> None:
    """Run one night, or a part of it that begins at step `first`; see `Engine.run`.

    `width` fixes the neurons in a tile, 0 chooses.
    """
    night = Night(network, recorder, width, first)
    helpers = Helpers(threads)
    try:
        for batch in batches(chunks, network):
            night.advance(batch, helpers)
    finally:
        helpers.release()
        night.put_back()


class Night:
    """One night under way."""

    def __init__(self, network: SpikingNetwork, recorder: Recorder, width: int, first: int) -> None:
        """Begin at step `first`."""
        self.network, self.recorder, self.first = network, recorder, first
        self.room = Room()
        count = len(network.weights)
        self.layers = [TiledLayer(network, i, width, self.room) for i in range(count)]

    def advance(self, batch: Batch, helpers: Helpers) -> None:
        """Run all layers through some chunks at once.

        Raises:
            DivergedError: Weights stopped being finite; names layer and chunk.
        """
        events, spikes, broken = batch.events, list[Spikes](), []
        for index, layer in enumerate(self.layers):
            events, step = layer.run(events, helpers)
            spikes.append(Spikes(len(layer.rows), events.offsets, events.ids))
            if step >= 0:
                broken.append((bisect.bisect(batch.ends, step) - 1, index))
        if broken:
            chunk, index = min(broken)
            first = self.first + batch.ends[chunk]
            raise diverged(self.network, index, first, batch.chunks[chunk].steps)
        parts = [batch.chunks, *(cut(each, batch.ends) for each in spikes)]
        for start, *chunks in zip(batch.ends, *parts, strict=False):
            for index, each in enumerate(chunks):
                self.recorder.spikes(index, self.first + start, each)
        self.first += batch.ends[-1]

    def put_back(self) -> None:
        """Write weights and membranes into the network, and free the memory."""
        for layer in self.layers:
            layer.put_back()
        self.room.free()


def cut(spikes: Spikes, ends: Sequence[int]) -> list[Spikes]:
    """The spikes between each two ends. Parts of equal length without any are the same object."""
    silent: dict[int, Spikes] = {}
    found, counts = [], spikes.offsets[ends].tolist()
    for (start, stop), (before, after) in zip(pairwise(ends), pairwise(counts), strict=True):
        steps = stop - start
        if before < after:
            found.append(spikes.between(start, stop))
        else:
            if steps not in silent:
                silent[steps] = spikes.between(start, stop)
            found.append(silent[steps])
    return found


def numbers_of(network: SpikingNetwork, index: int, dtype: np.dtype) -> tuple[Numbers, int]:
    """The numbers of a layer in its precision, and the kind of its rule."""
    kind, up, down, slope, *_ = rule_numbers(network.rules[index])
    limit = np.finfo(dtype).max
    values = [network.decay, network.gains[index], network.thresholds[index], up, down]
    values.append(max(-limit, min(slope, limit)))
    return Numbers(*map(dtype.type, values)), kind
