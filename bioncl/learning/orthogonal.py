"""Orthonormal rows: what lies along them taken out, and new ones added.

Rounding leaves about 1e-7 of a vector's length along rows that it should be orthogonal to. Where
little of the vector is left, that is a large share of it, so it is taken out twice; twice is enough
(Daniel, Gragg, Kaufman & Stewart 1976).
"""

from __future__ import annotations

import torch
from torch import Tensor

LITTLE = 0.5
"""Share of the length left below which a second pass is needed."""

BLOCK = 50
"""Rows that are made orthogonal to each other one by one, after a product with all others."""


def off(rows: Tensor, basis: Tensor) -> Tensor:
    """`rows` [n, p] without what lies along `basis` [k, p], whose rows are orthonormal."""
    left = rows - (rows @ basis.T) @ basis
    if left.norm() < LITTLE * rows.norm():
        left = left - (left @ basis.T) @ basis
    return left


def extended(basis: Tensor, rows: Tensor, least: float) -> Tensor:
    """`basis` [k, p] with what `rows` [n, p] add to it, orthonormal: [k + at most n, p].

    Args:
        basis: Orthonormal rows; none of them changes.
        rows: What the result has to span, too.
        least: A row is dropped if less than this share of its length lies off the others.
    """
    for block in rows.split(BLOCK):
        lengths = block.norm(dim=1)
        once = gram_schmidt(off(block, basis), least * lengths)
        # dropping is over; the second round makes up for what the first one rounded
        twice = gram_schmidt(off(once, basis), torch.zeros(len(once)))
        basis = torch.cat([basis, twice])
    return basis


def gram_schmidt(rows: Tensor, least: Tensor) -> Tensor:
    """Orthonormal rows, one for each of `rows` [n, p] of which more than `least` [n] is left."""
    found = rows.new_empty(rows.shape)  # row by row in memory, however `rows` are
    count = 0
    for row, bound in zip(rows, least.tolist(), strict=True):
        left = off(row[None], found[:count])[0]
        length = float(left.norm())
        if length > bound:
            found[count] = left / length
            count += 1
    return found[:count]
