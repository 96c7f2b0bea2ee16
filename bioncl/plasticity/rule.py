"""What a local plasticity rule is.

A rule is frozen data plus reference arithmetic. `change` is the definition that the `dense` engine
runs and that tests compare with; compiled engines dispatch on the rule's type, read its fields, and
refuse by name a rule that they do not know. The rules that ship differ only in a factor f(w):

    a post neuron that fires changes its own row of weights, once per step:
        w += inc · f(w)   where the pre neuron fired in the same step
        w -= dec · f(w)   where it did not
    rows of silent post neurons stay as they are.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class PlasticityRule(Protocol):
    """A local rule: what one step does to the weights of one layer."""

    def change(self, weight: Tensor, pre: Tensor, post: Tensor) -> Tensor:
        """Return the weights after one step.

        Args:
            weight: Float [post, pre]; left alone.
            pre: Bool [pre], which inputs fired in this step.
            post: Bool [post], which neurons of the layer fired in this step.

        Returns:
            Float [post, pre], the new weights.
        """

    def scaled(self, factor: float) -> PlasticityRule:
        """The same rule with its step sizes multiplied by `factor`."""


def hebbian(
    weight: Tensor, factor: Tensor, pre: Tensor, post: Tensor, inc: float, dec: float
) -> Tensor:
    """Apply w += inc·f where pre fired, w -= dec·f where not, in the rows where post fired."""
    import torch

    moved = torch.where(pre, weight + inc * factor, weight - dec * factor)
    return torch.where(post.unsqueeze(1), moved, weight)
