"""Paths between populations as NIR nodes; see `bioncl.spiking.interchange.nir_format`.

A path is first rewritten (`as_written`) into operations that all readers know: Linear, Convolution
with one group, sums over windows, Flatten. Factors that this leaves over, and the path's gain, go
into the weights of its last layer. Then each operation becomes a node.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bioncl.errors import UnsupportedError, describe
from bioncl.spiking.graph.populations import (
    Convolution,
    Flatten,
    Linear,
    Operation,
    Path,
    Pool,
    Population,
    Scale,
)
from bioncl.spiking.libraries import library

Shape = tuple[int, ...]
Written = Linear | Convolution | Pool | Flatten


@dataclass
class Draft:
    """A NIR graph in the making.

    Attributes:
        nodes: By name, in order of computation.
        edges: (from, to) by name.
        sources: For each population that is done, the node of its spikes and its shape.
    """

    nodes: dict[str, Any] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    sources: dict[str, tuple[str, Shape]] = field(default_factory=dict)

    def join(self, sources: Sequence[str], name: str, node: Any) -> str:
        """Add `node`, fed by the sum of `sources`, under `name` or one like it; returns that."""
        name = name.replace(".", "_")
        while name in self.nodes:
            name += "_"
        self.nodes[name] = node
        self.edges += [(source, name) for source in sources]
        return name

    def current(self, population: Population, factor: float, *, whole: bool) -> list[str]:
        """Add what lies before `population`; returns the nodes whose sum is factor · its current.

        Args:
            population: Where to; its sources must be there already.
            factor: On the whole current.
            whole: Whether the sum has to be one node.

        Raises:
            UnsupportedError: NIR, or one of its readers, cannot do what a path does.
        """
        if not population.paths:
            raise UnsupportedError(describe(f"NIR: {population.name} reads nothing but its bias"))
        bias = _per_channel(population)
        layered = [bool(p.ops) and isinstance(p.ops[-1], Linear | Convolution | Scale)
                   for p in population.paths]  # fmt: skip
        carrier = layered.index(True) if any(layered) else 0
        ends = [
            self._path(path, factor, bias if number == carrier else None)
            for number, path in enumerate(population.paths)
        ]
        if whole and len(ends) > 1:
            op = diagonal(f"{population.name}_sum", population.shape)
            ends = [self.join(ends, op.name, node(op, population.shape, None))]
        return ends

    def _path(self, path: Path, factor: float, bias: Tensor | None) -> str:
        """Add the nodes of one path, `bias` in the last; returns the last."""
        at, shape = self.sources[path.source]
        ops, shapes, scale = list[Written](), [shape], factor * path.gain
        for original in path.ops:
            written, share = as_written(original, shapes[-1])
            ops.append(written)
            scale *= share
            shapes.append(tuple(original(_like(path, shapes[-1]))[0].shape))
        layers = [i for i, op in enumerate(ops) if isinstance(op, Linear | Convolution)]
        if not layers or (bias is not None and layers[-1] != len(ops) - 1):
            layers.append(len(ops))
            ops.append(diagonal(f"{path.source}_skip", shapes[-1]))
        ops[layers[-1]] = _times(ops[layers[-1]], scale)
        for i, op in enumerate(ops):
            own = None if bias is None or i < len(ops) - 1 else bias.double() * factor
            at = self.join([at], _label(op), node(op, shapes[i], own))
        return at


def as_written(op: Operation, shape: Shape) -> tuple[Written, float]:
    """`op` on a sample of `shape` as (operation, factor) that NIR's readers know.

    Raises:
        UnsupportedError: There is none.
    """
    match op:
        case Linear() if len(shape) == 1:
            return op, 1.0
        case Convolution() if len(set(op.weight.shape[2:])) == 1:
            return replace(op, weight=_one_group(op), groups=1), 1.0
        case Scale():
            return diagonal(op.name, shape, op.factor), 1.0
        case Pool(kind="avg") if len(set(op.kernel)) == 1:
            return _average(op, shape)
        case Flatten() if (op.start, op.end) in ((1, -1), (1, len(shape))):
            return op, 1.0
    raise _refusal(op, shape)


def _average(op: Pool, shape: Shape) -> tuple[Written, float]:
    """The average over windows: a sum where readers know it, else a convolution."""
    share = 1.0 / math.prod(op.kernel)
    if len(op.kernel) == 2 and not any(op.padding):
        return op, share
    weight = _apart(torch.full((shape[0],), share), op.kernel)
    return Convolution("mean", weight, op.stride, op.padding, (1,) * len(op.kernel)), 1.0


def _refusal(op: Operation, shape: Shape) -> UnsupportedError:
    """Why an operation cannot be written, and the way out."""
    match op:
        case Pool(kind="max"):
            what, hint = "max pooling", "Use average pooling, or convert to snntorch or norse."
        case Linear():
            what, hint = f"{op.name}: a linear layer on samples of shape {shape}", "Flatten first."
        case Flatten():
            what, hint = "flattening of some dimensions only", "Flatten them all."
        case _:
            what = "windows that are not square (readers mistake their shape)"
            hint = "Convert to snntorch or norse."
    return UnsupportedError(describe(f"NIR cannot express {what}", hint=hint))


def diagonal(name: str, shape: Shape, factor: Tensor | None = None) -> Linear | Convolution:
    """A layer for samples of `shape` that multiplies each channel by `factor` [channels], or 1."""
    factor = torch.ones(shape[0]) if factor is None else factor.detach()
    once = (1,) * (len(shape) - 1)
    if not once:
        return Linear(name, torch.diag(factor))
    return Convolution(name, _apart(factor, once), once, (0,) * len(once), once)


def _apart(factor: Tensor, window: Shape) -> Tensor:
    """Weights of a convolution that keeps channels apart [channels, channels, *window]."""
    weight = torch.diag(factor)
    return weight.view(*weight.shape, *(1,) * len(window)).expand(*weight.shape, *window)


def node(op: Written, shape: Shape, bias: Tensor | None) -> Any:
    """The NIR node of `op` on a sample of `shape`."""
    nir = library("nir")
    if isinstance(op, Flatten):
        return nir.Flatten({"input": np.array(shape)}, start_dim=-len(shape), end_dim=-1)
    if isinstance(op, Pool):
        return nir.SumPool2d(*(np.array(v) for v in (op.kernel, op.stride, op.padding)))
    weight = op.weight.detach().cpu().numpy()
    if isinstance(op, Linear):
        return nir.Linear(weight) if bias is None else nir.Affine(weight, _array(bias, weight))
    shift = np.zeros(len(weight), weight.dtype) if bias is None else _array(bias, weight)
    if weight.ndim == 3:
        numbers = op.stride[0], op.padding[0], op.dilation[0]
        return nir.Conv1d(shape[1], weight, *numbers, 1, shift)
    return nir.Conv2d(shape[1:], weight, op.stride, op.padding, op.dilation, 1, shift)


def _one_group(op: Convolution) -> Tensor:
    """The weight of a convolution with groups as [out, in, *kernel], zero between groups."""
    parts = op.weight.detach().chunk(op.groups)
    width = op.weight.shape[1]
    whole = op.weight.new_zeros(len(op.weight), width * op.groups, *op.weight.shape[2:])
    for g, part in enumerate(parts):
        whole[g * len(part) : (g + 1) * len(part), g * width : (g + 1) * width] = part
    return whole


def _times(op: Written, factor: float) -> Written:
    """A layer with its weights multiplied by `factor`, in their precision."""
    if not isinstance(op, Linear | Convolution):
        return op
    return replace(op, weight=(op.weight.detach().double() * factor).to(op.weight.dtype))


def _per_channel(population: Population) -> Tensor | None:
    """The bias of each channel [channels], or None."""
    if population.bias is None:
        return None
    bias = population.bias.detach().expand(population.shape).reshape(population.shape[0], -1)
    if (bias != bias[:, :1]).any():
        what = f"NIR cannot express the bias of {population.name}, which differs between pixels"
        hint = "It stems from BatchNorm in front of a padded convolution; convert to snntorch."
        raise UnsupportedError(describe(what, hint=hint))
    return bias[:, 0]


def _like(path: Path, shape: Shape) -> Tensor:
    """A sample of zeros in the precision of the path's tensors."""
    tensors = [op.factor if isinstance(op, Scale) else op.weight
               for op in path.ops if isinstance(op, Linear | Convolution | Scale)]  # fmt: skip
    return torch.zeros((1, *shape), dtype=tensors[0].dtype if tensors else None)


def _label(op: Written) -> str:
    if isinstance(op, Linear | Convolution):
        return f"{op.name}_weight"
    return "pool" if isinstance(op, Pool) else "flatten"


def _array(bias: Tensor, like: Any) -> Any:
    return bias.cpu().numpy().astype(like.dtype)
