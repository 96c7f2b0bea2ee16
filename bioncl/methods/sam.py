"""SAM, sharpness-aware minimisation: step by the gradient at the worst point nearby.

    g = ∇L(w),   e = ρ g / ‖g‖,   w ← w − lr · ∇L(w + e)

over all weights together. L is the whole loss, with what other methods add to it; both gradients
are taken with the same dropout masks and the same stored examples, and BatchNorm's running
statistics see the first alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge
from torch import Tensor

from bioncl.learning.learner import Learner
from bioncl.learning.method import FindGradient, Method
from bioncl.models.normalisation import statistics_kept
from bioncl.streams.stream import Batch


@dataclass
class SAM(Method):
    """Descent on the largest loss within a distance.

    Attributes:
        rho: The distance ρ, over all weights together; 0 is plain training.
    """

    paper: ClassVar[str] = "Foret et al. 2021 (2010.01412); Mehta et al. 2023 (2112.09153)"

    rho: Annotated[float, Ge(0)] = 0.05

    def around_gradient(self, learner: Learner, batch: Batch, find: FindGradient) -> Tensor:
        """Take the gradient at w + e."""
        if self.rho == 0:
            return find()
        draws = Draws(learner)
        loss = find()
        with climbed(learner.parameters(), self.rho), statistics_kept(learner.model):
            draws.rewind()
            find()
        return loss


class Draws:
    """Where the random generators of a step stood."""

    def __init__(self, learner: Learner) -> None:
        """Note where they stand: the learner's, and those of dropout."""
        self.learner = learner
        self.own = learner.generator.get_state()
        self.cpu = torch.get_rng_state()
        self.on_gpu = learner.device.type == "cuda"
        self.gpu = torch.cuda.get_rng_state(learner.device) if self.on_gpu else None

    def rewind(self) -> None:
        """Put them back, so that the same is drawn again."""
        self.learner.generator.set_state(self.own)
        torch.set_rng_state(self.cpu)
        if self.gpu is not None:
            torch.cuda.set_rng_state(self.gpu, self.learner.device)


@contextmanager
def climbed(parameters: Sequence[Tensor], rho: float) -> Iterator[None]:
    """Add e = ρ g / ‖g‖ to `parameters` inside; afterwards each has the very bits that it had.

    Those without a gradient stay where they are; without any, or where all are zero, e = 0.
    """
    moved = [(p, p.grad) for p in parameters if p.grad is not None]
    kept = [p.detach().clone() for p, _ in moved]
    with torch.no_grad():
        lengths = [slope.norm() for _, slope in moved]
        length = torch.stack(lengths).norm() if lengths else torch.ones(())
        factor = rho / length.clamp(min=torch.finfo(length.dtype).tiny)
        for p, slope in moved:
            p.addcmul_(slope, factor)
    try:
        yield
    finally:
        with torch.no_grad():
            for (p, _), value in zip(moved, kept, strict=True):
                p.copy_(value)
