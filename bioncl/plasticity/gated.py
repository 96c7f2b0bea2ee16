"""The published rule of Sleep Replay Consolidation: only negative and near-zero weights move.

    f(w) = 2·(1 − 1/(1 + exp(−w/scale))) = 2/(1 + exp(w/scale)),   scale = 0.001

f is 2 for negative weights, 1 at zero and practically 0 above 0.01, so positive weights are frozen:
sleep deepens or lifts inhibition (Tadros et al. 2022, Nat Commun 13:7742; authors' code).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from bioncl.plasticity.rule import hebbian


@dataclass(frozen=True)
class Gated:
    """Sign-gated Hebbian rule with f(w) = 2·sigmoid(−w/scale).

    Attributes:
        inc: Step where pre and post fire together.
        dec: Step where post fires without pre.
        scale: Width of the gate around zero, in units of weight.
    """

    inc: Annotated[float, Ge(0)]
    dec: Annotated[float, Ge(0)]
    scale: Annotated[float, Gt(0)] = 0.001

    def factor(self, weight: Tensor) -> Tensor:
        """f(w), without overflow for any weight."""
        return 2.0 * torch.sigmoid(-weight / self.scale)

    def change(self, weight: Tensor, pre: Tensor, post: Tensor) -> Tensor:
        """See `PlasticityRule.change`."""
        return hebbian(weight, self.factor(weight), pre, post, self.inc, self.dec)

    def scaled(self, factor: float) -> Gated:
        """The same rule with `inc` and `dec` multiplied by `factor`."""
        return replace(self, inc=self.inc * factor, dec=self.dec * factor)
