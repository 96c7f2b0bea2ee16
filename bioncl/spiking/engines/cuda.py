"""Nights on a GPU, many at a time, in one launch for each layer and chunk of steps.

What makes the `event` engine fast holds here too: layers do not feed back and, without lateral
inhibition, neurons do not see each other. So a tile of neurons of one night runs through a whole
chunk by itself, and a layer of a population of nights is (nights × tiles) independent pieces of
work for a GPU:

    cuda_layers    a layer of all nights, tile by tile, on the GPU
    cuda_events    spikes of a layer, on the GPU and back
    cuda_kernels   the kernel, in Triton

Every float operation of a neuron is that of `dense`, in the same order; only f(w) inside a rule may
differ in its last bits, in float32 by the few of the GPU's quick exp and division. The result
depends neither on the GPU's schedule nor on `lanes`, `programs` or which nights run together.

Each chunk costs some launches and transfers: the longer the chunks, the better, above all for
populations. TRITON_INTERPRET=1 in the environment runs the kernel on the CPU, slowly: for tests.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bioncl.errors import InputError, UnsupportedError, describe
from bioncl.plasticity import Constant, Gated, Sigmoid
from bioncl.spiking.engines.checks import (
    check_population,
    check_streams,
    diverged,
    refuse_options,
)
from bioncl.spiking.engines.cuda_events import Events
from bioncl.spiking.engines.cuda_layers import Layer, lay_out
from bioncl.spiking.network import SpikingNetwork
from bioncl.traces.recorder import Recorder
from bioncl.traces.spikes import Spikes

LANES = (32, 64, 128)
# Few enough that the tiles' busy rows mostly stay in a processor's own cache, enough to hide some
# latency: by count, not measured (benchmarks/gpu.py tries others).
PROGRAMS_A_PROCESSOR = 8


@dataclass(frozen=True)
class Cuda:
    """Runs nights on the current CUDA device.

    Attributes:
        threads: Taken so that all engines are made alike; the CPU only waits.
        lanes: Neurons in a tile, one of 32, 64, 128. Does not change the result.
        programs: Tiles worked on at a time; 0 for eight for each of the GPU's multiprocessors. Does
            not change the result.
    """

    threads: int = 0
    lanes: int = 32
    programs: int = 0

    def __post_init__(self) -> None:
        """Check the settings, and that there is a device.

        Raises:
            InputError: A setting is out of range.
            UnsupportedError: Triton or a CUDA device is missing.
        """
        if self.lanes not in LANES:
            raise InputError(describe("Neurons in a tile", expected=LANES, got=self.lanes))
        if self.programs < 0:
            raise InputError(describe("Programs", expected="0 or more", got=self.programs))
        find_device()

    def refuses(self, network: SpikingNetwork) -> str | None:
        """See `Engine.refuses`."""
        if network.dtype not in (torch.float32, torch.float64):
            return f"it computes in float32 or float64, not in {network.dtype}"
        if network.weights[0].device.type not in ("cpu", "cuda"):
            return f"it takes weights from CPU or GPU, but they are on {network.weights[0].device}"
        if network.inhibition:
            return f"it has no lateral inhibition, but inhibition is {network.inhibition}"
        for name, rule in zip(network.names, network.rules, strict=True):
            if type(rule) not in (type(None), Constant, Gated, Sigmoid):
                return f"it does not know the rule {type(rule).__name__} of {name}"
        return refuse_options(network)

    def run(self, network: SpikingNetwork, chunks: Iterable[Spikes], recorder: Recorder) -> None:
        """See `Engine.run`."""
        self.run_many([network], ([chunk] for chunk in chunks), [0], [recorder])

    @torch.no_grad()
    def run_many(
        self,
        networks: Sequence[SpikingNetwork],
        chunks: Iterable[Sequence[Spikes]],
        streams: Sequence[int],
        recorders: Sequence[Recorder],
    ) -> None:
        """Run many nights side by side; each comes out as if it had run alone, bit for bit.

        Args:
            networks: One for each night, of the same sizes and dtype; gains, thresholds, decay,
                biases and rules may differ. Weights and membranes change in place.
            chunks: For each chunk of steps, the input spikes of each stream, all equally long.
            streams: For each night, the stream that it listens to.
            recorders: For each night, who gets its spikes.

        Raises:
            InputError: The nights do not fit each other, or the streams do not fit the nights.
            UnsupportedError: The engine cannot run one of the networks.
            DivergedError: Weights of a night became non-finite; all nights stop.
        """
        check_population(networks, streams, recorders)
        for network in networks:
            if refusal := self.refuses(network):
                raise UnsupportedError(describe(f"Engine 'cuda': {refusal}"))
        device = find_device()
        if not networks:
            return
        layers = [lay_out(networks, i, self.lanes, device) for i in range(len(networks[0].weights))]
        listening = torch.tensor(streams, dtype=torch.int32, device=device)
        first = 0
        try:
            for chunk in chunks:
                check_streams(networks[0], chunk, streams)
                spikes = self._advance(networks, layers, chunk, listening, first)
                for night, stream in enumerate(streams):
                    recorders[night].spikes(0, first, chunk[stream])
                    for index, events in enumerate(spikes, start=1):
                        recorders[night].spikes(index, first, events[night])
                first += chunk[0].steps
        finally:
            for index, layer in enumerate(layers):
                layer.write_back(networks, index)

    def _advance(
        self,
        networks: Sequence[SpikingNetwork],
        layers: Sequence[Layer],
        chunk: Sequence[Spikes],
        streams: Tensor,
        first: int,
    ) -> list[list[Spikes]]:
        """Take all layers through one chunk; return for each layer the spikes of each night."""
        events = Events.from_spikes(chunk, streams.device)
        spikes = []
        for index, layer in enumerate(layers):
            events = layer.advance(events, streams, self.programs or default_programs())
            if broken := layer.broken():
                raise diverged(networks[broken[0]], index, first, chunk[0].steps)
            streams = torch.arange(len(networks), dtype=torch.int32, device=streams.device)
            spikes.append(events.spikes())
        return spikes


def find_device() -> torch.device:
    """The device to run on: the current GPU, or the CPU for Triton's interpreter.

    Raises:
        UnsupportedError: Triton or a CUDA device is missing.
    """
    if importlib.util.find_spec("triton") is None:
        hint = "Install it with: pip install 'bioncl[gpu]'."
        raise UnsupportedError(describe("Engine 'cuda': Triton is not installed", hint=hint))
    if os.environ.get("TRITON_INTERPRET") == "1":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        hint = "It needs an NVIDIA GPU and a PyTorch that is built for CUDA."
        raise UnsupportedError(describe("Engine 'cuda': PyTorch finds no CUDA device", hint=hint))
    return torch.device("cuda", torch.cuda.current_device())


def default_programs() -> int:
    """How many tiles to work on at a time."""
    if not torch.cuda.is_available():
        return PROGRAMS_A_PROCESSOR
    device = torch.cuda.get_device_properties(torch.cuda.current_device())
    return PROGRAMS_A_PROCESSOR * int(device.multi_processor_count)
