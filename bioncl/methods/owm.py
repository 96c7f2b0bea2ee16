"""OWM, Orthogonal Weight Modification: steps leave alone what old inputs of a layer bring about.

Each layer has a projector P on its inputs (with a constant 1 for the bias), at first the identity.
After each batch, with r the mean of the layer's inputs over the batch,

    k = P r,   P ← P − k kᵀ / (α + rᵀk)           recursive least squares

so that P = (I + Σ r rᵀ / α)⁻¹ = I − A (AᵀA + αI)⁻¹ Aᵀ for constant α, A having all r as columns.
Steps take the gradient G [out, in] as G P: what is orthogonal to all inputs so far.

G P costs 2·out·in² operations for a linear layer, more than all the rest of a step. But G = δᵀX,
with X [n, in] the inputs of n examples and δ [n, out] the gradients at the outputs, so δᵀ(X P)
gives the same in 2·n·in·(in + out): ten times less for 40 examples and a layer of 785 → 800. It is
used where it is cheaper and G is all made of these, not if another method has changed it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Gt, Interval, MinLen
from torch import Tensor, nn

from bioncl.learning.affine import (
    Affine,
    Call,
    Places,
    gradient,
    of_place,
    places,
    recorded,
    size,
    vectors,
    write_gradient,
)
from bioncl.learning.importance import Named
from bioncl.learning.learner import Learner
from bioncl.learning.method import FindGradient, Method
from bioncl.learning.plain_sgd import demand_plain_sgd
from bioncl.learning.planned import planned_steps
from bioncl.learning.pull import with_prefix, without_prefix
from bioncl.learning.task_heads import heads_apart
from bioncl.streams.stream import Batch, Task

SAME = 1e-5
"""Share of a product's length by which rounding may move it."""


@dataclass
class OWM(Method):
    """Projection of each layer's gradient off the mean inputs of all batches so far.

    Attributes:
        alpha: α of each layer, the last number for all further ones; smaller ones forget less.
        alpha_decay: Factor on α over each task, likewise: α · decay^λ, with λ growing from 0 to 1.
        clip: Greatest length of a layer's gradient before projection; 0 for any.
    """

    paper: ClassVar[str] = "Zeng, Chen, Cui & Yu 2019 (1810.01256)"

    alpha: Annotated[tuple[Annotated[float, Gt(0)], ...], MinLen(1)] = (1.0,)
    alpha_decay: Annotated[tuple[Annotated[float, Interval(gt=0, le=1)], ...], MinLen(1)] = (1.0,)
    clip: Annotated[float, Ge(0)] = 10.0
    projectors: Named = field(default_factory=dict, init=False, repr=False)
    layers: Places = field(default_factory=dict, init=False, repr=False)
    calls: list[Call] = field(default_factory=list, init=False, repr=False)
    steps: int = field(default=0, init=False, repr=False)

    def attach(self, learner: Learner) -> None:
        """Refuse optimisers and layers that leave the projection.

        Raises:
            UnsupportedError: Says which, and what would suit.
        """
        demand_plain_sgd(learner.training, "owm")
        places(learner.model, "owm", head=True)

    def before_task(self, learner: Learner, task: Task) -> None:
        """Find the layers; those that have no projector yet get the identity."""
        apart = heads_apart(learner.model, learner.stream.scenario)
        self.layers, self.steps = places(learner.model, "owm", head=not apart), 0
        for name, layers in self.layers.items():
            kept = self.projectors.get(name)
            new = torch.eye(size(layers[0])) if kept is None else kept
            self.projectors[name] = new.to(learner.device)

    def around_gradient(self, learner: Learner, batch: Batch, find: FindGradient) -> Tensor:
        """Note what the layers meet while the gradient is taken."""
        with recorded(layer for layers in self.layers.values() for layer in layers) as calls:
            loss = find()
        self.calls = [call for call in calls if call.delta is not None]
        return loss

    def adjust_gradient(self, learner: Learner, batch: Batch) -> None:
        """Bring the projectors up to date, and project the gradient."""
        done = self.steps / max(planned_steps(learner), 1)
        for place, (name, layers) in enumerate(self.layers.items()):
            met = of_place(layers, self.calls)
            if met:
                alpha = self.alpha_of(place, done)
                update(self.projectors[name], mean_vectors(met), alpha)
            for layer in layers:
                mine = [call for call in self.calls if call.layer is layer]
                self.project(layer, self.projectors[name], mine)
        self.calls = []

    def after_step(self, learner: Learner, batch: Batch) -> None:
        """Count the step."""
        self.steps += 1

    def alpha_of(self, place: int, done: float) -> float:
        """α of the layer at `place`, from 0, when this share of the task is done."""
        start = self.alpha[min(place, len(self.alpha) - 1)]
        decay = self.alpha_decay[min(place, len(self.alpha_decay) - 1)]
        return float(start * decay**done)

    def project(self, layer: Affine, projector: Tensor, calls: Sequence[Call]) -> None:
        """Clip the gradient of `layer` and multiply it by `projector`."""
        found = gradient(layer)
        if found is None:
            return
        factor = min(1.0, self.clip / max(float(found.norm()), 1e-30)) if self.clip else 1.0
        write_gradient(layer, factor * product(found, projector, calls))

    def state(self) -> dict[str, Tensor]:
        """See `Method`."""
        return with_prefix("projector", self.projectors)

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """See `Method`."""
        self.projectors = {k: v.clone() for k, v in without_prefix("projector", state).items()}


