"""Nights computed from spike events by compiled loops, on all cores.

Three facts carry it. Layers do not feed back, so each can run a whole chunk of steps before the
next begins. Without lateral inhibition the neurons of a layer do not see each other, so tiles of
neurons spread over threads without changing a bit. Weights change only where a neuron fires, so a
step costs (input events × neurons) + (spikes × inputs) instead of (inputs × neurons). Every float
operation of a neuron is that of `dense`, in the same order; only exp inside a rule may differ in
its last bits.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bioncl.errors import InputError, UnsupportedError, describe
from bioncl.plasticity import Constant, Gated, PlasticityRule, Sigmoid
from bioncl.spiking.engines import event_kernels as kernels
from bioncl.spiking.engines.checks import check_chunk, diverged
from bioncl.spiking.engines.event_records import CONSTANT, KEEP, LOGISTIC, Fired, Layer, Numbers
from bioncl.spiking.network import SpikingNetwork
from bioncl.traces.recorder import Recorder
from bioncl.traces.spikes import Spikes

TILES = (8, 16, 32, 64)
# Four cache lines: measured best over silent and busy layers, in both precisions.
BYTES_ACROSS_TILE = 256
# With fewer additions of one tile a layer is done before other threads have begun.
WORTH_THREADS = 100_000


@dataclass(frozen=True)
class Event:
    """Runs nights event by event.

    Attributes:
        threads: How many threads share a layer; 0 for one a core. Does not change the result.
        tile: Neurons in a tile, one of 8, 16, 32, 64; 0 to choose. Does not change the result.
    """

    threads: int = 0
    tile: int = 0

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.threads < 0:
            raise InputError(describe("Threads", expected="0 or more", got=self.threads))
        if self.tile not in (0, *TILES):
            raise InputError(describe("Neurons in a tile", expected=(0, *TILES), got=self.tile))

    def refuses(self, network: SpikingNetwork) -> str | None:
        """See `Engine.refuses`."""
        if network.dtype not in (torch.float32, torch.float64):
            return f"it computes in float32 or float64, not in {network.dtype}"
        if network.weights[0].device.type != "cpu":
            return f"it runs on the CPU, but the weights are on {network.weights[0].device}"
        for name, rule in zip(network.names, network.rules, strict=True):
            if type(rule) not in (type(None), Constant, Gated, Sigmoid):
                return f"it does not know the rule {type(rule).__name__} of {name}"
        return None

    def run(self, network: SpikingNetwork, chunks: Iterable[Spikes], recorder: Recorder) -> None:
        """See `Engine.run`."""
        if refusal := self.refuses(network):
            raise UnsupportedError(describe(f"Engine 'event': {refusal}"))
        layers = [lay_out(network, index, self.tile) for index in range(len(network.weights))]
        first = 0
        try:
            with ThreadPoolExecutor(self._threads()) as pool:
                for chunk in chunks:
                    check_chunk(network, chunk)
                    spikes = [chunk]
                    for index, layer in enumerate(layers):
                        above, broken = self._advance(layer, spikes[-1], pool)
                        if broken:
                            raise diverged(network, index, first, chunk.steps)
                        spikes.append(above)
                    for index, events in enumerate(spikes):
                        recorder.spikes(index, first, events)
                    first += chunk.steps
        finally:
            for index, layer in enumerate(layers):
                _write_back(layer.rows, network.weights[index])
                _write_back(layer.membranes.ravel()[: len(layer.rows)], network.membranes[index])

    def _threads(self) -> int:
        if self.threads:
            return self.threads
        if hasattr(os, "sched_getaffinity"):  # the cores of this process, on Linux
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1

    def _advance(
        self, layer: Layer, below: Spikes, pool: ThreadPoolExecutor
    ) -> tuple[Spikes, bool]:
        """The layer's spikes in one chunk, and whether its weights stopped being finite."""
        tiles, lanes = len(layer.tiles), len(layer.lanes)
        fired = Fired(
            np.empty((tiles, below.steps * lanes), np.int64),
            np.zeros(tiles, np.int64),
            np.zeros(tiles, np.bool_),
        )
        offsets = np.ascontiguousarray(below.offsets, np.int64)
        ids = np.ascontiguousarray(below.ids, np.int32)
        if layer.numbers.inhibition:
            kernels.run_coupled(layer, fired, offsets, ids)
        else:
            worth = (len(ids) + below.steps) * tiles > WORTH_THREADS
            shares = min(self._threads(), tiles) if worth else 1
            edges = [tiles * share // shares for share in range(shares + 1)]
            ahead = kernels.following(offsets)

            def run(part: tuple[int, int]) -> None:
                kernels.run_tiles(layer, fired, offsets, ids, ahead, part)

            own, *others = itertools.pairwise(edges)
            begun = pool.map(run, others)
            run(own)
            list(begun)  # waits, and raises what was raised there
        offsets, ids = kernels.merge(fired, below.steps, lanes)
        return Spikes(len(layer.rows), offsets, ids), bool(fired.broken.any())


def lay_out(network: SpikingNetwork, index: int, width: int) -> Layer:
    """One layer as the kernels take it, in tiles of `width` neurons (0: choose)."""
    rows = np.ascontiguousarray(network.weights[index].detach().numpy())
    dtype = rows.dtype
    lanes = width or BYTES_ACROSS_TILE // rows.itemsize
    tiles = aligned_zeros((-(-len(rows) // lanes), rows.shape[1], lanes), dtype)
    kernels.fill_tiles(rows, tiles)
    biases = in_lanes(network.biases[index], tiles)
    kind, up, down, slope = rule_numbers(network.rules[index])
    limit = np.finfo(dtype).max
    numbers = [network.decay, network.gains[index], network.thresholds[index], network.inhibition]
    numbers += [up, down, max(-limit, min(slope, limit))]
    return Layer(
        rows,
        tiles,
        in_lanes(network.membranes[index], tiles),
        biases,
        Numbers(*map(dtype.type, numbers)),
        kind,
        bool(biases.any()),
        (None,) * lanes,
    )


def rule_numbers(rule: PlasticityRule | None) -> tuple[int, float, float, float]:
    """A rule as (kind, up, down, slope): w += up·f(w) or down·f(w); see `Layer`."""
    match rule:
        case Constant():
            return CONSTANT, rule.inc, -rule.dec, 0.0
        case Gated():  # f(w) = 2/(1 + exp(w/scale)); the factor 2 goes into the steps, exactly
            return LOGISTIC, 2 * rule.inc, -2 * rule.dec, 1 / rule.scale
        case Sigmoid():
            return LOGISTIC, rule.inc, -rule.dec, -rule.slope
    return KEEP, 0.0, 0.0, 0.0


def in_lanes(values: Tensor | None, tiles: NDArray) -> NDArray:
    """Numbers of a layer's neurons [n] as [tile, lane], zero where there is no neuron."""
    out = aligned_zeros((len(tiles), tiles.shape[2]), tiles.dtype)
    if values is not None:
        out.ravel()[: len(values)] = values.detach().numpy()
    return out


def aligned_zeros(shape: tuple[int, ...], dtype: np.dtype) -> NDArray:
    """Zeros that begin on a cache line: vectors that straddle two lines cost twice as much."""
    size = math.prod(shape) * dtype.itemsize
    memory = np.zeros(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype).reshape(shape)


def _write_back(values: NDArray, to: Tensor) -> None:
    to.detach().copy_(torch.from_numpy(values))
