"""Parts of a network that stand still, whatever the optimiser does.

A mask for each parameter tells which of its numbers learn; parameters without a mask stand still.
Zero gradients are not enough: momentum, weight decay and Adam move numbers whose gradient is zero.
So the gradient is masked before each step, and after it the old values are put back.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from bioncl.learning.importance import Named


class Freeze:
    """Holds what does not learn at the values that it has now."""

    def __init__(self, model: nn.Module, free: Mapping[str, Tensor]) -> None:
        """Note the values of `model`.

        Args:
            model: The network.
            free: By name of parameter: bool of its shape, true where it learns.
        """
        self.model = model
        self.masks: Named = {}
        self.kept: Named = {}
        for name, p in model.named_parameters():
            mask = free.get(name)
            self.masks[name] = torch.zeros_like(p) if mask is None else mask.to(p)
            self.kept[name] = p.detach() * (1 - self.masks[name])

    def mask_gradient(self) -> None:
        """Make the gradient zero where nothing learns."""
        for name, p in self.model.named_parameters():
            if p.grad is not None:
                p.grad.mul_(self.masks[name])

    @torch.no_grad()
    def restore(self) -> None:
        """Put old values back where nothing learns; the rest keeps its bits.

        Parameters without a gradient are left out, as optimisers leave them out.
        """
        for name, p in self.model.named_parameters():
            if p.grad is not None:
                p.mul_(self.masks[name]).add_(self.kept[name])  # x · 1 + 0 = x and x · 0 + y = y
