"""Multi-layer perceptron with ReLU, with or without biases, under any of the heads.

The published network of Sleep Replay Consolidation is the one without biases, with ReLU output,
weights from U(−0.01, 0.01) and dropout that scales at test time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt, Interval, Len
from torch import Tensor, nn

from bioncl.models.backbone import Backbone, LinearLayer, Output, parts_before
from bioncl.models.heads import Head, HeadKind, make_head
from bioncl.models.initial import Initial, linear


class Dropout(nn.Module):
    """Dropout that scales where it is told: in training (torch's way) or at test (as published)."""

    def __init__(self, share: float, scaling: str) -> None:
        """Drop `share` of the activations in training."""
        super().__init__()
        self.keep, self.in_training = 1.0 - share, scaling == "train"

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training; scale by the share kept where `scaling` says."""
        if self.keep == 1.0:
            return x
        if not self.training:
            return x if self.in_training else x * self.keep
        mask = torch.empty_like(x).bernoulli_(self.keep)
        return x * (mask / self.keep if self.in_training else mask)


class MLPNetwork(Backbone):
    """The network that `MLP` describes."""

    def __init__(
        self, trunk: Sequence[nn.Linear], head: Head, dropout: Dropout, output: Output
    ) -> None:
        """Chain `trunk`, with ReLU and dropout after each layer, and `head`."""
        super().__init__()
        self.trunk = nn.ModuleList(trunk)
        self.head, self.dropout, self.output = head, dropout, output
        self._names = (*(f"hidden{i + 1}" for i in range(len(trunk))), "output")

    @property
    def layers(self) -> tuple[str, ...]:
        """See `Backbone`."""
        return self._names

    def forward(self, x: Tensor, entry: str = "input") -> Tensor:
        """See `Backbone`."""
        h = x.flatten(1)
        for layer in list(self.trunk)[parts_before(entry, self._names) :]:
            h = self.dropout(torch.relu(layer(h)))
        logits: Tensor = self.head(h)
        return logits

    def activations(self, x: Tensor) -> list[Tensor]:
        """See `Backbone`."""
        found, h = [], x.flatten(1)
        for layer in self.trunk:
            h = self.dropout(torch.relu(layer(h)))
            found.append(h)
        logits = self.head(h)
        found.append(torch.relu(logits) if self.output == "relu" else logits.softmax(1))
        return found

    def start_task(self, index: int) -> None:
        """See `Backbone`."""
        self.head.start_task(index)

    def use_task(self, index: int | None) -> None:
        """See `Backbone`."""
        self.head.use_task(index)

    def stack(self) -> list[LinearLayer]:
        """See `Backbone`."""
        hidden = [
            LinearLayer(name, layer.weight, layer.bias)
            for name, layer in zip(self._names, self.hidden(), strict=False)
        ]
        return [*hidden, LinearLayer("output", self.head.weight(), self.head.bias())]

    def write_stack(self, weights: Sequence[Tensor]) -> None:
        """See `Backbone`."""
        with torch.no_grad():
            for layer, weight in zip(self.hidden(), weights, strict=False):
                layer.weight.copy_(weight)
        self.head.write(weights[-1])

    def hidden(self) -> list[nn.Linear]:
        """The layers of the trunk, typed."""
        return [layer for layer in self.trunk if isinstance(layer, nn.Linear)]


@dataclass(frozen=True)
class MLP:
    """Settings of a multi-layer perceptron.

    Attributes:
        hidden: Width of each hidden layer.
        bias: Whether layers have biases.
        dropout: Share of hidden activations dropped in training.
        dropout_scaling: "train" scales kept activations up in training (torch's way), "test" scales
            all activations down at test time (as published for Sleep Replay Consolidation).
        initial: How weights start; see `bioncl.models.initial`.
        initial_scale: Bound of the "uniform" start.
        head: The output layer; see `bioncl.models.heads`.
        output: "softmax" is trained with cross-entropy; "relu" with squared error whose gradient
            skips the derivative of the output ReLU (as published).
    """

    hidden: Annotated[tuple[Annotated[int, Ge(1)], ...], Len(0, 20)] = (400, 400)
    bias: bool = True
    dropout: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    dropout_scaling: Literal["train", "test"] = "train"
    initial: Initial = "torch"
    initial_scale: Annotated[float, Gt(0)] = 0.01
    head: HeadKind = "single"
    output: Output = "softmax"

    def build(
        self, input_shape: Sequence[int], outputs: int, groups: Sequence[Sequence[int]], seed: int
    ) -> MLPNetwork:
        """See `Architecture`."""
        make = partial(self._linear, seed)
        widths = [math.prod(input_shape), *self.hidden]
        pairs = enumerate(pairwise(widths))
        trunk = [make(pre, post, f"hidden{i + 1}") for i, (pre, post) in pairs]
        head = make_head(self.head, self.output, (widths[-1], outputs), groups, make)
        return MLPNetwork(trunk, head, Dropout(self.dropout, self.dropout_scaling), self.output)

    def _linear(self, seed: int, pre: int, post: int, name: str) -> nn.Linear:
        scale = self.initial_scale
        return linear(
            pre, post, bias=self.bias, initial=self.initial, scale=scale, seed=seed, name=name
        )
