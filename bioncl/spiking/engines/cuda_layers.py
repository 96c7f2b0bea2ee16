"""One layer of many nights on the GPU: brought there, taken through chunks, brought back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bioncl.plasticity import Constant, Gated, Rule, Sigmoid
from bioncl.spiking.engines.cuda_events import BATCH, Events
from bioncl.spiking.network import SpikingNetwork

# Weights of one neuron that change together.
BLOCK = 256


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer of all nights; `tiled` and `membranes` change in place.

    Attributes:
        tiled: Weights [night, tile, pre + 1, lane]; zero in the last row, to which events are sent
            that fill up a batch, and in the lanes beyond the last neuron.
        membranes: [night, tile, lane].
        biases: [night, tile, lane].
        numbers: [night, 6]: decay, gain, threshold, up, down, slope (see `rule_numbers`).
        neurons: Neurons of the layer.
        quiet: Whether nothing can fire in a step without events: no bias, a positive threshold,
            all membranes below it (0 ≤ decay ≤ 1). Such steps are not listed.
    """

    tiled: Tensor
    membranes: Tensor
    biases: Tensor
    numbers: Tensor
    neurons: int
    quiet: bool

    def broken(self) -> list[int]:
        """The nights in which some weight is not a finite number."""
        whole = self.tiled.isfinite().flatten(1).all(1)
        return [int(night) for night in (~whole).nonzero()]

    def advance(self, below: Events, streams: Tensor, programs: int) -> Events:
        """Take all nights through a chunk of steps; return the layer's spikes, a stream a night.

        Args:
            below: What the layer listens to.
            streams: int32 [night], the stream of `below` that each night listens to.
            programs: How many tiles may be worked on at a time.
        """
        from bioncl.spiking.engines import cuda_kernels

        nights, tiles, rows, lanes = self.tiled.shape
        steps, words = below.bits.shape[1], tiles * lanes // 32
        bits = below.bits.new_zeros(nights, steps, words)
        plan = below.schedule(every_step=not self.quiet)
        items = nights * tiles
        cuda_kernels.run_layer[(share(items, programs),)](
            self.tiled,
            self.membranes,
            self.biases,
            self.numbers,
            streams,
            plan.ids,
            plan.edges,
            plan.when,
            plan.bounds,
            below.bits,
            bits,
            items,
            tiles,
            rows - 1,
            self.neurons,
            steps,
            below.bits.shape[2],
            words,
            LANES=lanes,
            BATCH=BATCH,
            BLOCK=BLOCK,
            **cuda_kernels.OPTIONS,
        )
        return Events.from_bits(bits, self.neurons)

    def write_back(self, networks: Sequence[SpikingNetwork], index: int) -> None:
        """Copy weights and membranes into layer `index` of the networks, wherever they lie."""
        for i, network in enumerate(networks):
            rows = self.tiled[i, :, :-1].transpose(1, 2).flatten(0, 1)
            network.weights[index].detach().copy_(rows[: self.neurons])
            network.membranes[index].detach().copy_(self.membranes[i].flatten()[: self.neurons])


def share(items: int, programs: int) -> int:
    """How many programs, at most `programs`, share the items in as few rounds as that allows."""
    rounds = -(-items // programs)
    return -(-items // max(rounds, 1))


def lay_out(
    networks: Sequence[SpikingNetwork], index: int, lanes: int, device: torch.device
) -> Layer:
    """Layer `index` of all networks on `device`, in tiles of `lanes` neurons."""
    neurons, pre = networks[0].weights[index].shape
    nights, tiles = len(networks), -(-neurons // lanes)
    like = torch.empty(0, dtype=networks[0].dtype, device=device)
    tiled = like.new_zeros(nights, tiles, pre + 1, lanes)
    membranes, biases = (like.new_zeros(nights, tiles, lanes) for _ in range(2))
    for i, network in enumerate(networks):
        rows = like.new_zeros(tiles * lanes, pre)
        rows[:neurons].copy_(network.weights[index].detach())
        tiled[i, :, :-1].copy_(rows.view(tiles, lanes, pre).transpose(1, 2))
        membranes[i].view(-1)[:neurons].copy_(network.membranes[index].detach())
        if (bias := network.biases[index]) is not None:
            biases[i].view(-1)[:neurons].copy_(bias.detach())
    numbers = like.new_tensor([_numbers(network, index) for network in networks])
    threshold = numbers[:, 2, None, None]
    quiet = (threshold > 0).all() & (membranes < threshold).all() & ~biases.any()
    return Layer(tiled, membranes, biases, numbers, neurons, bool(quiet))


def _numbers(network: SpikingNetwork, index: int) -> list[float]:
    up, down, slope = rule_numbers(network.rules[index])
    limit = torch.finfo(network.dtype).max
    slope = max(-limit, min(slope, limit))
    return [network.decay, network.gains[index], network.thresholds[index], up, down, slope]


def rule_numbers(rule: Rule | None) -> tuple[float, float, float]:
    """A rule as (up, down, slope): w += up·f(w) or down·f(w) with f(w) = 1/(1 + exp(slope·w)).

    Doubling and halving are exact, so that what `Constant` adds, 2·inc·1/2, is inc.
    """
    match rule:
        case Constant():
            return 2 * rule.inc, -2 * rule.dec, 0.0
        case Gated():  # f(w) = 2/(1 + exp(w/scale))
            return 2 * rule.inc, -2 * rule.dec, 1 / rule.scale
        case Sigmoid():
            return rule.inc, -rule.dec, -rule.slope
    return 0.0, 0.0, 0.0
