"""Compiled loops for layers with options, neuron by neuron: one layer, one chunk of steps.

    run_part      neurons without lateral inhibition, block by block; for threads
    run_block     all steps of some neurons, which stay in the cache meanwhile; the layer as a whole
                  where neurons see each other
      mark        who of the inputs fired, or the traces of the inputs
      learn_row   what rule, norm and bounds do to the weights of one neuron in one step: if it
                  fired, or if its rule (PAIRED) moves with the inputs too
    follow        the inputs' traces at the end of the chunk
    learn_step    what one step does to the weights of the whole layer

Arithmetic and order are those of `dense`, number by number; nothing may be fused or reordered (no
fastmath).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bioncl.spiking.engines.compiled import compiled
from bioncl.spiking.engines.rule_numbers import CONSTANT, KEEP, OJA, PAIRED
from bioncl.spiking.engines.tile_code import logistic

NO_NORM, L1, L2 = 0, 1, 2
BLOCK = 16  # neurons whose rows of some thousand inputs fit into the second cache


class Numbers(NamedTuple):
    """Numbers of one layer, all in the precision of its weights.

    `up` and `down` are the rule's steps: added per f(w) where the input fired and where it did not
    (CONSTANT, LOGISTIC with `slope`), the rate (OJA), or per trace of input and neuron (PAIRED).
    """

    decay: Any
    gain: Any
    threshold: Any
    inhibition: Any
    dc: Any
    up: Any
    down: Any
    slope: Any
    lower: Any
    upper: Any
    decay_pre: Any
    decay_post: Any


class RowLayer(NamedTuple):
    """One layer as the kernels take it; they change all arrays but `biases` and `norms`.

    Attributes:
        rows: Weights [post, pre].
        membranes: [post].
        biases: [post].
        resting: int64 [post], for how many steps each neuron still rests.
        pre: [pre], traces of the inputs (PAIRED), else zeros.
        post: [post], traces of the neurons (PAIRED), else zeros.
        norms: Float64 [post], norms to keep.
        numbers: See there.
        rule: KEEP, CONSTANT, LOGISTIC, OJA or PAIRED.
        norm: NO_NORM, L1 or L2.
        refractory: Steps of rest after a spike.
    """

    rows: NDArray
    membranes: NDArray
    biases: NDArray
    resting: NDArray[np.int64]
    pre: NDArray
    post: NDArray
    norms: NDArray[np.float64]
    numbers: Numbers
    rule: int
    norm: int
    refractory: int


@compiled
def mark(layer: RowLayer, x: NDArray, events: NDArray) -> None:
    """Move the inputs' traces x [pre] on by a step (PAIRED), or set x = 1 where an input fired."""
    if layer.rule == PAIRED:
        for j in range(x.size):
            x[j] *= layer.numbers.decay_pre
        for j in events:
            x[j] += 1
    else:
        for j in events:
            x[j] = 1


@compiled
def unmark(layer: RowLayer, x: NDArray, events: NDArray) -> None:
    """Undo `mark` unless x are traces."""
    if layer.rule != PAIRED:
        for j in events:
            x[j] = 0


@compiled
def moved(weight: float, x: float, rule: int, numbers: Numbers) -> float:
    """A weight of a neuron that fired, after the rule's step."""
    if rule == OJA:
        return weight + numbers.up * (x - weight)
    if rule == PAIRED:
        return weight + numbers.up * x
    step = numbers.up if x > 0 else numbers.down
    return weight + (step if rule == CONSTANT else step * logistic(numbers.slope * weight))


@compiled
def keep_norm(row: NDArray, norm: float, kind: int) -> None:
    """Multiply a row so that its norm is `norm`, unless it is all zeros."""
    total = 0.0
    for j in range(row.size):
        weight = np.float64(row[j])
        total += abs(weight) if kind == L1 else weight * weight
    now = total if kind == L1 else math.sqrt(total)
    if now > 0:
        factor = np.empty(1, row.dtype)
        factor[0] = norm / now
        for j in range(row.size):
            row[j] *= factor[0]


@compiled
def clamp(row: NDArray, j: int, numbers: Numbers) -> bool:
    """Bring one weight into its bounds; return whether it stopped being finite."""
    if row[j] < numbers.lower:
        row[j] = numbers.lower
    elif row[j] > numbers.upper:
        row[j] = numbers.upper
    return not math.isfinite(row[j])


