"""Many nights of one network, each as if it were the only one.

    nights ─► gains ─► groups that fit each other ─► prepare ─► run_many ─► finish each
                        └ all others ─► one by one

Nights fit each other if they are equally long and an engine that runs populations computes them in
one precision; networks that are no chain sleep alone. Gains are measured once for all nights that
ask for the same; in a group, random numbers are drawn once for each drive, and nights whose drive
fires at the same rate listen to one stream.
"""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from torch import Tensor

from bioncl.errors import BionclError
from bioncl.models.backbone import Backbone
from bioncl.nights.night import (
    NightReport,
    Prepared,
    as_seen,
    finish,
    is_chain,
    peak,
    prepare,
    sleep,
)
from bioncl.nights.settings import NightSettings
from bioncl.progress import Progress
from bioncl.spiking.convert import Diehl, Fixed, Gains, Percentile, Published
from bioncl.spiking.drive import Drive, spikes_at
from bioncl.spiking.engines.engine import Population
from bioncl.streams.stream import Examples
from bioncl.traces.recorder import SilentRecorder
from bioncl.traces.spikes import Spikes


@dataclass(frozen=True, eq=False)
class Night:
    """One night to be.

    Attributes:
        seen: Inputs that shape drive and gains; nights share what they can if it is one object.
        settings: How to sleep.
        steps: Length of the night.
    """

    seen: Examples
    settings: NightSettings
    steps: int


@dataclass(frozen=True, eq=False)
class Slept:
    """What came of a night.

    Attributes:
        report: What it did; of nights side by side, `seconds` is an equal share of the wall time.
        state: The model's state after it, as `load_state_dict` takes it.
    """

    report: NightReport
    state: Mapping[str, Tensor]


Outcome = Slept | BionclError
"""What came of a night, or why it failed."""


def sleep_many(
    model: Backbone,
    nights: Sequence[Night],
    *,
    generator: np.random.Generator,
    progress: Progress,
) -> list[Outcome]:
    """Let `model` sleep through each of `nights`, from the weights that it has now.

    Each comes out as `bioncl.nights.night.sleep` alone would leave it, bit for bit.

    Args:
        model: The awake network; it keeps its weights.
        nights: What to try.
        generator: Source of the noise; each night hears what it would give now.
        progress: Gets one unit a step of each group.

    Returns:
        For each night, what came of it; a night that fails does not touch the others.
    """
    sleeper = Sleeper(model, generator, progress)
    if not is_chain(model):
        return [sleeper.alone(night) for night in nights]
    found: dict[int, Outcome] = {}
    asked: dict[int, Night] = {}
    ready: dict[int, Prepared] = {}
    groups: dict[tuple[object, ...], list[int]] = {}
    for index, night in enumerate(nights):
        try:
            asked[index] = sleeper.measured(night)
            ready[index] = sleeper.prepared(asked[index])
        except BionclError as error:
            found[index] = error
        else:
            groups.setdefault(kind(index, ready[index]), []).append(index)
    for group in groups.values():
        outcomes = sleeper.group([asked[i] for i in group], [ready[i] for i in group])
        found.update(zip(group, outcomes, strict=True))
    return [found[index] for index in range(len(nights))]


def kind(index: int, night: Prepared) -> tuple[object, ...]:
    """What is equal for nights that fit each other, and of its own for one that must be alone."""
    if not isinstance(night.engine, Population):
        return (index,)
    settings = night.settings
    return settings.engine, settings.threads, settings.precision, night.steps


