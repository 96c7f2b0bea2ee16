"""What a layer of a network makes of its inputs, as codes of a few bytes.

Features [n, width] are one vector an example. Maps [n, channels, height, width] are one vector of
channels for each pixel, and codes stand pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bioncl.learning.importance import evaluating
from bioncl.learning.quantiser import ProductQuantiser
from bioncl.models.backbone import Backbone


@dataclass(frozen=True, eq=False)
class FeatureCodes:
    """Features as codes, and back.

    Attributes:
        shape: Shape of one example's features.
        quantiser: Codes of vectors.
    """

    shape: tuple[int, ...]
    quantiser: ProductQuantiser

    def encode(self, found: Tensor) -> Tensor:
        """Codes of features [n, *shape]: uint8 [n, bytes]."""
        return self.quantiser.encode(as_vectors(found)).reshape(len(found), -1)

    def decode(self, codes: Tensor) -> Tensor:
        """The features [n, *shape] that codes [n, bytes] stand for."""
        rows = codes.reshape(-1, len(self.quantiser.codebooks))
        return as_features(self.quantiser.decode(rows), self.shape)

    def to(self, device: torch.device) -> FeatureCodes:
        """The same on another device."""
        return FeatureCodes(self.shape, self.quantiser.to(device))


def features(model: Backbone, layer: str, x: Tensor) -> Tensor:
    """Activations of `layer` for inputs `x`, as in evaluation; `x` itself for "input"."""
    if layer == "input":
        return x
    with evaluating(model), torch.no_grad():
        return model.activations(x)[model.layers.index(layer)]


def as_vectors(found: Tensor) -> Tensor:
    """The vectors of features, example by example; see the module."""
    return found.permute(0, 2, 3, 1).flatten(0, 2) if found.dim() == 4 else found.flatten(1)


def as_features(vectors: Tensor, shape: Sequence[int]) -> Tensor:
    """Features of this shape each from their vectors, the inverse of `as_vectors`."""
    if len(shape) != 3:
        return vectors.reshape(-1, *shape)
    channels, height, width = shape
    return vectors.reshape(-1, height, width, channels).permute(0, 3, 1, 2).contiguous()
