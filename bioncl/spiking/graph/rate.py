"""Rate-coded inference of a graph: activations become rates, decisions come from what adds up.

Each step, in order of computation:

    u = Σ_paths gain · ops(spikes of the source) + bias
    v = decay · v + u,   spike where v ≥ threshold,   v −= threshold  or  v = 0
    output: no spikes; its current is summed, and the sum divided by the steps is the logit

With reset by subtraction an integrate-and-fire neuron's rate follows ReLU(u) up to one spike over
the whole time (Rueckauer et al. 2017); starting at half the threshold turns that rounding down into
rounding to nearest (Bu et al. 2022, 2202.01440). Reset to zero loses what exceeds the threshold.

A neuron whose inhibition comes later than its excitation fires too early and cannot take it back:
the error of unevenness, which grows with depth. With `signed` it can (Wang et al. 2022): its count
then follows ReLU of the mean current so far.

Max pooling of spikes step by step takes two neurons' alternating spikes for one neuron firing all
the time. "count" passes a spike on where a neuron sets a new maximum of the counts so far, so the
pooled count is the maximum of the counts; "spikes" takes each step's maximum, as nights do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Interval
from torch import Tensor

from bioncl.errors import InputError, describe
from bioncl.spiking.graph.activations import Currents
from bioncl.spiking.graph.pooled import PooledCounts
from bioncl.spiking.graph.populations import INPUT, Graph, Path, Population


@dataclass(frozen=True)
class Coding:
    """How activations are coded as spikes.

    Attributes:
        reset: "subtract" the threshold, or to "zero".
        decay: Share of the potential kept from step to step.
        initial: Potential at the start, as a share of the threshold; None is 0.5 where the reset
            subtracts, else 0.
        inputs: "constant" currents of the inputs' values, or "bernoulli" spikes with the inputs as
            probabilities.
        signed: Whether a neuron below 0 that has spikes to its name takes one back (a spike of −1);
            only where the reset subtracts.
        pooling: What max pooling compares, the "count" of spikes so far or each step's "spikes".
    """

    reset: Literal["subtract", "zero"] = "subtract"
    decay: Annotated[float, Interval(gt=0, le=1)] = 1.0
    initial: float | None = None
    inputs: Literal["constant", "bernoulli"] = "constant"
    signed: bool = False
    pooling: Literal["count", "spikes"] = "count"

    def start(self) -> float:
        """Potential at the start, as a share of the threshold."""
        if self.initial is not None:
            return self.initial
        return 0.5 if self.reset == "subtract" else 0.0


@dataclass(frozen=True, eq=False)
class Rates:
    """What a twin found.

    Attributes:
        logits: For each number of steps asked for, the output's mean current so far [n, outputs].
        rates: Spikes a step of each population over all steps, [n, *shape], the output left out.
    """

    logits: dict[int, Tensor]
    rates: dict[str, Tensor]


@torch.no_grad()
def rate_code(
    graph: Graph,
    x: Tensor,
    steps: Sequence[int],
    coding: Coding = Coding(),
    generator: torch.Generator | None = None,
) -> Rates:
    """Present `x` to the twin, constantly, and read the output now and then.

    Args:
        graph: As normalised; in units of its scales are logits and rates.
        x: Inputs [n, *graph.input_shape], all at once.
        steps: When to read; the largest is the length.
        coding: How to code.
        generator: Source of Bernoulli spikes.

    Raises:
        InputError: No time to read, or probabilities outside [0, 1].
    """
    times = sorted(set(steps))
    if not times or times[0] < 1:
        raise InputError(describe("Steps of a twin", expected="numbers from 1", got=list(steps)))
    if coding.inputs == "bernoulli" and not bool(((x >= 0) & (x <= 1)).all()):
        hint = "Scale them, or use constant inputs."
        raise InputError(describe("Inputs as probabilities", expected="in [0, 1]", hint=hint))
    twin = _Twin(graph, x, coding)
    total = torch.zeros(())
    logits = {}
    for now in range(1, times[-1] + 1):
        total = total + twin.step(generator)
        if now in times:
            logits[now] = total / now
    return Rates(logits, {name: count / times[-1] for name, count in twin.counts.items()})


class _Twin:
    """The state of a running twin."""

    def __init__(self, graph: Graph, x: Tensor, coding: Coding) -> None:
        self.graph, self.x, self.coding = graph, x, coding
        self.pooled = PooledCounts()
        split = self.pooled.split if coding.pooling == "count" else _whole
        constant = coding.inputs == "constant"
        self.paths = {
            p.name: [split(path) for path in p.paths if not (constant and path.source == INPUT)]
            for p in graph.populations
        }
        self.currents = Currents(path for paths in self.paths.values() for path in paths)
        self.steady = _steady(graph, x, inputs=constant)
        start = coding.start()
        hidden = graph.populations[:-1]
        full = {p.name: x.new_full((len(x), *p.shape), start * p.threshold) for p in hidden}
        self.membranes = full
        self.counts = {name: torch.zeros_like(v) for name, v in full.items()}
        self.seen = torch.zeros_like(x)

    def step(self, generator: torch.Generator | None) -> Tensor:
        """One step of all populations; returns the output's current."""
        self.currents.forget()
        spikes: dict[str, Tensor] = {}
        if self.coding.inputs == "bernoulli":
            spikes[INPUT] = torch.bernoulli(self.x, generator=generator)
            self.seen += spikes[INPUT]
            self.pooled.write(INPUT, self.seen, spikes)
        *hidden, output = self.graph.populations
        for population in hidden:
            name = population.name
            spikes[name] = self._fire(population, self._current(population, spikes))
            self.counts[name] += spikes[name]
            self.pooled.write(name, self.counts[name], spikes)
        return self._current(output, spikes)

    def _current(self, population: Population, spikes: dict[str, Tensor]) -> Tensor:
        arriving = self.currents.of(self.paths[population.name], spikes)
        steady = self.steady[population.name]
        return steady if arriving is None else steady + arriving

    def _fire(self, population: Population, current: Tensor) -> Tensor:
        """Integrate, fire, reset; returns spikes as 0 and 1."""
        v = self.membranes[population.name]
        v.mul_(self.coding.decay).add_(current)
        fired = v >= population.threshold
        if self.coding.reset == "zero":
            v.masked_fill_(fired, 0)
            return fired.to(v.dtype)
        spikes = fired.to(v.dtype)
        if self.coding.signed:
            spikes -= ((v < 0) & (self.counts[population.name] > 0)).to(v.dtype)
        v.sub_(spikes, alpha=population.threshold)
        return spikes


def _steady(graph: Graph, x: Tensor, *, inputs: bool) -> dict[str, Tensor]:
    """What arrives at each population at every step alike: its bias, and constant inputs."""
    mine = {p.name: [q for q in p.paths if inputs and q.source == INPUT] for p in graph.populations}
    currents = Currents(path for paths in mine.values() for path in paths)
    found = {}
    for population in graph.populations:
        total = currents.of(mine[population.name], {INPUT: x})
        total = x.new_zeros(()) if total is None else total
        bias = population.bias
        total = total if bias is None else total + bias
        found[population.name] = total.expand(len(x), *population.shape)
    return found


def _whole(path: Path) -> Path:
    return path
