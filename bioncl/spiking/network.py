"""The spiking twin: leaky integrate-and-fire layers with hard reset.

One step of layer l, given the spikes s of the layer below in the same step (float arithmetic in the
order written; the sum runs over firing inputs in ascending order):

    u = gain · (Σ_j W[:, j] s_j + bias)
    u = u − inhibition · mean(u)              only if inhibition is not 0
    v = decay · v
    v = v + u
    s' = v ≥ threshold
    the plasticity rule changes W from s and s'
    v = 0 where s'

Source: authors' MATLAB of Tadros et al. 2022 (sleepnn_old.m), whose nets have no bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from bioncl.errors import InputError, describe
from bioncl.plasticity import PlasticityRule


@dataclass
class SpikingNetwork:
    """A feed-forward spiking network; engines change `weights` and `membranes` in place.

    Attributes:
        weights: Float [post, pre] of each layer, all of one dtype and device.
        gains: Factor on the synaptic current of each layer.
        thresholds: Membrane potential at which a neuron of each layer fires (≥).
        decay: What is left of the membrane potential after one step.
        inhibition: Lateral inhibition: share of the layer's mean current taken from each neuron.
        biases: Constant input [post] of each layer, or None for each layer without.
        rules: The plasticity rule of each layer, or None for a layer that keeps its weights.
        names: Names of the layers, without the input.
        membranes: Float [post] of each layer; 0 at the start of a night.
    """

    weights: list[Tensor]
    gains: Sequence[float]
    thresholds: Sequence[float]
    decay: float = 0.999
    inhibition: float = 0.0
    biases: Sequence[Tensor | None] = ()
    rules: Sequence[PlasticityRule | None] = ()
    names: Sequence[str] = ()
    membranes: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Fill in what was left out and check that the parts fit."""
        count = len(self.weights)
        self.biases = self.biases or [None] * count
        self.rules = self.rules or [None] * count
        self.names = self.names or [f"layer{i + 1}" for i in range(count)]
        self.membranes = self.membranes or [w.new_zeros(len(w)) for w in self.weights]
        for what in ("gains", "thresholds", "biases", "rules", "names", "membranes"):
            given = len(getattr(self, what))
            if given != count:
                expected = f"one for each of the {count} layers"
                raise InputError(describe(f"Spiking network: {what}", expected=expected, got=given))
        if not 0.0 <= self.decay <= 1.0:
            raise InputError(describe("Membrane decay", expected="0 to 1", got=self.decay))
        self._check_shapes()

    def _check_shapes(self) -> None:
        below = self.weights[0].shape[1] if self.weights and self.weights[0].dim() == 2 else 0
        for name, weight, bias in zip(self.names, self.weights, self.biases, strict=True):
            if weight.dim() != 2 or weight.shape[1] != below:
                got = tuple(weight.shape)
                raise InputError(describe(f"Weights of {name}", expected=f"[n, {below}]", got=got))
            if not weight.is_floating_point() or weight.dtype != self.weights[0].dtype:
                expected = f"all layers in {self.weights[0].dtype}"
                raise InputError(
                    describe(f"Weights of {name}", expected=expected, got=weight.dtype)
                )
            if bias is not None and bias.shape != weight.shape[:1]:
                got = tuple(bias.shape)
                raise InputError(describe(f"Bias of {name}", expected=f"[{len(weight)}]", got=got))
            below = len(weight)

    @property
    def sizes(self) -> list[int]:
        """Neurons of each layer, input first."""
        return [self.weights[0].shape[1], *(len(w) for w in self.weights)]

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the whole simulation."""
        return self.weights[0].dtype
