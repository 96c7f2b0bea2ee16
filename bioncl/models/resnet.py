"""Residual networks with pre-activation (He et al. 2016, 1603.05027) for small images.

    3×3 convolution ─ [block] × 3·blocks ─ BatchNorm ─ ReLU ─ mean over pixels ─ head

    block:  x ─ BatchNorm ─ ReLU ─┬─ convolution ─ BatchNorm ─ ReLU ─ convolution ─ + ─
            └─ (or 1×1 convolution ┘ of this, where the shape changes) ─────────────┘

Three stages of `width`, 2·width and 4·width channels; the second and third halve height and width.
Depth is 6·blocks + 2 layers:

| network | settings |
|---|---|
| the 32 layers of Lee et al. 2020 | blocks = 5, width = 16 |
| 20 layers | blocks = 3, width = 16 |
| one that trains on two cores | blocks = 1, width = 8 |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from annotated_types import Ge
from torch import Tensor, nn

from bioncl.models.convolution import Chain, ConvNorm, convolution, image_shape
from bioncl.models.heads import HeadKind, make_head
from bioncl.models.initial import linear


class Block(nn.Module):
    """A residual unit with pre-activation."""

    def __init__(self, pre: int, post: int, stride: int, seed: int, name: str) -> None:
        """Make the unit from `pre` to `post` channels; the first convolution takes the stride."""
        super().__init__()
        self.norm = nn.BatchNorm2d(pre)
        first = convolution((pre, post, 3), seed=seed, name=f"{name}.conv1", stride=stride)
        self.first = ConvNorm(first)
        self.second = convolution((post, post, 3), seed=seed, name=f"{name}.conv2")
        self.projection: nn.Conv2d | None = None
        if stride != 1 or pre != post:
            name = f"{name}.projection"
            self.projection = convolution((pre, post, 1), seed=seed, name=name, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """Maps [n, post, height, width]."""
        active = self.norm(x).relu()
        shortcut = x if self.projection is None else self.projection(active)
        maps: Tensor = shortcut + self.second(self.first(active).relu())
        return maps


class Finish(nn.Module):
    """BatchNorm, ReLU, and the mean over all pixels."""

    def __init__(self, channels: int) -> None:
        """Make BatchNorm for `channels`."""
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Features [n, channels]."""
        features: Tensor = self.norm(x).relu().mean((2, 3))
        return features


@dataclass(frozen=True)
class ResNet:
    """Settings of a residual network; its layers are stem, block1, …, features, output.

    Attributes:
        blocks: Residual units of each of the three stages.
        width: Channels of the first stage.
        head: The output layer; see `bioncl.models.heads`.
    """

    blocks: Annotated[int, Ge(1)] = 1
    width: Annotated[int, Ge(1)] = 8
    head: HeadKind = "single"

    def build(
        self, input_shape: Sequence[int], outputs: int, groups: Sequence[Sequence[int]], seed: int
    ) -> Chain:
        """See `Architecture`.

        Raises:
            SettingsError: The inputs are no images.
        """
        depth, _, _ = image_shape(input_shape)
        stem = convolution((depth, self.width, 3), seed=seed, name="stem")
        parts: dict[str, nn.Module] = {"stem": stem}
        pre = self.width
        for place in range(3 * self.blocks):
            stage = place // self.blocks
            post = self.width * 2**stage
            stride = 2 if stage and place % self.blocks == 0 else 1
            name = f"block{place + 1}"
            parts[name] = Block(pre, post, stride, seed, name)
            pre = post
        parts["features"] = Finish(pre)
        make = partial(_linear, seed)
        head = make_head(self.head, "softmax", (pre, outputs), groups, make)
        return Chain(parts, head, "softmax")


def _linear(seed: int, pre: int, post: int, name: str) -> nn.Linear:
    return linear(pre, post, bias=True, initial="torch", scale=1.0, seed=seed, name=name)
