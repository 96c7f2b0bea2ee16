"""Product quantisation (Jégou, Douze & Schmid 2011): vectors as a few bytes each.

A vector is cut into parts of equal width; each part is stored as the number of the nearest of up
to 256 centroids, its codebook, found by k-means. Decoding puts the centroids side by side.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from bioncl.errors import UnsupportedError, describe
from bioncl.seeding import derive, torch_generator

PER_CENTROID = 64
"""Vectors for each centroid that k-means looks at; more make it slower and hardly better."""

CHUNK = 2**22
"""Distances that are worked out at a time."""


@dataclass(frozen=True, eq=False)
class ProductQuantiser:
    """Codebooks, float32 [parts, centroids, width]."""

    codebooks: Tensor

    @classmethod
    def fit(cls, vectors: Tensor, parts: int, centroids: int, seed: int) -> Self:
        """Find the codebooks of `vectors` [n, parts · width] by k-means.

        Args:
            vectors: What to quantise; drawn from if they are many.
            parts: Parts of a vector, one byte each.
            centroids: Centroids of a part, 256 at most; fewer if there are fewer vectors.
            seed: Fixes the draw and k-means.

        Raises:
            UnsupportedError: The parts do not divide the vectors.
        """
        if vectors.shape[1] % parts:
            expected = f"a divisor of {vectors.shape[1]}, the numbers of a feature vector"
            what = "Number of parts of a product quantiser"
            raise UnsupportedError(describe(what, expected=expected, got=parts))
        generator = torch_generator(seed, "quantiser", "vectors")
        chosen = torch.randperm(len(vectors), generator=generator)[: PER_CENTROID * centroids]
        some = vectors[chosen.to(vectors.device)].unflatten(1, (parts, -1)).cpu()
        count = min(centroids, len(some))
        books = [
            k_means(some[:, part], count, derive(seed, "quantiser", part)) for part in range(parts)
        ]
        return cls(torch.stack(books).to(vectors))

    def encode(self, vectors: Tensor) -> Tensor:
        """Numbers of the nearest centroids: uint8 [n, parts]."""
        parts, centroids, width = self.codebooks.shape
        lengths, books = self.codebooks.square().sum(2), self.codebooks.transpose(1, 2)
        codes = []
        for some in vectors.split(max(1, CHUNK // (parts * centroids))):
            pieces = some.reshape(-1, parts, width).transpose(0, 1)
            # ‖v − c‖² less ‖v‖², which is the same for all centroids
            distances = torch.baddbmm(lengths[:, None], pieces, books, alpha=-2)
            codes.append(smallest(distances).T.to(torch.uint8))
        return torch.cat(codes)

    def decode(self, codes: Tensor) -> Tensor:
        """The vectors [n, parts · width] that `codes` stand for."""
        places = torch.arange(len(self.codebooks), device=codes.device)
        return self.codebooks[places, codes.long()].flatten(1)

    def to(self, device: torch.device) -> ProductQuantiser:
        """The same quantiser on another device."""
        return ProductQuantiser(self.codebooks.to(device))


def smallest(distances: Tensor) -> Tensor:
    """Places of the smallest numbers along the last axis: int64."""
    if distances.device.type == "cpu":  # where NumPy takes a quarter of torch's time
        return torch.from_numpy(distances.numpy().argmin(-1))
    return distances.argmin(-1)


def k_means(points: Tensor, count: int, seed: int) -> Tensor:
    """The centroids [count, width] of `points`; those that are not needed repeat others."""
    # imported here, since scikit-learn takes a second
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    # starting from random points, as faiss does, takes a tenth of the time of k-means++
    found = KMeans(count, init="random", n_init=1, max_iter=25, random_state=seed % 2**32)
    # with one thread, sums do not depend on how many cores there are
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different points than centroids
        found.fit(points.contiguous().numpy())
    return torch.from_numpy(found.cluster_centers_)
