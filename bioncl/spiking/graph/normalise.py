"""Scales of a graph's populations from data, so that one spike a step is full activity.

Every population gets a scale λ from its activations; λ of the input is 1. A twin with

    gain of a path = λ_source / λ_population,   bias / λ_population,   threshold 1

computes the network's activations divided by λ. Weights are left alone, so that what a night
changes goes back as it is.

| kind | λ |
|---|---|
| max | largest activation (Diehl et al. 2015, without their weights) |
| percentile | a percentile of all activations, robust against outliers (Rueckauer et al. 2017) |
| diehl | largest activation or weight, as `bioncl.spiking.convert.Diehl` |
| published | product of the factors of `bioncl.spiking.convert.published_chain`; chains only |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, get_args

import torch
from torch import Tensor

from bioncl.errors import InputError, SettingsError, UnsupportedError, describe
from bioncl.spiking.convert import published_chain
from bioncl.spiking.graph.activations import activations
from bioncl.spiking.graph.populations import INPUT, Convolution, Graph, Linear, Population

Kind = Literal["max", "percentile", "diehl", "published"]
BATCH = 256


def normalise(
    graph: Graph,
    inputs: Tensor,
    kind: Kind = "percentile",
    *,
    percentile: float = 99.9,
    batch: int = BATCH,
) -> dict[str, float]:
    """Set gains, biases and thresholds of `graph`, in place; operations keep their weights.

    A population that is silent on the data gets its first source's scale (gain 1). What the graph
    had before is taken into account: normalising twice changes scales only.

    Args:
        graph: As traced.
        inputs: Data to take activations from [n, *graph.input_shape].
        kind: See the module.
        percentile: Of "percentile", over all activations of a population, zeros included; rank
            round(percentile · count / 100), the exact one over all batches.
        batch: How many inputs are computed at once.

    Returns:
        λ of every population by name, "input" (1) included, relative to what the graph had before.

    Raises:
        UnsupportedError: "published" and the graph is no chain.
        InputError: There are no inputs, or they have another shape.
        SettingsError: The kind is unknown or the percentile out of range.
    """
    _check(graph, inputs, kind, percentile)
    tops = largest(graph, inputs, percentile if kind == "percentile" else 100.0, batch=batch)
    if kind in ("diehl", "published"):
        tops = {p.name: max(tops[p.name], _heaviest(p)) for p in graph.populations}
    scales = _published(graph, tops) if kind == "published" else _ratios(graph, tops)
    for population in graph.populations:
        apply_scale(population, scales)
    return scales


def apply_scale(population: Population, scales: Mapping[str, float]) -> None:
    """Divide a population's activations by its scale, given those of its sources."""
    own = scales[population.name]
    population.paths = tuple(
        replace(path, gain=path.gain * scales[path.source] / own) for path in population.paths
    )
    population.bias = None if population.bias is None else population.bias / own
    population.threshold = 1.0


def largest(
    graph: Graph, inputs: Tensor, percentile: float = 100.0, *, batch: int = BATCH
) -> dict[str, float]:
    """A high percentile of each population's positive activations (100: the maximum).

    Args:
        graph: Whose gains and biases count.
        inputs: [n, *graph.input_shape].
        percentile: In (0, 100], over all activations, zeros included.
        batch: How many inputs are computed at once; of all activations only those above the
            percentile are kept in memory.
    """
    highest: dict[str, Tensor] = {}
    for part in inputs.split(batch):
        found = activations(graph, part)
        for population in graph.populations:
            values = found[population.name]
            count = values[0].numel() * len(inputs)
            keep = count - max(1, round(count * percentile / 100)) + 1
            new = values.flatten().topk(min(keep, values.numel())).values
            old = highest.get(population.name, new[:0])
            pool = torch.cat([old, new])
            highest[population.name] = pool.topk(min(keep, len(pool))).values
    return {name: max(0.0, float(values[-1])) for name, values in highest.items()}


def _ratios(graph: Graph, tops: Mapping[str, float]) -> dict[str, float]:
    scales = {INPUT: 1.0}
    for population in graph.populations:
        top = tops[population.name]
        scales[population.name] = top if top > 0 else scales[population.paths[0].source]
    return scales


def _published(graph: Graph, tops: Mapping[str, float]) -> dict[str, float]:
    names = [INPUT, *(population.name for population in graph.populations)]
    for source, population in zip(names, graph.populations, strict=False):
        if [path.source for path in population.paths] != [source]:
            hint = "Choose 'percentile', 'max' or 'diehl'."
            what = f"Published gains are for chains, and {population.name} reads several paths"
            raise UnsupportedError(describe(what, hint=hint))
    gains = published_chain([tops[name] for name in names[1:]])
    scales = {INPUT: 1.0}
    for source, name, gain in zip(names, names[1:], gains, strict=False):
        scales[name] = scales[source] / gain
    return scales


def _heaviest(population: Population) -> float:
    """The largest weight on the paths into a population."""
    ops = [op for path in population.paths for op in path.ops]
    weights = [op.weight for op in ops if isinstance(op, Linear | Convolution)]
    return max((float(weight.max()) for weight in weights), default=0.0)


def _check(graph: Graph, inputs: Tensor, kind: str, percentile: float) -> None:
    if kind not in get_args(Kind):
        expected = ", ".join(get_args(Kind))
        raise SettingsError(describe("Kind of normalisation", expected=expected, got=kind))
    if not 0 < percentile <= 100:
        raise SettingsError(describe("Percentile", expected="in (0, 100]", got=percentile))
    if not len(inputs) or tuple(inputs.shape[1:]) != tuple(graph.input_shape):
        expected, got = f"at least one of shape {graph.input_shape}", tuple(inputs.shape)
        raise InputError(describe("Inputs to normalise with", expected=expected, got=got))
