"""Which parameter of the user's network each weight of a graph came from, and the way back.

    traced:        W_graph = s · W          (s: scale of a BatchNorm folded in, else 1)
    written back:  W = W_graph / s          only where W_graph changed and s ≠ 0

So weights that nothing changed stay as they are, bit for bit. A channel whose scale is 0 passes
nothing on and keeps its weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bioncl.errors import DivergedError, describe
from bioncl.spiking.graph.populations import Convolution, Linear


@dataclass(eq=False)
class Tie:
    """One weight of a graph and the parameter it came from.

    Attributes:
        op: Holds the weight.
        parameter: Of the user's network.
        start: The weight as it was traced, to see what changed.
        rows: Rows of the weight that the parameter fills, or None for all.
        factor: Scale of each row that was folded in, or None.
        kept: Which of `rows` are the parameter's own, or None for all: where tasks share outputs,
            a later block of a head hides an earlier one's rows.
    """

    op: Linear | Convolution
    parameter: Tensor
    start: Tensor
    rows: Tensor | None = None
    factor: Tensor | None = None
    kept: Tensor | None = None

    def fold(self, factor: Tensor) -> None:
        """Note that each row of the weight was multiplied by `factor` [rows]."""
        self.start, self.factor = self.op.weight.clone(), factor

    def now(self) -> tuple[Tensor, Tensor]:
        """The parameter's new value, and where it differs from the traced one."""
        weight = self.op.weight.to(self.start)
        changed = weight != self.start
        if self.factor is not None:
            factor = self.factor.view(-1, *[1] * (weight.dim() - 1))
            weight, changed = weight / factor, changed & (factor != 0)
        if self.rows is not None:
            weight, changed = weight[self.rows], changed[self.rows]
        if self.kept is not None:
            changed = changed & self.kept.to(changed.device)[:, None]
        return weight, changed


@torch.no_grad()
def write_back(ties: Sequence[Tie]) -> None:
    """Copy changed weights into the parameters they came from; all of them or none.

    Raises:
        DivergedError: A weight is no finite number; no parameter was changed.
    """
    found = [tie.now() for tie in ties]
    for tie, (weight, changed) in zip(ties, found, strict=True):
        if not bool(weight[changed].isfinite().all()):
            what = f"Weights of {tie.op.name} are not finite; the network keeps its weights"
            raise DivergedError(describe(what))
    for tie, (weight, changed) in zip(ties, found, strict=True):
        tie.parameter.copy_(torch.where(changed, weight, tie.parameter))
