"""A convolutional network in the manner of LeNet (LeCun et al. 1998), with or without BatchNorm.

    [convolution ─ BatchNorm? ─ ReLU ─ pooling ─ dropout] × n ─ [linear ─ ReLU ─ dropout] × m ─ head

Height and width are kept by each convolution and halved by each pooling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Interval, Len
from torch import Tensor, nn

from bioncl.errors import SettingsError, describe
from bioncl.models.backbone import Output
from bioncl.models.convolution import Chain, ConvNorm, convolution, image_shape
from bioncl.models.heads import HeadKind, make_head
from bioncl.models.initial import Initial, linear
from bioncl.models.mlp import Dropout

Width = Annotated[int, Ge(1)]


class ConvPart(nn.Module):
    """Convolution, ReLU, pooling over 2×2 pixels, dropout."""

    def __init__(self, unit: nn.Conv2d | ConvNorm, pool: nn.Module, dropout: Dropout) -> None:
        """Chain the three."""
        super().__init__()
        self.unit, self.pool, self.dropout = unit, pool, dropout

    def forward(self, x: Tensor) -> Tensor:
        """Maps [n, channels, height // 2, width // 2]."""
        maps: Tensor = self.dropout(self.pool(self.unit(x).relu()))
        return maps


class LinearPart(nn.Module):
    """Linear layer, ReLU, dropout; maps are flattened first."""

    def __init__(self, unit: nn.Linear, dropout: Dropout) -> None:
        """Chain the two."""
        super().__init__()
        self.unit, self.dropout = unit, dropout

    def forward(self, x: Tensor) -> Tensor:
        """Activations [n, width]."""
        active: Tensor = self.dropout(self.unit(x.flatten(1)).relu())
        return active


@dataclass(frozen=True)
class ConvNet:
    """Settings of a LeNet-like network; its layers are conv1, …, hidden1, …, output.

    Attributes:
        channels: Maps of each convolution.
        kernel: Width of the kernels.
        hidden: Width of each linear layer between the convolutions and the head.
        batch_norm: Whether BatchNorm follows each convolution.
        pooling: "max" or "avg" over 2×2 pixels, after each convolution.
        dropout: Share of activations dropped in training, after each layer.
        bias: Whether layers have biases; a convolution before BatchNorm needs none.
        initial: How weights start; see `bioncl.models.initial`.
        initial_scale: Bound of the "uniform" start.
        head: The output layer; see `bioncl.models.heads`.
        output: "softmax" is trained with cross-entropy, "relu" with squared error.
    """

    channels: Annotated[tuple[Width, ...], Len(1, 20)] = (16, 32)
    kernel: Literal[1, 3, 5, 7] = 5
    hidden: Annotated[tuple[Width, ...], Len(0, 20)] = (128,)
    batch_norm: bool = False
    pooling: Literal["max", "avg"] = "max"
    dropout: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    bias: bool = True
    initial: Initial = "he"
    initial_scale: Annotated[float, Gt(0)] = 0.01
    head: HeadKind = "single"
    output: Output = "softmax"

    def build(
        self, input_shape: Sequence[int], outputs: int, groups: Sequence[Sequence[int]], seed: int
    ) -> Chain:
        """See `Architecture`.

        Raises:
            SettingsError: The inputs are no images, or too small for so many poolings.
        """
        depth, height, width = image_shape(input_shape)
        shrink = 2 ** len(self.channels)
        if min(height, width) < shrink:
            what = f"Height and width of an input, for {len(self.channels)} poolings"
            expected = f"at least {shrink}"
            raise SettingsError(describe(what, expected=expected, got=f"{height} and {width}"))
        make = partial(self._linear, seed)
        pairs = enumerate(zip((depth, *self.channels), self.channels, strict=False), 1)
        parts: dict[str, nn.Module] = {f"conv{i}": self._conv(pair, seed, i) for i, pair in pairs}
        features = self.channels[-1] * (height // shrink) * (width // shrink)
        widths = [features, *self.hidden]
        for i, (pre, post) in enumerate(zip(widths, self.hidden, strict=False), 1):
            unit = make(pre, post, f"hidden{i}")
            parts[f"hidden{i}"] = LinearPart(unit, Dropout(self.dropout, "train"))
        if not self.hidden:
            parts["features"] = nn.Flatten()
        head = make_head(self.head, self.output, (widths[-1], outputs), groups, make)
        return Chain(parts, head, self.output)

    def _conv(self, pair: tuple[int, int], seed: int, place: int) -> ConvPart:
        bias = self.bias and not self.batch_norm
        conv = convolution(
            (*pair, self.kernel),
            seed=seed,
            name=f"conv{place}",
            bias=bias,
            initial=self.initial,
            scale=self.initial_scale,
        )
        unit = ConvNorm(conv) if self.batch_norm else conv
        pool = nn.MaxPool2d(2) if self.pooling == "max" else nn.AvgPool2d(2)
        return ConvPart(unit, pool, Dropout(self.dropout, "train"))

    def _linear(self, seed: int, pre: int, post: int, name: str) -> nn.Linear:
        scale = self.initial_scale
        return linear(
            pre, post, bias=self.bias, initial=self.initial, scale=scale, seed=seed, name=name
        )
