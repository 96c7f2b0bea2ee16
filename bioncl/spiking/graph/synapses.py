"""Which neurons a weight joins, and how often they fired together or alone in one step.

A layer with weights has synapses where a path leads from neurons through it to neurons, with at
most these beside it: pooling, flattening and scaling before it, averaging, flattening and scaling
behind it. One kernel weight of a convolution is the synapse of many pairs of neurons, one for each
position that it is moved to. For the neurons that fire in a step, each weight has

    together    pairs whose pre neuron fired too
    alone       pairs whose pre neuron did not

Zeros beyond the border of an image are no neurons: a pair that would need one is not counted.
Behind average pooling the pre signal is the share of the window that fired, and a pair counts with
this share as together, with the rest as alone: what the window's neurons would count on average.
Before average pooling, every position of the window that a firing neuron reads has a post neuron.

`Scale` and the path's gain stand outside of the weight, as the gain does in a chain; where a factor
is negative, `sign` says so, because there a larger weight drives its neuron less.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from bioncl.spiking.graph.populations import (
    INPUT,
    Convolution,
    Flatten,
    Graph,
    Linear,
    Operation,
    Path,
    Pool,
    Scale,
)

Layer = Linear | Convolution


@dataclass(frozen=True, eq=False)
class Synapses:
    """One path's synapses.

    Attributes:
        layer: Where their weights are.
        source: Name of the population of the pre neurons, or "input".
        target: Name of the population of the post neurons.
        before: What the spikes pass before the layer, without `Scale`.
        behind: What the current passes behind it, without `Scale`.
        shape: Of the layer's output for one sample, with a batch dimension of 1.
        sign: Float [out], −1 where the current of a channel arrives with its sign turned; None
            where no channel's does.
        places: For a convolution: int64 [kernel, positions], where in the flattened input image
            each kernel weight reads at each position, counted from 1; 0 is beyond the border.
    """

    layer: Layer
    source: str
    target: str
    before: tuple[Operation, ...]
    behind: tuple[Operation, ...]
    shape: tuple[int, ...]
    sign: Tensor | None
    places: Tensor | None

    @property
    def plain(self) -> bool:
        """Whether each weight joins one pair, whose pre signal is a spike or none."""
        averaged = any(isinstance(op, Pool) and op.kind == "avg" for op in self.before)
        single = isinstance(self.layer, Linear) and len(self.shape) == 2
        return single and not averaged and self.sign is None

    def pre(self, spikes: Tensor) -> Tensor:
        """What arrives at the layer in one step, 0 to 1: [1, *source] -> [1, *layer's input]."""
        for op in self.before:
            spikes = op(spikes)
        return spikes

    def post(self, spikes: Tensor) -> Tensor:
        """Firing neurons behind each output of the layer: [1, *target] -> [1, *layer's output]."""
        windows = [math.prod(op.kernel) for op in self.behind if isinstance(op, Pool)]
        if not windows:
            return spikes.reshape(self.shape)
        with torch.enable_grad():
            outputs = spikes.new_zeros(self.shape).requires_grad_()
            current = outputs
            for op in self.behind:
                current = op(current)
            (shares,) = torch.autograd.grad(current, outputs, spikes)
        return (shares * math.prod(windows)).round()

    def count(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """How many pairs of each weight fired together, and how many alone, in one step.

        Args:
            source: Spikes of the source as 0 and 1 [1, *shape].
            target: Spikes of the target as 0 and 1 [1, *shape].

        Returns:
            Two tensors shaped as the layer's weight.
        """
        pre, post = self.pre(source), self.post(target)
        together, present = (
            _linear_counts(pre, post)
            if self.places is None
            else _kernel_counts(self.layer.weight, self.places, pre, post)
        )
        return together, present - together


def _linear_counts(pre: Tensor, post: Tensor) -> tuple[Tensor, Tensor]:
    """Together [post, pre], and firing posts [post, 1], over all positions."""
    post = post.flatten(0, -2)
    return post.T @ pre.flatten(0, -2), post.sum(0).unsqueeze(1)


def _kernel_counts(
    weight: Tensor, places: Tensor, pre: Tensor, post: Tensor
) -> tuple[Tensor, Tensor]:
    """Together [out, in / groups, *kernel], and pairs that there are [out, 1, *kernel].

    Only positions where a neuron fires are looked at.
    """
    fired = post.flatten(2)[0]
    active = fired.any(0).nonzero().squeeze(1)
    fired, places = fired[:, active], places[:, active]
    image = functional.pad(pre.flatten(2)[0], (1, 0))
    groups = len(image) // weight.shape[1]
    read = image[:, places].unflatten(0, (groups, -1))
    each = fired.unflatten(0, (groups, -1))
    together = torch.einsum("gop,gikp->goik", each, read).reshape(weight.shape)
    present = fired @ (places > 0).to(fired).T
    return together, present.reshape(len(weight), 1, *weight.shape[2:])


def kernel_places(layer: Convolution, size: Sequence[int]) -> Tensor:
    """Where the kernel reads; see `Synapses.places`.

    Args:
        layer: The convolution.
        size: Height and width, or the length, of its input.
    """
    one = (1,) * (2 - len(size))  # a sequence is an image of height 1
    still = (0,) * len(one)
    numbers = torch.arange(1, math.prod(size) + 1, dtype=torch.float64)
    found = functional.unfold(
        numbers.view(1, 1, *one, *size),
        (*one, *layer.weight.shape[2:]),
        (*one, *layer.dilation),
        (*still, *layer.padding),
        (*one, *layer.stride),
    )
    return found[0].long().to(layer.weight.device)


def synapses(graph: Graph) -> dict[str, list[Synapses]]:
    """The synapses of each layer, by its name; a layer that joins no neurons has none.

    Such a layer stands in one path with another layer, with no neurons between the two, or before
    a maximum.
    """
    found: dict[str, list[Synapses]] = {name: [] for name in graph.layers()}
    shapes = {INPUT: graph.input_shape} | {pop.name: pop.shape for pop in graph.populations}
    for pop in graph.populations:
        for path in pop.paths:
            layers = [op for op in path.ops if isinstance(op, Layer)]
            if len(layers) == 1 and not _maximum_behind(path, layers[0]):
                shape = shapes[path.source]
                found[layers[0].name].append(_of_path(path, layers[0], shape, pop.name))
    return found


def _maximum_behind(path: Path, layer: Layer) -> bool:
    behind = path.ops[path.ops.index(layer) + 1 :]
    return any(isinstance(op, Pool) and op.kind == "max" for op in behind)


def _of_path(path: Path, layer: Layer, source: tuple[int, ...], target: str) -> Synapses:
    place = path.ops.index(layer)
    before = tuple(op for op in path.ops[:place] if not isinstance(op, Scale))
    behind = path.ops[place + 1 :]
    pre = layer.weight.new_zeros(1, *source)
    for op in before:
        pre = op(pre)
    return Synapses(
        layer,
        path.source,
        target,
        before,
        tuple(op for op in behind if not isinstance(op, Scale)),
        tuple(layer(pre).shape),
        _sign(behind),
        kernel_places(layer, pre.shape[2:]) if isinstance(layer, Convolution) else None,
    )


def _sign(behind: Sequence[Operation]) -> Tensor | None:
    """Sign of what scales the channels of a layer; see `Synapses.sign`."""
    sign = None
    for op in behind:
        if isinstance(op, Flatten):  # from here on, channels are no longer the layer's
            break
        if isinstance(op, Scale):
            own = torch.where(op.factor < 0, -1.0, 1.0).to(op.factor)
            sign = own if sign is None else sign * own
    return None if sign is None or bool((sign > 0).all()) else sign
