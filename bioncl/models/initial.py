"""Initial weights, drawn from a generator of their own for each layer.

Here `pre` and `post` count what one weight vector sees and feeds: inputs and outputs of a linear
layer, and of a convolution these times the area of its kernel.

| name | weights | biases |
|---|---|---|
| uniform | U(−scale, scale), as published for Sleep Replay Consolidation | 0 |
| torch | U(−1/√pre, 1/√pre), what torch's Linear and Conv2d do | the same |
| xavier | U(−a, a) with a = √(6/(pre + post)) | 0 |
| he | N(0, 2/pre) | 0 |
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import nn

from bioncl.seeding import torch_generator

Initial = Literal["uniform", "torch", "xavier", "he"]


def linear(
    pre: int, post: int, *, bias: bool, initial: Initial, scale: float, seed: int, name: str
) -> nn.Linear:
    """A linear layer with its initial weights; the same seed and name give the same layer."""
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, pre, post, bias=bias)
    begin(layer, initial, scale, torch_generator(seed, "weights", name))
    return layer


def begin(
    layer: nn.Linear | nn.Conv2d, initial: Initial, scale: float, generator: torch.Generator
) -> None:
    """Draw initial weights, then biases, of `layer` from `generator`."""
    area = math.prod(layer.weight.shape[2:])
    pre, post = layer.weight.shape[1] * area, layer.weight.shape[0] * area
    with torch.no_grad():
        if initial == "he":
            layer.weight.normal_(0.0, math.sqrt(2.0 / max(pre, 1)), generator=generator)
        else:
            bound = {
                "uniform": scale,
                "torch": 1.0 / math.sqrt(max(pre, 1)),
                "xavier": math.sqrt(6.0 / (pre + post)),
            }[initial]
            layer.weight.uniform_(-bound, bound, generator=generator)
        if layer.bias is not None:
            layer.bias.zero_()
            if initial == "torch":
                layer.bias.uniform_(-bound, bound, generator=generator)
