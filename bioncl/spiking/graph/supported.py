"""What the steps of a network mean for its graph: layers of torch, functions, methods of tensors.

A handler takes the step (`Step`), the signal that goes in and the step's other arguments, by the
names that torch gives them, and returns the signal that comes out. `bioncl.spiking.graph.own` does
the same for the layers of this package.

| step | becomes |
|---|---|
| Linear, Conv1d, Conv2d | an operation with weights; its bias joins the population's |
| BatchNorm1d, BatchNorm2d | folded into the layer that it alone reads; otherwise `Scale` |
| ReLU | a population |
| AvgPool, AdaptiveAvgPool, mean over all pixels | `Pool` "avg" |
| MaxPool | `Pool` "max" on spikes; on a current it changes places with the ReLU behind it |
| Flatten, view, reshape | `Flatten` |
| addition | several paths into one population |
| times or plus a number | `Scale`, bias |
| Dropout, Identity, contiguous, another memory format | nothing |
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from bioncl.spiking.graph import pooling
from bioncl.spiking.graph.building import Builder
from bioncl.spiking.graph.populations import Convolution, Flatten, Linear
from bioncl.spiking.graph.signals import Signal, Unsuitable, add

LISTED = (
    "Linear, Conv1d, Conv2d, BatchNorm1d, BatchNorm2d, ReLU, MaxPool, AvgPool, AdaptiveAvgPool, "
    "mean over all pixels, Flatten, Dropout, Identity and addition"
)


@dataclass(frozen=True)
class Step:
    """One step of the network.

    Attributes:
        builder: Of the graph.
        name: Path of the module; of a function or method, its name in the trace.
        place: In the order of computation.
    """

    builder: Builder
    name: str
    place: int


Handler = Callable[..., Any]


def linear(step: Step, x: Signal, layer: nn.Linear) -> Signal:
    """A linear layer on the last dimension."""
    return _with_weights(step, x, layer, Linear(step.name, layer.weight.detach().clone()))


def convolution(step: Step, x: Signal, layer: nn.Conv1d | nn.Conv2d) -> Signal:
    """A convolution with zeros around its input."""
    if layer.padding_mode != "zeros":
        raise Unsuitable(f"padding_mode '{layer.padding_mode}' is not supported, only 'zeros'")
    if len(x.shape) != layer.weight.dim() - 1:
        raise Unsuitable(f"it needs a batch dimension; a sample has shape {x.shape}")
    weight = layer.weight.detach().clone()
    pads = _padding(layer)
    op = Convolution(step.name, weight, layer.stride, pads, layer.dilation, layer.groups)
    return _with_weights(step, x, layer, op)


def batch_norm(step: Step, x: Signal, layer: nn.BatchNorm1d | nn.BatchNorm2d) -> Signal:
    """Normalisation by running statistics: (x − mean)·s + shift with s = scale / √(var + ε)."""
    if layer.running_mean is None or layer.running_var is None:
        raise Unsuitable("it keeps no running statistics")
    if x.shape[0] != layer.num_features:
        raise Unsuitable(f"it normalises {layer.num_features} channels of {x.shape}")
    with torch.no_grad():
        factor = (layer.running_var + layer.eps).rsqrt()
        factor = factor if layer.weight is None else factor * layer.weight
        shift = -layer.running_mean * factor
        shift = shift if layer.bias is None else shift + layer.bias
    op = x.foldable
    if isinstance(op, Convolution) or (isinstance(op, Linear) and len(x.shape) == 1):
        step.builder.fold(op, factor)
        x = replace(x.rebiased(factor, shift), foldable=None)
    else:
        x = x.affine(step.name, factor, shift)
    return replace(x, layer=(step.place, step.name))


def relu(step: Step, x: Signal, inplace: bool = False) -> Signal:
    """A population, named by the last layer; `inplace` is the walk's business."""
    return step.builder.fire(x, None)


def relu_module(step: Step, x: Signal, layer: nn.ReLU) -> Signal:
    """A population, named by the module."""
    return step.builder.fire(x, step.name)


