"""One night on plain arrays: arrays in, arrays out, the inputs are left alone.

The module is not called `simulate`: importing a module of that name would put it in the place of
the function `bioncl.spiking.simulate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from bioncl.errors import InputError, UnsupportedError, describe
from bioncl.plasticity import PlasticityRule, Rule, TracedRule
from bioncl.spiking.engines import ENGINES
from bioncl.spiking.network import SpikingNetwork
from bioncl.spiking.synapses import Bounds, Norm
from bioncl.traces.recorder import MemoryRecorder
from bioncl.traces.spikes import Spikes


@dataclass(frozen=True, eq=False)
class Night:
    """What is left of a night.

    Attributes:
        weights: The weights [post, pre] of each layer, in the precision they came in.
        spikes: For each layer, input first: int64 [events, 2] of (step, neuron), in order of step,
            then neuron.
    """

    weights: list[NDArray]
    spikes: list[NDArray[np.int64]]


def simulate(  # noqa: PLR0913  (one argument for each symbol of the model)
    weights: Sequence[NDArray | Tensor],
    raster: NDArray[np.bool_],
    *,
    gains: Sequence[float],
    thresholds: Sequence[float],
    decay: float = 0.999,
    inhibition: float = 0.0,
    biases: Sequence[NDArray | Tensor | None] | None = None,
    rule: Rule | Sequence[Rule | None] | None = None,
    dc: Sequence[float] | None = None,
    refractory: int = 0,
    bounds: Sequence[Bounds | None] | None = None,
    normalise: Norm = "none",
    engine: str = "event",
    threads: int = 0,
    chunk: int = 1000,
) -> Night:
    """Let a spiking network run for one night; see `bioncl.spiking.network` for one step of it.

    Args:
        weights: [post, pre] of each layer, all float32 or all float64.
        raster: Bool [steps, inputs], which inputs fire in which step.
        gains: Factor on the synaptic current of each layer.
        thresholds: Membrane potential at which a neuron of each layer fires (≥).
        decay: What is left of the membrane potential after one step, 0 to 1.
        inhibition: Share of the layer's mean current taken from each of its neurons.
        biases: Constant input [post] of each layer, None for a layer without.
        rule: One plasticity rule for all layers, or one for each; None keeps the weights.
        dc: Direct current into each neuron of a layer, one for each layer.
        refractory: Steps after a spike in which a neuron neither integrates nor fires.
        bounds: Lower and upper limit of the weights that a rule moves: a pair for each layer, None
            for a layer without; a single pair stands for all layers.
        normalise: Which norm of its incoming weights a neuron that learns keeps: "none", "l1" or
            "l2".
        engine: Who computes it: a name from `bioncl engines`.
        threads: Threads of the engine, 0 for all cores; the result does not depend on it.
        chunk: Steps between two checks of the weights; the result does not depend on it.

    Raises:
        InputError: A shape, type or number cannot be used.
        UnsupportedError: The engine cannot run this network or rule.
        DivergedError: Weights stopped being finite numbers.
    """
    stack = [_weight(w, f"Weights of layer {i}") for i, w in enumerate(weights, start=1)]
    if not stack:
        raise InputError(describe("Weights", expected="at least one layer", got="none"))
    network = SpikingNetwork(
        stack,
        _numbers("Gains", gains),
        _numbers("Thresholds", thresholds),
        float(decay),
        _numbers("Inhibition", [inhibition])[0],
        biases=[_bias(b, i, stack[0]) for i, b in enumerate(biases or (), start=1)],
        rules=_rules(rule, len(stack)),
        dc=_numbers("Direct currents", dc or [0.0] * len(stack)),
        refractory=refractory,
        bounds=_bounds(bounds, len(stack)),
        normalise=normalise,
    )
    _check_raster(raster, network.sizes[0])
    if chunk < 1:
        raise InputError(describe("Steps in a chunk", expected="1 or more", got=chunk))
    runner = ENGINES.load(engine)(threads=threads)
    if refusal := runner.refuses(network):
        raise UnsupportedError(describe(f"Engine '{engine}': {refusal}"))
    recorder = MemoryRecorder()
    parts = range(0, max(len(raster), 1), chunk)
    runner.run(network, (Spikes.from_raster(raster[t : t + chunk]) for t in parts), recorder)
    return Night([w.numpy() for w in network.weights], recorder.events())


def _array(values: ArrayLike | Tensor, what: str) -> NDArray:
    """A copy as an array of finite numbers."""
    if isinstance(values, Tensor):
        if values.dtype == torch.bfloat16:  # which NumPy does not have
            raise InputError(describe(what, expected="float32 or float64", got=values.dtype))
        values = values.detach().cpu().numpy()
    array = np.array(values)
    if not np.issubdtype(array.dtype, np.number):
        raise InputError(describe(what, expected="numbers", got=array.dtype))
    if not np.isfinite(array).all():
        raise InputError(describe(what, expected="finite numbers", got="NaN or infinity"))
    return array


def _weight(values: ArrayLike | Tensor, what: str) -> Tensor:
    array = _array(values, what)
    if array.dtype not in (np.float32, np.float64):
        raise InputError(describe(what, expected="float32 or float64", got=array.dtype))
    if array.ndim != 2 or 0 in array.shape:
        expected = "[post, pre], neither of them 0"
        raise InputError(describe(what, expected=expected, got=array.shape))
    return torch.from_numpy(array)


def _bias(values: ArrayLike | Tensor | None, layer: int, like: Tensor) -> Tensor | None:
    if values is None:
        return None
    return torch.from_numpy(_array(values, f"Bias of layer {layer}")).to(like)


def _numbers(what: str, values: Sequence[float]) -> list[float]:
    return [float(value) for value in _array(values, what)]


def _bounds(bounds: Sequence[Bounds | None] | None, layers: int) -> list[Bounds | None]:
    """One pair, or None, for each layer."""
    pairs = list(bounds or [None])
    for pair in pairs:
        if pair is not None and np.shape(pair) != (2,):
            expected = "pairs (lower, upper), or None"
            raise InputError(describe("Bounds", expected=expected, got=pair))
    return pairs * (layers if len(pairs) == 1 else 1)


def _rules(rule: Rule | Sequence[Rule | None] | None, layers: int) -> list[Rule | None]:
    """One rule for each layer."""
    rules = list(rule) if isinstance(rule, Sequence) else [rule] * layers
    for each in rules:
        if each is not None and not isinstance(each, PlasticityRule | TracedRule):
            expected = "a rule such as Gated(inc=0.03, dec=0.003), or None"
            raise InputError(describe("Plasticity rule", expected=expected, got=repr(each)))
    return rules


def _check_raster(raster: NDArray[np.bool_], inputs: int) -> None:
    if not isinstance(raster, np.ndarray) or raster.dtype != np.bool_:
        got = getattr(raster, "dtype", type(raster).__name__)
        hint = "Draw spikes first, or compare with 0."
        raise InputError(describe("Raster", expected="a NumPy array of bool", got=got, hint=hint))
    if raster.ndim != 2 or raster.shape[1] != inputs:
        expected = f"[steps, {inputs}]"
        raise InputError(describe("Shape of the raster", expected=expected, got=raster.shape))
