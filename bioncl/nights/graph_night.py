"""One night of any network: trace, drive, run, write back.

    network ─► graph ─► gains from what was seen ─► noise, populations, rule ─► weights ─► network

A chain of linear layers goes to the engine that the settings name; every other graph is run by
`bioncl.spiking.graph.night`. A night that fails leaves the network as it was.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from torch import Tensor, nn

from bioncl.errors import UnsupportedError, describe
from bioncl.nights.graph_twin import Range, downscale, make_twin, rules_of
from bioncl.nights.night import Counting, as_seen, peak, watched
from bioncl.nights.record import rule_facts
from bioncl.nights.settings import NightSettings
from bioncl.progress import Progress
from bioncl.spiking.drive import spikes
from bioncl.spiking.engines import ENGINES
from bioncl.spiking.graph.chain import as_network, only_layer
from bioncl.spiking.graph.learning import Shared
from bioncl.spiking.graph.night import Rules, run
from bioncl.spiking.graph.populations import INPUT, Graph
from bioncl.spiking.graph.tracing import trace
from bioncl.streams.stream import Examples
from bioncl.traces.recorder import Recorder
from bioncl.traces.spikes import Spikes

GRAPH = "graph"
"""The engine's name in reports where a graph is no chain."""


@dataclass(frozen=True)
class GraphNightReport:
    """What one night did to any network.

    Attributes:
        steps: Length in steps.
        seconds: Wall time of the simulation.
        engine: Who computed it: an engine's name for a chain of linear layers, else "graph".
        spikes: Number of spikes of each population by its name, "input" first.
        gains: Gain of each population's paths, by its name.
        changed: Share of each layer's weights that differ after the night, by the layer's name.
        mean_change: Mean change of each layer's weights.
        kept: Layers that had no rule and kept their weights.
    """

    steps: int
    seconds: float
    engine: str
    spikes: dict[str, int]
    gains: dict[str, tuple[float, ...]]
    changed: dict[str, float]
    mean_change: dict[str, float]
    kept: tuple[str, ...]


@dataclass(frozen=True)
class Extent:
    """Which parts of a network sleep, and how they share weights.

    Attributes:
        leave_out: Modules that the twin leaves out.
        frozen: Layers, or modules that hold some, that keep their weights.
        shared: What becomes of the changes of a weight that joins many pairs of neurons.
    """

    leave_out: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
    shared: Shared = "mean"


def sleep(
    model: nn.Module,
    seen: Examples,
    settings: NightSettings,
    *,
    steps: int,
    generator: np.random.Generator,
    recorder: Recorder,
    progress: Progress,
    extent: Extent = Extent(),
) -> GraphNightReport:
    """Let any network sleep through one night; its weights change in place.

    Args:
        model: The awake network; BatchNorm and biases stay as they are.
        seen: Inputs that shape drive and gains.
        settings: How to sleep; thresholds, gains and factors are one for all or one a population.
        steps: Length of the night.
        generator: Source of all noise.
        recorder: Gets spikes of the populations, weights [out, −1] of the layers, and facts.
        progress: Gets one unit a step.
        extent: Which parts sleep.

    Raises:
        UnsupportedError: A layer, the rule or a setting is not for such networks; it is named.
        SettingsError: A setting has another number of values than there are populations.
        DivergedError: Weights became non-finite; the model keeps its weights.
    """
    traced = make_twin(model, seen.x, settings, extent.leave_out)
    graph = traced.graph
    rules = rules_of(graph, settings, extent.frozen)
    before = {name: layer.weight.clone() for name, layer in graph.layers().items()}
    counting = Counting(recorder, 1 + len(graph.populations))
    unit = Examples(Range.of(seen.x).unit(seen.x), seen.y)
    start = time.perf_counter()
    with progress.start("night: steps", steps) as bar:
        noise = spikes(settings.drive, as_seen(unit), steps, peak(settings), generator)
        chunks = watched(noise, bar.advance)
        engine = _run(graph, chunks, counting, (settings, rules, extent.shared))
    seconds = time.perf_counter() - start
    downscale(graph, settings)
    traced.write_back()
    report = GraphNightReport(
        steps, seconds, engine, *_told(graph, before, counting.totals), _kept(rules)
    )
    _record(recorder, graph, before)
    facts = {"rules": {name: rule_facts(rule) for name, rule in rules.items()}}
    recorder.facts({**asdict(report), "graph": {**facts, "populations": _facts(graph)}})
    return report


