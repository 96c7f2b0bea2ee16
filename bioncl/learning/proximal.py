"""Proximal steps: exact minimisers of a penalty near a point, so that zeros are exactly zero.

    soft_threshold    argmin_v ½‖v − w‖² + a ‖v‖₁      sign(w) · max(|w| − a, 0)
    shrink_rows       argmin_v ½‖v − w‖² + a Σ ‖v_r‖₂   w_r · max(1 − a / ‖w_r‖, 0)

One after the other, in this order, is the proximal step of the sum of both penalties.
"""

from __future__ import annotations

import torch
from torch import Tensor


def soft_threshold(weights: Tensor, amount: float) -> Tensor:
    """Every number nearer to 0 by `amount`, but not beyond."""
    return weights.sign() * (weights.abs() - amount).clamp(min=0)


def shrink_rows(rows: Tensor, amount: float) -> Tensor:
    """Every row of [n, width] shorter by `amount`; those that are no longer than it become 0."""
    lengths = rows.norm(dim=1, keepdim=True)
    tiny = torch.finfo(rows.dtype).tiny
    return rows * (1 - amount / lengths.clamp(min=tiny)).clamp(min=0)
