"""What is handed to other libraries: populations with the numbers that a simulation needs.

One step, given the spikes of all sources in the same step (see `bioncl.spiking.graph.populations`):

    u = Σ_paths gain · ops(s) + bias
    v = decay · v + u
    s = v ≥ threshold
    v = 0 (reset "zero") or v − threshold (reset "subtract") where s

All membranes begin at start · threshold. Weights stay as they are: the twin does not sleep there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from torch import Tensor

from bioncl.errors import InputError, UnsupportedError, describe
from bioncl.spiking.graph.populations import INPUT, Graph, Linear, Path, Population
from bioncl.spiking.network import SpikingNetwork

Reset = Literal["zero", "subtract"]
Output = Literal["spikes", "current"]
Pooling = Literal["spikes", "count"]


@dataclass(frozen=True, eq=False)
class Twin:
    """A spiking network as other libraries run it.

    Attributes:
        graph: Populations in order of computation, the output last.
        decay: What is left of a membrane potential after one step, 0 to 1.
        reset: What becomes of a membrane that fired.
        start: Membrane potential before the first step, in shares of the threshold.
        output: Whether the last population fires, or hands on the current of each step (whose mean
            over time is the read-out of a rate code).
        pooling: Whether max pooling compares the spikes of each step, or passes a spike on where
            the largest count of spikes so far grows (see `bioncl.spiking.graph.rate`).
    """

    graph: Graph
    decay: float = 1.0
    reset: Reset = "zero"
    start: float = 0.0
    output: Output = "spikes"
    pooling: Pooling = "spikes"

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not self.graph.populations:
            raise InputError(describe("Spiking twin", expected="at least one population", got=0))
        if not 0.0 <= self.decay <= 1.0:
            raise InputError(describe("Membrane decay", expected="0 to 1", got=self.decay))
        for what, known in (("reset", Reset), ("output", Output), ("pooling", Pooling)):
            given, names = getattr(self, what), get_args(known)
            if given not in names:
                expected = " or ".join(names)
                raise InputError(describe(f"Twin's {what}", expected=expected, got=given))

    def fires(self, population: Population) -> bool:
        """Whether `population` has neurons that fire: all do, but for an output of currents."""
        return self.output == "spikes" or population is not self.graph.populations[-1]


def chain_twin(network: SpikingNetwork) -> Twin:
    """The twin that sleeps at night, a chain of layers, as it is when all membranes are 0.

    Lateral inhibition takes a share of the mean current, which is linear, so it goes into weights
    and biases: W − inhibition · (mean of the rows of W). Sums then end in other last bits.

    Raises:
        UnsupportedError: Neurons have a refractory period.
    """
    if network.refractory:
        what = "A twin for other libraries knows no refractory period"
        raise UnsupportedError(describe(what, got=f"{network.refractory} steps"))
    populations, source = [], INPUT
    for layer, weight in enumerate(network.weights):
        name, gain = network.names[layer], float(network.gains[layer])
        path = Path(source, (Linear(name, _inhibited(weight, network.inhibition)),), gain)
        threshold = float(network.thresholds[layer])
        bias = _bias(network, layer)
        populations.append(Population(name, (len(weight),), (path,), bias, threshold))
        source = name
    return Twin(Graph((network.sizes[0],), populations), decay=network.decay)


def _inhibited(values: Tensor, inhibition: float) -> Tensor:
    """`values` [post, …] less a share of their mean over the neurons."""
    values = values.detach().clone()
    return values - inhibition * values.mean(0) if inhibition else values


def _bias(network: SpikingNetwork, layer: int) -> Tensor | None:
    """What each neuron of a layer gets in every step [post], or None."""
    bias, dc = network.biases[layer], float(network.dc[layer])
    total = None if bias is None else network.gains[layer] * _inhibited(bias, network.inhibition)
    if not dc:
        return total
    return network.membranes[layer].new_full((network.sizes[layer + 1],), dc) + (
        0.0 if total is None else total
    )
