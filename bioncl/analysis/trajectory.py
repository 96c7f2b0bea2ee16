"""The path of the weights through training and sleep, seen in few dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bioncl.analysis.fitting import check_positive, check_same_layers, check_same_shape
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
        gram += layer_products(layer)
    return trajectory_of(gram, components)


def layer_products(snapshots: Sequence[NDArray]) -> NDArray[np.float64]:
    """Products of all pairs of snapshots, each taken less the first: [snapshots, snapshots].

    Those of several layers add up to those of all their weights, so that layers can be read from a
    file one by one.

    Args:
        snapshots: One layer's weights [post, pre] at each time.

    Raises:
        InputError: Shapes differ.
    """
    for weights in snapshots:
        check_same_shape(snapshots[0], weights, "snapshots")
    vectors = [weights.reshape(-1) for weights in snapshots]
    total = np.zeros((len(vectors), len(vectors)))
    for start in range(0, vectors[0].size, _BLOCK):
        block = np.stack([v[start : start + _BLOCK] for v in vectors]).astype(np.float64)
        block -= block[0].copy()  # small differences of large weights keep their digits
        total += block @ block.T
    return total


def trajectory_of(products: NDArray[np.float64], components: int = 3) -> Trajectory:
    """PCA from `layer_products` [snapshots, snapshots], or a sum of them."""
    gram = products - products.mean(axis=0)
    gram -= gram.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(gram)
    values = values[::-1].clip(min=0.0)
    coordinates = (vectors[:, ::-1] * np.sqrt(values))[:, :components]
    largest = np.abs(coordinates).argmax(axis=0)
    signs = np.sign(coordinates[largest, np.arange(coordinates.shape[1])])
    return Trajectory(coordinates * signs, divide(values, values.sum())[:components])


def path_lengths(products: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance from each snapshot to the next: float64 [snapshots − 1]."""
    own = np.diagonal(products)
    squares = own[1:] + own[:-1] - 2 * np.diagonal(products, 1)
    return np.sqrt(squares.clip(min=0.0))
