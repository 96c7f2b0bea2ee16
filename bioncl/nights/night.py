"""One night: convert, drive, run, write back.

    model ─► gains from what was seen ─► spiking twin ─► engine(drive, rule) ─► weights ─► model
             └───────────── prepare ─────────────┘                             └─── finish ───┘

The twin's weights are the model's; a night that fails leaves the model as it was. `together` lets
many nights go through the engine side by side.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from bioncl.errors import UnsupportedError, describe
from bioncl.models.backbone import Backbone, LinearLayer
from bioncl.models.heads import GrowingHead
from bioncl.nights.record import bias_arrays, twin_facts
from bioncl.nights.settings import NightSettings
from bioncl.plasticity import Rule
from bioncl.progress import Progress
from bioncl.spiking.convert import per_layer
from bioncl.spiking.drive import Seen, spikes
from bioncl.spiking.engines import ENGINES
from bioncl.spiking.engines.engine import Engine
from bioncl.spiking.network import SpikingNetwork
from bioncl.streams.stream import Examples
from bioncl.traces.recorder import Recorder
from bioncl.traces.spikes import Spikes


@dataclass(frozen=True)
class NightReport:
    """What one night did.

    Attributes:
        steps: Length in steps.
        seconds: Wall time of the simulation.
        engine: Who computed it.
        gains: Gain of each layer; of each population's first path where the network is no chain.
        spikes: Number of spikes of each layer or population, input first.
        changed: Share of each layer's weights that differ after the night.
        mean_change: Mean change of each layer's weights.
    """

    steps: int
    seconds: float
    engine: str
    gains: tuple[float, ...]
    spikes: tuple[int, ...]
    changed: tuple[float, ...]
    mean_change: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Prepared:
    """The night of a chain, to be run.

    Attributes:
        settings: How to sleep.
        steps: Length of the night.
        network: The spiking twin, which the engine changes in place.
        downscale: What each layer's weights are multiplied with at the end.
        engine: Who computes it.
        recorder: Gets the spikes from the engine, and counts them.
    """

    settings: NightSettings
    steps: int
    network: SpikingNetwork
    downscale: list[float]
    engine: Engine
    recorder: Counting


def sleep(
    model: Backbone,
    seen: Examples,
    settings: NightSettings,
    *,
    steps: int,
    generator: np.random.Generator,
    recorder: Recorder,
    progress: Progress,
) -> NightReport:
    """Let `model` sleep through one night; its weights change in place.

    Args:
        model: The awake network.
        seen: Inputs that shape drive and gains.
        settings: How to sleep.
        steps: Length of the night.
        generator: Source of all noise.
        recorder: Gets spikes, weights and facts.
        progress: Gets one unit a step.

    Raises:
        UnsupportedError: The engine cannot run this network or rule.
        DivergedError: Weights became non-finite; the model keeps its weights.
    """
    if not is_chain(model):
        return _graph_sleep(model, seen, settings, steps, generator, recorder, progress)
    prepared = prepare(model, seen, settings, steps, recorder)
    start = time.perf_counter()
    with progress.start("night: steps", steps) as bar:
        noise = spikes(settings.drive, as_seen(seen), steps, peak(settings), generator)
        chunks = watched(noise, bar.advance)
        prepared.engine.run(prepared.network, chunks, prepared.recorder)
    return finish(model, prepared, time.perf_counter() - start)


def prepare(
    model: Backbone, seen: Examples, settings: NightSettings, steps: int, recorder: Recorder
) -> Prepared:
    """Everything that the night of a chain needs but its noise; see `sleep`."""
    network = twin(model, seen, settings)
    downscale = per_layer("sleep.downscale", settings.downscale, model)
    engine = ENGINES.load(settings.engine)(threads=settings.threads)
    if refusal := engine.refuses(network):
        hint = "Choose another sleep.engine; `bioncl engines` lists them."
        raise UnsupportedError(describe(f"Engine '{settings.engine}': {refusal}", hint=hint))
    counting = Counting(recorder, len(network.sizes))
    return Prepared(settings, steps, network, downscale, engine, counting)


def finish(model: Backbone, night: Prepared, seconds: float) -> NightReport:
    """Write what the engine left of the twin into `model`, which has its awake weights so far."""
    network, recorder = night.network, night.recorder.inner
    stack = model.stack()
    before = [layer.weight.detach().to("cpu", network.dtype, copy=True) for layer in stack]
    for weight, factor in zip(network.weights, night.downscale, strict=True):
        weight.mul_(factor)
    model.write_stack([w.to(p.weight) for w, p in zip(network.weights, stack, strict=True)])
    report = _report(night, before, seconds)
    arrays = [[w.numpy() for w in ws] for ws in (before, network.weights)]
    recorder.weights(list(network.names), arrays[0], arrays[1])
    if biases := bias_arrays(model):
        recorder.arrays(biases)
    told = {"twin": twin_facts(network, bias_factor(night.settings)), "downscale": night.downscale}
    recorder.facts({**asdict(report), **told})
    return report


def is_chain(model: Backbone) -> bool:
    """Whether the network shows itself as a chain of linear layers; others sleep as graphs."""
    try:
        model.stack()
    except UnsupportedError:
        return False
    return True


def recorded_layers(model: Backbone, input_shape: Sequence[int]) -> list[tuple[str, int]]:
    """Names and neurons of the layers whose spikes a night records, input first.

    Raises:
        UnsupportedError: The network is a chain whose last layer grows from night to night.
    """
    if is_chain(model):
        if isinstance(model.head, GrowingHead):
            what = "A growing head has other neurons each night, and a trace the same ones"
            hint = 'Set trace.record = false, or model.head = "single".'
            raise UnsupportedError(describe(what, hint=hint))
        layers = [(layer.name, len(layer.weight)) for layer in model.stack()]
        return [("input", math.prod(input_shape)), *layers]
    from bioncl.nights import graph_night

    return graph_night.recorded_layers(model, input_shape)


def twin(model: Backbone, seen: Examples, settings: NightSettings) -> SpikingNetwork:
    """The spiking twin of `model`, on the CPU, in the night's precision."""
    model.eval()
    model.use_task(None)
    device = next(model.parameters()).device
    stack = model.stack()
    dtype = getattr(torch, settings.precision)
    factors = per_layer("sleep.rule_factors", settings.rule_factors, model)
    return SpikingNetwork(
        weights=[layer.weight.detach().to("cpu", dtype, copy=True) for layer in stack],
        gains=settings.gains.of(model, seen.x.to(device), settings.threads),
        thresholds=per_layer("sleep.thresholds", settings.thresholds, model),
        decay=settings.decay,
        inhibition=settings.inhibition,
        dc=per_layer("sleep.dc", settings.dc, model),
        refractory=settings.refractory,
        bounds=per_layer("sleep.bounds", settings.bounds or (None,), model),
        normalise=settings.normalise,
        biases=[_bias(layer, settings, dtype) for layer in stack],
        rules=[_rule(settings.rule, factor) for factor in factors],
        names=[layer.name for layer in stack],
    )


