"""Columns side by side, each fed by all earlier ones (Rusu et al. 2016, 1606.04671).

    adapter  h_i^k = f( W_i^k h_{i−1}^k + U_i^k σ( V_i^k [α_1 h_{i−1}^1 … α_{k−1} h_{i−1}^{k−1}] ) )
    linear   h_i^k = f( W_i^k h_{i−1}^k + Σ_{j<k} U_i^{k:j} h_{i−1}^j )

Column k is a whole network of the usual kind; f is what follows a layer's affine part there (ReLU,
pooling, dropout) and σ is ReLU. V brings the earlier columns down to the width of one, U has the
shape of W. The first layer has nothing beside it, the output layer has. α is one number for each
earlier column, small at first and different, since columns differ in scale. Between convolutions, V
is a 1×1 convolution and U has the kernel of W.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor, nn

from bioncl.errors import UnsupportedError, describe
from bioncl.models.backbone import Backbone, LinearLayer
from bioncl.models.convnet import ConvPart, LinearPart
from bioncl.models.convolution import Chain, ConvNorm, channels_last, convolution
from bioncl.models.heads import PerTaskHead
from bioncl.models.initial import linear
from bioncl.models.mlp import MLPNetwork
from bioncl.seeding import torch_generator

LateralKind = Literal["adapter", "linear"]
Affine = nn.Linear | nn.Conv2d
REFUSED = "A network of columns"


@dataclass(frozen=True, eq=False)
class Stage:
    """A layer taken apart: what prepares its input, its affine part, and what follows that."""

    prepare: Callable[[Tensor], Tensor]
    unit: nn.Linear | nn.Conv2d | ConvNorm | None
    finish: Callable[[Tensor], Tensor]

    @property
    def affine(self) -> Affine | None:
        """The linear layer or convolution, without its BatchNorm; None if the layer has none."""
        return self.unit.conv if isinstance(self.unit, ConvNorm) else self.unit

    def run(self, x: Tensor, beside: Tensor | None) -> Tensor:
        """The layer's activations for prepared input `x` and what comes from `beside`."""
        if self.unit is not None:
            x = self.unit(x)
        return self.finish(x if beside is None else x + beside)


def stages(net: Backbone) -> list[Stage]:
    """The layers of `net` before its head.

    Raises:
        UnsupportedError: It is neither an MLP nor a ConvNet.
    """
    if isinstance(net, MLPNetwork):
        return [Stage(_flat, layer, lambda z: net.dropout(z.relu())) for layer in net.hidden()]
    if isinstance(net, Chain):
        return [_stage(part) for part in net.parts]
    raise _unsupported(type(net).__name__)


def _stage(part: nn.Module) -> Stage:
    if isinstance(part, ConvPart):
        return Stage(channels_last, part.unit, lambda z: part.dropout(part.pool(z.relu())))
    if isinstance(part, LinearPart):
        return Stage(_flat, part.unit, lambda z: part.dropout(z.relu()))
    if isinstance(part, nn.Flatten):
        return Stage(_flat, None, _same)
    raise _unsupported(type(part).__name__)


def _flat(x: Tensor) -> Tensor:
    return x.flatten(1)


def _same(x: Tensor) -> Tensor:
    return x


def _unsupported(got: str) -> UnsupportedError:
    hint = 'Set model.name = "mlp" or "convnet".'
    return UnsupportedError(describe("Columns", expected="an MLP or ConvNet", got=got, hint=hint))


class Lateral(nn.Module):
    """What one layer of a column gets from all earlier columns."""

    def __init__(
        self, beside: Affine, earlier: int, kind: LateralKind, alpha: float, seed: int, name: str
    ) -> None:
        """Make the connections into the layer that `beside` stands in.

        Args:
            beside: The affine part of the layer, as a pattern of sizes.
            earlier: Number of earlier columns.
            kind: "adapter" or "linear".
            alpha: α starts in U(0, alpha).
            seed: Fixes initial weights.
            name: Tells laterals of one network apart.
        """
        super().__init__()
        width, down = beside.weight.shape[1], f"{name}.down"
        joined = width * earlier
        self.alpha: nn.Parameter | None = None
        self.down: Affine | None = None
        if kind == "adapter":
            start = torch.rand(earlier, generator=torch_generator(seed, "weights", f"{name}.alpha"))
            self.alpha = nn.Parameter(alpha * start)
            bias = beside.bias is not None
            if isinstance(beside, nn.Linear):
                self.down = _linear(joined, width, bias, seed, down)
            else:
                sizes = (joined, width, 1)
                self.down = convolution(sizes, seed=seed, name=down, bias=bias, initial="torch")
        into, out, up = width if self.down else joined, len(beside.weight), f"{name}.up"
        if isinstance(beside, nn.Linear):
            self.up: Affine = _linear(into, out, False, seed, up)
        else:
            sizes, step = (into, out, beside.kernel_size[0]), beside.stride[0]
            self.up = convolution(sizes, seed=seed, name=up, stride=step, initial="torch")

    def forward(self, earlier: Sequence[Tensor]) -> Tensor:
        """What to add before f, from the activations of each earlier column one layer below."""
        joined = torch.cat(list(earlier), 1)
        if self.alpha is not None and self.down is not None:
            scaled = [a * h for a, h in zip(self.alpha, earlier, strict=True)]
            joined = self.down(torch.cat(scaled, 1)).relu()
        added: Tensor = self.up(joined)
        return added


