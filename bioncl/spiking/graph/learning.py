"""How one step's spikes change the weights of one layer.

A rule says what a synapse does whose post neuron fires: `up(w)` where its pre neuron fired too,
`down(w)` where it did not; for the rules that ship, inc·f(w) and −dec·f(w). A weight that is the
synapse of several pairs of neurons (a kernel weight, or a layer that stands in several paths) moves
by what its pairs whose post neuron fired ask for,

    "sum"     Δw = together·up(w) + alone·down(w)
    "mean"    the same, divided by together + alone

The sum is what copies of the weight would do that are kept equal by adding up their changes. The
steps of published rules are meant for one synapse, though, whose post neuron fires now and then; of
the hundreds of positions of a kernel one fires in almost every step and dozens may fire in the same
one, so under the sum a kernel runs away from the layers without shared weights. The mean over the
pairs that fired keeps a step at the size that it has in a linear layer, and is the default. Where
each weight joins one pair, the two are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from bioncl.plasticity import PlasticityRule
from bioncl.spiking.graph.synapses import Layer, Synapses

Shared = Literal["mean", "sum"]


@dataclass(frozen=True, eq=False)
class Plastic:
    """A layer that learns.

    Attributes:
        layer: Its weights change in place.
        rule: What one synapse does; of each weight by itself, as all rules that ship.
        ways: All of its synapses, at least one entry.
        shared: How the changes of one weight's pairs are put together.
    """

    layer: Layer
    rule: PlasticityRule
    ways: Sequence[Synapses]
    shared: Shared = "mean"

    def learn(self, spikes: Mapping[str, Tensor]) -> None:
        """Change the weights by one step's spikes [1, *shape], 0 and 1, of each population."""
        ways = [way for way in self.ways if bool(spikes[way.target].any())]
        if len(self.ways) == 1 and self.ways[0].plain:
            if ways:
                self._learn_rows(ways[0], spikes)
            return
        weight = self.layer.weight
        change, number = torch.zeros_like(weight), torch.zeros_like(weight)
        for way in ways:
            together, alone = way.count(spikes[way.source], spikes[way.target])
            up, down = self._moves(way.sign)
            change += together * up + alone * down
            number += together + alone
        if self.shared == "mean":
            change /= number.clamp(min=1)
        weight += change

    def _learn_rows(self, way: Synapses, spikes: Mapping[str, Tensor]) -> None:
        """The same where each weight joins one pair, as `dense` does it; silent rows are left."""
        weight = self.layer.weight
        pre = way.pre(spikes[way.source])[0] > 0
        rows = way.post(spikes[way.target])[0].nonzero().squeeze(1)
        weight[rows] = self.rule.change(weight[rows], pre, torch.ones_like(rows, dtype=torch.bool))

    def _moves(self, sign: Tensor | None) -> tuple[Tensor, Tensor]:
        """up(w) and down(w), shaped as the weight; of −w, turned, where the sign is negative."""
        weight = self.layer.weight.flatten(1)
        turn = weight.new_ones(1, 1) if sign is None else sign.unsqueeze(1)
        rows, columns = weight.shape
        fires = torch.ones(max(rows, columns), dtype=torch.bool, device=weight.device)
        moves = [
            turn * (self.rule.change(turn * weight, pre, fires[:rows]) - turn * weight)
            for pre in (fires[:columns], ~fires[:columns])
        ]
        up, down = (move.view_as(self.layer.weight) for move in moves)
        return up, down
