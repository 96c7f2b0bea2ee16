"""The path of the weights through training and sleep, seen in few dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bioncl.analysis.fitting import check_positive, check_same_layers
from bioncl.analysis.undefined import divide

_BLOCK = 1 << 17  # weights at a time, so that memory stays small


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Principal components of snapshots of the weights.

    Attributes:
        coordinates: Place of each snapshot, in units of weights: float64 [snapshots, components].
            The sign of a component is such that its largest coordinate is positive.
        explained: Share of the variance of each component: float64 [components]; NaN if the
            snapshots are all the same.
    """

    coordinates: NDArray[np.float64]
    explained: NDArray[np.float64]


def trajectory(snapshots: Sequence[Sequence[NDArray]], components: int = 3) -> Trajectory:
    """PCA of the weights, from products between snapshots ([snapshots, snapshots]) only.

    Costs snapshots² × weights and little memory, however many weights there are.

    Args:
        snapshots: The layers' weights [post, pre] at each time, at least one.
        components: How many; at most as many as there are snapshots.

    Raises:
        InputError: No snapshot, or layers of two snapshots differ in number or shape.
    """
    count = len(snapshots)
    check_positive(count, "the number of snapshots")
    for snapshot in snapshots:
        check_same_layers(snapshots[0], snapshot, "snapshots")
    gram = np.zeros((count, count))
    for layer in zip(*snapshots, strict=True):
        gram += _products([weights.reshape(-1) for weights in layer])
    gram -= gram.mean(axis=0)
    gram -= gram.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(gram)
    values = values[::-1].clip(min=0.0)
    coordinates = (vectors[:, ::-1] * np.sqrt(values))[:, :components]
    signs = np.sign(
        coordinates[np.abs(coordinates).argmax(axis=0), np.arange(coordinates.shape[1])]
    )
    return Trajectory(coordinates * signs, divide(values, values.sum())[:components])


def _products(vectors: list[NDArray]) -> NDArray[np.float64]:
    """Scalar products of all pairs, each vector taken less the first: [vectors, vectors]."""
    total = np.zeros((len(vectors), len(vectors)))
    for start in range(0, len(vectors[0]), _BLOCK):
        block = np.stack([v[start : start + _BLOCK] for v in vectors]).astype(np.float64)
        block -= block[0].copy()  # small differences of large weights keep their digits
        total += block @ block.T
    return total
