"""Hebbian rule whose step grows with the weight: f(w) = sigmoid(slope·w).

This is what the public Python replica of Sleep Replay Consolidation runs instead of the published
gate (slope 1); with a steep slope, negative weights are frozen and positive ones move.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from bioncl.plasticity.rule import hebbian


@dataclass(frozen=True)
class Sigmoid:
    """Hebbian rule with f(w) = sigmoid(slope·w).

    Attributes:
        inc: Step where pre and post fire together.
        dec: Step where post fires without pre.
        slope: Steepness of f, per unit of weight; 0 makes f constant at 1/2.
    """

    inc: Annotated[float, Ge(0)]
    dec: Annotated[float, Ge(0)]
    slope: float = 1.0

    def factor(self, weight: Tensor) -> Tensor:
        """f(w)."""
        return torch.sigmoid(self.slope * weight)

    def change(self, weight: Tensor, pre: Tensor, post: Tensor) -> Tensor:
        """See `PlasticityRule.change`."""
        return hebbian(weight, self.factor(weight), pre, post, self.inc, self.dec)

    def scaled(self, factor: float) -> Sigmoid:
        """The same rule with `inc` and `dec` multiplied by `factor`."""
        return replace(self, inc=self.inc * factor, dec=self.dec * factor)
