"""Oja's rule with spikes as activities: the weights of a firing neuron drift to what fires with it.

    Δw_j = rate · y · (x_j − y · w_j)                            (Oja 1982, J Math Biol 15:267)

with x_j = 1 where input j fired in this step, else 0, and y = 1 where the neuron fired, else 0, so
that y² = y: rows of firing neurons take a step of `rate` towards x, other rows stay. The mean of
w_j settles at the share of the neuron's spikes in whose step input j fired.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor


@dataclass(frozen=True)
class Oja:
    """Oja's rule: w += rate·(x − w) in the rows of firing neurons.

    Attributes:
        rate: Size of the step; 1 puts x in the place of w.
    """

    rate: Annotated[float, Ge(0)]

    def change(self, weight: Tensor, pre: Tensor, post: Tensor) -> Tensor:
        """See `PlasticityRule.change`."""
        moved = weight + self.rate * (pre.to(weight.dtype) - weight)
        return torch.where(post.unsqueeze(1), moved, weight)

    def scaled(self, factor: float) -> Oja:
        """The same rule with `rate` multiplied by `factor`."""
        return replace(self, rate=self.rate * factor)
