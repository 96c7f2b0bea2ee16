"""A graph that is a chain of linear layers, as the network that the ordinary engines run."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bioncl.spiking.graph.night import Rules
from bioncl.spiking.graph.populations import INPUT, Flatten, Graph, Linear, Population
from bioncl.spiking.network import SpikingNetwork


def as_network(graph: Graph, rules: Rules, decay: float) -> SpikingNetwork | None:
    """The same network for the engines in `bioncl.spiking.engines`, or None if it is no chain.

    In a chain, each population reads the one before it through one linear layer, which no other
    reads; flattening does not matter. The network shares the graph's weights, so a night of it
    changes them; they have to be on the CPU. A bias is divided by its gain, since a network
    multiplies it.

    Args:
        graph: The populations.
        rules: The plasticity rule of each layer, by its name, or None.
        decay: What is left of a membrane potential after one step.
    """
    names = [INPUT, *(pop.name for pop in graph.populations)]
    follows = [
        pop.paths[0].source == below
        for pop, below in zip(graph.populations, names, strict=False)
        if pop.paths
    ]
    layers = [only_layer(pop) for pop in graph.populations]
    found = [layer for layer in layers if layer is not None]
    if len(found) < len(layers) or not all(follows) or len(graph.layers()) < len(layers):
        return None
    gains = [pop.paths[0].gain for pop in graph.populations]
    return SpikingNetwork(
        weights=[layer.weight for layer in found],
        gains=gains,
        thresholds=[pop.threshold for pop in graph.populations],
        decay=decay,
        biases=[_bias(pop, gain) for pop, gain in zip(graph.populations, gains, strict=True)],
        rules=[rules.get(layer.name) for layer in found],
        names=names[1:],
    )


def only_layer(pop: Population) -> Linear | None:
    """The linear layer whose rows are a population's neurons and columns those of its source.

    None where a population has another way in, or something but flattening stands beside the layer.
    """
    if len(pop.paths) != 1 or pop.paths[0].gain == 0:
        return None
    ops = [op for op in pop.paths[0].ops if not isinstance(op, Flatten)]
    if len(ops) != 1 or not isinstance(ops[0], Linear):
        return None
    # at many positions, the layer has fewer rows than there are neurons
    return ops[0] if len(ops[0].weight) == math.prod(pop.shape) else None


def _bias(pop: Population, gain: float) -> Tensor | None:
    if pop.bias is None:
        return None
    return (torch.broadcast_to(pop.bias, pop.shape) / gain).flatten()