def _linear(pre: int, post: int, bias: bool, seed: int, name: str) -> nn.Linear:
    return linear(pre, post, bias=bias, initial="torch", scale=1.0, seed=seed, name=name)


class Column(nn.Module):
    """A network and what its layers get from earlier columns."""

    def __init__(self, net: Backbone, head: PerTaskHead, laterals: nn.ModuleDict) -> None:
        """Join `net`, its `head`, and `laterals` by place of the layer; "head" is the output's."""
        super().__init__()
        self.net, self.head, self.laterals = net, head, laterals

    @classmethod
    def new(cls, net: Backbone, index: int, kind: LateralKind, alpha: float, seed: int) -> Self:
        """The column at `index` around `net`, its laterals at their initial values."""
        head = _head(net)
        found = {str(i): s.affine for i, s in enumerate(stages(net)) if i and s.affine is not None}
        block = head.blocks[index]
        if stages(net) and isinstance(block, nn.Linear):
            found["head"] = block
        made = {
            place: Lateral(beside, index, kind, alpha, seed, f"lateral{index}.{place}")
            for place, beside in found.items()
            if index
        }
        return cls(net, head, nn.ModuleDict(made))

    def beside(self, place: str, earlier: Sequence[Tensor]) -> Tensor | None:
        """What the layer at `place` gets from `earlier` columns; None if there is nothing."""
        if place not in self.laterals:
            return None
        added: Tensor = self.laterals[place](earlier)
        return added


class ProgressiveNetwork(Backbone):
    """Columns of which all but the last stand still.

    Attributes:
        net: The network of the last column.
        columns: All of them, in order; column k is that of task k.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        """Join `columns`; earlier ones stop learning, and keep BatchNorm's statistics."""
        super().__init__()
        self.columns = list(columns[:-1])  # no submodules: the last one is all that learns
        for column in self.columns:
            column.requires_grad_(False).eval()
        self.last = columns[-1]
        self.net, self.output, self.head = self.last.net, self.last.net.output, self.last.head
        self.columns.append(self.last)

    @property
    def layers(self) -> tuple[str, ...]:
        """See `Backbone`."""
        return self.net.layers

    def forward(self, x: Tensor, entry: str = "input") -> Tensor:
        """Logits of the chosen task, see `logits`; of the last if none is chosen."""
        if entry != "input":
            raise UnsupportedError(describe(f"{REFUSED} has no way in but the input", got=entry))
        task = self.last.head.task
        return self.logits(x, len(self.columns) - 1 if task is None else task)

    def logits(self, x: Tensor, task: int) -> Tensor:
        """Logits [n, outputs] of the task at `task`.

        A task to come has no column yet; the first one, which costs least, answers with the
        untrained outputs that it has for it.
        """
        used = self.columns[: task + 1 if task < len(self.columns) else 1]
        features = self.features(x, used)
        head, before = used[-1].head, used[-1].head.task
        head.use_task(task)
        found: Tensor = head(features[-1])
        head.use_task(before)
        added = used[-1].beside("head", features[:-1])
        if added is not None:
            found[:, head.groups[task]] = found[:, head.groups[task]] + added
        return found

    def features(self, x: Tensor, used: Sequence[Column]) -> list[Tensor]:
        """What each of the `used` columns gives to its head for inputs `x`."""
        parts = [stages(column.net) for column in used]
        below = [x] * len(used)
        for depth in range(len(parts[0])):
            ready = [part[depth].prepare(h) for part, h in zip(parts, below, strict=True)]
            below = [
                part[depth].run(ready[i], column.beside(str(depth), ready[:i]))
                for i, (part, column) in enumerate(zip(parts, used, strict=True))
            ]
        return [h.flatten(1) for h in below]

    def activations(self, x: Tensor) -> list[Tensor]:
        """Refuse: each task has activations of its own.

        Raises:
            UnsupportedError: Always.
        """
        raise UnsupportedError(describe(f"{REFUSED} has no one set of activations"))

    def start_task(self, index: int) -> None:
        """See `Backbone`."""
        self.net.start_task(index)

    def use_task(self, index: int | None) -> None:
        """See `Backbone`."""
        self.net.use_task(index)

    def stack(self) -> list[LinearLayer]:
        """Refuse: columns are no chain of linear layers.

        Raises:
            UnsupportedError: Always.
        """
        raise UnsupportedError(describe(f"{REFUSED} is no chain of layers and cannot sleep"))

    def write_stack(self, weights: Iterable[Tensor]) -> None:
        """Refuse, as `stack` does.

        Raises:
            UnsupportedError: Always.
        """
        self.stack()


def _head(net: Backbone) -> PerTaskHead:
    if isinstance(net.head, PerTaskHead):
        return net.head
    hint = 'Set model.head = "per-task".'
    raise UnsupportedError(describe("Columns need an output layer for each task", hint=hint))
