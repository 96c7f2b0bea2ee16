"""A multi-layer perceptron that grows, each hidden unit stamped with the task it was made in.

Units are only ever appended, so the stamps of a layer ascend, and the units that a task may use
are the first ones of each layer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bioncl.models import units
from bioncl.models.units import Named


@dataclass(frozen=True, eq=False)
class Stamped:
    """The tensors of a perceptron, and the stamps of its units.

    Attributes:
        tensors: By name, as `bioncl.models.units` names them.
        stamps: For each hidden layer, int16 [width].
    """

    tensors: Named
    stamps: tuple[Tensor, ...]

    def of_task(self, task: int) -> Named:
        """What answers the task at `task`: units made up to it."""
        return units.visible(self.tensors, [int((s <= task).sum()) for s in self.stamps])

    def made_in(self, layer: int, task: int) -> Tensor:
        """Which units of hidden layer `layer` were made in the task at `task`: bool [width]."""
        return (self.stamps[layer] == task).to(self.tensors[units.weight(layer)].device)

    def new_part(self, task: int) -> Named:
        """Masks of the weights into and out of the units of `task`, and of its output layer."""
        found = {}
        for layer in range(len(self.stamps)):
            mine = self.made_in(layer, task)
            mask = torch.zeros_like(self.tensors[units.weight(layer)], dtype=torch.bool)
            mask[mine] = True
            if layer:
                mask[:, self.made_in(layer - 1, task)] = True
            found[units.weight(layer)] = mask
            if units.bias(layer) in self.tensors:
                found[units.bias(layer)] = mine
        return found | {
            name: torch.ones_like(tensor, dtype=torch.bool)
            for name, tensor in self.tensors.items()
            if name.startswith(f"head.blocks.{task}.")
        }

    def added(self, layer: int, rows: Tensor, biases: Tensor, task: int) -> Stamped:
        """Units more in hidden layer `layer`, of `task`; see `units.added`."""
        new = self.stamps[layer].new_full((len(rows),), task)
        stamps = list(self.stamps)
        stamps[layer] = torch.cat([stamps[layer], new])
        return Stamped(units.added(self.tensors, layer, rows, biases), tuple(stamps))

    def kept(self, layer: int, keep: Tensor) -> Stamped:
        """Only the units of hidden layer `layer` where `keep` (bool [width]) is true."""
        stamps = list(self.stamps)
        stamps[layer] = stamps[layer][keep.to(stamps[layer].device)]
        return Stamped(units.kept(self.tensors, layer, keep), tuple(stamps))


def expanded(net: Stamped, count: int, task: int, generator: torch.Generator) -> Stamped:
    """`count` units more in each hidden layer, read by the outputs of `task` and by each other.

    Weights start in U(−1/√pre, 1/√pre), biases and what old units read of new ones at 0.
    """
    for layer in range(len(net.stamps)):
        pre = net.tensors[units.weight(layer)].shape[1]
        rows = _uniform((count, pre), pre, net, generator)
        net = net.added(layer, rows, rows.new_zeros(count), task)
    outputs = net.tensors[units.block(task)]
    start = _uniform((len(outputs), count), outputs.shape[1], net, generator)
    joined = torch.cat([outputs[:, : outputs.shape[1] - count], start], 1)
    return Stamped(net.tensors | {units.block(task): joined}, net.stamps)


def _uniform(shape: tuple[int, int], pre: int, net: Stamped, generator: torch.Generator) -> Tensor:
    drawn = torch.rand(shape, generator=generator).to(net.tensors[units.weight(0)])
    return (2 * drawn - 1) / math.sqrt(pre)


def group(tensors: Mapping[str, Tensor], layer: int) -> Tensor:
    """What leads into each unit of hidden layer `layer`, its bias last: [width, pre + 1]."""
    matrix = tensors[units.weight(layer)]
    bias = tensors.get(units.bias(layer), matrix.new_zeros(len(matrix)))
    return torch.cat([matrix, bias[:, None]], 1)


def without_silent(net: Stamped, task: int) -> Stamped:
    """Without the units of `task` that nothing leads into."""
    for layer in range(len(net.stamps)):
        silent = net.made_in(layer, task) & (group(net.tensors, layer) == 0).all(1)
        net = net.kept(layer, ~silent)
    return net


def drift(net: Stamped, before: Mapping[str, Tensor], layer: int) -> Tensor:
    """How far the weights into each old unit of hidden layer `layer` have moved: [old width].

    Args:
        net: The network now.
        before: The tensors before the task, of the widths then.
        layer: Place of the layer.
    """
    old = group(before, layer)
    now = group(net.tensors, layer)[: len(old)]
    moved = torch.cat([now[:, : old.shape[1] - 1], now[:, -1:]], 1) - old
    length: Tensor = moved.norm(dim=1)
    return length


def split(net: Stamped, before: Mapping[str, Tensor], task: int, above: float) -> Stamped:
    """Give old units that drifted by more than `above` their old weights, and copies the new ones.

    The copy of a unit is read, in its place, by the outputs of `task` and by units made in it. Old
    units go on to read the old unit alone.
    """
    for layer in reversed(range(len(net.stamps))):
        gone = (drift(net, before, layer) > above).nonzero().flatten()
        if len(gone):
            net = _copied(net, before, layer, gone, task)
    return net


def _copied(
    net: Stamped, before: Mapping[str, Tensor], layer: int, gone: Tensor, task: int
) -> Stamped:
    """`net` with copies of the units `gone` of hidden layer `layer`, which get their old weights.

    The layer above has been dealt with already, so that its copies are among the units of `task`.
    """
    matrix, place = net.tensors[units.weight(layer)].clone(), units.bias(layer)
    rows = matrix[gone]
    biases = net.tensors[place][gone] if place in net.tensors else rows.new_zeros(len(gone))
    old = before[units.weight(layer)]
    matrix[gone] = 0
    matrix[gone, : old.shape[1]] = old[gone]
    tensors = net.tensors | {units.weight(layer): matrix}
    if place in tensors:
        tensors[place] = tensors[place].index_copy(0, gone, before[place][gone])
    result = Stamped(tensors, net.stamps).added(layer, rows, biases, task)
    for name in units.readers(result.tensors, layer):
        if name in (units.weight(layer + 1), units.block(task)):
            reader = result.tensors[name]
            mine = torch.ones(len(reader), dtype=torch.bool, device=reader.device)
            if name != units.block(task):
                mine = result.made_in(layer + 1, task)
            reader[mine, -len(gone) :] = reader[mine][:, gone]
            reader[mine.nonzero(), gone] = 0
    return result


def cut(net: Stamped, shapes: Mapping[str, Sequence[int]]) -> tuple[Named, Named]:
    """A network of the first `shapes`, and what lies outside of them.

    Of the latter, parts that are 0 at the end are left out: later tasks' units, seen by old heads.
    """
    base: Named = {}
    rest: Named = {}
    for name, tensor in net.tensors.items():
        rows = shapes[name][0]
        columns = shapes[name][-1] if tensor.dim() == 2 else 0
        base[name] = tensor[:rows, :columns] if tensor.dim() == 2 else tensor[:rows]
        parts = {"rows": tensor[rows:]}
        if tensor.dim() == 2:
            side = tensor[:rows, columns:]
            used = side.ne(0).any(0).nonzero().flatten()
            parts["columns"] = side[:, : int(used[-1]) + 1 if len(used) else 0]
        rest |= {f"{part}.{name}": t.contiguous() for part, t in parts.items() if t.numel()}
    return {name: t.contiguous() for name, t in base.items()}, rest


def joined(
    base: Mapping[str, Tensor], rest: Mapping[str, Tensor], stamps: Sequence[Tensor]
) -> Stamped:
    """The network that `cut` took apart."""
    tensors = {}
    for name, tensor in base.items():
        shape = list(tensor.shape)
        place = int(name.split(".")[1]) if name.startswith("trunk.") else len(stamps)
        if place < len(stamps):
            shape[0] = len(stamps[place])
        if tensor.dim() == 2 and place:
            shape[1] = len(stamps[place - 1])
        full = tensor.new_zeros(shape)
        full[tuple(slice(0, size) for size in tensor.shape)] = tensor
        if f"columns.{name}" in rest:
            side = rest[f"columns.{name}"].to(full)
            full[: len(side), tensor.shape[1] : tensor.shape[1] + side.shape[1]] = side
        if f"rows.{name}" in rest:
            full[len(tensor) :] = rest[f"rows.{name}"].to(full)
        tensors[name] = full
    return Stamped(tensors, tuple(stamps))
