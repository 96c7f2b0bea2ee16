"""Handlers of this package's own layers: see `bioncl.spiking.graph.supported`.

A head is one linear layer with a row for every output. Outputs that do not compete get no input and
the bias −1e11 that the head gives them, so they never fire.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from bioncl.models.heads import BLOCKED, BlockHead, GrowingHead, MaskedHead, PerTaskHead
from bioncl.models.mlp import Dropout
from bioncl.spiking.graph.populations import Linear
from bioncl.spiking.graph.signals import Signal, add
from bioncl.spiking.graph.supported import Handler, Step, linear, same, times
from bioncl.spiking.graph.ties import Tie


def dropout(step: Step, x: Signal, layer: Dropout) -> Signal:
    """Nothing, or the share kept where dropout scales at test time."""
    scaled = layer.keep != 1.0 and not layer.in_training
    return times(step, x, layer.keep) if scaled else same(step, x)


def masked(step: Step, x: Signal, head: MaskedHead) -> Signal:
    """One linear layer; outputs of other tasks are blocked while a task is chosen."""
    y = linear(replace(step, name=f"{step.name}.linear"), x, head.linear)
    if head.task is None:
        return y
    allowed = head.allowed[head.task]
    bias = torch.zeros_like(head.linear.weight[:, 0]) if y.bias is None else y.bias
    return replace(y, bias=bias.masked_fill(~allowed, BLOCKED).detach(), foldable=None)


def blocks(step: Step, x: Signal, head: BlockHead) -> Signal:
    """One linear layer of all blocks that compete, each in its rows."""
    task = head.task if isinstance(head, PerTaskHead) else None
    chosen = range(len(head.blocks)) if task is None else [task]
    some = step.builder.one
    op = Linear(step.name, some.new_zeros(head.outputs, head.width).detach())
    bias = some.new_full((head.outputs,), BLOCKED)
    owner = torch.full((head.outputs,), -1)
    layers = head.linears()
    with torch.no_grad():
        for index in chosen:
            rows = head.groups[index]
            op.weight[rows] = layers[index].weight
            bias[rows] = 0.0 if (own := layers[index].bias) is None else own
            owner[rows] = index
    for index in chosen:
        step.builder.ties.append(_tie(op, layers[index], owner, head.groups[index], index))
    y = x.through(op)
    return replace(y, bias=add(y.bias, bias), layer=(step.place, step.name))


def _tie(op: Linear, layer: nn.Linear, owner: Tensor, group: list[int], index: int) -> Tie:
    """Ties the rows of one block; rows that a later block overwrites stay as they are."""
    rows = torch.tensor(group)
    return Tie(op, layer.weight, op.weight.clone(), rows, kept=owner[rows] == index)


OWN: dict[type[nn.Module], Handler] = {
    Dropout: dropout,
    MaskedHead: masked,
    PerTaskHead: blocks,
    GrowingHead: blocks,
}
