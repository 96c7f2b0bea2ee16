"""What an engine is: it runs a night of a spiking network.

`dense` is the definition; every other engine equals it. An engine pulls the input spikes chunk by
chunk (so no memory grows with the length of the night), changes the network's weights and membranes
in place, and hands every layer's spikes to the recorder.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

from bioncl.spiking.network import SpikingNetwork
from bioncl.traces.recorder import Recorder
from bioncl.traces.spikes import Spikes


class Engine(Protocol):
    """Runs nights."""

    def refuses(self, network: SpikingNetwork) -> str | None:
        """Say in a sentence what of this network the engine cannot do, or None."""

    def run(self, network: SpikingNetwork, chunks: Iterable[Spikes], recorder: Recorder) -> None:
        """Run one night.

        Args:
            network: Its weights and the rest of its state (membranes, resting, traces) change in
                place.
            chunks: Spikes of the input layer, in order of time.
            recorder: Gets the spikes of every layer, input included.

        Raises:
            UnsupportedError: The engine cannot run this network.
            DivergedError: Weights became non-finite; names layer and step range.
        """


@runtime_checkable
class Population(Engine, Protocol):
    """An engine that runs many nights side by side."""

    def run_many(
        self,
        networks: Sequence[SpikingNetwork],
        chunks: Iterable[Sequence[Spikes]],
        streams: Sequence[int],
        recorders: Sequence[Recorder],
    ) -> None:
        """Run many nights; each comes out as if it had run alone, bit for bit.

        Args:
            networks: One for each night, of the same sizes and dtype; all else may differ. They
                change in place.
            chunks: For each chunk of steps, the input spikes of each stream, all equally long.
            streams: For each night, the stream that it listens to.
            recorders: For each night, who gets its spikes; each is called by one thread at a time.

        Raises:
            InputError: The nights do not fit each other, or the streams do not fit the nights.
            UnsupportedError: The engine cannot run one of the networks.
            DivergedError: Weights of a night became non-finite.
        """
