"""Populations that run side by side, block of steps by block of steps.

The currents of a block are computed at once with the weights as they are, and hold up to the first
step in which the weights change; what lies behind it is thrown away and computed anew. Blocks grow
while nothing fires.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from bioncl.spiking.graph.learning import Plastic
from bioncl.spiking.graph.populations import INPUT, Convolution, Graph, Linear, Population

BLOCK = 64
"""Most steps whose currents are computed at once."""

Known = dict[tuple[object, ...], Tensor]


def tied(graph: Graph, learning: set[str]) -> list[list[Population]]:
    """Populations in runs of neighbours, so that no layer that learns is read in two runs."""
    readers = [_layers(pop) & learning for pop in graph.populations]
    last = {name: place for place, names in enumerate(readers) for name in names}
    groups: list[list[Population]] = []
    end = -1
    for place, (pop, names) in enumerate(zip(graph.populations, readers, strict=True)):
        if place > end:
            groups.append([])
        groups[-1].append(pop)
        end = max([end, place, *(last[name] for name in names)])
    return groups


class Tied:
    """Populations that run side by side.

    Attributes:
        membranes: Float [1, *shape] of each population, by its name.
    """

    def __init__(
        self,
        populations: list[Population],
        learning: Mapping[str, Plastic],
        decay: float,
        dtype: torch.dtype,
    ) -> None:
        """Take those of the `learning` layers that `populations` read; compute in `dtype`."""
        self.populations, self.decay, self.dtype = populations, decay, dtype
        names = {name for pop in populations for name in _layers(pop)}
        self.learning = [plastic for name, plastic in learning.items() if name in names]
        self.watched = {way.target for plastic in self.learning for way in plastic.ways}
        self.membranes: dict[str, Tensor] = {}
        self._meeting = {
            name for p in self.learning for w in p.ways for name in (w.source, w.target)
        }
        sources = {path.source for pop in populations for path in pop.paths}
        self._used = {INPUT, *sources, *(pop.name for pop in populations)}
        self._block = BLOCK

    def run(self, spikes: dict[str, Tensor], steps: int) -> None:
        """Add the spikes of the next `steps` steps, bool [steps, *shape], to those of others."""
        for pop in self.populations:
            spikes[pop.name] = spikes[INPUT].new_zeros(steps, *pop.shape)
        first = 0
        while first < steps:
            part = slice(first, min(first + self._block, steps))
            done, fired = self._advance({name: spikes[name][part] for name in self._used})
            first += done
            if fired:
                self._learn(spikes, first - 1)
            self._block = done if fired else min(BLOCK, 2 * self._block)

    def _advance(self, spikes: Mapping[str, Tensor]) -> tuple[int, bool]:
        """Run up to the first step after which weights change, at most to the end of `spikes`.

        Returns:
            How many steps are done, and whether weights change after the last of them.
        """
        known: Known = {}
        potentials: dict[str, Tensor] = {}
        count, fired = len(spikes[INPUT]), False
        for pop in self.populations:
            u = current(pop, spikes, count, known, self.dtype)
            start = self.membranes.get(pop.name, torch.zeros_like(u[:1]))
            watched = pop.name in self.watched
            count, stopped = scan(pop, start, self.decay, u, spikes[pop.name], stop=watched)
            fired = fired or stopped
            potentials[pop.name] = u
        for name, values in potentials.items():
            self.membranes[name] = values[count - 1 : count].clone()
        return count, fired

    def _learn(self, spikes: Mapping[str, Tensor], step: int) -> None:
        now = {name: spikes[name][step : step + 1].to(self.dtype) for name in self._meeting}
        for plastic in self.learning:
            plastic.learn(now)


def current(
    pop: Population, spikes: Mapping[str, Tensor], count: int, known: Known, dtype: torch.dtype
) -> Tensor:
    """Synaptic current [count, *shape] of a population.

    Args:
        pop: The population.
        spikes: Of each source, bool [steps, *shape].
        count: How many of these steps to compute.
        known: What operations have made of these steps so far; grows. Paths that begin with the
            same operations share the work.
        dtype: Of the result.
    """
    total: Tensor | None = None
    for path in pop.paths:
        key: tuple[object, ...] = (path.source,)
        if key not in known:
            known[key] = spikes[path.source][:count].to(dtype)
        for op in path.ops:
            x, key = known[key], (*key, op)
            if key not in known:
                known[key] = op(x[:count])
        part = path.gain * known[key][:count]
        total = part if total is None else total.add_(part)
    if total is None:
        total = spikes[INPUT].new_zeros((count, *pop.shape), dtype=dtype)
    return total if pop.bias is None else total.add_(pop.bias)


def scan(
    pop: Population, membrane: Tensor, decay: float, u: Tensor, spikes: Tensor, *, stop: bool
) -> tuple[int, bool]:
    """Integrate and fire, step after step.

    Args:
        pop: The population.
        membrane: Potentials before the first step [1, *shape].
        decay: What is left of them after one step.
        u: Currents [steps, *shape]; become the potentials after each step.
        spikes: Filled with the spikes of each step, bool [steps or more, *shape].
        stop: Whether to stop after the first step in which a neuron fires.

    Returns:
        How many steps are done, and whether it stopped.
    """
    v = membrane[0]
    for step, own in enumerate(u):
        v = (decay * v).add_(own)
        fires = torch.ge(v, pop.threshold, out=spikes[step])
        v = own.copy_(v.masked_fill_(fires, 0))
        if stop and bool(fires.any()):
            return step + 1, True
    return len(u), False


def _layers(pop: Population) -> set[str]:
    """Names of the layers with weights that a population reads."""
    ops = [op for path in pop.paths for op in path.ops]
    return {op.name for op in ops if isinstance(op, Linear | Convolution)}
