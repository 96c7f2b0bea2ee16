"""Nights on `snntorch.Leaky` neurons, spike for spike those of `dense`.

Tested with snntorch 1.0.0. What makes `Leaky` the neuron of `bioncl.spiking.network`:

    beta = decay, in the network's precision (a plain float would be rounded to float32)
    threshold = the largest number below ours, because Leaky fires where v > threshold
    reset_mechanism = "zero", reset_delay = True: the membrane is zeroed when the next step begins,
        which is the same; reset_delay = False would go wrong at thresholds of 0 and below

Spikes come as float32 in any precision, which is harmless; membranes keep theirs.
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
class SnnTorch:
    """Runs nights step by step on neurons of snntorch.

    Attributes:
        threads: Taken so that all engines are made alike; nothing here runs side by side.

    Raises:
        UnsupportedError: snntorch is not installed.
    """

    threads: int = 0

    def __post_init__(self) -> None:
        """Import the library."""
        library("snntorch")

    def refuses(self, network: SpikingNetwork) -> str | None:
        """See `Engine.refuses`."""
        for name, membrane, threshold in zip(
            network.names, network.membranes, network.thresholds, strict=True
        ):
            if ((membrane >= threshold) & (membrane != 0)).any():
                return f"it would reset membranes of {name} that begin above the threshold"
        return refusal(network)

    def run(self, network: SpikingNetwork, chunks: Iterable[Spikes], recorder: Recorder) -> None:
        """See `Engine.run`."""
        insist("snntorch", self.refuses(network))
        layers = [LeakyNeurons(network, layer) for layer in range(len(network.weights))]
        run_steps(network, chunks, recorder, layers)


class LeakyNeurons:
    """One layer as `snntorch.Leaky`; see `bioncl.spiking.engines.stepwise.Neurons`."""

    def __init__(self, network: SpikingNetwork, layer: int) -> None:
        """Make the neurons of `layer`, from the membranes that the network has."""
        snntorch = library("snntorch")
        self.membrane = network.membranes[layer].clone()
        self.cell = snntorch.Leaky(
            beta=self.membrane.new_tensor(network.decay),
            threshold=just_below(network.thresholds[layer], self.membrane),
            reset_mechanism="zero",
            reset_delay=True,
            surrogate_disable=True,
        )
        # snntorch keeps every neuron it ever made in this list.
        snntorch.SpikingNeuron.instances.remove(self.cell)

    def step(self, current: Tensor) -> Tensor:
        """See `Neurons`."""
        spikes, self.membrane = self.cell(current, self.membrane)
        return spikes > 0

    def membranes(self) -> Tensor:
        """See `Neurons`; Leaky itself would zero them in the next step."""
        return torch.where(self.membrane > self.cell.threshold, 0.0, self.membrane)
