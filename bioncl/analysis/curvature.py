"""The largest curvature of a loss: the top eigenvalue of its Hessian, without ever forming it.

    H v = ∇(∇L · v)        one more backward pass through the gradient
    Lanczos (1950): the extreme eigenvalues of H restricted to span{v, Hv, H²v, …} come near those
    of H after a few steps, the sooner the further they stand out

The largest eigenvalue in order is found, not in size: a saddle's steepest way down does not count.
The basis is kept orthogonal in full, which costs a vector of the network's size a step.

This is the only analysis that works on torch tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Product = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class TopEigenvalue:
    """An eigenvalue and how well it is known.

    Attributes:
        value: λ.
        vector: Its unit eigenvector v [n].
        residual: ‖H v − λ v‖ as Lanczos estimates it; some eigenvalue is no further from λ.
        products: How often H was multiplied.
    """

    value: float
    vector: Tensor
    residual: float
    products: int


def hessian_product(
    losses: Callable[[], Iterable[Tensor]], parameters: Sequence[Tensor]
) -> Product:
    """Multiplication by the Hessian H of a sum of losses.

    Args:
        losses: Gives the terms anew at each call, such as one a batch: the graph of one term at a
            time is held.
        parameters: What H is taken over; v and H v [n] follow their order.
    """
    chosen = list(parameters)

    def product(vector: Tensor) -> Tensor:
        total = torch.zeros_like(vector)
        for loss in losses():
            slopes = _gradient(loss, chosen, create_graph=True)
            along = slopes @ vector
            if along.requires_grad:  # else the loss is linear, and H is zero
                total += _gradient(along, chosen, create_graph=False)
        return total

    return product


def _gradient(value: Tensor, parameters: list[Tensor], *, create_graph: bool) -> Tensor:
    """Gradient of `value` as one vector, zero where it does not depend on a parameter."""
    found = torch.autograd.grad(
        value, parameters, create_graph=create_graph, allow_unused=True, materialize_grads=True
    )
    return torch.cat([part.reshape(-1) for part in found])


def top_eigenvalue(
    product: Product, start: Tensor, *, steps: int = 100, tolerance: float = 1e-3
) -> TopEigenvalue:
    """The largest eigenvalue of a symmetric matrix, by Lanczos.

    Args:
        product: Multiplies a vector [n] by the matrix.
        start: A random vector [n]; its dtype and device are used throughout.
        steps: At most so many multiplications.
        tolerance: Stop when the residual is at most this share of |λ|.
    """
    basis = [start / start.norm()]
    diagonal: list[float] = []
    beside: list[float] = []
    while True:
        following = product(basis[-1])
        diagonal.append(float(following @ basis[-1]))
        for _ in range(2):  # once does not suffice in single precision
            stacked = torch.stack(basis)
            following = following - (stacked @ following) @ stacked
        length = float(following.norm())
        value, weights = _top_of_tridiagonal(diagonal, beside)
        residual = length * abs(float(weights[-1]))
        exhausted = len(basis) >= min(steps, len(start)) or length == 0
        if exhausted or residual <= tolerance * abs(value):
            vector = weights.to(start) @ torch.stack(basis)
            return TopEigenvalue(value, vector / vector.norm(), residual, len(basis))
        basis.append(following / length)
        beside.append(length)


def _top_of_tridiagonal(diagonal: list[float], beside: list[float]) -> tuple[float, Tensor]:
    """Largest eigenvalue of a symmetric tridiagonal matrix and its eigenvector, in float64."""
    matrix = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
    if beside:
        off = torch.tensor(beside, dtype=torch.float64)
        matrix = matrix + torch.diag(off, 1) + torch.diag(off, -1)
    values, vectors = torch.linalg.eigh(matrix)
    return float(values[-1]), vectors[:, -1]
