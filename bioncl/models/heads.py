"""Output layers: one for all tasks, one a task, one with a mask, one that grows.

Each head turns features [n, width] into logits [n, outputs]. Outputs that do not compete get −1e11,
so that a softmax gives them exactly zero probability and zero gradient.

| head | parameters | competing outputs when a task is chosen / is not |
|---|---|---|
| single | one layer | all / all |
| masked | one layer | those of the task / all |
| per-task | one layer a task | those of the task / all |
| growing | one block a task, added when the task begins | those of the tasks so far, either way |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from bioncl.errors import SettingsError, describe

HeadKind = Literal["single", "masked", "per-task", "growing"]
BLOCKED = -1e11
MakeLinear = Callable[[int, int, str], nn.Linear]


def make_head(
    kind: HeadKind,
    output: str,
    sizes: tuple[int, int],
    groups: Sequence[Sequence[int]],
    make: MakeLinear,
) -> Head:
    """Make the output layer of a network.

    Args:
        kind: Which one.
        output: "softmax" or "relu", what becomes of its logits.
        sizes: Width of its input, and number of outputs.
        groups: The outputs of each task.
        make: Makes a linear layer from its sizes and its name.

    Raises:
        SettingsError: The kind of head does not suit output or groups.
    """
    if kind == "single":
        return SingleHead(*sizes, make)
    if output == "relu":
        hint = 'Set model.output = "softmax", or model.head = "single".'
        what = f"The {kind} head blocks outputs, which squared error cannot express"
        raise SettingsError(describe(what, hint=hint))
    kinds = {"masked": MaskedHead, "per-task": PerTaskHead, "growing": GrowingHead}
    head: Head = kinds[kind](*sizes, groups, make)
    return head


class Head(nn.Module):
    """Interface of an output layer."""

    def start_task(self, index: int) -> None:
        """Make room for the task at `index`; most heads have it already."""

    def use_task(self, index: int | None) -> None:
        """Choose the task whose outputs compete; None lets all compete."""

    def weight(self) -> Tensor:
        """Weights of all output neurons [outputs, width]."""
        raise NotImplementedError

    def bias(self) -> Tensor | None:
        """Biases of all output neurons [outputs], or None."""
        raise NotImplementedError

    def write(self, weight: Tensor) -> None:
        """Copy `weight`, shaped as `weight()`, into the head."""
        raise NotImplementedError


class SingleHead(Head):
    """One linear layer whose outputs always compete."""

    def __init__(self, width: int, outputs: int, make: MakeLinear) -> None:
        """Make the layer from `width` features to `outputs`."""
        super().__init__()
        self.linear = make(width, outputs, "head")

    def forward(self, features: Tensor) -> Tensor:
        """Logits [n, outputs]."""
        logits: Tensor = self.linear(features)
        return logits

    def weight(self) -> Tensor:
        """See `Head`."""
        return self.linear.weight

    def bias(self) -> Tensor | None:
        """See `Head`."""
        return self.linear.bias

    def write(self, weight: Tensor) -> None:
        """See `Head`."""
        with torch.no_grad():
            self.linear.weight.copy_(weight)


class MaskedHead(SingleHead):
    """One linear layer; with a task chosen, the outputs of other tasks are blocked."""

    allowed: Tensor

    def __init__(
        self, width: int, outputs: int, groups: Sequence[Sequence[int]], make: MakeLinear
    ) -> None:
        """Make the layer; `groups` holds the outputs of each task."""
        super().__init__(width, outputs, make)
        allowed = torch.zeros(len(groups), outputs, dtype=torch.bool)
        for row, group in enumerate(groups):
            allowed[row, list(group)] = True
        self.register_buffer("allowed", allowed, persistent=False)
        self.task: int | None = None

    def use_task(self, index: int | None) -> None:
        """See `Head`."""
        self.task = index

    def forward(self, features: Tensor) -> Tensor:
        """Logits [n, outputs], blocked outside the chosen task."""
        logits = super().forward(features)
        if self.task is None:
            return logits
        return logits.masked_fill(~self.allowed[self.task], BLOCKED)


class BlockHead(Head):
    """One linear block for each of some groups of outputs; the base of two heads."""

    def __init__(self, width: int, outputs: int, groups: Sequence[Sequence[int]]) -> None:
        """Remember which outputs each block drives; blocks are added by `add`."""
        super().__init__()
        self.width, self.outputs = width, outputs
        self.groups = [list(group) for group in groups]
        self.blocks = nn.ModuleList()

    def place(self, features: Tensor, chosen: Sequence[int]) -> Tensor:
        """Logits [n, outputs]: the `chosen` blocks in their places, −1e11 elsewhere."""
        parts = [self.blocks[index](features) for index in chosen]
        outputs = [output for index in chosen for output in self.groups[index]]
        before = outputs[0] if outputs else 0
        after = self.outputs - before - len(outputs)
        if parts and outputs == list(range(before, before + len(outputs))):
            # Side by side, as they mostly are: filling up is quicker than scattering.
            together = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
            return pad(together, (before, after), value=BLOCKED)
        logits = features.new_full((len(features), self.outputs), BLOCKED)
        for index, part in zip(chosen, parts, strict=True):
            logits[:, self.groups[index]] = part
        return logits

    def weight(self) -> Tensor:
        """Weights of all blocks, one below the other; [0, width] before there are any."""
        weights: list[Tensor] = [block.weight for block in self.linears()]
        return torch.cat(weights) if weights else torch.zeros(0, self.width)

    def bias(self) -> Tensor | None:
        """Biases of all blocks, one after the other."""
        biases: list[Tensor] = [b.bias for b in self.linears() if b.bias is not None]
        return torch.cat(biases) if biases else None

    def write(self, weight: Tensor) -> None:
        """See `Head`."""
        with torch.no_grad():
            blocks = self.linears()
            parts = weight.split([len(block.weight) for block in blocks])
            for block, part in zip(blocks, parts, strict=True):
                block.weight.copy_(part)

    def linears(self) -> list[nn.Linear]:
        """The blocks, typed."""
        return [block for block in self.blocks if isinstance(block, nn.Linear)]


class PerTaskHead(BlockHead):
    """One linear layer a task (multi-head)."""

    def __init__(
        self, width: int, outputs: int, groups: Sequence[Sequence[int]], make: MakeLinear
    ) -> None:
        """Make a layer for each group of outputs."""
        super().__init__(width, outputs, groups)
        self.blocks.extend(make(width, len(g), f"head{i}") for i, g in enumerate(groups))
        self.task: int | None = None

    def use_task(self, index: int | None) -> None:
        """See `Head`."""
        self.task = index

    def forward(self, features: Tensor) -> Tensor:
        """Logits [n, outputs] of the chosen task, or of all."""
        chosen = range(len(self.blocks)) if self.task is None else [self.task]
        return self.place(features, chosen)


class GrowingHead(BlockHead):
    """Outputs are added when their task begins; those of tasks to come are blocked."""

    def __init__(
        self, width: int, outputs: int, groups: Sequence[Sequence[int]], make: MakeLinear
    ) -> None:
        """Start without outputs; `groups` must not share any."""
        super().__init__(width, outputs, groups)
        if sum(map(len, self.groups)) != len({o for group in self.groups for o in group}):
            hint = 'Set model.head = "single".'
            what = "The growing head adds outputs task by task, but tasks share outputs here"
            raise SettingsError(describe(what, hint=hint))
        self.make = make

    def start_task(self, index: int) -> None:
        """Add the outputs of all tasks up to `index`; old weights stay as they are."""
        device = next(iter(self.parameters())).device if len(self.blocks) else None
        for i in range(len(self.blocks), index + 1):
            self.blocks.append(self.make(self.width, len(self.groups[i]), f"head{i}").to(device))

    def forward(self, features: Tensor) -> Tensor:
        """Logits [n, outputs] of the outputs that exist."""
        return self.place(features, range(len(self.blocks)))
