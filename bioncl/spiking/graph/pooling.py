"""Handlers of pooling: see `bioncl.spiking.graph.supported`, of which this is a part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import nn

from bioncl.spiking.graph.populations import Flatten, Pool
from bioncl.spiking.graph.signals import Signal, Unsuitable

if TYPE_CHECKING:
    from bioncl.spiking.graph.supported import Step

Sizes = int | Sequence[int]
Goal = int | Sequence[int | None] | None


def average(
    step: Step,
    x: Signal,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Signal:
    """Averages over windows."""
    pool = _pool("avg", x, kernel_size, stride, padding)
    if divisor_override is not None or (any(pool.padding) and not count_include_pad):
        raise Unsuitable("it divides by something other than the size of the window")
    _whole(x, pool, ceil_mode)
    return x.through(pool)


def maximum(
    step: Step,
    x: Signal,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Signal:
    """Maxima over windows."""
    pool = _pool("max", x, kernel_size, stride, padding)
    if return_indices or set(_sizes(dilation, x)) != {1}:
        raise Unsuitable("it returns indices, or its windows have gaps (dilation)")
    _whole(x, pool, ceil_mode)
    return x.max_pool(pool)


def adaptive_average(step: Step, x: Signal, output_size: Goal) -> Signal:
    """Averages over equal windows, as many as asked for."""
    return x.through(_adaptive("avg", x, output_size))


def average_module(step: Step, x: Signal, layer: nn.AvgPool1d | nn.AvgPool2d) -> Signal:
    """See `average`."""
    override = getattr(layer, "divisor_override", None)
    rest = (layer.ceil_mode, layer.count_include_pad, override)
    return average(step, x, layer.kernel_size, layer.stride, layer.padding, *rest)


def maximum_module(step: Step, x: Signal, layer: nn.MaxPool1d | nn.MaxPool2d) -> Signal:
    """See `maximum`."""
    rest = (layer.dilation, layer.ceil_mode, layer.return_indices)
    return maximum(step, x, layer.kernel_size, layer.stride, layer.padding, *rest)


def adaptive_average_module(
    step: Step, x: Signal, layer: nn.AdaptiveAvgPool1d | nn.AdaptiveAvgPool2d
) -> Signal:
    """See `adaptive_average`."""
    return adaptive_average(step, x, layer.output_size)


def adaptive_maximum_module(
    step: Step, x: Signal, layer: nn.AdaptiveMaxPool1d | nn.AdaptiveMaxPool2d
) -> Signal:
    """Maxima over equal windows, as many as asked for."""
    if layer.return_indices:
        raise Unsuitable("it returns indices")
    return x.max_pool(_adaptive("max", x, layer.output_size))


def mean(
    step: Step, x: Signal, dim: Sizes | None = None, keepdim: bool = False, dtype: None = None
) -> Signal:
    """The mean over all pixels (every dimension after the channels)."""
    rank = len(x.shape) + 1
    dims = [] if dim is None else [dim] if isinstance(dim, int) else list(dim)
    if sorted(d % rank for d in dims) != list(range(2, rank)) or rank not in (3, 4):
        raise Unsuitable("a mean is supported over all pixels only, such as x.mean((2, 3))")
    pooled = adaptive_average(step, x, 1)
    return pooled if keepdim else pooled.through(Flatten())


def _pool(kind: str, x: Signal, kernel: Sizes, stride: Sizes | None, padding: Sizes) -> Pool:
    if stride is None or stride == []:
        stride = kernel
    return Pool(kind, _sizes(kernel, x), _sizes(stride, x), _sizes(padding, x))


def _adaptive(kind: str, x: Signal, output_size: Goal) -> Pool:
    pixels = x.shape[1:]
    wanted: Sequence[int | None] = (
        [output_size] * len(pixels)
        if output_size is None or isinstance(output_size, int)
        else output_size
    )
    goals = [size if goal is None else goal for goal, size in zip(wanted, pixels, strict=True)]
    if any(size % goal for goal, size in zip(goals, pixels, strict=True)):
        raise Unsuitable(f"{tuple(pixels)} pixels cannot be shared out equally among {goals}")
    windows = tuple(size // goal for goal, size in zip(goals, pixels, strict=True))
    return Pool(kind, windows, windows, (0,) * len(windows))


def _sizes(size: Sizes, x: Signal) -> tuple[int, ...]:
    """One number for each dimension of pixels."""
    rank = len(x.shape) - 1
    if rank not in (1, 2):
        raise Unsuitable(f"it needs a batch and channels; a sample has shape {x.shape}")
    found = (size,) * rank if isinstance(size, int) else tuple(size)
    return found * rank if len(found) == 1 else found


def _whole(x: Signal, pool: Pool, ceil_mode: bool) -> None:
    """Refuse windows that reach over the border."""
    around = zip(x.shape[1:], pool.kernel, pool.stride, pool.padding, strict=True)
    if ceil_mode and any((size + 2 * pad - width) % step for size, width, step, pad in around):
        raise Unsuitable("ceil_mode makes windows that reach over the border here")
