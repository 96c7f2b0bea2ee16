"""Spikes on the GPU: those of one layer in one chunk of steps, of several streams at once.

    Spikes (host) ──from_spikes──► Events ──schedule──► what the kernel walks along
                                     ▲  └─────spikes──► Spikes (host)
    bits that the kernel set ──from_bits

A stream is what a layer listens to: input spikes that nights may share, or the layer below of one
night. Rows below are (stream, step) pairs, stream · steps + step. All sums here are of integers, so
their order does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bioncl.traces.spikes import Spikes

# Events whose weights the kernel loads together: a published step has some 14, so two batches.
BATCH = 8
# Words spelled out at once in `from_bits`: bounds its scratch memory in busy chunks.
WORDS_AT_ONCE = 1 << 22


@dataclass(frozen=True, eq=False)
class Schedule:
    """Events as the kernel takes them, see `cuda_kernels.run_layer`."""

    ids: Tensor
    edges: Tensor
    when: Tensor
    bounds: Tensor


@dataclass(frozen=True, eq=False)
class Events:
    """Spikes of one layer.

    Attributes:
        neurons: Number of neurons of the layer.
        ids: int32 [spikes], by stream, step, neuron.
        edges: int64 [rows + 1], where the spikes of each row begin.
        bits: int32 [streams, steps, words], bit i % 32 of word i // 32 is neuron i.
    """

    neurons: int
    ids: Tensor
    edges: Tensor
    bits: Tensor

    @classmethod
    def from_spikes(cls, streams: Sequence[Spikes], device: torch.device) -> Events:
        """From spikes of as many steps and neurons in each stream."""
        steps, neurons = streams[0].steps, streams[0].neurons
        ids = torch.from_numpy(np.concatenate([s.ids for s in streams]).astype(np.int32)).to(device)
        counts = torch.from_numpy(np.concatenate([np.diff(s.offsets) for s in streams])).to(device)
        words = -(-neurons // 32)
        bits = torch.zeros(len(counts) * words, dtype=torch.int32, device=device)
        rows = torch.arange(len(counts), device=device).repeat_interleave(counts)
        bits.index_add_(0, rows * words + ids // 32, torch.ones_like(ids) << ids % 32)
        return cls(neurons, ids, edges_of(counts), bits.view(len(streams), steps, words))

    @classmethod
    def from_bits(cls, bits: Tensor, neurons: int) -> Events:
        """From the bits of all neurons."""
        flat, width = bits.flatten(), 32 * bits.shape[2]
        found: list[Tensor] = []
        for places in flat.nonzero().squeeze(1).split(WORDS_AT_ONCE):
            ones = flat[places, None] >> torch.arange(32, dtype=torch.int32, device=bits.device) & 1
            index, bit = ones.nonzero().unbind(1)
            found.append(places[index] * 32 + bit)
        place = torch.cat(found)
        rows = torch.arange(bits.shape[0] * bits.shape[1] + 1, device=bits.device)
        edges = torch.searchsorted(place, rows * width)
        return cls(neurons, (place % width).to(torch.int32), edges, bits)

    def spikes(self) -> list[Spikes]:
        """The spikes of each stream, on the host."""
        streams, steps = self.bits.shape[:2]
        ids, edges = self.ids.cpu().numpy(), self.edges.cpu().numpy()
        found = []
        for row in range(0, streams * steps, max(steps, 1)):
            own = edges[row : row + steps + 1]
            found.append(Spikes(self.neurons, own - own[0], ids[own[0] : own[-1]]))
        return found or [Spikes(self.neurons, np.zeros(1, np.int64), ids)] * streams

    def schedule(self, every_step: bool) -> Schedule:
        """List the steps with events, or all of them, their events filled up to whole batches."""
        streams, steps = self.bits.shape[:2]
        counts = self.edges.diff()
        rows = torch.arange(len(counts), device=counts.device)
        if not every_step:
            rows = counts.nonzero().squeeze(1)
        counts = counts[rows]
        edges = edges_of((counts + BATCH - 1) // BATCH)
        ids = self.ids.new_full((int(edges[-1]) * BATCH,), self.neurons)
        shift = (edges[:-1] * BATCH - self.edges[rows]).repeat_interleave(counts)
        ids[torch.arange(len(self.ids), device=ids.device) + shift] = self.ids
        bounds = torch.searchsorted(rows, torch.arange(streams + 1, device=rows.device) * steps)
        # One entry more of each than is used: the kernel reads one step ahead.
        when = torch.nn.functional.pad(rows % max(steps, 1), (0, 1)).to(torch.int32)
        return Schedule(ids, torch.cat([edges, edges[-1:]]), when, bounds)


def edges_of(counts: Tensor) -> Tensor:
    """Where each of consecutive groups of these sizes begins, and where the last ends."""
    return torch.nn.functional.pad(counts.cumsum(0), (1, 0))