class Sleeper:
    """A network, its noise, and what was measured of it so far."""

    def __init__(self, model: Backbone, generator: np.random.Generator, progress: Progress) -> None:
        """Take a network as it is now."""
        self.model, self.generator, self.progress = model, generator, progress
        self.awake = state_of(model)
        self.known: list[tuple[Gains, Examples, tuple[float, ...]]] = []

    def measured(self, night: Night) -> Night:
        """The night of a chain with its gains as numbers."""
        gains, scale = night.settings.gains, 1.0
        if isinstance(gains, Published | Diehl | Percentile):  # which multiply by it at the end
            gains, scale = replace(gains, scale=1.0), gains.scale
        same = (v for asked, seen, v in self.known if asked == gains and seen is night.seen)
        if (values := next(same, None)) is None:
            values = self.measure(gains, night)
            self.known.append((gains, night.seen, values))
        return replace(night, settings=replace(night.settings, gains=Fixed(values, scale)))

    def measure(self, gains: Gains, night: Night) -> tuple[float, ...]:
        """What `gains` are for the network in a night; see `bioncl.nights.night.twin`."""
        self.model.eval()
        self.model.use_task(None)
        device = next(self.model.parameters()).device
        return tuple(gains.of(self.model, night.seen.x.to(device), night.settings.threads))

    def prepared(self, night: Night) -> Prepared:
        """The night of a chain, to be run."""
        return prepare(self.model, night.seen, night.settings, night.steps, SilentRecorder())

    def group(self, nights: Sequence[Night], ready: Sequence[Prepared]) -> list[Outcome]:
        """Nights that fit each other; if one of them breaks the population, one by one."""
        engine = ready[0].engine
        if len(nights) == 1 or not isinstance(engine, Population):
            return [self.alone(night) for night in nights]
        sources, streams = sources_of(nights)
        steps, start = nights[0].steps, time.perf_counter()
        try:
            with self.progress.start("nights: steps", steps) as bar:
                noise = chunks(sources, steps, self.generator, bar.advance)
                networks, recorders = [n.network for n in ready], [n.recorder for n in ready]
                engine.run_many(networks, noise, streams, recorders)
        except BionclError:
            return [self.alone(night) for night in nights]
        share = (time.perf_counter() - start) / len(nights)
        return [self.woken(finish(self.model, night, share)) for night in ready]

    def alone(self, night: Night) -> Outcome:
        """One night by itself."""
        try:
            report = sleep(
                self.model,
                night.seen,
                night.settings,
                steps=night.steps,
                generator=copy.deepcopy(self.generator),
                recorder=SilentRecorder(),
                progress=self.progress,
            )
        except BionclError as error:
            return error
        return self.woken(report)

    def woken(self, report: NightReport) -> Slept:
        """Take the state that the network has, and put it back to where it was."""
        state = state_of(self.model)
        self.model.load_state_dict(self.awake)
        return Slept(report, state)


@dataclass(frozen=True, eq=False)
class Source:
    """A drive, what shapes it, and the spike probabilities at which somebody listens to it."""

    drive: Drive
    seen: Examples
    scales: list[float] = field(default_factory=list)


def sources_of(nights: Sequence[Night]) -> tuple[list[Source], list[int]]:
    """What drives the nights, and for each night its place among the streams of all sources."""
    sources: list[Source] = []
    heard = []
    for night in nights:
        drive, scale = night.settings.drive, peak(night.settings)
        same = (s for s in sources if s.drive == drive and s.seen is night.seen)
        if (source := next(same, None)) is None:
            source = Source(drive, night.seen)
            sources.append(source)
        if scale not in source.scales:
            source.scales.append(scale)
        heard.append((sources.index(source), source.scales.index(scale)))
    first = list(itertools.accumulate((len(s.scales) for s in sources), initial=0))
    return sources, [first[source] + place for source, place in heard]


def chunks(
    sources: Sequence[Source],
    steps: int,
    generator: np.random.Generator,
    advance: Callable[[int], None],
) -> Iterator[list[Spikes]]:
    """Chunk by chunk the spikes of all streams, telling how many steps are done."""
    parts = [
        spikes_at(s.drive, as_seen(s.seen), steps, s.scales, copy.deepcopy(generator))
        for s in sources
    ]
    # Where a drive has fewer chunks than another, streams are missing, which engines refuse.
    for each in itertools.zip_longest(*parts, fillvalue=[]):
        chunk = [spikes for part in each for spikes in part]
        yield chunk
        advance(chunk[0].steps)


def state_of(model: Backbone) -> dict[str, Tensor]:
    """A copy of the state of a network."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
