"""A night, step by step, on neurons that another library computes.

Membrane, spike and reset are the library's. The current is that of `dense.current` (gain, bias,
inhibition and direct current included, added up in the same order) and plasticity that of
`bioncl.spiking.synapses`, so where the library's arithmetic is that of `dense`, every spike and
weight is the same bit for bit. They differ only where a current overflows although all weights are
finite: `dense` goes on from 0, these libraries multiply infinity by 0; that is a `DivergedError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from bioncl.errors import DivergedError, UnsupportedError, describe
from bioncl.spiking.engines.checks import check_chunk, diverged
from bioncl.spiking.engines.dense import current
from bioncl.spiking.network import SpikingNetwork
from bioncl.spiking.synapses import learn
from bioncl.traces.recorder import Recorder
from bioncl.traces.spikes import Spikes


class Neurons(Protocol):
    """The neurons of one layer, with their membranes."""

    def step(self, current: Tensor) -> Tensor:
        """Take the current [post] of one step; return who fires, bool [post]."""

    def membranes(self) -> Tensor:
        """Membrane potentials [post] after the reset."""


@torch.no_grad()
def run_steps(
    network: SpikingNetwork,
    chunks: Iterable[Spikes],
    recorder: Recorder,
    layers: Sequence[Neurons],
) -> None:
    """Run a night on `layers`, one for each layer of `network`; see `Engine.run`."""
    first = 0
    try:
        for chunk in chunks:
            check_chunk(network, chunk)
            rasters = [np.zeros((chunk.steps, n), np.bool_) for n in network.sizes]
            rasters[0] = chunk.raster()
            for t in range(chunk.steps):
                spikes = torch.from_numpy(rasters[0][t]).to(network.weights[0].device)
                for layer, neurons in enumerate(layers):
                    pre, spikes = spikes, neurons.step(current(network, layer, spikes))
                    learn(network, layer, pre, spikes)
                    rasters[layer + 1][t] = spikes.cpu().numpy()
            _check_finite(network, layers, first, chunk.steps)
            for layer, raster in enumerate(rasters):
                recorder.spikes(layer, first, Spikes.from_raster(raster))
            first += chunk.steps
    finally:
        for membrane, neurons in zip(network.membranes, layers, strict=True):
            membrane.copy_(neurons.membranes())


def just_below(threshold: float, like: Tensor) -> Tensor:
    """The largest number below `threshold`, of the dtype of `like`: v > it means v ≥ threshold."""
    value = like.new_tensor(threshold)
    return torch.nextafter(value, torch.full_like(value, -torch.inf))


def refusal(network: SpikingNetwork) -> str | None:
    """What engines of this kind cannot do, or None; see `Engine.refuses`."""
    if network.dtype not in (torch.float32, torch.float64):
        return f"it computes in float32 or float64, not in {network.dtype}"
    if network.refractory:
        return "its neurons know no refractory period"
    return None


def insist(name: str, reason: str | None) -> None:
    """Refuse a night for `reason`, if there is one.

    Raises:
        UnsupportedError: There is one; names the engine.
    """
    if reason:
        raise UnsupportedError(describe(f"Engine '{name}': {reason}"))


def _check_finite(
    network: SpikingNetwork, layers: Sequence[Neurons], first: int, steps: int
) -> None:
    for layer, (weight, neurons) in enumerate(zip(network.weights, layers, strict=True)):
        if not torch.isfinite(weight).all():
            raise diverged(network, layer, first, steps)
        if not torch.isfinite(neurons.membranes()).all():
            what = f"A current of {network.names[layer]} overflowed in steps {first} to "
            hint = "Lower its gain, or use the engine 'dense'."
            raise DivergedError(describe(f"{what}{first + steps - 1} of the night", hint=hint))
