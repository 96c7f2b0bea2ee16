"""The definition of a night: one step after another, in plain torch.

Every other engine is tested against this one, so it is written to be read, not to be quick. Any
floating dtype, any device, any plasticity rule.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bioncl.spiking.engines.checks import check_chunk, diverged
from bioncl.spiking.network import SpikingNetwork
from bioncl.spiking.synapses import learn
from bioncl.traces.recorder import Recorder
from bioncl.traces.spikes import Spikes


@dataclass(frozen=True)
class Dense:
    """Runs nights by definition.

    Attributes:
        threads: Taken so that all engines are made alike; nothing here runs side by side.
    """

    threads: int = 0

    def refuses(self, network: SpikingNetwork) -> str | None:
        """See `Engine.refuses`: nothing."""
        return None

    @torch.no_grad()
    def run(self, network: SpikingNetwork, chunks: Iterable[Spikes], recorder: Recorder) -> None:
        """See `Engine.run`."""
        first = 0
        for chunk in chunks:
            check_chunk(network, chunk)
            rasters = [np.zeros((chunk.steps, n), np.bool_) for n in network.sizes]
            rasters[0] = chunk.raster()
            for t in range(chunk.steps):
                spikes = torch.from_numpy(rasters[0][t]).to(network.weights[0].device)
                for layer in range(len(network.weights)):
                    spikes = step(network, layer, spikes)
                    rasters[layer + 1][t] = spikes.cpu().numpy()
            for layer, weight in enumerate(network.weights):
                if not torch.isfinite(weight).all():
                    raise diverged(network, layer, first, chunk.steps)
            for layer, raster in enumerate(rasters):
                recorder.spikes(layer, first, Spikes.from_raster(raster))
            first += chunk.steps


def step(network: SpikingNetwork, layer: int, pre: Tensor) -> Tensor:
    """One step of one layer: bool [pre] -> bool [post]; the network's state changes in place."""
    post = integrate(network, layer, pre)
    learn(network, layer, pre, post)
    reset(network, layer, post)
    return post


def integrate(network: SpikingNetwork, layer: int, pre: Tensor) -> Tensor:
    """Who fires, bool [post]; membranes are left as they meet the threshold, before the reset."""
    membrane, awake = network.membranes[layer], network.resting[layer] == 0
    u = current(network, layer, pre)
    membrane.mul_(network.decay)
    membrane.add_(u)
    membrane[~awake] = 0
    return (membrane >= network.thresholds[layer]) & awake


def reset(network: SpikingNetwork, layer: int, post: Tensor) -> None:
    """Reset the neurons that fired; they begin their rest, the others rest a step less."""
    resting = network.resting[layer]
    network.membranes[layer][post] = 0
    resting.sub_(1).clamp_(min=0)
    resting[post] = network.refractory


def current(network: SpikingNetwork, layer: int, pre: Tensor) -> Tensor:
    """The current u [post] into one layer, summed in the order of the firing inputs."""
    weight, bias = network.weights[layer], network.biases[layer]
    total = weight.new_zeros(len(weight))
    for j in pre.nonzero():
        total += weight[:, j.item()]
    if bias is not None:
        total += bias
    u = network.gains[layer] * total
    if network.inhibition:
        u -= network.inhibition * mean(u)
    if network.dc[layer]:
        u += network.dc[layer]
    return u


def mean(u: Tensor) -> Tensor:
    """The mean of u [n], added up in float64 one after another, in the dtype of u."""
    total = 0.0
    for value in u.tolist():  # not sum(), which compensates for rounding from Python 3.12 on
        total += value
    return torch.tensor(total / len(u), dtype=u.dtype, device=u.device)
