"""Spike-timing-dependent plasticity, all pairs of spikes, through exponential traces.

One step, from the spikes s of the inputs and s' of the layer:

    x = exp(−1/tau_pre)  · x + s          trace of each input
    y = exp(−1/tau_post) · y + s'         trace of each neuron
    w_ij += a_plus · x_j                  where neuron i fired
    w_ij −= a_minus · y_i                 where input j fired

so a pair of spikes d steps apart adds a_plus·exp(−d/tau_pre) when the input came first and takes
a_minus·exp(−d/tau_post) when the neuron did; a pair in one step does both, at d = 0. Weights do not
enter: give the network bounds. Source: Song, Miller, Abbott 2000 (Nat Neurosci 3:919) in the online
form of Morrison, Diesmann, Gerstner 2008 (Biol Cybern 98:459); order within a step as in
`norse.torch.functional.stdp`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from bioncl.plasticity.rule import Traces


@dataclass(frozen=True)
class PairSTDP:
    """All-to-all pair-based STDP.

    Attributes:
        a_plus: What a pair in one step adds.
        a_minus: What a pair in one step takes.
        tau_pre: Time constant of the inputs' traces, in steps.
        tau_post: Time constant of the neurons' traces, in steps.
    """

    a_plus: Annotated[float, Ge(0)]
    a_minus: Annotated[float, Ge(0)]
    tau_pre: Annotated[float, Gt(0)] = 20.0
    tau_post: Annotated[float, Gt(0)] = 20.0

    @property
    def decays(self) -> tuple[float, float]:
        """What is left of the traces of inputs and neurons after one step."""
        return math.exp(-1 / self.tau_pre), math.exp(-1 / self.tau_post)

    def start(self, weight: Tensor) -> Traces:
        """See `TracedRule.start`."""
        return Traces(weight.new_zeros(weight.shape[1]), weight.new_zeros(len(weight)))

    def learn(self, weight: Tensor, pre: Tensor, post: Tensor, traces: Traces) -> Tensor:
        """See `TracedRule.learn`."""
        decay_pre, decay_post = self.decays
        traces.pre.mul_(decay_pre).add_(pre)
        traces.post.mul_(decay_post).add_(post)
        raised = torch.where(post.unsqueeze(1), weight + self.a_plus * traces.pre, weight)
        return torch.where(pre, raised - (self.a_minus * traces.post).unsqueeze(1), raised)

    def scaled(self, factor: float) -> PairSTDP:
        """The same rule with `a_plus` and `a_minus` multiplied by `factor`."""
        return replace(self, a_plus=self.a_plus * factor, a_minus=self.a_minus * factor)
