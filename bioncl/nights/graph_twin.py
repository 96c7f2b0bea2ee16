"""The spiking twin of any network: its graph, ready for a night.

    trace ─► gains from data ─► thresholds, biases, range of the inputs ─► the night's precision

Input spikes tell of values from 0 to 1. Inputs in another range are mapped to it, and the twin maps
them back: values x = low + span·x' drive a layer by W x = span·W x' + W·low, so span goes into the
gain and W·low, as it is before the night, into the bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from bioncl.errors import InputError, SettingsError, UnsupportedError, describe, did_you_mean
from bioncl.nights.night import bias_factor
from bioncl.nights.settings import NightSettings
from bioncl.plasticity import Rule
from bioncl.spiking.convert import Diehl, Fixed, Percentile, Published
from bioncl.spiking.graph.normalise import Kind, normalise
from bioncl.spiking.graph.populations import INPUT, Graph, Population, Scale
from bioncl.spiking.graph.synapses import synapses
from bioncl.spiking.graph.tracing import Traced, trace

MEASURED = 2000
"""Most inputs that gains are measured on, spread evenly over all."""

KINDS: dict[type, Kind] = {Published: "published", Diehl: "diehl", Percentile: "percentile"}


@dataclass(frozen=True)
class Range:
    """The values that inputs take: `low` to `low + span`."""

    low: float = 0.0
    span: float = 1.0

    @classmethod
    def of(cls, inputs: Tensor) -> Range:
        """0 to 1 where all values lie there, else from the smallest value, or 0, to the largest."""
        low, high = min(0.0, float(inputs.min())), max(0.0, float(inputs.max()))
        return cls() if low == 0.0 and high <= 1.0 else cls(low, high - low)

    def unit(self, inputs: Tensor) -> Tensor:
        """Inputs as values from 0 to 1."""
        return inputs if self == Range() else (inputs - self.low) / self.span


def make_twin(
    model: nn.Module,
    inputs: Tensor,
    settings: NightSettings,
    leave_out: Sequence[str] = (),
) -> Traced:
    """Trace `model` and get its graph ready: on the CPU, in the night's precision.

    Args:
        model: Any network that can be traced; left alone.
        inputs: What it saw [n, *shape].
        settings: Gains, thresholds, direct current, rate and precision.
        leave_out: Modules to trace past.

    Raises:
        UnsupportedError: A layer, or a setting, is not for such networks.
        SettingsError: A setting has another number of values than there are populations.
    """
    _check_settings(settings)
    like = next(model.parameters(), None)
    if like is None:
        raise InputError(describe("A network to sleep", expected="weights", got="none"))
    places = torch.linspace(0, len(inputs) - 1, min(MEASURED, len(inputs))).long()
    some = inputs[places].to(like)
    traced = trace(model, some[:1], leave_out=leave_out)
    graph = traced.graph
    with torch.no_grad():
        _set_gains(graph, some, settings)
        limits = per_population("sleep.thresholds", settings.thresholds, graph)
        currents = per_population("sleep.dc", settings.dc, graph)
        for pop, limit, current in zip(graph.populations, limits, currents, strict=True):
            pop.threshold = limit
            _map_inputs(pop, Range.of(inputs), some[:1])
            _scale_bias(pop, bias_factor(settings))
            if current:
                pop.bias = like.new_zeros(()) + current + (0.0 if pop.bias is None else pop.bias)
        _move(graph, getattr(torch, settings.precision))
    return traced


def rules_of(
    graph: Graph, settings: NightSettings, frozen: Sequence[str] = ()
) -> dict[str, Rule | None]:
    """The rule of each layer by its name; None keeps its weights.

    A layer takes the factor of the population that it leads to, the first one if there are several.
    Layers that join no neurons keep their weights, and so does what `frozen` names, a layer or a
    module that holds some.

    Raises:
        InputError: `frozen` names nothing in the network.
        SettingsError: There are more or fewer factors than populations.
    """
    found = synapses(graph)
    for name in frozen:
        if not any(_within(layer, name) for layer in found):
            raise InputError(
                describe(f"Unknown layer '{name}' in frozen", hint=did_you_mean(name, found))
            )
    numbers = per_population("sleep.rule_factors", settings.rule_factors, graph)
    factors = {pop.name: n for pop, n in zip(graph.populations, numbers, strict=True)}
    rules: dict[str, Rule | None] = {}
    for layer, ways in found.items():
        factor = factors[ways[0].target] if ways else 0.0
        still = factor == 0.0 or any(_within(layer, name) for name in frozen)
        scaled = settings.rule if factor == 1.0 else settings.rule.scaled(factor)
        rules[layer] = None if still else scaled
    return rules


def per_population(what: str, values: Sequence[float], graph: Graph) -> list[float]:
    """`values`, one a population; a single value stands for all of them."""
    names = [pop.name for pop in graph.populations]
    if len(values) not in (1, len(names)):
        expected = f"1 or {len(names)} numbers, one for each population ({', '.join(names)})"
        raise SettingsError(describe(what, expected=expected, got=list(values)))
    return list(values) * (len(names) if len(values) == 1 else 1)


def downscale(graph: Graph, settings: NightSettings) -> None:
    """Multiply the weights of each layer by the setting, in place, as its rule is scaled."""
    numbers = per_population("sleep.downscale", settings.downscale, graph)
    factors = {pop.name: n for pop, n in zip(graph.populations, numbers, strict=True)}
    layers = graph.layers()
    for name, ways in synapses(graph).items():
        if ways:
            layers[name].weight *= factors[ways[0].target]


def _check_settings(settings: NightSettings) -> None:
    """Refuse what only chains of linear layers know."""
    for name, plain in (
        ("inhibition", 0.0),
        ("refractory", 0),
        ("bounds", ()),
        ("normalise", "none"),
    ):
        if (got := getattr(settings, name)) != plain:
            hint = "Leave it out."
            what = f"sleep.{name} is for networks of this package that are chains of linear layers"
            raise UnsupportedError(describe(what, got=got, hint=hint))


def _set_gains(graph: Graph, inputs: Tensor, settings: NightSettings) -> None:
    gains = settings.gains
    if isinstance(gains, Fixed):
        factors = per_population("sleep.gains.values", gains.values, graph)
    elif type(gains) in KINDS:
        percent = gains.percentile if isinstance(gains, Percentile) else 100.0
        normalise(graph, inputs, KINDS[type(gains)], percentile=percent)
        factors = [1.0] * len(graph.populations)
    else:
        what = f"Gains by {type(gains).__name__} are for chains of linear layers"
        raise UnsupportedError(describe(what, hint="Set sleep.gains.name = 'percentile'."))
    for pop, factor in zip(graph.populations, factors, strict=True):
        total = factor * getattr(gains, "scale", 1.0)
        pop.paths = tuple(replace(path, gain=path.gain * total) for path in pop.paths)
        _scale_bias(pop, total)


def _scale_bias(pop: Population, factor: float) -> None:
    pop.bias = None if pop.bias is None else pop.bias * factor


def _map_inputs(pop: Population, values: Range, like: Tensor) -> None:
    """Let a population that reads the inputs, as `like` [1, *shape], read them from 0 to 1."""
    if values == Range():
        return
    lowest = torch.full_like(like, values.low)
    for path in pop.paths:
        if path.source == INPUT:
            shift = path.gain * path(lowest)[0]
            pop.bias = shift if pop.bias is None else pop.bias + shift
            path.gain *= values.span


def _move(graph: Graph, dtype: torch.dtype) -> None:
    """Take all weights, scales and biases to the CPU and `dtype`, as copies."""
    for layer in graph.layers().values():
        layer.weight = layer.weight.detach().to("cpu", dtype, copy=True)
    for pop in graph.populations:
        pop.bias = None if pop.bias is None else pop.bias.detach().to("cpu", dtype)
        for op in [op for path in pop.paths for op in path.ops if isinstance(op, Scale)]:
            op.factor = op.factor.detach().to("cpu", dtype)


def _within(layer: str, name: str) -> bool:
    return layer == name or layer.startswith(f"{name}.")
