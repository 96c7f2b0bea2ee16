"""Input of a night in batches: some chunks laid out at once, checked as a whole.

A layer runs through all of a batch before the next layer begins, so the longer a batch is, the less
is spent between layers; the shorter, the sooner somebody gets its spikes. `growing` makes batches
longer while they are done in a few milliseconds; `fixed`, for nights that share their input, as
long as may be after the first chunk, from which layers learn how busy they are.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bioncl.spiking.engines import tile_kernels as kernels
from bioncl.spiking.engines.checks import check_chunk
from bioncl.spiking.engines.tile_kernels import Events
from bioncl.spiking.network import SpikingNetwork
from bioncl.traces.spikes import Spikes

BATCH_SECONDS = 0.02
BATCH_STEPS = 16_384
BATCH_EVENTS = 4_000_000
GROWTH = 8


@dataclass(frozen=True, eq=False)
class Batch:
    """Some chunks that follow each other.

    Attributes:
        chunks: As they were given.
        ends: Steps before each chunk, and of all.
        events: All of them, for the loops.
    """

    chunks: Sequence[Spikes]
    ends: Sequence[int]
    events: Events

    @classmethod
    def of(cls, chunks: Sequence[Spikes], network: SpikingNetwork | None = None) -> Batch:
        """Lay out chunks; check that they fit the network, if one is given.

        Raises:
            InputError: A chunk does not fit, see `check_chunk`.
        """
        whole = joined(chunks)
        if network is not None:
            inputs, ids = network.sizes[0], whole.ids
            fit = all(chunk.neurons == inputs for chunk in chunks)
            if not fit or (len(ids) and not 0 <= ids.min() <= ids.max() < inputs):
                for chunk in chunks:
                    check_chunk(network, chunk)  # one of them says what is wrong
        ends = list(itertools.accumulate((chunk.steps for chunk in chunks), initial=0))
        return cls(chunks, ends, events_of(whole))


class Held:
    """Chunks in memory that fit the network; laid out once, for all nights that listen to them."""

    def __init__(self, chunks: Sequence[Spikes]) -> None:
        """Hold them."""
        self.chunks = chunks

    def __iter__(self) -> Iterator[Spikes]:
        """Each chunk."""
        return iter(self.chunks)

    @cached_property
    def batches(self) -> list[Batch]:
        """All of them laid out. Threads that ask at the same time may get different copies."""
        return [Batch.of(chunks) for chunks in fixed(self.chunks)]


def batches(chunks: Iterable[Spikes], network: SpikingNetwork) -> Iterable[Batch]:
    """Chunks laid out in batches; those that are not `Held` are checked."""
    if isinstance(chunks, Held):
        return chunks.batches
    return (Batch.of(each, network) for each in growing(chunks))


def events_of(spikes: Spikes) -> Events:
    """Spikes as the loops take them."""
    offsets = np.ascontiguousarray(spikes.offsets, np.int64)
    return Events(offsets, np.ascontiguousarray(spikes.ids, np.int32), kernels.pauses(offsets))


def joined(chunks: Sequence[Spikes]) -> Spikes:
    """The spikes of chunks that follow each other."""
    if len(chunks) == 1:
        return chunks[0]
    ends = list(itertools.accumulate((len(chunk.ids) for chunk in chunks), initial=0))
    starts = [chunks[0].offsets[:1], *(chunk.offsets[1:] for chunk in chunks)]
    offsets = np.concatenate(starts, dtype=np.int64)
    offsets[1:] += np.repeat(ends[:-1], [chunk.steps for chunk in chunks])
    return Spikes(chunks[0].neurons, offsets, np.concatenate([chunk.ids for chunk in chunks]))


def growing(chunks: Iterable[Spikes]) -> Iterator[list[Spikes]]:
    """Chunks to be run at once, more and more of them while whoever consumes them is quick."""
    held, steps, events, wanted = list[Spikes](), 0, 0, 1
    for chunk in chunks:
        held.append(chunk)
        steps, events = steps + chunk.steps, events + len(chunk.ids)
        if len(held) >= wanted or steps > BATCH_STEPS or events > BATCH_EVENTS:
            began = time.perf_counter()
            yield held
            held, steps, events = [], 0, 0
            if time.perf_counter() - began < BATCH_SECONDS:
                wanted *= GROWTH
    if held:
        yield held


def fixed(chunks: Iterable[Spikes]) -> Iterator[list[Spikes]]:
    """The first chunk, then as many at once as may be."""
    held, steps, limit = list[Spikes](), 0, 0
    for chunk in chunks:
        held.append(chunk)
        steps += chunk.steps
        if steps >= limit:
            yield held
            held, steps, limit = [], 0, BATCH_STEPS
    if held:
        yield held
