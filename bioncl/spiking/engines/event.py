"""Nights computed from spike events by compiled loops, on all cores.

Three facts carry it. Layers do not feed back, so each can run many steps before the next begins.
Without lateral inhibition the neurons of a layer do not see each other, so tiles of neurons spread
over threads without changing a bit. Weights change only where a neuron fires, so a step costs
(input events × neurons) + (spikes × inputs) instead of (inputs × neurons). Every float operation of
a neuron is that of `dense`, in the same order; only exp inside a rule may differ in its last bits.

    tiled      integrate-and-fire with the rules gated, sigmoid, constant or none: the fast path
    rowwise    everything else that `dense` knows
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from bioncl.cores import cores
from bioncl.errors import InputError, UnsupportedError, describe
from bioncl.plasticity import Oja, PairSTDP
from bioncl.spiking.engines import rowwise, tiled
from bioncl.spiking.engines.checks import check_population, options
from bioncl.spiking.engines.population import run_many
from bioncl.spiking.engines.rule_numbers import KNOWN
from bioncl.spiking.network import SpikingNetwork
from bioncl.traces.recorder import Recorder
from bioncl.traces.spikes import Spikes

TILES = (8, 16, 32, 64)


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
            if rule is not None and type(rule) not in KNOWN:
                return f"it does not know the rule {type(rule).__name__} of {name}"
        return None

    def run(self, network: SpikingNetwork, chunks: Iterable[Spikes], recorder: Recorder) -> None:
        """See `Engine.run`."""
        self._insist(network)
        if plain(network):
            tiled.run(network, chunks, recorder, threads=self._threads(), width=self.tile)
        else:
            rowwise.run(network, chunks, recorder, threads=self._threads())

    def run_many(
        self,
        networks: Sequence[SpikingNetwork],
        chunks: Iterable[Sequence[Spikes]],
        streams: Sequence[int],
        recorders: Sequence[Recorder],
    ) -> None:
        """Run many nights side by side, each on one thread; see `Population.run_many`."""
        check_population(networks, streams, recorders)
        for network in networks:
            self._insist(network)
        if networks:
            run_many(self._alone, networks, chunks, streams, recorders, self._threads())

    def _alone(
        self, network: SpikingNetwork, chunks: Iterable[Spikes], recorder: Recorder, *, first: int
    ) -> None:
        """Run a part of a night on one thread."""
        if plain(network):
            tiled.run(network, chunks, recorder, threads=1, width=self.tile, first=first)
        else:
            rowwise.run(network, chunks, recorder, threads=1, first=first)

    def _insist(self, network: SpikingNetwork) -> None:
        if refusal := self.refuses(network):
            raise UnsupportedError(describe(f"Engine 'event': {refusal}"))

    def _threads(self) -> int:
        return self.threads or cores()


def plain(network: SpikingNetwork) -> bool:
    """Whether the fast path knows all of this network."""
    learns_anew = any(isinstance(rule, Oja | PairSTDP) for rule in network.rules)
    return not (network.inhibition or learns_anew or options(network))
