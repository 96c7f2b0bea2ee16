"""A twin as a torch module whose neurons another library computes.

The module is made from a `Twin`; snntorch and norse differ in `Neurons` alone. Weights and biases
are parameters, so a loaded twin can be trained on with the library's surrogate gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from copy import copy

import torch
from torch import Tensor, nn

from bioncl.spiking.graph.populations import (
    INPUT,
    Convolution,
    Flatten,
    Linear,
    Path,
    Pool,
    Population,
    Scale,
)
from bioncl.spiking.interchange.twin import Twin

State = dict[str, Tensor]
Way = tuple[str | Pool | Flatten, ...]


class Neurons(nn.Module):
    """Interface of a population's neurons."""

    def forward(self, current: Tensor, membrane: Tensor) -> tuple[Tensor, Tensor]:
        """One step: (current, membrane) -> (spikes 0 or 1, membrane after reset), all one shape."""
        raise NotImplementedError


MakeNeurons = Callable[[Twin, Population, Tensor], Neurons]


class Layer(nn.Module):
    """An operation with a tensor, which becomes a parameter; see `Linear`, `Convolution`, `Scale`.

    The same operation stands in every path that the network sends through that layer.
    """

    def __init__(self, op: Linear | Convolution | Scale) -> None:
        """Take over `op`."""
        super().__init__()
        self._op, self._field = op, "factor" if isinstance(op, Scale) else "weight"
        self.weight = nn.Parameter(getattr(op, self._field).detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """See the operation."""
        op = copy(self._op)
        setattr(op, self._field, self.weight)
        return op(x)


class TwinModule(nn.Module):
    """A spiking network, one step a call.

    Attributes:
        twin: Structure and numbers; its weights stay those that the module began with.
        layers: Weights by layer name, "." replaced by "_".
        biases: Constant currents by population, likewise.
        neurons: The library's neurons by population, likewise.
    """

    def __init__(self, twin: Twin, make: MakeNeurons) -> None:
        """Build the module of `twin` with neurons from `make`."""
        super().__init__()
        self.twin = twin
        self.layers, self.biases = nn.ModuleDict(), nn.ParameterDict()
        self.neurons = nn.ModuleDict()
        self._keys = dict[str, str]()  # of populations
        self._ways = dict[str, list[Way]]()
        like, known = next(iter(twin.graph.layers().values())).weight, dict[int, str]()
        for population in twin.graph.populations:
            key = self._keys[population.name] = _key(population.name, self._keys.values())
            if population.bias is not None:
                self.biases[key] = nn.Parameter(population.bias.detach().clone())
            if twin.fires(population):
                self.neurons[key] = make(twin, population, like)
            self._ways[population.name] = [self._way(path, known) for path in population.paths]

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run one step.

        Args:
            x: Input of this step [n, *input_shape]: spikes, or intensities as constant currents.
            state: Membranes [n, *shape] by population (and, for pooling of counts, counts of
                spikes), as the step before returned them; None before the first step.

        Returns:
            The output population's spikes (or currents, see `Twin.output`) [n, *shape], and the
            new state.
        """
        found, after = {INPUT: x}, State()
        for population in self.twin.graph.populations:
            name = population.name
            current = self._current(population, found, state, after)
            if self.twin.fires(population):
                membrane = self._start(population, current) if state is None else state[name]
                current, after[name] = self.neurons[self._keys[name]](current, membrane)
            found[name] = current
        return found[self.twin.graph.populations[-1].name], after

    def _start(self, population: Population, like: Tensor) -> Tensor:
        """Membranes before the first step."""
        return torch.full_like(like, self.twin.start * population.threshold)

    def _current(
        self, population: Population, found: State, before: State | None, after: State
    ) -> Tensor:
        """Current of a population, added up in the order of its paths, the bias last."""
        total: Tensor | None = None
        for path, way in zip(population.paths, self._ways[population.name], strict=True):
            x = self._through(path.source, way, found[path.source], before, after)
            x = x if path.gain == 1.0 else x * path.gain
            total = x if total is None else total + x
        key = self._keys[population.name]
        if total is None:
            return self.biases[key].expand(len(found[INPUT]), *population.shape)
        return total + self.biases[key] if key in self.biases else total

    def _through(
        self, source: str, way: Way, x: Tensor, before: State | None, after: State
    ) -> Tensor:
        """What a path makes of the spikes `x` of its source."""
        pools = [i for i, op in enumerate(way) if isinstance(op, Pool) and op.kind == "max"]
        first = pools[-1] + 1 if pools and self.twin.pooling == "count" else 0
        if first:
            key = f"count:{source}"
            old = torch.zeros_like(x) if before is None else before[key]
            after[key] = old + x
            x = self._run(way[:first], old + x) - self._run(way[:first], old)
        return self._run(way[first:], x)

    def _run(self, way: Way, x: Tensor) -> Tensor:
        for op in way:
            x = self.layers[op](x) if isinstance(op, str) else op(x)
        return x

    def _way(self, path: Path, known: dict[int, str]) -> Way:
        """Operations of a path, those with tensors as keys of `layers`; one operation, one key."""
        way: list[str | Pool | Flatten] = []
        for op in path.ops:
            if isinstance(op, Pool | Flatten):
                way.append(op)
                continue
            if id(op) not in known:
                known[id(op)] = _key(op.name, self.layers.keys())
                self.layers[known[id(op)]] = Layer(op)
            way.append(known[id(op)])
        return tuple(way)


def _key(name: str, taken: Collection[str]) -> str:
    """`name` as torch allows it for a part of a module, unlike those taken."""
    key = name.replace(".", "_")
    while key in taken:
        key += "_"
    return key
