"""What every network that learns here can do.

A backbone is a torch module with named layers. Methods and the loop use only this contract; sleep
uses `stack` and `write_stack`, which show the network as a chain of linear layers with ReLU
between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor, nn

from bioncl.errors import UnsupportedError, describe
from bioncl.models.heads import Head

Output = Literal["softmax", "relu"]


@dataclass(frozen=True, eq=False)
class LinearLayer:
    """One layer of the chain: name, weight [post, pre], bias [post] or None (live tensors)."""

    name: str
    weight: Tensor
    bias: Tensor | None


class Backbone(nn.Module):
    """Interface of a network that learns.

    Attributes:
        output: "softmax" (trained with cross-entropy) or "relu" (with squared error, the published
            output of Sleep Replay Consolidation).
        head: The output layer; everything before it is shared by all tasks.
    """

    output: Output
    head: Head

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers in order, the output last."""
        raise NotImplementedError

    def forward(self, x: Tensor, entry: str = "input") -> Tensor:
        """Return logits [n, outputs]; outputs that do not compete are −1e11.

        Args:
            x: Inputs [n, *shape], or activations of the layer named by `entry`.
            entry: "input", or the name of a layer whose activations `x` holds (feature replay).

        Raises:
            UnsupportedError: There is no way in at `entry`.
        """
        raise NotImplementedError

    def activations(self, x: Tensor) -> list[Tensor]:
        """Activations of every layer for inputs `x`, the activated output last.

        Each is [n, width], or [n, channels, height, width] where a layer is convolutional.
        """
        raise NotImplementedError

    def start_task(self, index: int) -> None:
        """Make room for the task at `index`, if the head grows."""
        raise NotImplementedError

    def use_task(self, index: int | None) -> None:
        """Choose the task whose outputs compete; None lets all outputs compete."""
        raise NotImplementedError

    def stack(self) -> list[LinearLayer]:
        """The network as a chain of linear layers."""
        raise NotImplementedError

    def write_stack(self, weights: Sequence[Tensor]) -> None:
        """Copy `weights` ([post, pre] each) into the chain that `stack` shows."""
        raise NotImplementedError


def parts_before(entry: str, layers: Sequence[str]) -> int:
    """How many layers lie before the way in named `entry`; see `Backbone.forward`.

    Raises:
        UnsupportedError: There is no way in of this name.
    """
    ways = ("input", *layers[:-1])
    if entry not in ways:
        raise UnsupportedError(describe("Entry", expected=", ".join(ways), got=entry))
    return ways.index(entry)


class Architecture(Protocol):
    """Settings of a network: a frozen dataclass that can make it."""

    def build(
        self, input_shape: Sequence[int], outputs: int, groups: Sequence[Sequence[int]], seed: int
    ) -> Backbone:
        """Make the network.

        Args:
            input_shape: Shape of one input.
            outputs: Number of outputs.
            groups: The outputs that each task uses.
            seed: Fixes the initial weights.
        """
