"""Hebbian rule without a gate: f(w) = 1, every weight of a firing neuron moves by the same step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from bioncl.plasticity.rule import hebbian


@dataclass(frozen=True)
class Constant:
    """Hebbian rule with f(w) = 1.

    Attributes:
        inc: Step where pre and post fire together.
        dec: Step where post fires without pre.
    """

    inc: Annotated[float, Ge(0)]
    dec: Annotated[float, Ge(0)]

    def change(self, weight: Tensor, pre: Tensor, post: Tensor) -> Tensor:
        """See `PlasticityRule.change`."""
        return hebbian(weight, torch.ones_like(weight), pre, post, self.inc, self.dec)

    def scaled(self, factor: float) -> Constant:
        """The same rule with `inc` and `dec` multiplied by `factor`."""
        return replace(self, inc=self.inc * factor, dec=self.dec * factor)
