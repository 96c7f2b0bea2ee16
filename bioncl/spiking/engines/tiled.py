"""Nights of networks whose neurons do not see each other, in tiles: the fast path of `event`.

    chunks of input spikes ─► batches ─► layer after layer ─► recorder
                                          └ tiles of neurons, shared out among threads

A batch is some chunks at once: a layer runs through all of it before the next layer begins, so the
longer it is, the less is spent between layers. Batches grow while they are done in a few
milliseconds; neither they nor the width of tiles, which follows each layer's activity, change a
bit of the result.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from bioncl.spiking.engines import tile_kernels as kernels
from bioncl.spiking.engines.checks import check_chunk, diverged
from bioncl.spiking.engines.rule_numbers import rule_numbers
from bioncl.spiking.engines.tile_code import LINE
from bioncl.spiking.engines.tile_kernels import Events, Hits, Numbers, Tiled
from bioncl.spiking.network import SpikingNetwork
from bioncl.traces.recorder import Recorder
from bioncl.traces.spikes import Spikes

# Many lanes sum fastest; few make the copy of a changed row into its tile cheap.
WIDE = {"float32": 32, "float64": 16}
NARROW = {"float32": 16, "float64": 8}
BUSY = 0.004  # spikes for each neuron and step from which on narrow tiles are faster
# With fewer additions of one tile a layer is done before other threads have begun.
WORTH_THREADS = 20_000
BATCH_SECONDS = 0.02
BATCH_STEPS = 16_384
BATCH_EVENTS = 4_000_000
SPARE_BYTES = 2**28  # of memory kept for the next nights

Work = Callable[[int, int], None]


class Sharing:
    """Calls work(first, last) on parts of a range, on several threads where that pays."""

    def __init__(self, pool: ThreadPoolExecutor, threads: int) -> None:
        """Share among `threads`, of which the calling one is the first."""
        self.pool, self.threads = pool, threads

    def __call__(self, count: int, cost: int, work: Work) -> None:
        """Do work(0, count) in as many parts as pay for operations of this number."""
        parts = min(self.threads, count) if cost > WORTH_THREADS else 1
        edges = [count * part // parts for part in range(parts + 1)]
        own, *others = itertools.pairwise(edges)
        begun = [self.pool.submit(work, *part) for part in others]
        work(*own)
        for each in begun:
            each.result()  # waits, and raises what was raised there


class TiledLayer:
    """One layer of a night: its weights as rows, and in tiles of a width that may change."""

    def __init__(self, network: SpikingNetwork, index: int, width: int, room: Room) -> None:
        """Take a layer, to be laid out in tiles of `width` neurons, or (0) as its activity asks."""
        self.room = room
        self.weight = network.weights[index].detach()
        self.membrane = network.membranes[index]
        self.rows = np.ascontiguousarray(self.weight.numpy())
        self.numbers, self.rule = numbers_of(network, index, self.rows.dtype)
        bias = network.biases[index]
        self.bias = np.zeros(len(self.rows)) if bias is None else bias.detach().numpy()
        self.fixed = width
        self.width = width or WIDE[self.rows.dtype.name]
        self.tiled: Tiled | None = None

    def run(self, below: Spikes, share: Sharing) -> tuple[Spikes, int]:
        """The layer's spikes in a batch, and the first step in which weights broke, or −1."""
        fresh = self.tiled is None
        layer = self.tiled = self.tiled or self._lay_out()
        tiles, steps = len(layer.tiles), below.steps
        hits = Hits(
            np.empty((tiles, steps), np.int32),
            np.empty((tiles, steps), np.uint64),
            np.zeros(tiles, np.int64),
            np.full(tiles, -1, np.int64),
        )
        offsets = np.ascontiguousarray(below.offsets, np.int64)
        ids = np.ascontiguousarray(below.ids, np.int32)
        events = Events(offsets, ids, kernels.pauses(offsets))

        def work(first: int, last: int) -> None:
            kernels.run(layer, hits, events, first, last, fresh)

        share(tiles, (len(ids) + steps) * tiles, work)
        spikes = Spikes(len(self.rows), *kernels.merge(hits, steps, self.width))
        self._choose_width(len(spikes.ids) / (steps * len(self.rows)) if steps else 0.0)
        broken = hits.broken[hits.broken >= 0]
        return spikes, int(broken.min()) if len(broken) else -1

    def put_back(self) -> None:
        """Write weights and membranes into the network."""
        if self.tiled is None:
            return
        membranes = self.tiled.membranes.ravel()[: len(self.rows)]
        self.membrane.copy_(torch.from_numpy(membranes))
        if self.weight.data_ptr() != self.rows.ctypes.data:
            self.weight.copy_(torch.from_numpy(self.rows))
        self.tiled = None

    def _choose_width(self, activity: float) -> None:
        width = self.fixed or (NARROW if activity > BUSY else WIDE)[self.rows.dtype.name]
        if width != self.width:
            self.put_back()
            self.width = width

    def _lay_out(self) -> Tiled:
        rows, lanes = self.rows, self.width
        tiles = self.room((-(-len(rows) // lanes), rows.shape[1], lanes), rows.dtype)
        biases = self._in_lanes(self.bias, tiles)
        membranes = self._in_lanes(self.membrane.numpy(), tiles)
        idle = bool(self.numbers.threshold > 0 and not biases.any())
        return Tiled(rows, tiles, membranes, biases, self.numbers, self.rule, idle, (None,) * lanes)

    def _in_lanes(self, values: NDArray, tiles: NDArray) -> NDArray:
        """Numbers of the neurons [n] as [tile, lane], zero where there is no neuron."""
        out = self.room((len(tiles), tiles.shape[2]), tiles.dtype)
        out[:] = 0
        out.ravel()[: len(values)] = values
        return out


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
    with ThreadPoolExecutor(max(1, threads - 1)) as pool:
        share = Sharing(pool, threads)
        try:
            for batch in batches(checked(chunks, network)):
                night.advance(batch, share)
        finally:
            night.put_back()


class Room:
    """Memory for the tiles of one night, on cache lines: vectors across two cost twice as much.

    Memory of nights that are over is used again, since the system takes about as long to hand out
    fresh pages as a layer needs for a thousand steps.
    """

    spare: ClassVar[dict[int, list[NDArray[np.uint8]]]] = {}

    def __init__(self) -> None:
        """Take nothing yet."""
        self.taken: list[NDArray[np.uint8]] = []

    def __call__(self, shape: tuple[int, ...], dtype: np.dtype) -> NDArray:
        """An array, not initialised."""
        size = math.prod(shape) * dtype.itemsize
        try:
            memory = self.spare[size].pop()
        except (KeyError, IndexError):
            memory = np.empty(size + LINE, np.uint8)
        self.taken.append(memory)
        start = -memory.ctypes.data % LINE
        return memory[start : start + size].view(dtype).reshape(shape)

    def free(self) -> None:
        """Give everything back."""
        held = sum(len(memory) for each in self.spare.values() for memory in each)
        for memory in self.taken:
            held += len(memory)
            if held < SPARE_BYTES:
                self.spare.setdefault(len(memory) - LINE, []).append(memory)
        self.taken.clear()


class Night:
    """One night under way."""

    def __init__(self, network: SpikingNetwork, recorder: Recorder, width: int, first: int) -> None:
        """Begin at step `first`."""
        self.network, self.recorder, self.first = network, recorder, first
        self.room = Room()
        count = len(network.weights)
        self.layers = [TiledLayer(network, i, width, self.room) for i in range(count)]

    def advance(self, chunks: Sequence[Spikes], share: Sharing) -> None:
        """Run all layers through some chunks at once.

        Raises:
            DivergedError: Weights stopped being finite; names layer and chunk.
        """
        ends = np.cumsum([0, *(chunk.steps for chunk in chunks)])
        spikes, broken = [joined(chunks)], []
        for index, layer in enumerate(self.layers):
            above, step = layer.run(spikes[-1], share)
            spikes.append(above)
            if step >= 0:
                broken.append((int(np.searchsorted(ends, step, side="right")) - 1, index))
        if broken:
            chunk, index = min(broken)
            first = self.first + int(ends[chunk])
            raise diverged(self.network, index, first, chunks[chunk].steps)
        for start, stop in itertools.pairwise(ends):
            for index, events in enumerate(spikes):
                self.recorder.spikes(index, self.first + int(start), events.between(start, stop))
        self.first += int(ends[-1])

    def put_back(self) -> None:
        """Write weights and membranes into the network, and free the memory."""
        for layer in self.layers:
            layer.put_back()
        self.room.free()


def checked(chunks: Iterable[Spikes], network: SpikingNetwork) -> Iterator[Spikes]:
    """Pass chunks on that fit the network."""
    for chunk in chunks:
        check_chunk(network, chunk)
        yield chunk


def batches(chunks: Iterable[Spikes]) -> Iterator[list[Spikes]]:
    """Chunks to be run at once, more and more of them while whoever consumes them is quick."""
    held, wanted = list[Spikes](), 1
    for chunk in chunks:
        held.append(chunk)
        steps, events = sum(part.steps for part in held), sum(len(part.ids) for part in held)
        if len(held) == wanted or steps > BATCH_STEPS or events > BATCH_EVENTS:
            began = time.perf_counter()
            yield held
            held = []
            if time.perf_counter() - began < BATCH_SECONDS:
                wanted *= 4
    if held:
        yield held


def joined(chunks: Sequence[Spikes]) -> Spikes:
    """The spikes of chunks that follow each other."""
    if len(chunks) == 1:
        return chunks[0]
    ends = np.cumsum([0, *(len(chunk.ids) for chunk in chunks)])
    offsets = [chunk.offsets[:-1] + end for chunk, end in zip(chunks, ends[:-1], strict=True)]
    ids = np.concatenate([chunk.ids for chunk in chunks])
    return Spikes(chunks[0].neurons, np.concatenate([*offsets, ends[-1:]]), ids)


def numbers_of(network: SpikingNetwork, index: int, dtype: np.dtype) -> tuple[Numbers, int]:
    """The numbers of a layer in its precision, and the kind of its rule."""
    kind, up, down, slope, *_ = rule_numbers(network.rules[index])
    limit = np.finfo(dtype).max
    values = [network.decay, network.gains[index], network.thresholds[index], up, down]
    values.append(max(-limit, min(slope, limit)))
    return Numbers(*map(dtype.type, values)), kind
