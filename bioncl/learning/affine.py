"""Layers that are affine in their input, seen as matrices [out, in] on vectors.

    linear layer   one vector an example, its input
    convolution    one vector an example and place of the kernel, the patch under it
    bias           a last column of the matrix, and a last number of the vector that is always 1

So for every layer an update D of the matrix changes the output for the vector v by D v, and leaves
it alone if D v = 0: what methods that project gradients rest upon.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import unfold

from bioncl.errors import UnsupportedError, describe
from bioncl.models.backbone import Backbone

Affine = nn.Linear | nn.Conv2d
Places = dict[str, list[Affine]]
"""Layers by where their input arises: blocks of one head share it, so they stand together."""


@dataclass(eq=False)
class Call:
    """One use of a layer: its input, and the gradient at its output once that is known."""

    layer: Affine
    x: Tensor
    delta: Tensor | None = None

    def receive(self, gradient: Tensor) -> None:
        """Add what arrives at the output in a backward pass."""
        self.delta = gradient if self.delta is None else self.delta + gradient


def places(model: Backbone, method: str, *, head: bool) -> Places:
    """The affine layers of `model` that learn, by place and in order; the head's as "head".

    Args:
        model: The network.
        method: Who asks, for the error.
        head: Whether the head counts.

    Raises:
        UnsupportedError: Something that learns is no such layer, as in BatchNorm.
    """
    found: Places = {}
    for name, module in model.named_modules():
        own = [p for p in module.parameters(recurse=False) if p.requires_grad]
        inside = name.split(".")[0] == "head"
        if not own or (inside and not head):
            continue
        if not isinstance(module, Affine) or not is_plain(module):
            what = f"The method {method} projects the inputs of layers; '{name}' has no place in it"
            expected = "Linear, or Conv2d without groups and padded with zeros"
            hint = "Use a network without BatchNorm, such as mlp or convnet."
            got = type(module).__name__
            raise UnsupportedError(describe(what, expected=expected, got=got, hint=hint))
        found.setdefault("head" if inside else name, []).append(module)
    return found


def is_plain(layer: Affine) -> bool:
    """Whether the layer is one matrix on vectors, as the module describes it."""
    if isinstance(layer, nn.Linear):
        return True
    return layer.groups == 1 and layer.padding_mode == "zeros" and isinstance(layer.padding, tuple)


def vectors(layer: Affine, x: Tensor) -> Tensor:
    """The vectors that the layer's matrix meets for inputs `x`: [n · places, in]."""
    rows = x
    if isinstance(layer, nn.Conv2d):
        shape = {"kernel_size": layer.kernel_size, "dilation": layer.dilation}
        padding = cast("tuple[int, ...]", layer.padding)  # `places` lets no other pass
        patches = unfold(x, **shape, padding=padding, stride=layer.stride)
        rows = patches.transpose(1, 2).reshape(-1, patches.shape[1])
    if layer.bias is None:
        return rows
    return torch.cat([rows, rows.new_ones(len(rows), 1)], 1)


def size(layer: Affine) -> int:
    """The number of columns of the layer's matrix."""
    return layer.weight[0].numel() + (layer.bias is not None)


def gradient(layer: Affine) -> Tensor | None:
    """The gradient as a matrix [out, in], a copy; None if the layer has none."""
    if layer.weight.grad is None:
        return None
    matrix = layer.weight.grad.flatten(1)
    if layer.bias is None:
        return matrix.clone()
    bias = torch.zeros_like(layer.bias) if layer.bias.grad is None else layer.bias.grad
    return torch.cat([matrix, bias[:, None]], 1)


def write_gradient(layer: Affine, matrix: Tensor) -> None:
    """Replace the gradient by `matrix`, shaped as `gradient` returns it."""
    width = layer.weight[0].numel()
    layer.weight.grad = matrix[:, :width].reshape(layer.weight.shape).contiguous()
    if layer.bias is not None:
        layer.bias.grad = matrix[:, width].contiguous()


@contextmanager
def recorded(layers: Iterable[Affine]) -> Iterator[list[Call]]:
    """Note every use of `layers` inside the block, and what its backward passes bring."""
    calls: list[Call] = []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(layer, Affine):
            call = Call(layer, inputs[0].detach())
            calls.append(call)
            if output.requires_grad:
                output.register_hook(call.receive)

    hooks = [layer.register_forward_hook(note) for layer in layers]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def of_place(layers: Sequence[Affine], calls: Sequence[Call]) -> list[Call]:
    """The calls that tell the inputs of one place: those of the first of its layers in use."""
    for layer in layers:
        mine = [call for call in calls if call.layer is layer]
        if mine:
            return mine
    return []
