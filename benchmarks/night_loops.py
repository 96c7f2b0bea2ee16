"""The rivals of `night.py`: nights as loops over steps, in plain torch, snntorch and norse.

All take the whole current from `weight @ spikes`, keep every spike, and (but `whole`) change only
the rows of neurons that fired:

    rows       plain torch
    gather     plain torch, the current from the columns of firing inputs
    columns    plain torch, weights stored [pre, post]: the current from contiguous rows
    snntorch   `snntorch.Leaky`
    norse      `norse.torch.IAFCell`, which is given the decayed membrane
    whole      plain torch, the whole matrix changed in every step, as the public Python port does
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import torch
from night_regimes import Regime
from torch import Tensor

# One step of a layer's neurons: membrane, current, threshold -> membrane, ids of who fired.
Neurons = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Loop:
    """A night as a loop over steps."""

    def __init__(self, form: str) -> None:
        self.form = form

    def __call__(self, regime: Regime, dtype: torch.dtype) -> Callable[[], list[np.ndarray]]:
        """Set up; the function returned runs and gives (step, neuron) of all spikes."""
        flip = self.form == "columns"
        held = [(w.T if flip else w).to(dtype, copy=True).contiguous() for w in regime.weights]
        inputs = step_ids(regime)
        sizes = [w.shape[1 if flip else 0] for w in held]
        neurons = [self.neurons(t, dtype) for t in regime.thresholds]

        def run() -> list[np.ndarray]:
            membranes = [torch.zeros(n, dtype=dtype) for n in sizes]
            spikes: list[list[Tensor]] = [[] for _ in range(len(sizes) + 1)]
            for fired in inputs:
                spikes[0].append(fired)
                for layer, weight in enumerate(held):
                    below = spikes[layer][-1]
                    current = self.total(weight, below) * regime.gains[layer]
                    membranes[layer], post = neurons[layer](membranes[layer], current)
                    if self.form == "whole":
                        self.change_all(regime, weight, below, post)
                    elif len(post):
                        self.change_rows(regime, weight, below, post)
                    spikes[layer + 1].append(post)
            return [events(each) for each in spikes]

        return run

    def neurons(self, threshold: float, dtype: torch.dtype) -> Neurons:
        """One layer's neurons."""
        below = torch.nextafter(
            torch.tensor(threshold, dtype=dtype), torch.tensor(-torch.inf).to(dtype)
        )
        if self.form == "snntorch":
            return leaky(below)
        if self.form == "norse":
            return integrating(below)
        return lambda v, u: plain(v, u, threshold)

    def total(self, weight: Tensor, ids: Tensor) -> Tensor:
        """Σ over the firing inputs of their weights, [post]."""
        if self.form in ("gather", "columns"):
            side = 0 if self.form == "columns" else 1
            return weight.index_select(side, ids).sum(side)
        return weight @ weight.new_zeros(weight.shape[1]).index_fill_(0, ids, 1)

    def change_rows(self, regime: Regime, weight: Tensor, ids: Tensor, post: Tensor) -> None:
        """Plasticity of the rows (columns, where stored so) of who fired."""
        side = int(self.form == "columns")
        rows = weight.index_select(side, post)
        step = weight.new_full((weight.shape[1 - side],), -2 * regime.rule.dec)
        step[ids] = 2 * regime.rule.inc
        step = step.unsqueeze(1) if side else step
        gate = (rows * (-1 / regime.rule.scale)).sigmoid_()
        weight.index_copy_(side, post, rows.addcmul_(gate, step))

    def change_all(self, regime: Regime, weight: Tensor, ids: Tensor, post: Tensor) -> None:
        """Plasticity computed for every weight."""
        pre = weight.new_zeros(weight.shape[1]).index_fill_(0, ids, 1)
        fired = weight.new_zeros(len(weight)).index_fill_(0, post, 1).unsqueeze(1)
        gate = 2 * torch.sigmoid(weight * (-1 / regime.rule.scale))
        weight += fired * gate * (regime.rule.inc * pre - regime.rule.dec * (1 - pre))


def plain(v: Tensor, u: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Leaky integrate-and-fire in three torch calls."""
    v = v.mul_(0.999).add_(u)
    post = (v >= threshold).nonzero().squeeze(1)
    v[post] = 0
    return v, post


def leaky(below: Tensor) -> Neurons:
    """Neurons of snntorch; v > the number below the threshold is v ≥ threshold."""
    import snntorch

    cell = snntorch.Leaky(
        beta=torch.tensor(0.999, dtype=below.dtype),
        threshold=below,
        reset_mechanism="zero",
        reset_delay=False,
        surrogate_disable=True,
    )

    def step(v: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        spikes, v = cell(u, v)
        return v, spikes.nonzero().squeeze(1)

    return step


def integrating(below: Tensor) -> Neurons:
    """Neurons of norse."""
    import norse.torch
    from norse.torch.functional.iaf import IAFFeedForwardState, IAFParameters

    parameters = IAFParameters(v_th=below, v_reset=torch.zeros_like(below), method="heaviside")
    cell = norse.torch.IAFCell(parameters)

    def step(v: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        spikes, state = cell(u, IAFFeedForwardState(v=0.999 * v))
        return state.v, spikes.nonzero().squeeze(1)

    return step


def step_ids(regime: Regime) -> list[Tensor]:
    """The firing inputs of each step."""
    return [
        torch.from_numpy(chunk.ids[first:last].astype(np.int64))
        for chunk in regime.chunks
        for first, last in itertools.pairwise(chunk.offsets)
    ]


def events(ids: list[Tensor]) -> np.ndarray:
    """(step, neuron) of spikes that are listed step by step: int64 [spikes, 2]."""
    steps = np.repeat(np.arange(len(ids)), [len(each) for each in ids])
    return np.stack([steps, torch.cat(ids).numpy()], axis=1)
