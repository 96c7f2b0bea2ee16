"""Nights on `norse.torch.IAFCell` neurons, spike for spike those of `dense`.

Tested with norse 1.1.0. `IAFCell` adds the current, fires where v > v_th, and resets, but knows no
leak: the state that it is given is the membrane times the decay. norse's own leaky cell (LIFBox)
computes v + dt/tau·(x − v), which rounds differently, so that equal spikes would be a matter of
luck. v_th is the largest number below our threshold, which turns > into ≥.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from bioncl.spiking.engines.stepwise import insist, just_below, refusal, run_steps
from bioncl.spiking.libraries import library
from bioncl.spiking.network import SpikingNetwork
from bioncl.traces.recorder import Recorder
from bioncl.traces.spikes import Spikes


@dataclass(frozen=True)
class Norse:
    """Runs nights step by step on neurons of norse.

    Attributes:
        threads: Taken so that all engines are made alike; nothing here runs side by side.

    Raises:
        UnsupportedError: norse is not installed.
    """

    threads: int = 0

    def __post_init__(self) -> None:
        """Import the library."""
        library("norse.torch")

    def refuses(self, network: SpikingNetwork) -> str | None:
        """See `Engine.refuses`."""
        return refusal(network)

    def run(self, network: SpikingNetwork, chunks: Iterable[Spikes], recorder: Recorder) -> None:
        """See `Engine.run`."""
        insist("norse", self.refuses(network))
        layers = [IntegratingNeurons(network, layer) for layer in range(len(network.weights))]
        run_steps(network, chunks, recorder, layers)


class IntegratingNeurons:
    """One layer as `norse.torch.IAFCell`; see `bioncl.spiking.engines.stepwise.Neurons`."""

    def __init__(self, network: SpikingNetwork, layer: int) -> None:
        """Make the neurons of `layer`, from the membranes that the network has."""
        iaf = library("norse.torch.functional.iaf")
        self.decay, self.membrane = network.decay, network.membranes[layer].clone()
        self.state = iaf.IAFFeedForwardState
        v_th = just_below(network.thresholds[layer], self.membrane)
        parameters = iaf.IAFParameters(
            v_th=v_th, v_reset=torch.zeros_like(v_th), method="heaviside"
        )
        self.cell = library("norse.torch").IAFCell(parameters)

    def step(self, current: Tensor) -> Tensor:
        """See `Neurons`."""
        spikes, state = self.cell(current, self.state(v=self.decay * self.membrane))
        self.membrane = state.v
        return spikes > 0

    def membranes(self) -> Tensor:
        """See `Neurons`."""
        return self.membrane
