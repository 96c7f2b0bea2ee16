"""A network as populations of neurons and the paths between them.

Every ReLU of a traced network becomes a population (the output too); what lies between two
populations is linear at inference and becomes a path: operations applied to the spikes of its
source, in order. A population's synaptic current is the sum of its paths plus its bias:

    u = Σ_paths gain_p · ops_p(s_source) + bias
    v = decay · v + u,   spike where v ≥ threshold,   then reset

A chain of linear layers is the special case with one path a population and one operation a path.
Residual additions are several paths into one population; a skip that carries the source's spikes
unchanged has no operation. Max pooling stands first in its path, on spikes: their maximum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

INPUT = "input"
POOLINGS: dict[tuple[str, int], Callable[..., Tensor]] = {
    ("avg", 1): functional.avg_pool1d,
    ("avg", 2): functional.avg_pool2d,
    ("max", 1): functional.max_pool1d,
    ("max", 2): functional.max_pool2d,
}


@dataclass(eq=False)
class Linear:
    """y = x Wᵀ on the last dimension.

    Attributes:
        name: Path of the module in the user's network.
        weight: Float [post, pre]; BatchNorm that follows is folded in.
    """

    name: str
    weight: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """[n, …, pre] -> [n, …, post]."""
        return functional.linear(x, self.weight)


@dataclass(eq=False)
class Convolution:
    """A convolution over one or two dimensions.

    Attributes:
        name: Path of the module in the user's network.
        weight: Float [out, in / groups, *kernel]; BatchNorm that follows is folded in.
        stride, padding, dilation: One number for each dimension.
        groups: As in torch.
    """

    name: str
    weight: Tensor
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1

    def __call__(self, x: Tensor) -> Tensor:
        """[n, in, *size] -> [n, out, *size]."""
        apply = functional.conv1d if self.weight.dim() == 3 else functional.conv2d
        return apply(
            x,
            self.weight,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )


@dataclass(eq=False)
class Scale:
    """Multiply each channel (dimension 1) by its own factor: a BatchNorm that could not be folded.

    Attributes:
        name: Path of the module in the user's network.
        factor: Float [channels].
    """

    name: str
    factor: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """[n, channels, …] -> the same shape."""
        return x * self.factor.view(-1, *[1] * (x.dim() - 2))


@dataclass(frozen=True)
class Pool:
    """Average or maximum over windows.

    Attributes:
        kind: "avg" or "max".
        kernel, stride, padding: One number for each dimension.
    """

    kind: str
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]

    def __call__(self, x: Tensor) -> Tensor:
        """[n, channels, *size] -> [n, channels, *size]."""
        apply = POOLINGS[self.kind, len(self.kernel)]
        return apply(x, self.kernel, self.stride, self.padding)


@dataclass(frozen=True)
class Flatten:
    """Flatten all dimensions from `start` (0 is the batch) to `end`."""

    start: int = 1
    end: int = -1

    def __call__(self, x: Tensor) -> Tensor:
        """[n, …] -> [n, …]."""
        return torch.flatten(x, self.start, self.end)


Operation = Linear | Convolution | Scale | Pool | Flatten


@dataclass(eq=False)
class Path:
    """One way from a population's spikes to another population's current.

    Attributes:
        source: Name of a population, or "input".
        ops: What is applied to the spikes, in order. The same Linear or Convolution object may
            stand in several paths (a residual stream read by several populations).
        gain: Factor on what comes out; conversion sets it.
    """

    source: str
    ops: tuple[Operation, ...]
    gain: float = 1.0

    def __call__(self, spikes: Tensor) -> Tensor:
        """Current without gain: [n, *shape of source] -> [n, *shape of the population]."""
        for op in self.ops:
            spikes = op(spikes)
        return spikes


@dataclass(eq=False)
class Population:
    """Neurons that stand for one ReLU of the network, or for its output.

    Attributes:
        name: Path of the ReLU's module where it has one, else of the layer before it; "output" for
            the last.
        shape: Of one sample, without the batch.
        paths: Ways in, at least one.
        bias: Float, broadcastable to `shape`, or None: the sum of all biases on the paths.
        threshold: Membrane potential at which a neuron fires (≥).
    """

    name: str
    shape: tuple[int, ...]
    paths: tuple[Path, ...]
    bias: Tensor | None = None
    threshold: float = 1.0


@dataclass(eq=False)
class Graph:
    """Populations in order of computation; sources come before who reads them.

    Attributes:
        input_shape: Of one input, without the batch.
        populations: At least one; the last is the output.
    """

    input_shape: tuple[int, ...]
    populations: list[Population] = field(default_factory=list)

    def layers(self) -> dict[str, Linear | Convolution]:
        """The layers with weights by name, each once, in order of first use."""
        ops = [op for pop in self.populations for path in pop.paths for op in path.ops]
        return {op.name: op for op in ops if isinstance(op, Linear | Convolution)}
