"""What an engine is: it runs a night of a spiking network.

`dense` is the definition; every other engine equals it. An engine pulls the input spikes chunk by
chunk (so no memory grows with the length of the night), changes the network's weights and membranes
in place, and hands every layer's spikes to the recorder.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

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
            network: Its weights and membranes change in place.
            chunks: Spikes of the input layer, in order of time.
            recorder: Gets the spikes of every layer, input included.

        Raises:
            UnsupportedError: The engine cannot run this network.
            DivergedError: Weights became non-finite; names layer and step range.
        """
