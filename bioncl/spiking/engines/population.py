"""Many nights side by side on the cores of one machine, each on one thread.

Nights that listen to the same stream share its spikes. Each goes through as much input as is held
at a time before the next one begins, so memory to work in is needed for one night a thread, not for
all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from bioncl.spiking.engines.batches import Held
from bioncl.spiking.engines.checks import check_streams
from bioncl.spiking.network import SpikingNetwork
from bioncl.traces.recorder import Recorder
from bioncl.traces.spikes import Spikes

HELD_EVENTS = 16_000_000


class RunsOne(Protocol):
    """Runs a part of one night, which begins at step `first`, on one thread."""

    def __call__(
        self, network: SpikingNetwork, chunks: Iterable[Spikes], recorder: Recorder, *, first: int
    ) -> None:
        """Run it; the network holds all state that passes from part to part.

        `chunks` are `Held`.
        """


def run_many(
    run: RunsOne,
    networks: Sequence[SpikingNetwork],
    chunks: Iterable[Sequence[Spikes]],
    streams: Sequence[int],
    recorders: Sequence[Recorder],
    threads: int,
) -> None:
    """Run many nights with `run`; see `Population.run_many`."""
    first = 0
    with ThreadPoolExecutor(threads) as pool:
        for held in rounds(chunks, networks[0], streams):

            def part(night: int, held: Sequence[Held] = held, first: int = first) -> None:
                run(networks[night], held[streams[night]], recorders[night], first=first)

            list(pool.map(part, range(len(networks))))  # waits, and raises what was raised there
            first += sum(chunk.steps for chunk in held[0].chunks)


def rounds(
    chunks: Iterable[Sequence[Spikes]], network: SpikingNetwork, streams: Sequence[int]
) -> Iterator[list[Held]]:
    """The chunks of each stream, as many as hold a certain number of spikes."""
    held, events = list[Sequence[Spikes]](), 0
    for chunk in chunks:
        check_streams(network, chunk, streams)
        held.append(chunk)
        events += sum(len(spikes.ids) for spikes in chunk)
        if events > HELD_EVENTS:
            yield [Held(chunks) for chunks in zip(*held, strict=True)]
            held, events = [], 0
    if held:
        yield [Held(chunks) for chunks in zip(*held, strict=True)]
