"""GEM, Gradient Episodic Memory: no step may raise the loss on the memory of an old task.

With g the gradient of the batch and g_k that of the memory of old task k (rows of G), a step uses g
if no ⟨g, g_k⟩ is negative, and otherwise

    g̃ = g + Gᵀ v,   v = argmin ½ vᵀ (G Gᵀ + ridge·I) v + (G g)ᵀ v   subject to v ≥ margin

With margin and ridge 0 this is the vector nearest to g with G g̃ ≥ 0. With v = margin + w it becomes
a non-negative least-squares problem in as many numbers as there are old tasks, whatever the size of
the network: the gradients enter by their products alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import numpy as np
import torch
from annotated_types import Ge
from numpy.typing import NDArray
from scipy.optimize import nnls
from torch import Tensor

from bioncl.learning.learner import Learner
from bioncl.learning.memory import RingMemory, tasks_of
from bioncl.learning.mixing import append
from bioncl.learning.storing import StoringAsLearnt
from bioncl.streams.stream import Batch, Task


@dataclass
class GEM(StoringAsLearnt[RingMemory]):
    """Projection of the gradient onto what harms no old task.

    Attributes:
        memory: Latest examples kept of each task.
        margin: Least weight v of every old task's gradient, γ; above 0 old tasks gain more than
            they need ("memory strength" of the authors' code).
        ridge: Added to the diagonal of G Gᵀ, as in the authors' code.
        mix_memory: Train on the memories too: they are appended to each task's data, repeated to
            be about as many, as Hsu et al. 2018 ran GEM. Not part of GEM.
    """

    paper: ClassVar[str] = "Lopez-Paz & Ranzato 2017 (1706.08840)"

    memory: Annotated[int, Ge(1)] = 256
    margin: Annotated[float, Ge(0)] = 0.5
    ridge: Annotated[float, Ge(0)] = 1e-3
    mix_memory: bool = False
    memories: list[Batch] = field(default_factory=list, init=False, repr=False)

    def before_task(self, learner: Learner, task: Task) -> None:
        """Lay out the memories of old tasks, which stay as they are during this one."""
        old = self.opened(learner).before(task.index)
        tasks = tasks_of(old)
        self.memories = []
        for index in tasks.unique().tolist():
            mine = tasks == index
            self.memories.append(Batch(old.x[mine], old.y[mine], index).to(learner.device))
        if self.mix_memory and len(old):
            append(learner, old, repeat=True)

    def adjust_gradient(self, learner: Learner, batch: Batch) -> None:
        """Project the gradient if it would raise the loss of an old task."""
        if not self.memories:
            return
        old = learner.gradients_of(self.memories)
        gradient = learner.gradient()
        projected = project(gradient, old, self.margin, self.ridge)
        if projected is not gradient:
            learner.set_gradient(projected)

    def new_store(self, outputs: int) -> RingMemory:
        """See `Storing`."""
        return RingMemory(self.memory, by="task")


def project(gradient: Tensor, old: Tensor, margin: float, ridge: float) -> Tensor:
    """The gradient g̃ of the module's formula; `gradient` itself where nothing is violated.

    Args:
        gradient: g [p].
        old: G [t, p], the gradient of each old task's memory.
        margin: Least entry of v.
        ridge: Added to the diagonal of G Gᵀ.
    """
    products = old @ gradient
    if bool((products >= 0).all()):
        return gradient
    gram = (old @ old.T).double().cpu().numpy()
    if not np.isfinite(gram).all():
        return gradient  # training has blown up, which the loop tells better
    v = dual(gram, products.double().cpu().numpy(), margin, ridge)
    return gradient + torch.from_numpy(v).to(old) @ old


def dual(
    gram: NDArray[np.float64], products: NDArray[np.float64], margin: float, ridge: float
) -> NDArray[np.float64]:
    """The v that minimises ½ vᵀ (gram + ridge·I) v + productsᵀ v subject to v ≥ margin: [t].

    With P = gram + ridge·I = RᵀR and v = margin + w this is min ‖R w + R⁻ᵀ (products + P margin)‖
    over w ≥ 0. R comes from the eigenvectors, so gradients that depend on each other do no harm.
    """
    count = len(products)
    matrix = gram + ridge * np.eye(count)
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    kept = values > 1e-13 * values[-1]
    root, basis = np.sqrt(values[kept]), vectors[:, kept]
    linear = products + matrix.sum(1) * margin
    w, _ = nnls(root[:, None] * basis.T, -(basis.T @ linear) / root, maxiter=30 * count)
    return np.asarray(margin + w, np.float64)
