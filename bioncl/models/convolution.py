"""What convolutional networks are built from: convolutions, alone or with BatchNorm, and a chain.

`Chain` is the backbone that runs named parts one after another and then the head; ConvNet and
ResNet differ only in their parts. BatchNorm right after a convolution stays with it in `ConvNorm`,
since the two together are one affine map once the statistics stand still.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from bioncl.errors import SettingsError, UnsupportedError, describe
from bioncl.models.backbone import Backbone, LinearLayer, Output, parts_before
from bioncl.models.heads import Head
from bioncl.models.initial import Initial, begin
from bioncl.seeding import torch_generator


def image_shape(input_shape: Sequence[int]) -> tuple[int, int, int]:
    """Channels, height and width of one input.

    Raises:
        SettingsError: The inputs are no images.
    """
    if len(input_shape) != 3:
        hint = 'Set model.name = "mlp".'
        what = "Shape of an input to a convolutional network"
        expected, got = "channels, height, width", tuple(input_shape)
        raise SettingsError(describe(what, expected=expected, got=got, hint=hint))
    channels, height, width = input_shape
    return channels, height, width


def convolution(
    sizes: tuple[int, int, int],
    *,
    seed: int,
    name: str,
    stride: int = 1,
    bias: bool = False,
    initial: Initial = "he",
    scale: float = 0.01,
) -> nn.Conv2d:
    """A convolution with its initial weights; the same seed and name give the same one.

    Args:
        sizes: Input channels, output channels, and the odd width of the kernel. Borders are filled
            with zeros, so that stride 1 keeps height and width.
        seed: Fixes the weights.
        name: Tells layers of one network apart.
        stride: Step of the kernel.
        bias: Whether channels have biases.
        initial: How weights start; see `bioncl.models.initial`.
        scale: Bound of the "uniform" start.
    """
    pre, post, kernel = sizes
    layer: nn.Conv2d = nn.utils.skip_init(
        nn.Conv2d, pre, post, kernel, stride=stride, padding=kernel // 2, bias=bias
    )
    begin(layer, initial, scale, torch_generator(seed, "weights", name))
    return layer


class ConvNorm(nn.Module):
    """A convolution without biases, followed by BatchNorm."""

    def __init__(self, conv: nn.Conv2d) -> None:
        """Add BatchNorm to `conv`, at first with scale 1 and shift 0."""
        super().__init__()
        self.conv, self.norm = conv, nn.BatchNorm2d(conv.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Maps [n, channels, height, width]."""
        maps: Tensor = self.norm(self.conv(x))
        return maps


def channels_last(images: Tensor) -> Tensor:
    """The same images with the channels of a pixel side by side in memory.

    Convolution, BatchNorm, ReLU and pooling pass that order on, and on a CPU a training step
    is 1.2 to 1.5 times faster in it (benchmarks/memory_layout.py).
    """
    return images.to(memory_format=torch.channels_last)


class Chain(Backbone):
    """Named parts one after another, then the head."""

    def __init__(self, parts: Mapping[str, nn.Module], head: Head, output: Output) -> None:
        """Chain `parts`, in their order, and `head`."""
        super().__init__()
        self.parts = nn.ModuleList(parts.values())
        self.head, self.output = head, output
        self._names = (*parts, "output")

    @property
    def layers(self) -> tuple[str, ...]:
        """See `Backbone`."""
        return self._names

    def forward(self, x: Tensor, entry: str = "input") -> Tensor:
        """See `Backbone`."""
        if entry == "input":
            x = channels_last(x)
        for part in list(self.parts)[parts_before(entry, self._names) :]:
            x = part(x)
        logits: Tensor = self.head(x)
        return logits

    def activations(self, x: Tensor) -> list[Tensor]:
        """See `Backbone`."""
        found = []
        x = channels_last(x)
        for part in self.parts:
            x = part(x)
            found.append(x)
        logits: Tensor = self.head(x)
        found.append(logits.relu() if self.output == "relu" else logits.softmax(1))
        return found

    def start_task(self, index: int) -> None:
        """See `Backbone`."""
        self.head.start_task(index)

    def use_task(self, index: int | None) -> None:
        """See `Backbone`."""
        self.head.use_task(index)

    def stack(self) -> list[LinearLayer]:
        """Refuse: convolutions are no chain of linear layers; they sleep as graphs.

        Raises:
            UnsupportedError: Always.
        """
        what = "A convolutional network is no chain of linear layers, which this operation needs"
        hint = 'Set model.name = "mlp". Nights take such networks as they are.'
        raise UnsupportedError(describe(what, hint=hint))

    def write_stack(self, weights: Sequence[Tensor]) -> None:
        """Refuse, as `stack` does.

        Raises:
            UnsupportedError: Always.
        """
        self.stack()
