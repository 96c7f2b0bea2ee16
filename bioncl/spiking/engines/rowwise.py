"""Nights of networks with options, neuron by neuron: the general path of `event`.

It knows everything that `dense` knows with the rules that ship: direct current, refractory period,
bounds, norms, Oja's rule, pair-based STDP and lateral inhibition. Sums go along rows of weights, so
it is slower than the tiles of the plain path, but a weight stands in one place only, which lets
columns change as easily as rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bioncl.plasticity import PairSTDP
from bioncl.spiking.engines import row_kernels as kernels
from bioncl.spiking.engines.checks import check_chunk, diverged
from bioncl.spiking.engines.row_kernels import L1, L2, NO_NORM, Numbers, RowLayer
from bioncl.spiking.engines.rule_numbers import PAIRED, rule_numbers
from bioncl.spiking.network import SpikingNetwork
from bioncl.traces.recorder import Recorder
from bioncl.traces.spikes import Spikes

# With fewer additions a layer is done before other threads have begun.
WORTH_THREADS = 1_000_000
NORMS = {"none": NO_NORM, "l1": L1, "l2": L2}


def run(
    network: SpikingNetwork,
    chunks: Iterable[Spikes],
    recorder: Recorder,
    *,
    threads: int,
    first: int = 0,
) -> None:
    """Run one night, or a part of it that begins at step `first`; see `Engine.run`."""
    layers = [lay_out(network, index) for index in range(len(network.weights))]
    try:
        with ThreadPoolExecutor(threads) as pool:
            for chunk in chunks:
                check_chunk(network, chunk)
                spikes = [chunk]
                for index, layer in enumerate(layers):
                    above, broken = _advance(layer, spikes[-1], pool, threads)
                    if broken:
                        raise diverged(network, index, first, chunk.steps)
                    spikes.append(above)
                for index, events in enumerate(spikes):
                    recorder.spikes(index, first, events)
                first += chunk.steps
    finally:
        for index, layer in enumerate(layers):
            put_back(network, index, layer)


def lay_out(network: SpikingNetwork, index: int) -> RowLayer:
    """One layer as the kernels take it; its arrays share memory with the network's where they can.

    Traces of a rule without memory are zeros of the kernels' own.
    """
    rows = _array(network.weights[index])
    rule, traces, limits = network.rules[index], network.traces[index], network.bounds[index]
    bias, paired = network.biases[index], isinstance(rule, PairSTDP)
    kind, up, down, slope, *decays = rule_numbers(rule)
    largest = np.finfo(rows.dtype).max
    numbers = [network.decay, network.gains[index], network.thresholds[index], network.inhibition]
    numbers += [network.dc[index], up, down, max(-largest, min(slope, largest))]
    numbers += [*(limits or (-np.inf, np.inf)), *decays]
    post, pre = rows.shape
    return RowLayer(
        rows,
        _array(network.membranes[index]),
        np.zeros(post, rows.dtype) if bias is None else _array(bias).copy(),
        _array(network.resting[index]),
        _array(traces.pre) if paired else np.zeros(pre, rows.dtype),
        _array(traces.post) if paired else np.zeros(post, rows.dtype),
        _array(network.norms[index]) if network.norms else np.zeros(0),
        Numbers(*map(rows.dtype.type, numbers)),
        kind,
        NORMS[network.normalise],
        network.refractory,
    )


def put_back(network: SpikingNetwork, index: int, layer: RowLayer) -> None:
    """Copy what the kernels changed to the network, where it is not the same memory anyway."""
    traces = network.traces[index]
    pairs = [
        (network.weights[index], layer.rows),
        (network.membranes[index], layer.membranes),
        (network.resting[index], layer.resting),
    ]
    if layer.rule == PAIRED:
        pairs += [(traces.pre, layer.pre), (traces.post, layer.post)]
    for tensor, array in pairs:
        tensor.detach().copy_(torch.from_numpy(array))


def _advance(
    layer: RowLayer, below: Spikes, pool: ThreadPoolExecutor, threads: int
) -> tuple[Spikes, bool]:
    """The layer's spikes in one chunk, and whether its weights stopped being finite."""
    neurons = len(layer.rows)
    raster = np.empty((below.steps, neurons), np.bool_)
    offsets = np.ascontiguousarray(below.offsets, np.int64)
    ids = np.ascontiguousarray(below.ids, np.int32)
    if layer.numbers.inhibition:
        broken = kernels.run_block(layer, raster, offsets, ids, 0, neurons)
    else:
        worth = (len(ids) + below.steps) * neurons > WORTH_THREADS
        shares = min(threads, neurons) if worth else 1
        edges = [neurons * share // shares for share in range(shares + 1)]

        def part(edge: tuple[int, int]) -> bool:
            return bool(kernels.run_part(layer, raster, offsets, ids, *edge))

        own, *others = itertools.pairwise(edges)
        begun = pool.map(part, others)
        broken = any([part(own), *begun])
    kernels.follow(layer, offsets, ids)
    return Spikes.from_raster(raster), bool(broken)


def _array(tensor: Tensor) -> NDArray:
    return np.ascontiguousarray(tensor.detach().numpy())
