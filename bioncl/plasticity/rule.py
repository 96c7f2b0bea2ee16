"""What a local plasticity rule is.

A rule is frozen data plus reference arithmetic, the definition that the `dense` engine runs and
that tests compare with; compiled engines dispatch on the rule's type, read its fields, and refuse
by name a rule that they do not know. There are two kinds:

    PlasticityRule   `change`: one step's spikes say all
    TracedRule       `start` and `learn`: what the rule remembers of earlier spikes stands in
                     `Traces`, one for each layer, which the caller keeps

Engines need not tell them apart: `bioncl.spiking.synapses.learn` does to a layer of a network all
that one step does to its weights. The Hebbian rules differ only in a factor f(w):

    a post neuron that fires changes its own row of weights, once per step:
        w += inc · f(w)   where the pre neuron fired in the same step
        w -= dec · f(w)   where it did not
    rows of silent post neurons stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from torch import Tensor


@dataclass(eq=False)
class Traces:
    """What a traced rule remembers of the spikes of one layer; it changes in place.

    Attributes:
        pre: Trace of each input, float [pre].
        post: Trace of each neuron of the layer, float [post].
    """

    pre: Tensor
    post: Tensor


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


@runtime_checkable
class TracedRule(Protocol):
    """A local rule with a memory: it has no `change`, so that nobody forgets the traces."""

    def start(self, weight: Tensor) -> Traces:
        """The traces of a layer with these weights [post, pre] before its first step: zeros."""

    def learn(self, weight: Tensor, pre: Tensor, post: Tensor, traces: Traces) -> Tensor:
        """Move the traces on by one step, in place, and return the weights after it.

        Args:
            weight: Float [post, pre]; left alone.
            pre: Bool [pre], which inputs fired in this step.
            post: Bool [post], which neurons of the layer fired in this step.
            traces: Those after the step before; after the call those after this step.

        Returns:
            Float [post, pre], the new weights.
        """

    def scaled(self, factor: float) -> TracedRule:
        """The same rule with its step sizes multiplied by `factor`."""


Rule: TypeAlias = PlasticityRule | TracedRule


def hebbian(
    weight: Tensor, factor: Tensor, pre: Tensor, post: Tensor, inc: float, dec: float
) -> Tensor:
    """Apply w += inc·f where pre fired, w -= dec·f where not, in the rows where post fired."""
    import torch

    moved = torch.where(pre, weight + inc * factor, weight - dec * factor)
    return torch.where(post.unsqueeze(1), moved, weight)
