"""The spiking twin: leaky integrate-and-fire layers with hard reset.

One step of layer l, given the spikes s of the layer below in the same step (float arithmetic in the
order written; the sum runs over firing inputs in ascending order):

    u = gain · (Σ_j W[:, j] s_j + bias)
    u = u − inhibition · mean(u)              only if inhibition is not 0
    u = u + dc                                only if dc is not 0
    v = decay · v
    v = v + u
    v = 0 where the neuron fired in one of the last `refractory` steps; it cannot fire there
    s' = v ≥ threshold
    the plasticity rule changes W from s and s'; see `synapses` for it, norms and bounds
    v = 0 where s'

Resting neurons still count in mean(u): it is the current that reaches the layer.

Source: authors' MATLAB of Tadros et al. 2022 (sleepnn_old.m), whose nets have no bias, no direct
current, no refractory period, no norms and no bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import get_args

import torch
from torch import Tensor

from bioncl.errors import InputError, describe
from bioncl.plasticity import Rule, TracedRule, Traces
from bioncl.spiking.synapses import Bounds, Norm, row_norms

PER_LAYER = ("gains", "thresholds", "biases", "rules", "names", "dc", "bounds", "membranes")


@dataclass
class SpikingNetwork:
    """A feed-forward spiking network.

    Engines change `weights`, `membranes`, `resting` and `traces` in place.

    Attributes:
        weights: Float [post, pre] of each layer, all of one dtype and device.
        gains: Factor on the synaptic current of each layer.
        thresholds: Membrane potential at which a neuron of each layer fires (≥).
        decay: What is left of the membrane potential after one step.
        inhibition: Lateral inhibition: share of the layer's mean current taken from each neuron.
        biases: Constant input [post] of each layer, or None for each layer without.
        rules: The plasticity rule of each layer, or None for a layer that keeps its weights.
        names: Names of the layers, without the input.
        dc: Direct current into each neuron of a layer, in units of the membrane potential a step;
            gain and inhibition leave it alone. One for each layer, 0 for none.
        refractory: Steps after a spike in which a neuron neither integrates nor fires.
        bounds: Lower and upper limit of the weights of each layer that learn, None for a layer
            without; weights that do not learn may lie outside.
        normalise: Which norm of its incoming weights a neuron that learns keeps.
        membranes: Float [post] of each layer; 0 at the start of a night.
        resting: int64 [post] of each layer: for how many steps each neuron still rests.
        traces: What the rule of each layer remembers; of 0 numbers for a rule without memory.
        norms: Float64 [post] of each layer, the norms to keep; empty if `normalise` is "none".
    """

    weights: list[Tensor]
    gains: Sequence[float]
    thresholds: Sequence[float]
    decay: float = 0.999
    inhibition: float = 0.0
    biases: Sequence[Tensor | None] = ()
    rules: Sequence[Rule | None] = ()
    names: Sequence[str] = ()
    dc: Sequence[float] = ()
    refractory: int = 0
    bounds: Sequence[Bounds | None] = ()
    normalise: Norm = "none"
    membranes: list[Tensor] = field(default_factory=list)
    resting: list[Tensor] = field(default_factory=list)
    traces: list[Traces] = field(default_factory=list)
    norms: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Fill in what was left out and check that the parts fit."""
        count = len(self.weights)
        self.biases = self.biases or [None] * count
        self.rules = self.rules or [None] * count
        self.names = self.names or [f"layer{i + 1}" for i in range(count)]
        self.dc = self.dc or [0.0] * count
        self.bounds = self.bounds or [None] * count
        self.membranes = self.membranes or [w.new_zeros(len(w)) for w in self.weights]
        for what in PER_LAYER:
            given = len(getattr(self, what))
            if given != count:
                expected = f"one for each of the {count} layers"
                raise InputError(describe(f"Spiking network: {what}", expected=expected, got=given))
        self._check_numbers()
        self._check_shapes()
        self._start()

    def _start(self) -> None:
        """Fill in the state before the first step, where none was given."""
        self.resting = self.resting or [
            m.new_zeros(len(m), dtype=torch.int64) for m in self.membranes
        ]
        self.traces = self.traces or [
            rule.start(w)
            if isinstance(rule, TracedRule)
            else Traces(w.new_zeros(0), w.new_zeros(0))
            for rule, w in zip(self.rules, self.weights, strict=True)
        ]
        if self.normalise != "none":
            self.norms = self.norms or [row_norms(w, self.normalise) for w in self.weights]

    def _check_numbers(self) -> None:
        if not 0.0 <= self.decay <= 1.0:
            raise InputError(describe("Membrane decay", expected="0 to 1", got=self.decay))
        if self.refractory < 0:
            expected = "0 steps or more"
            raise InputError(describe("Refractory period", expected=expected, got=self.refractory))
        if self.normalise not in get_args(Norm):
            raise InputError(
                describe("Norm", expected=", ".join(get_args(Norm)), got=self.normalise)
            )
        for name, bounds in zip(self.names, self.bounds, strict=True):
            if bounds is not None and not bounds[0] <= bounds[1]:
                expected = "lower ≤ upper"
                raise InputError(describe(f"Bounds of {name}", expected=expected, got=bounds))

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
