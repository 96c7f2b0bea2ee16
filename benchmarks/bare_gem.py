"""GEM as matrix products into rooms laid out before: what any GEM on dense matrices has to pay.

For stacks of linear layers with ReLU between them and softmax with cross-entropy at the end. There
is no autograd, no optimiser and no module call; only the projection is bioncl's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from bioncl.methods.gem import project


class BareGEM:
    """Learns one task after another, by plain gradient steps that harm no memory."""

    def __init__(
        self, layers: Sequence[nn.Linear], *, memory: int, margin: float, lr: float
    ) -> None:
        """Train `layers` in place, with the latest `memory` examples kept of each task."""
        self.weights = [layer.weight.detach() for layer in layers]
        self.biases = [layer.bias.detach() for layer in layers]
        pairs = zip(self.weights, self.biases, strict=True)
        self.parameters = [parameter for pair in pairs for parameter in pair]
        self.sizes = [parameter.numel() for parameter in self.parameters]
        self.memory, self.margin, self.lr = memory, margin, lr
        self.memories: list[tuple[Tensor, Tensor]] = []

    def learn(self, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
        """One pass over a task, and keep the last of it."""
        new, old = torch.empty(sum(self.sizes)), torch.empty(len(self.memories), sum(self.sizes))
        seen: list[tuple[Tensor, Tensor]] = []
        for batch in batches:
            self.gradient(*batch, out=new)
            for row, kept in zip(old, self.memories, strict=True):
                self.gradient(*kept, out=row)
            self.step(project(new, old, self.margin, ridge=1e-3) if len(old) else new)
            seen = [*seen[-self.memory :], batch]
        x, y = (torch.cat(parts)[-self.memory :] for parts in zip(*seen, strict=True))
        self.memories.append((x, y))

    def step(self, direction: Tensor) -> None:
        """Go down `direction`, a vector over all parameters."""
        for parameter, part in zip(self.parameters, direction.split(self.sizes), strict=True):
            parameter.sub_(part.view_as(parameter), alpha=self.lr)

    def gradient(self, x: Tensor, y: Tensor, *, out: Tensor) -> None:
        """Write the gradient of the mean cross-entropy of a batch into the vector `out`."""
        rooms = out.split(self.sizes)
        values = [x.flatten(1)]
        for weight, bias in zip(self.weights, self.biases, strict=True):
            values.append(torch.addmm(bias, values[-1], weight.T))
            if len(values) <= len(self.weights):
                values[-1].relu_()
        delta = values.pop().softmax(1)
        delta[torch.arange(len(y)), y] -= 1
        delta /= len(y)
        for k in reversed(range(len(values))):
            torch.mm(delta.T, values[k], out=rooms[2 * k].view_as(self.weights[k]))
            torch.sum(delta, 0, out=rooms[2 * k + 1])
            if k:
                delta = (delta @ self.weights[k]).mul_(values[k] > 0)