def mean_vectors(calls: Sequence[Call]) -> Tensor:
    """What a layer meets for the mean of all inputs: [places, in]; one row if it is linear."""
    x = torch.cat([call.x for call in calls])
    return vectors(calls[0].layer, x.mean(0, keepdim=True))


def update(projector: Tensor, rows: Tensor, alpha: float) -> None:
    """Change P [in, in] in place as if each of `rows` [n, in] were taken in by one recursion."""
    if len(rows) == 1:
        k = projector @ rows[0]
        k /= (alpha + rows[0] @ k).sqrt()
        projector.addr_(k, k, alpha=-1)
        return
    old, wide = projector.double(), rows.double()
    one = torch.eye(min(rows.shape), dtype=old.dtype, device=old.device)
    if len(rows) <= len(old):
        k = wide @ old
        root = torch.linalg.cholesky(alpha * one + k @ wide.T)
        half = torch.linalg.solve_triangular(root, k, upper=False)
        projector.copy_(old - half.T @ half)
    else:
        new = torch.linalg.solve(one + old @ (wide.T @ wide) / alpha, old)
        projector.copy_((new + new.T) / 2)


def product(found: Tensor, projector: Tensor, calls: Sequence[Call]) -> Tensor:
    """The gradient `found` [out, in] times P, by its factors where that is quicker."""
    post, pre = found.shape
    if not calls or not all(
        isinstance(call.layer, nn.Linear) and call.x.dim() == 2 for call in calls
    ):
        return found @ projector
    if sum(len(call.x) for call in calls) * (pre + post) > pre * post:
        return found @ projector
    x = torch.cat([vectors(call.layer, call.x) for call in calls])
    delta = torch.cat([call.delta for call in calls if call.delta is not None])
    return delta.T @ (x @ projector) if explained(found, delta, x) else found @ projector


def explained(found: Tensor, delta: Tensor, x: Tensor) -> bool:
    """Whether found = δᵀx, by their products with one random vector (Freivalds 1977)."""
    generator = torch.Generator().manual_seed(len(x))
    probe = torch.randn(x.shape[1], generator=generator).to(found)
    wanted = found @ probe
    return bool((delta.T @ (x @ probe) - wanted).norm() <= SAME * wanted.norm())