@compiled
def depress(layer: RowLayer, i: int, fires: bool, events: NDArray) -> None:
    """Move the trace of neuron i on by a step; take it from the weights of inputs that fired."""
    layer.post[i] *= layer.numbers.decay_post
    if fires:
        layer.post[i] += 1
    drop = layer.numbers.down * layer.post[i]
    for j in events:
        layer.rows[i, j] += drop


@compiled
def learn_row(layer: RowLayer, i: int, fires: bool, events: NDArray, x: NDArray) -> bool:
    """What one step does to the weights of neuron i; return whether any stopped being finite."""
    row, broken = layer.rows[i], False
    if fires:
        for j in range(row.size):
            row[j] = moved(row[j], x[j], layer.rule, layer.numbers)
    if layer.rule == PAIRED:
        depress(layer, i, fires, events)
    if fires:
        if layer.norm != NO_NORM:
            keep_norm(row, layer.norms[i], layer.norm)
        for j in range(row.size):
            broken |= clamp(row, j, layer.numbers)
    else:
        for j in events:
            broken |= clamp(row, j, layer.numbers)
    return broken


@compiled
def fill_currents(layer: RowLayer, events: NDArray, first: int, u: NDArray) -> None:
    """The currents u of the neurons from `first` on, as far as u reaches."""
    numbers = layer.numbers
    for k in range(u.size):
        row, total = layer.rows[first + k], numbers.decay - numbers.decay
        for j in events:
            total += row[j]
        u[k] = numbers.gain * (total + layer.biases[first + k])
    if numbers.inhibition != 0:
        total, share = 0.0, np.empty(1, u.dtype)
        for k in range(u.size):
            total += u[k]
        share[0] = total / u.size
        u -= numbers.inhibition * share[0]
    if numbers.dc != 0:
        u += numbers.dc


@compiled
def fires_now(layer: RowLayer, i: int, current: float) -> bool:
    """Integrate one step of neuron i; a spike resets it and begins its rest."""
    numbers = layer.numbers
    if layer.resting[i] > 0:
        layer.resting[i] -= 1
        layer.membranes[i] = 0
        return False
    moved = numbers.decay * layer.membranes[i] + current
    fires = moved >= numbers.threshold
    layer.membranes[i] = 0 if fires else moved
    if fires:
        layer.resting[i] = layer.refractory
    return fires


@compiled
def run_block(
    layer: RowLayer, raster: NDArray, offsets: NDArray, ids: NDArray, first: int, last: int
) -> bool:
    """Run first ≤ neuron < last through a chunk; note spikes in `raster` [steps, post]."""
    u, x, broken = np.empty_like(layer.membranes[first:last]), layer.pre.copy(), False
    learns = layer.rule != KEEP
    for t in range(offsets.size - 1):
        events = ids[offsets[t] : offsets[t + 1]]
        fill_currents(layer, events, first, u)
        mark(layer, x, events)
        for i in range(first, last):
            fires = fires_now(layer, i, u[i - first])
            raster[t, i] = fires
            if learns and (fires or layer.rule == PAIRED):
                broken |= learn_row(layer, i, fires, events, x)
        unmark(layer, x, events)
    return broken


@compiled
def run_part(
    layer: RowLayer, raster: NDArray, offsets: NDArray, ids: NDArray, first: int, last: int
) -> bool:
    """The same for neurons that do not see each other, a block after another."""
    broken = False
    for start in range(first, last, BLOCK):
        stop = min(start + BLOCK, last)
        broken |= run_block(layer, raster, offsets, ids, start, stop)
    return broken


@compiled
def follow(layer: RowLayer, offsets: NDArray, ids: NDArray) -> None:
    """Move the inputs' traces on to the end of a chunk that `run_block` has run."""
    if layer.rule == PAIRED:
        for t in range(offsets.size - 1):
            mark(layer, layer.pre, ids[offsets[t] : offsets[t + 1]])


@compiled
def learn_step(layer: RowLayer, events: NDArray, fires: NDArray[np.bool_]) -> None:
    """What one step, in which the neurons of `fires` [post] fired, does to the layer's weights."""
    mark(layer, layer.pre, events)
    for i in range(len(layer.rows)):
        if layer.rule == PAIRED or (fires[i] and layer.rule != KEEP):
            learn_row(layer, i, fires[i], events, layer.pre)
    unmark(layer, layer.pre, events)
