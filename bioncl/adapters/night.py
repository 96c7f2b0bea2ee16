"""The night that an adapter calls."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor, nn

from bioncl.nights.graph_night import GraphNightReport
from bioncl.seeding import derive


class Night(Protocol):
    """`bioncl.sleep`, or a `functools.partial` of it that says how to sleep."""

    def __call__(
        self, model: nn.Module, inputs: Tensor, *, labels: Tensor | None, seed: int
    ) -> GraphNightReport:
        """Let `model` sleep; see `bioncl.sleep`."""


def night_seed(seed: int, number: int) -> int:
    """Seed of the night with this number, from 0, of a training with this seed."""
    return derive(seed, "adapter", "night", number) % 2**32


def pair_of(batch: Any) -> tuple[Tensor, Tensor | None]:
    """Inputs and labels of a batch: the first two of a sequence, or the inputs alone."""
    if isinstance(batch, list | tuple):
        labels = batch[1] if len(batch) > 1 and isinstance(batch[1], Tensor) else None
        return batch[0], labels
    return batch, None