def recorded_layers(
    model: nn.Module, input_shape: Sequence[int], leave_out: Sequence[str] = ()
) -> list[tuple[str, int]]:
    """Names and neurons of the populations whose spikes a night of `model` records, input first."""
    like = next(model.parameters())
    sample = like.new_zeros(1, *input_shape)
    populations = trace(model, sample, leave_out=leave_out).graph.populations
    sizes = [(pop.name, math.prod(pop.shape)) for pop in populations]
    return [("input", math.prod(input_shape)), *sizes]


def _run(
    graph: Graph,
    chunks: Iterator[Spikes],
    recorder: Recorder,
    how: tuple[NightSettings, Rules, Shared],
) -> str:
    """Run the night; return the name of who did."""
    settings, rules, shared = how
    network = as_network(graph, rules, settings.decay)
    if network is None:
        run(graph, chunks, recorder, rules=rules, decay=settings.decay, shared=shared)
        return GRAPH
    engine = ENGINES.load(settings.engine)(threads=settings.threads)
    if refusal := engine.refuses(network):
        hint = "Choose another engine; `bioncl engines` lists them."
        raise UnsupportedError(describe(f"Engine '{settings.engine}': {refusal}", hint=hint))
    engine.run(network, chunks, recorder)
    return settings.engine


def _told(
    graph: Graph, before: dict[str, Tensor], totals: list[int]
) -> tuple[dict[str, int], dict[str, tuple[float, ...]], dict[str, float], dict[str, float]]:
    """Spikes, gains, changed and mean change of a report."""
    names = [INPUT, *(pop.name for pop in graph.populations)]
    gains = {pop.name: tuple(path.gain for path in pop.paths) for pop in graph.populations}
    pairs = {name: (before[name], layer.weight) for name, layer in graph.layers().items()}
    return (
        dict(zip(names, totals, strict=True)),
        gains,
        {name: float((old != new).double().mean()) for name, (old, new) in pairs.items()},
        {name: float((new - old).double().mean()) for name, (old, new) in pairs.items()},
    )


def _kept(rules: Rules) -> tuple[str, ...]:
    return tuple(name for name, rule in rules.items() if rule is None)


def _record(recorder: Recorder, graph: Graph, before: dict[str, Tensor]) -> None:
    layers, names = graph.layers(), _recorded_names(graph)
    old = [before[name].flatten(1).numpy() for name in layers]
    new = [layer.weight.flatten(1).numpy() for layer in layers.values()]
    recorder.weights([names[name] for name in layers], old, new)


def _recorded_names(graph: Graph) -> dict[str, str]:
    """Where the weights of each layer are recorded.

    A linear layer that is a population's only way in is recorded under its name, as in a chain, so
    that rows and columns are neurons of recorded populations; others under their own.
    """
    names = {name: name for name in graph.layers()}
    for pop in graph.populations:
        if (layer := only_layer(pop)) is not None:
            names[layer.name] = pop.name
    return names


def _facts(graph: Graph) -> dict[str, object]:
    """The numbers of each population, as JSON knows them."""
    return {
        pop.name: {
            "shape": list(pop.shape),
            "threshold": pop.threshold,
            "sources": [path.source for path in pop.paths],
            "gains": [path.gain for path in pop.paths],
        }
        for pop in graph.populations
    }