def peak(settings: NightSettings) -> float:
    """Spike probability of an input whose intensity is 1, before clipping."""
    return 2.0 * settings.dt * settings.rate


def bias_factor(settings: NightSettings) -> float:
    """What the twin's biases are multiplied with.

    An input of intensity x fires with probability peak·x, so the drive of W is peak·(W x) on
    average; scaling the bias alike keeps the proportion that the awake network has.
    """
    return min(1.0, peak(settings))


def as_seen(examples: Examples) -> Seen:
    """Examples as the drives take them."""
    flat = np.ascontiguousarray(examples.x.flatten(1).numpy())
    return Seen(flat, examples.y.numpy(), tuple(examples.x.shape[1:]))


def watched(chunks: Iterator[Spikes], advance: Callable[[int], None]) -> Iterator[Spikes]:
    """Pass chunks on, telling how many steps are done."""
    for chunk in chunks:
        yield chunk
        advance(chunk.steps)


class Counting:
    """A recorder that counts the spikes of each layer and passes everything on."""

    def __init__(self, inner: Recorder, layers: int) -> None:
        """Count for `layers` layers, input included, and pass on to `inner`."""
        self.inner, self.totals = inner, [0] * layers
        self.weights, self.arrays, self.facts = inner.weights, inner.arrays, inner.facts

    def spikes(self, layer: int, first_step: int, spikes: Spikes) -> None:
        """Count and pass on."""
        self.totals[layer] += len(spikes.ids)
        self.inner.spikes(layer, first_step, spikes)


def _graph_sleep(
    model: Backbone,
    seen: Examples,
    settings: NightSettings,
    steps: int,
    generator: np.random.Generator,
    recorder: Recorder,
    progress: Progress,
) -> NightReport:
    """The night of a network that is no chain; all outputs compete, as in a chain."""
    from bioncl.nights import graph_night

    model.eval()
    model.use_task(None)
    found = graph_night.sleep(
        model,
        seen,
        settings,
        steps=steps,
        generator=generator,
        recorder=recorder,
        progress=progress,
    )
    return NightReport(
        steps=found.steps,
        seconds=found.seconds,
        engine=found.engine,
        gains=tuple(gains[0] for gains in found.gains.values()),
        spikes=tuple(found.spikes.values()),
        changed=tuple(found.changed.values()),
        mean_change=tuple(found.mean_change.values()),
    )


def _bias(layer: LinearLayer, settings: NightSettings, dtype: torch.dtype) -> Tensor | None:
    if layer.bias is None:
        return None
    return layer.bias.detach().to("cpu", dtype) * bias_factor(settings)


def _rule(rule: Rule, factor: float) -> Rule | None:
    if factor == 0.0:
        return None
    return rule if factor == 1.0 else rule.scaled(factor)


def _report(night: Prepared, before: list[Tensor], seconds: float) -> NightReport:
    pairs = list(zip(before, night.network.weights, strict=True))
    return NightReport(
        steps=night.steps,
        seconds=seconds,
        engine=night.settings.engine,
        gains=tuple(night.network.gains),
        spikes=tuple(night.recorder.totals),
        changed=tuple(float((old != new).double().mean()) for old, new in pairs),
        mean_change=tuple(float((new - old).double().mean()) for old, new in pairs),
    )
