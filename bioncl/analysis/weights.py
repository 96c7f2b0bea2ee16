"""What a night did to the weights: how many changed, how far, in which direction.

Weights are [post, pre], as the layers have them; one layer at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bioncl.analysis.fitting import check_positive, check_same_shape
from bioncl.analysis.undefined import divide
from bioncl.seeding import numpy_generator


def difference(before: NDArray, after: NDArray) -> NDArray[np.float64]:
    """After less before, in float64 [post, pre].

    Raises:
        InputError: The shapes differ.
    """
    check_same_shape(before, after, "weights before and after")
    return after.astype(np.float64) - before.astype(np.float64)


@dataclass(frozen=True, eq=False)
class WeightChange:
    """Changes of one layer's synapses, after less before; means are NaN without synapses.

    Attributes:
        up: Synapses that grew.
        down: Synapses that shrank.
        unchanged: Synapses that are the same.
        mean: Mean change.
        mean_absolute: Mean magnitude of the change.
        relative: Norm of the change over the norm of the weights before; NaN if those are 0.
    """

    up: int
    down: int
    unchanged: int
    mean: float
    mean_absolute: float
    relative: float


def weight_change(before: NDArray, after: NDArray) -> WeightChange:
    """Count and measure the changes of all synapses [post, pre].

    Raises:
        InputError: The shapes differ.
    """
    change = difference(before, after)
    up, down = int((change > 0).sum()), int((change < 0).sum())
    return WeightChange(
        up,
        down,
        change.size - up - down,
        float(divide(change.sum(), change.size)),
        float(divide(np.abs(change).sum(), change.size)),
        float(divide(np.linalg.norm(change), np.linalg.norm(before.astype(np.float64)))),
    )


@dataclass(frozen=True, eq=False)
class WeightHistograms:
    """Histograms of one layer's weights and of their changes.

    Attributes:
        edges: Of the bins of weights: float64 [bins + 1].
        before: Synapses in each bin before the night: int64 [bins].
        after: Synapses in each bin afterwards: int64 [bins].
        change_edges: Of the bins of changes, symmetric around 0: float64 [bins + 1].
        change: Synapses in each bin of change: int64 [bins].
    """

    edges: NDArray[np.float64]
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    change_edges: NDArray[np.float64]
    change: NDArray[np.int64]


def weight_histograms(before: NDArray, after: NDArray, bins: int = 101) -> WeightHistograms:
    """Histograms of weights [post, pre] over their range, 0 included, and of their changes.

    With an odd number of bins, synapses that did not change are in the middle one.

    Raises:
        InputError: The shapes differ, or fewer than one bin.
    """
    check_positive(bins, "the number of bins")
    change = difference(before, after)
    values = np.stack([before, after]).astype(np.float64)
    whole = float(values.min(initial=0.0)), float(values.max(initial=0.0))
    far = float(np.abs(change).max(initial=0.0))
    earlier, edges = np.histogram(values[0], bins, whole)
    later, _ = np.histogram(values[1], bins, whole)
    changes, change_edges = np.histogram(change, bins, (-far, far))
    return WeightHistograms(edges, earlier, later, change_edges, changes)


@dataclass(frozen=True, eq=False)
class SynapseSample:
    """Some synapses, in order of their place.

    Attributes:
        post: Row of each: int64 [synapses].
        pre: Column of each: int64 [synapses].
        before: Weight before the night [synapses].
        after: Weight afterwards [synapses].
    """

    post: NDArray[np.int64]
    pre: NDArray[np.int64]
    before: NDArray
    after: NDArray


def synapse_sample(
    before: NDArray, after: NDArray, size: int = 10_000, seed: int = 0
) -> SynapseSample:
    """A random sample of the synapses [post, pre] for a scatter plot, the same for each `seed`.

    Args:
        before: Weights before the night.
        after: Weights afterwards.
        size: How many synapses; all of them if there are fewer.
        seed: Of the sample.

    Raises:
        InputError: The shapes differ.
    """
    check_same_shape(before, after, "weights before and after")
    generator = numpy_generator(seed, "analysis", "synapses")
    size = min(size, before.size)
    chosen = np.sort(generator.choice(before.size, size, replace=False, shuffle=False))
    post, pre = np.divmod(chosen, max(before.shape[1], 1))
    return SynapseSample(post, pre, before[post, pre], after[post, pre])


def stable_rank(weights: NDArray) -> float:
    """‖W‖²_F / ‖W‖²₂, a rank that small singular values do not count for (Rudelson & Vershynin).

    Between 1 and the rank; NaN if all weights are 0.

    Args:
        weights: [post, pre].
    """
    from scipy.sparse.linalg import svds

    scaled = weights.astype(np.float64)
    scaled = scaled / (np.abs(scaled).max(initial=0.0) or 1.0)
    squares = float((scaled**2).sum())
    if min(scaled.shape) < 2 or squares == 0:
        return 1.0 if squares else np.nan
    start = numpy_generator(0, "analysis", "stable rank").normal(size=min(scaled.shape))
    largest = svds(scaled, k=1, v0=start, return_singular_vectors=False)[0]
    return squares / float(largest) ** 2


def row_cosines(before: NDArray, after: NDArray) -> NDArray[np.float64]:
    """Cosine between each neuron's incoming weights before and after: float64 [post].

    NaN for a neuron whose weights are all 0 on either side.

    Raises:
        InputError: The shapes differ.
    """
    check_same_shape(before, after, "weights before and after")
    first, second = before.astype(np.float64), after.astype(np.float64)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return divide((first * second).sum(axis=1), lengths).clip(-1.0, 1.0)
