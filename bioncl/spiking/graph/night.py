"""The night of any network: populations fire, and the layers between them learn.

One step is that of `bioncl.spiking.network`, population after population in their order, so that
spikes travel through all of them in one step:

    u = Σ_paths gain · ops(s_source) + bias
    v = decay · v + u,   s = v ≥ threshold,   v = 0 where s
    the layers change from s (see `bioncl.spiking.graph.learning`)

A layer that several populations read changes once a step, after the last of them, from the spikes
of all; any other layer is read by one population only and changes after it, as in a chain.

Populations that no learning layer ties together do not wait for each other: each group that is tied
together (`bioncl.spiking.graph.tied`) runs a whole chunk of steps before the next begins. Results
do not depend on the chunks, but for how sums of floats are rounded.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor

from bioncl.errors import DivergedError, InputError, UnsupportedError, describe, did_you_mean
from bioncl.plasticity import PlasticityRule, Rule
from bioncl.spiking.graph.learning import Plastic, Shared
from bioncl.spiking.graph.populations import INPUT, Graph
from bioncl.spiking.graph.synapses import synapses
from bioncl.spiking.graph.tied import Tied, tied
from bioncl.traces.recorder import Recorder
from bioncl.traces.spikes import Spikes

MEMORY = 2**25
"""Most places for spikes (steps × neurons) that are held at once."""

Rules = Mapping[str, Rule | None]


@torch.no_grad()
def run(
    graph: Graph,
    chunks: Iterable[Spikes],
    recorder: Recorder,
    *,
    rules: Rules,
    decay: float = 0.999,
    shared: Shared = "mean",
) -> dict[str, Tensor]:
    """Run one night.

    Args:
        graph: The weights of its layers, all of one dtype and device, change in place.
        chunks: Spikes of the inputs, flattened, in order of time.
        recorder: Gets the spikes of the inputs and of each population, flattened, in order.
        rules: The plasticity rule of each layer, by its name; a layer that is left out, or has
            None, keeps its weights.
        decay: What is left of a membrane potential after one step.
        shared: What becomes of the changes of a weight that joins many pairs of neurons.

    Returns:
        The membrane potentials after the night, by population [1, *shape].

    Raises:
        InputError: A rule is for a layer that is not there, or spikes do not fit the inputs.
        UnsupportedError: A rule is for a layer that joins no neurons, or has a memory.
        DivergedError: Weights stopped being finite numbers; names layer and steps.
    """
    like = next(layer.weight for layer in graph.layers().values())
    learning = plastic_layers(graph, rules, shared)
    groups = [Tied(pops, learning, decay, like.dtype) for pops in tied(graph, set(learning))]
    sizes = [math.prod(graph.input_shape), *(math.prod(p.shape) for p in graph.populations)]
    first = 0
    for raster in _rasters(chunks, sizes[0], max(1, MEMORY // sum(sizes))):
        steps = len(raster)
        spikes = {INPUT: raster.view(steps, *graph.input_shape).to(like.device)}
        for group in groups:
            group.run(spikes, steps)
        _check_finite(learning, first, steps)
        for index, (fired, neurons) in enumerate(zip(spikes.values(), sizes, strict=True)):
            flat = fired.reshape(steps, neurons).cpu().numpy()
            recorder.spikes(index, first, Spikes.from_raster(flat))
        first += steps
    return {name: v for group in groups for name, v in group.membranes.items()}


def plastic_layers(graph: Graph, rules: Rules, shared: Shared) -> dict[str, Plastic]:
    """The layers that have a rule, by name; see `run` for what is raised."""
    layers, found = graph.layers(), synapses(graph)
    for name, rule in rules.items():
        if name not in found:
            hint = did_you_mean(name, found)
            raise InputError(describe(f"A rule for the unknown layer '{name}'", hint=hint))
        if rule is not None and not found[name]:
            what = f"Layer '{name}' cannot learn: no path leads from neurons through it to neurons"
            hint = "Give it no rule; it keeps its weights."
            raise UnsupportedError(describe(what, hint=hint))
        if rule is not None and not isinstance(rule, PlasticityRule):
            what = f"The rule {type(rule).__name__} of layer '{name}' remembers earlier spikes"
            hint = "In a network that is no chain of linear layers, choose a rule that does not."
            raise UnsupportedError(describe(what, hint=hint))
    return {
        name: Plastic(layers[name], rule, found[name], shared)
        for name, rule in rules.items()
        if isinstance(rule, PlasticityRule)
    }


def _rasters(chunks: Iterable[Spikes], inputs: int, most: int) -> Iterator[Tensor]:
    """Input spikes, bool [steps, inputs], of at most `most` steps at a time."""
    for chunk in chunks:
        if chunk.neurons != inputs:
            expected = f"{inputs} inputs"
            raise InputError(describe("Input spikes", expected=expected, got=chunk.neurons))
        yield from torch.from_numpy(chunk.raster()).split(most)


def _check_finite(learning: Mapping[str, Plastic], first: int, steps: int) -> None:
    for name, plastic in learning.items():
        if not torch.isfinite(plastic.layer.weight).all():
            raise DivergedError(
                describe(
                    f"Weights of {name} stopped being finite numbers in steps {first} to "
                    f"{first + steps - 1} of the night",
                    hint="Lower the rule's inc and dec.",
                )
            )
