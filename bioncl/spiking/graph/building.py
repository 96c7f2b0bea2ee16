"""A graph in the making: layers get their operations, ReLUs their populations.

The walk over a traced network (`bioncl.spiking.graph.tracing`) hands every step to a handler
(`bioncl.spiking.graph.supported`), and handlers build with what is here.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import count

import torch
from torch import Tensor, nn

from bioncl.spiking.graph.populations import (
    INPUT,
    Convolution,
    Graph,
    Linear,
    Path,
    Population,
)
from bioncl.spiking.graph.signals import Signal, Term, Unsuitable
from bioncl.spiking.graph.ties import Tie

OUTPUT = "output"


class Builder:
    """Collects populations, and the ties of their weights to the user's network."""

    def __init__(self, sample: Tensor, calls: Counter[int]) -> None:
        """Start a graph.

        Args:
            sample: Inputs [n, *shape]; sizes in the traced network refer to this n.
            calls: How often each weight (by `id`) is used; one used twice takes no BatchNorm in.
        """
        self.graph, self.ties = Graph(tuple(sample.shape[1:])), list[Tie]()
        self.batch, self.one = len(sample), sample.new_ones(())
        self._calls = calls
        self._ops: dict[int, Linear | Convolution] = {}

    def start(self) -> Signal:
        """The signal of the inputs."""
        return Signal(self.graph.input_shape, (Term(INPUT),))

    def fire(self, signal: Signal, name: str | None) -> Signal:
        """A population for the ReLU of `signal`; returns its spikes, behind what waited.

        Args:
            signal: Current of the new population. Where it is nowhere negative there is none.
            name: Of the ReLU's module, or None: the last layer names it.
        """
        if signal.positive():
            return signal
        name = self._unused(name or signal.layer[1])
        self._populate(name, signal)
        return replace(
            signal,
            inner=signal.shape,
            terms=(Term(name, signal.waiting),),
            bias=None,
            waiting=(),
            foldable=None,
        )

    def finish(self, signal: Signal) -> None:
        """Make `signal` the output.

        Raises:
            Unsuitable: Max pooling still waits for a ReLU.
        """
        if signal.waiting:
            raise Unsuitable("max pooling of values that may be negative is the last step")
        self._populate(OUTPUT, signal)

    def layer(
        self, signal: Signal, op: Linear | Convolution, parameter: nn.Parameter, place: int
    ) -> Signal:
        """Send `signal` through a layer with weights; its bias is left to the caller.

        Args:
            signal: What goes in.
            op: Made from `parameter`; where the layer was called before, its operation is used.
            parameter: The layer's weight.
            place: In the order of computation.

        Raises:
            Unsuitable: Another layer uses the same weight.
        """
        known = self._ops.setdefault(id(parameter), op)
        if known is op:
            self.ties.append(Tie(op, parameter, op.weight.clone()))
        elif known.name != op.name:
            raise Unsuitable(f"it shares its weight with {known.name}")
        op = known
        alone = self._calls[id(parameter)] == 1
        return replace(signal.through(op), foldable=op if alone else None, layer=(place, op.name))

    @torch.no_grad()
    def fold(self, op: Linear | Convolution, factor: Tensor) -> None:
        """Multiply each output channel of `op` by `factor` [channels]."""
        op.weight = op.weight * factor.view(-1, *[1] * (op.weight.dim() - 1))
        for tie in self.ties:
            if tie.op is op:
                tie.fold(factor)

    def _populate(self, name: str, signal: Signal) -> None:
        paths = tuple(Path(term.source, term.ops) for term in signal.terms)
        self.graph.populations.append(Population(name, signal.inner, paths, signal.bias))

    def _unused(self, name: str) -> str:
        """`name`, with a number where it is taken."""
        taken = {INPUT, OUTPUT, *(population.name for population in self.graph.populations)}
        if name not in taken:
            return name
        return next(n for k in count(2) if (n := f"{name}.{k}") not in taken)
