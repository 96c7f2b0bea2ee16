"""GPM, Gradient Projection Memory: steps leave alone what most inputs of each layer bring about.

After a task, the inputs of a layer for some examples are the columns of R. The basis M of the layer
[in, k], at first empty, is extended by the first left singular vectors of what it misses,

    R̂ = R − M Mᵀ R,    as few as give   ‖M Mᵀ R‖² + ‖R̂_k‖² ≥ ε ‖R‖²     (Frobenius norms)

with R̂_k the approximation of rank k. Steps of later tasks take the gradient G [out, in] as
G − G M Mᵀ. Inputs of convolutions are the patches under the kernel, of all places; a bias counts as
a weight from an input that is always 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Interval, MinLen
from torch import Tensor

from bioncl.learning.affine import (
    Call,
    Places,
    gradient,
    of_place,
    places,
    recorded,
    vectors,
    write_gradient,
)
from bioncl.learning.fisher import drawn
from bioncl.learning.importance import Named, evaluating
from bioncl.learning.learner import Learner
from bioncl.learning.method import Method
from bioncl.learning.orthogonal import extended, off
from bioncl.learning.plain_sgd import demand_plain_sgd
from bioncl.learning.pull import on, with_prefix, without_prefix
from bioncl.learning.task_heads import heads_apart
from bioncl.streams.stream import Batch, Task

CHUNK = 100
"""Examples whose patches are laid out at a time."""

NOTHING = 1e-12
"""Share of all energy below which a direction is taken to be rounding."""


@dataclass
class GPM(Method):
    """Steps orthogonal to the main directions of each layer's old inputs.

    Attributes:
        threshold: ε of each layer, the last number for all further ones.
        threshold_step: Added to ε from one task to the next; ε never exceeds 1.
        samples: Examples of each task whose inputs are looked at.
    """

    paper: ClassVar[str] = "Saha, Garg & Roy 2021 (2103.09762)"

    threshold: Annotated[tuple[Annotated[float, Interval(gt=0, le=1)], ...], MinLen(1)] = (
        0.95,
        0.99,
    )
    threshold_step: Annotated[float, Ge(0)] = 0.0
    samples: Annotated[int, Ge(1)] = 300
    bases: Named = field(default_factory=dict, init=False, repr=False)
    layers: Places = field(default_factory=dict, init=False, repr=False)

    def attach(self, learner: Learner) -> None:
        """Refuse optimisers and layers that leave the projection.

        Raises:
            UnsupportedError: Says which, and what would suit.
        """
        demand_plain_sgd(learner.training, "gpm")
        places(learner.model, "gpm", head=True)

    def before_task(self, learner: Learner, task: Task) -> None:
        """Find the layers."""
        apart = heads_apart(learner.model, learner.stream.scenario)
        self.layers = places(learner.model, "gpm", head=not apart)
        self.bases = on(learner.device, self.bases)

    def adjust_gradient(self, learner: Learner, batch: Batch) -> None:
        """Take what lies along the basis out of each layer's gradient."""
        for name, layers in self.layers.items():
            for layer in layers:
                found = gradient(layer) if name in self.bases else None
                if found is not None:
                    write_gradient(layer, off(found, self.bases[name]))

    def after_task(self, learner: Learner, task: Task) -> None:
        """Extend each layer's basis by what this task's inputs need."""
        for place, (name, gram) in enumerate(self.grams(learner, task).items()):
            epsilon = self.threshold[min(place, len(self.threshold) - 1)]
            epsilon = min(epsilon + self.threshold_step * task.index, 1.0)
            old = self.bases.get(name, torch.empty(0, len(gram), device=learner.device))
            self.bases[name] = extended(old, needed(gram, old, epsilon), 0.5)

    def grams(self, learner: Learner, task: Task) -> Named:
        """R Rᵀ [in, in] of each layer, in double precision, from some of the task's examples."""
        model = learner.model
        model.use_task(task.index if learner.stream.scenario == "task" else None)
        examples = drawn(task.train, self.samples, learner.seed, task.index)
        sums: Named = {}
        for x in examples.x.split(CHUNK):
            with (
                evaluating(model),
                torch.no_grad(),
                recorded(layer for layers in self.layers.values() for layer in layers) as calls,
            ):
                model(x.to(learner.device))
            for name, layers in self.layers.items():
                for call in of_place(layers, calls):
                    found = outer(call)
                    sums[name] = sums[name] + found if name in sums else found
        return sums

    def state(self) -> dict[str, Tensor]:
        """See `Method`."""
        return with_prefix("basis", self.bases)

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """See `Method`."""
        # copied, so that it lies in memory as in a run that was not stopped, and is summed alike
        self.bases = {k: v.clone() for k, v in without_prefix("basis", state).items()}


def outer(call: Call) -> Tensor:
    """R Rᵀ [in, in] of the vectors that a layer met."""
    rows = vectors(call.layer, call.x).double()
    return rows.T @ rows


def needed(gram: Tensor, basis: Tensor, epsilon: float) -> Tensor:
    """The singular vectors of R̂ that the basis needs, as rows [k, in]; see the module.

    Args:
        gram: R Rᵀ [in, in] in double precision: the singular vectors of R̂ are the eigenvectors of
            R̂ R̂ᵀ, and squares of its singular values the eigenvalues.
        basis: M, as rows [k, in].
        epsilon: ε.
    """
    total = gram.diagonal().sum()
    rest = off(off(gram, basis.double()).T, basis.double())
    values, found = torch.linalg.eigh((rest + rest.T) / 2)
    values, found = values.flip(0).clamp(min=0), found.flip(1)
    lacking = epsilon * total - (total - values.sum())
    if lacking <= 0:
        return basis[:0]
    count = int((values.cumsum(0) < lacking).sum()) + 1
    count = min(count, int((values > NOTHING * total).sum()))
    return found.T[:count].to(basis)