def same(step: Step, x: Signal, layer: nn.Module | None = None) -> Signal:
    """Nothing happens at inference."""
    return x


def laid_out(step: Step, x: Signal, memory_format: Any = None) -> Signal:
    """Another order in memory: nothing happens to the values."""
    return x


def to(
    step: Step,
    x: Signal,
    kind: Any = None,
    *,
    dtype: Any = None,
    device: Any = None,
    memory_format: Any = None,
) -> Signal:
    """`laid_out`; a change of precision or device is not supported."""
    if any(change is not None for change in (kind, dtype, device)):
        raise Unsuitable("it changes precision or device; only memory_format may change")
    return x


def dropout(
    step: Step, x: Signal, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Signal:
    """Nothing happens, if it is left out at inference."""
    if training and p:
        raise Unsuitable("it drops at inference too; pass training=self.training")
    return x


def flatten(step: Step, x: Signal, start_dim: int = 0, end_dim: int = -1) -> Signal:
    """Flatten dimensions of each sample; nothing where there is only one."""
    rank = len(x.shape) + 1
    start, end = start_dim % rank, end_dim % rank
    if start == 0 and end > 0:
        raise Unsuitable("it joins the samples of a batch; flatten from dimension 1")
    return x if start >= end else x.through(Flatten(start, end))


def flatten_module(step: Step, x: Signal, layer: nn.Flatten) -> Signal:
    """See `flatten`."""
    return flatten(step, x, layer.start_dim, layer.end_dim)


def view(step: Step, x: Signal, *size: int | Sequence[int]) -> Signal:
    """Flatten each sample, or nothing; other shapes are not supported."""
    sizes: Any = size[0] if len(size) == 1 and isinstance(size[0], Sequence) else size
    shape = (step.builder.batch, *x.shape)
    try:
        target = tuple(torch.empty(shape, device="meta").reshape(sizes).shape)
    except RuntimeError as error:
        raise Unsuitable(f"it does not fit a batch of shape {shape} ({error})") from error
    if target == shape:
        return x
    if target == (shape[0], torch.Size(x.shape).numel()):
        return x.through(Flatten())
    raise Unsuitable(f"it turns {shape} into {target}; only flattening each sample is supported")


def plus(step: Step, x: Signal | float, other: Signal | float, alpha: float = 1) -> Signal:
    """Add another signal, or a number."""
    if alpha != 1:
        other = times(step, other, alpha) if isinstance(other, Signal) else other * alpha
    if isinstance(x, Signal) and isinstance(other, Signal):
        return x.plus(other)
    signal, number = (x, other) if isinstance(x, Signal) else (other, x)
    return _affine(step, signal, 1.0, number)


def minus(step: Step, x: Signal | float, other: Signal | float) -> Signal:
    """Take off another signal, or a number."""
    return plus(step, x, times(step, other, -1) if isinstance(other, Signal) else -other)


def times(step: Step, x: Signal | float, other: Signal | float) -> Signal:
    """Multiply by a number."""
    signal, number = (x, other) if isinstance(x, Signal) else (other, x)
    return _affine(step, signal, number, None)


def divided(step: Step, x: Signal, other: float) -> Signal:
    """Divide by a number."""
    if not isinstance(other, int | float):
        raise Unsuitable("it divides by something that is no number")
    return _affine(step, x, 1 / other, None)


def size(step: Step, x: Signal, dim: int | None = None) -> Any:
    """Sizes of the sample batch, for `view`."""
    shape = (step.builder.batch, *x.shape)
    return shape if dim is None else shape[dim]


def attribute(step: Step, x: Signal, name: str) -> Any:
    """`x.shape`; nothing else of a tensor can be asked for."""
    if name != "shape":
        raise Unsuitable(f"it asks for .{name}")
    return size(step, x)


def item(step: Step, sizes: Any, index: int) -> Any:
    """One of the sizes of a tensor."""
    if isinstance(sizes, Signal):
        raise Unsuitable("it takes a part of a tensor")
    return sizes[index]


MODULES: dict[type[nn.Module], Handler] = {
    nn.Linear: linear,
    nn.Conv1d: convolution,
    nn.Conv2d: convolution,
    nn.BatchNorm1d: batch_norm,
    nn.BatchNorm2d: batch_norm,
    nn.ReLU: relu_module,
    nn.Identity: same,
    nn.Dropout: same,
    nn.Dropout1d: same,
    nn.Dropout2d: same,
    nn.Flatten: flatten_module,
    nn.AvgPool1d: pooling.average_module,
    nn.AvgPool2d: pooling.average_module,
    nn.MaxPool1d: pooling.maximum_module,
    nn.MaxPool2d: pooling.maximum_module,
    nn.AdaptiveAvgPool1d: pooling.adaptive_average_module,
    nn.AdaptiveAvgPool2d: pooling.adaptive_average_module,
    nn.AdaptiveMaxPool1d: pooling.adaptive_maximum_module,
    nn.AdaptiveMaxPool2d: pooling.adaptive_maximum_module,
}

METHODS: dict[str, Handler] = {
    "relu": relu,
    "relu_": relu,
    "flatten": flatten,
    "view": view,
    "reshape": view,
    "mean": pooling.mean,
    "add": plus,
    "add_": plus,
    "sub": minus,
    "mul": times,
    "div": divided,
    "size": size,
    "contiguous": laid_out,
    "to": to,
    "clone": same,
}

FUNCTIONS: dict[Callable[..., Any], Handler] = {
    torch.relu: relu,
    torch.relu_: relu,
    functional.relu: relu,
    functional.relu_: relu,
    torch.flatten: flatten,
    torch.reshape: view,
    torch.mean: pooling.mean,
    torch.add: plus,
    operator.add: plus,
    operator.iadd: plus,
    torch.sub: minus,
    operator.sub: minus,
    torch.mul: times,
    operator.mul: times,
    torch.div: divided,
    operator.truediv: divided,
    getattr: attribute,
    operator.getitem: item,
    functional.dropout: dropout,
    functional.dropout1d: dropout,
    functional.dropout2d: dropout,
    functional.avg_pool1d: pooling.average,
    functional.avg_pool2d: pooling.average,
    torch.avg_pool1d: pooling.average,
    functional.max_pool1d: pooling.maximum,
    functional.max_pool2d: pooling.maximum,
    torch.max_pool1d: pooling.maximum,
    torch.max_pool2d: pooling.maximum,
    functional.adaptive_avg_pool1d: pooling.adaptive_average,
    functional.adaptive_avg_pool2d: pooling.adaptive_average,
}


def _with_weights(
    step: Step, x: Signal, layer: nn.Linear | nn.Conv1d | nn.Conv2d, op: Linear | Convolution
) -> Signal:
    if not isinstance(weight := layer.weight, nn.Parameter):
        raise Unsuitable("its weight is computed (parametrised or tied), and cannot be written")
    y = step.builder.layer(x, op, weight, step.place)
    if layer.bias is None:
        return y
    bias: Tensor = layer.bias.detach().clone()
    ones = [1] * (layer.weight.dim() - 2)
    return replace(y, bias=add(y.bias, bias.view(-1, *ones)))


def _padding(layer: nn.Conv1d | nn.Conv2d) -> tuple[int, ...]:
    """Zeros on each side; "same" needs odd windows, or sides differ."""
    if layer.padding == "valid":
        return (0,) * len(layer.kernel_size)
    if not isinstance(layer.padding, str):
        return layer.padding
    reach = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
    if any(r % 2 for r in reach):
        raise Unsuitable("padding 'same' needs a kernel of odd size")
    return tuple(r // 2 for r in reach)


def _affine(step: Step, x: Any, factor: Any, shift: Any) -> Signal:
    numbers = [n for n in (factor, shift) if n is not None]
    if not isinstance(x, Signal) or not all(isinstance(n, int | float) for n in numbers):
        raise Unsuitable("it multiplies, or adds, something other than layers' outputs and numbers")
    one = step.builder.one.expand(x.shape[0])
    return x.affine(step.name, one * factor, None if shift is None else one * shift)
