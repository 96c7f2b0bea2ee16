"""From a trained network to its spiking twin: the gain of each layer.

The twin keeps the network's weights; what conversion adds is a gain c_l on each layer's synaptic
current, made from S_l, the largest weight or activation of layer l on some data. Gains leave the
weights alone, so after the night they go back as they are.

| name | gains (S_0 = 1) |
|---|---|
| published | c_l = p_{l−1}/S_l, p_l = S_l/p_{l−1}, p_0 = 1 (Tadros et al. 2022, authors' code) |
| diehl | c_l = S_{l−1}/S_l (Diehl et al. 2015, data-based normalisation) |
| percentile | c_l = λ_{l−1}/λ_l, λ_l a percentile of the activations (Rueckauer et al. 2017) |
| fixed | the numbers given |

"published" divides by the factor applied before, p_{l−1}, not by S_{l−1}. All gains are multiplied
by `scale`. A layer that is silent on the data (S_l = 0) gets 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, Protocol, TypeVar

import torch
from annotated_types import Gt, Interval
from torch import Tensor

from bioncl.cores import cores
from bioncl.errors import SettingsError, describe
from bioncl.models.backbone import Backbone
from bioncl.registry import Registry

BATCH = 2000
Value = TypeVar("Value")


class Gains(Protocol):
    """Settings that make the gains of all layers."""

    def of(self, model: Backbone, inputs: Tensor, threads: int = 1) -> list[float]:
        """One gain a layer, from the network and `inputs` [n, *shape] (the model in eval mode).

        The result does not depend on `threads`; 0 stands for one a core.
        """


@dataclass(frozen=True)
class Published:
    """Gains as the authors' code makes them."""

    scale: Annotated[float, Gt(0)] = 1.0

    def of(self, model: Backbone, inputs: Tensor, threads: int = 1) -> list[float]:
        """See `Gains`."""
        return [self.scale * c for c in published_chain(largest(model, inputs, threads))]


@dataclass(frozen=True)
class Diehl:
    """Data-based normalisation of Diehl et al. 2015."""

    scale: Annotated[float, Gt(0)] = 1.0

    def of(self, model: Backbone, inputs: Tensor, threads: int = 1) -> list[float]:
        """See `Gains`."""
        return [self.scale * c for c in ratio_chain(largest(model, inputs, threads))]


@dataclass(frozen=True)
class Percentile:
    """Data-based normalisation by a percentile of the activations, robust against outliers."""

    scale: Annotated[float, Gt(0)] = 1.0
    percentile: Annotated[float, Interval(gt=0, le=100)] = 99.9

    def of(self, model: Backbone, inputs: Tensor, threads: int = 1) -> list[float]:
        """See `Gains`; at most the first 2,000 inputs are used."""
        with torch.inference_mode():
            layers = model.activations(inputs[:BATCH])
        tops = [_percentile(a, self.percentile) for a in layers]
        return [self.scale * c for c in ratio_chain(tops)]


@dataclass(frozen=True)
class Fixed:
    """Gains as given, one a layer, or one for all."""

    values: tuple[Annotated[float, Gt(0)], ...] = (1.0,)
    scale: Annotated[float, Gt(0)] = 1.0

    def of(self, model: Backbone, inputs: Tensor, threads: int = 1) -> list[float]:
        """See `Gains`."""
        return [self.scale * c for c in per_layer("sleep.gains.values", self.values, model)]


GAINS = Registry(
    "gain",
    {
        "published": ("bioncl.spiking.convert:Published", "as the authors' code makes them"),
        "diehl": ("bioncl.spiking.convert:Diehl", "data-based maximum, Diehl et al. 2015"),
        "percentile": ("bioncl.spiking.convert:Percentile", "percentile of the activations"),
        "fixed": ("bioncl.spiking.convert:Fixed", "numbers as given"),
    },
)


def largest(model: Backbone, inputs: Tensor, threads: int = 1) -> list[float]:
    """S_l = max(0, largest weight, largest activation on `inputs`) of each layer.

    On the CPU, parts of the inputs are shared out among threads (0 for one a core). Each part is
    computed by one of them, so the result does not depend on how many there are.
    """
    tops = [max(0.0, float(layer.weight.detach().max())) for layer in model.stack()]
    parts = inputs.split(BATCH)

    @torch.inference_mode()
    def of_part(part: Tensor) -> list[float]:
        return [float(a.max()) for a in model.activations(part)]

    if inputs.device.type != "cpu" or len(parts) == 1:
        return [max(each) for each in zip(tops, *map(of_part, parts), strict=True)]
    before = torch.get_num_threads()
    try:
        count, alone = threads or cores(), torch.set_num_threads
        with ThreadPoolExecutor(count, initializer=alone, initargs=(1,)) as pool:
            return [max(each) for each in zip(tops, *pool.map(of_part, parts), strict=True)]
    finally:
        torch.set_num_threads(before)  # which the threads have changed for the whole process


def published_chain(tops: Sequence[float]) -> list[float]:
    """c_l = p_{l−1}/S_l with p_l = S_l/p_{l−1}, p_0 = 1."""
    gains, applied = [], 1.0
    for top in tops:
        factor = top / applied if top > 0 else 1.0
        gains.append(1.0 / factor)
        applied = factor
    return gains


def ratio_chain(tops: Sequence[float]) -> list[float]:
    """c_l = S_{l−1}/S_l with S_0 = 1."""
    gains, below = [], 1.0
    for top in tops:
        gains.append(below / top if top > 0 else 1.0)
        below = top if top > 0 else below
    return gains


def per_layer(what: str, values: Sequence[Value], model: Backbone) -> list[Value]:
    """`values`, one a layer; a single value stands for all layers."""
    count = len(model.layers)
    if len(values) not in (1, count):
        expected = f"1 or {count} values, one for each layer ({', '.join(model.layers)})"
        raise SettingsError(describe(what, expected=expected, got=list(values)))
    return list(values) * (count if len(values) == 1 else 1)


def _percentile(activations: Tensor, percent: float) -> float:
    flat = activations.reshape(-1)
    rank = max(1, round(flat.numel() * percent / 100))
    return float(flat.kthvalue(rank).values)
