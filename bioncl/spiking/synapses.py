"""What one step does to the weights of one layer: the rule, then norms, then bounds.

    the rule moves weights: in rows of neurons that fired; a traced rule also in columns of inputs
    norms    each row whose neuron fired gets back the norm that it had before the night
    bounds   each weight of those rows (and columns) is brought between lower and upper

Norms are kept where a row learns, not every so many steps, as Diehl & Cook 2015 (Front Comput
Neurosci 9:99) do between examples: so the length of a chunk changes nothing, and rows of silent
neurons stay as they are. Bounds come last and always hold for what was just changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from bioncl.plasticity import TracedRule

if TYPE_CHECKING:
    from bioncl.spiking.network import SpikingNetwork

Norm = Literal["none", "l1", "l2"]
"""What a neuron keeps of its incoming weights: nothing, Σ|w|, or √Σw²."""
Bounds = tuple[float, float]
"""Lower and upper limit of a weight."""


def learn(network: SpikingNetwork, layer: int, pre: Tensor, post: Tensor) -> None:
    """Let one layer learn from one step, in place.

    Args:
        network: Weights of the layer change, and the traces of its rule if it keeps any.
        layer: 0 is the first.
        pre: Bool [pre], which inputs fired.
        post: Bool [post], which neurons of the layer fired.
    """
    rule, weight, traces = network.rules[layer], network.weights[layer], network.traces[layer]
    if rule is None:
        return
    touched = post.unsqueeze(1)
    if isinstance(rule, TracedRule):
        new = rule.learn(weight, pre, post, traces)
        touched = touched | pre
    else:
        new = rule.change(weight, pre, post)
    if network.normalise != "none":
        new = renormed(new, post, network.norms[layer], network.normalise)
    if (bounds := network.bounds[layer]) is not None:
        new = torch.where(touched, new.clamp(*bounds), new)
    weight.copy_(new)


def row_norms(weight: Tensor, kind: Norm) -> Tensor:
    """L1 or L2 norm of each row [post] in float64, added up from left to right."""
    rows = weight.detach().cpu().double().numpy()
    parts = np.abs(rows) if kind == "l1" else rows * rows
    totals = np.cumsum(parts, axis=1)[:, -1]
    norms = torch.from_numpy(totals if kind == "l1" else np.sqrt(totals))
    return norms.to(weight.device)


def renormed(weight: Tensor, post: Tensor, norms: Tensor, kind: Norm) -> Tensor:
    """`weight` with the rows where `post` fired at the given norms; rows of zeros stay."""
    rows = weight[post]
    now = row_norms(rows, kind)
    factors = torch.where(now > 0, norms[post] / now, 1.0).to(weight.dtype)
    result = weight.clone()
    result[post] = rows * factors.unsqueeze(1)
    return result
