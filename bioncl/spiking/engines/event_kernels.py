"""Compiled loops of the `event` engine: one layer, one chunk of steps.

The neurons of a layer are laid out in tiles of some lanes; the sums of one tile live in vector
registers while the loop runs over the firing inputs of a step:

    run_tiles     layer without lateral inhibition: tile by tile, time innermost; for threads
    run_coupled   layer with lateral inhibition: step by step, because all neurons share the mean
      currents    gain · (Σ_j W[j] + bias) of one tile, in the order of the firing inputs
      integrate   v = decay·v + current; which lanes reached the threshold
      relax       v = decay·v several times: steps without input in which nothing can fire
      spike       spikes of one tile in one step, and what the rule does to their weights
    merge         spikes of all tiles -> spikes of the layer in order of step, then neuron

Each layer keeps its weights twice: as rows [post, pre], which plasticity walks along, and as tiles
[tile, pre, lane], which the sums walk along. No float operation depends on the width of a tile or
on threads, and none may be fused or reordered (no fastmath), so every choice gives the same bits.

`currents`, `integrate` and `relax` are written as LLVM vector operations: numba's own vectoriser
keeps the running sums in memory instead of registers, which is several times slower. All compiled
code stands in this one file because numba's cache looks only at the file of the outermost function:
after a change elsewhere it would go on running old code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core.base import BaseContext
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

from bioncl.spiking.engines.event_records import CONSTANT, KEEP, Fired, Layer


def compiled(function: Callable[..., Any]) -> Any:
    """Compile when first called, once for each precision and width of tile, and keep it on disk."""
    return njit(error_model="numpy", nogil=True, cache=True)(function)


def operation(function: Callable[..., Any]) -> Any:
    """An operation for compiled code, given as types -> (signature, code generator)."""
    return intrinsic(function)


def _vector(context: BaseContext, array: types.Array, lanes: types.UniTuple) -> ir.VectorType:
    return ir.VectorType(context.get_value_type(array.dtype), lanes.count)


def _pointer(
    context: BaseContext, builder: ir.IRBuilder, array: types.Array, value: ir.Value, to: ir.Type
) -> ir.Value:
    """The address of an array's first element, as a pointer to `to`."""
    data = context.make_array(array)(context, builder, value).data
    return builder.bitcast(data, to.as_pointer())


def _load(builder: ir.IRBuilder, pointer: ir.Value, context: BaseContext) -> ir.Value:
    """A vector load that assumes only the alignment of one element."""
    vector = builder.load(pointer)
    vector.align = context.get_abi_sizeof(vector.type.element)
    return vector


def _store(
    builder: ir.IRBuilder, vector: ir.Value, pointer: ir.Value, context: BaseContext
) -> None:
    builder.store(vector, pointer).align = context.get_abi_sizeof(vector.type.element)


def _splat(builder: ir.IRBuilder, scalar: ir.Value, to: ir.VectorType) -> ir.Value:
    """A vector that holds the same number in all lanes."""
    index = ir.IntType(32)
    empty = ir.Constant(to, ir.Undefined)
    first = builder.insert_element(empty, scalar, index(0))
    return builder.shuffle_vector(first, empty, ir.Constant(ir.VectorType(index, to.count), None))


def _repeat(
    builder: ir.IRBuilder, count: ir.Value, value: ir.Value, change: Callable[..., ir.Value]
) -> ir.Value:
    """The value after value = change(value, k) for k = 0 … count − 1, kept in registers."""
    entry = builder.block
    head, body, done = (builder.append_basic_block(name) for name in ("head", "body", "done"))
    builder.branch(head)
    builder.position_at_end(head)
    k, current = builder.phi(count.type), builder.phi(value.type)
    k.add_incoming(count.type(0), entry)
    current.add_incoming(value, entry)
    builder.cbranch(builder.icmp_signed("<", k, count), body, done)
    builder.position_at_end(body)
    current.add_incoming(change(current, k), body)
    k.add_incoming(builder.add(k, count.type(1)), body)
    builder.branch(head)
    builder.position_at_end(done)
    return current


@operation
def currents(_: Any, tile: Any, ids: Any, bias: Any, gain: Any, out: Any, lanes: Any) -> Any:
    """Set out = gain · (Σ_j tile[j] + bias) over j in ids, one addition after another."""
    signature = types.void(tile, ids, bias, gain, out, lanes)

    def generate(context: BaseContext, builder: ir.IRBuilder, _: Any, args: Any) -> Any:
        vector = _vector(context, tile, lanes)
        from_tile, from_bias, to_out = (
            _pointer(context, builder, kind, value, vector)
            for kind, value in ((tile, args[0]), (bias, args[2]), (out, args[4]))
        )
        events = context.make_array(ids)(context, builder, args[1])

        def add(total: ir.Value, k: ir.Value) -> ir.Value:
            j = builder.zext(builder.load(builder.gep(events.data, [k])), k.type)
            return builder.fadd(total, _load(builder, builder.gep(from_tile, [j]), context))

        count = builder.extract_value(events.shape, 0)
        total = _repeat(builder, count, ir.Constant(vector, None), add)
        summed = builder.fadd(total, _load(builder, from_bias, context))
        _store(builder, builder.fmul(_splat(builder, args[3], vector), summed), to_out, context)
        return context.get_dummy_value()

    return signature, generate


@operation
def integrate(_: Any, membrane: Any, current: Any, decay: Any, threshold: Any, lanes: Any) -> Any:
    """Set membrane = decay·membrane + current; return a bit for each lane ≥ threshold (uint64)."""
    signature = types.uint64(membrane, current, decay, threshold, lanes)

    def generate(context: BaseContext, builder: ir.IRBuilder, _: Any, args: Any) -> Any:
        vector = _vector(context, membrane, lanes)
        address = _pointer(context, builder, membrane, args[0], vector)
        added = _load(builder, _pointer(context, builder, current, args[1], vector), context)
        factor = _splat(builder, args[2], vector)
        decayed = builder.fmul(factor, _load(builder, address, context))
        moved = builder.fadd(decayed, added)
        _store(builder, moved, address, context)
        hits = builder.fcmp_ordered(">=", moved, _splat(builder, args[3], vector))
        bits = builder.bitcast(hits, ir.IntType(lanes.count))
        return bits if lanes.count == 64 else builder.zext(bits, ir.IntType(64))

    return signature, generate


@operation
def relax(_: Any, membrane: Any, decay: Any, steps: Any, lanes: Any) -> Any:
    """Multiply the membrane by `decay`, `steps` times, each time rounded."""
    signature = types.void(membrane, decay, steps, lanes)

    def generate(context: BaseContext, builder: ir.IRBuilder, _: Any, args: Any) -> Any:
        vector = _vector(context, membrane, lanes)
        address = _pointer(context, builder, membrane, args[0], vector)
        factor, start = _splat(builder, args[1], vector), _load(builder, address, context)
        value = _repeat(builder, args[2], start, lambda value, _: builder.fmul(factor, value))
        _store(builder, value, address, context)
        return context.get_dummy_value()

    return signature, generate


def _logistic64(x: Any) -> Any:
    """1/(1 + exp(x)) in float64.

    exp(x) = 2ⁿ·exp(r) with n = round(x/ln 2): adding 1.5·2⁵² rounds, and leaves n in the low bits
    of the mantissa; ln 2 comes in two parts so that r is exact; |r| ≤ 0.35, Taylor to degree 13.
    """
    x = -708.0 if x < -708.0 else x
    x = 708.0 if x > 708.0 else x
    shifted = x * 1.4426950408889634 + 6755399441055744.0
    n = shifted - 6755399441055744.0
    r = (x - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10
    p = 1 / 6227020800
    p = p * r + 1 / 479001600
    p = p * r + 1 / 39916800
    p = p * r + 1 / 3628800
    p = p * r + 1 / 362880
    p = p * r + 1 / 40320
    p = p * r + 1 / 5040
    p = p * r + 1 / 720
    p = p * r + 1 / 120
    p = p * r + 1 / 24
    p = p * r + 1 / 6
    p = p * r + 0.5
    p = p * (r * r) + r + 1.0
    bits = (np.float64(shifted).view(np.int64) << np.int64(52)) + np.int64(1023 << 52)
    return 1.0 / (1.0 + p * np.int64(bits).view(np.float64))


# float32 constants of the function below: a plain literal would make its arithmetic float64.
_ONE, _HALF, _BOUND = np.float32(1), np.float32(0.5), np.float32(87)
_LOG2E, _ROUND = np.float32(1.4426950408889634), np.float32(12582912)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_F3, _F4, _F5 = np.float32(1 / 6), np.float32(1 / 24), np.float32(1 / 120)
_F6, _F7 = np.float32(1 / 720), np.float32(1 / 5040)


def _logistic32(x: Any) -> Any:
    """1/(1 + exp(x)) in float32, in the same way, Taylor to degree 7."""
    x = -_BOUND if x < -_BOUND else x
    x = _BOUND if x > _BOUND else x
    shifted = x * _LOG2E + _ROUND
    n = shifted - _ROUND
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    p = _F7
    p = p * r + _F6
    p = p * r + _F5
    p = p * r + _F4
    p = p * r + _F3
    p = p * r + _HALF
    p = p * (r * r) + r + _ONE
    bits = (np.float32(shifted).view(np.int32) << np.int32(23)) + np.int32(127 << 23)
    return _ONE / (_ONE + p * np.int32(bits).view(np.float32))


def logistic(x: Any) -> Any:
    """1/(1 + exp(x)) in the precision of x, finite unless x is NaN; for compiled code only."""
    raise NotImplementedError


@overload(logistic)
def _logistic(x: Any) -> Any:
    return _logistic32 if x == types.float32 else _logistic64


@compiled
def change_row(row: NDArray, step: NDArray, rule: int, slope: float) -> bool:
    """Add step·f(w) to each weight of one row; return whether any stopped being finite."""
    zero = slope - slope
    broken = False
    if rule == CONSTANT:
        for j in range(row.size):
            row[j] += step[j]
            broken |= row[j] - row[j] != zero
    else:
        for j in range(row.size):
            row[j] += step[j] * logistic(slope * row[j])
            broken |= row[j] - row[j] != zero
    return broken


@compiled
def copy_to_lane(row: NDArray, tile: NDArray, lane: int) -> None:
    """Copy the weights of one neuron into its tile."""
    for j in range(row.size):
        tile[j, lane] = row[j]


@compiled
def fill_tiles(rows: NDArray, tiles: NDArray) -> None:
    """Copy the weights of all neurons into their tiles."""
    lanes = tiles.shape[2]
    for i in range(len(rows)):
        copy_to_lane(rows[i], tiles[i // lanes], i % lanes)


@compiled
def spike(
    layer: Layer, fired: Fired, step: NDArray, ids: NDArray, tile: int, hits: int, code: int
) -> None:
    """Note the spikes of one tile in one step, change the weights of who fired, reset them.

    `ids` are the firing inputs; `step` [pre], what the rule adds per f(w), holds `down` everywhere
    before and after.
    """
    lanes = len(layer.lanes)
    step[ids] = layer.numbers.up
    for lane in range(min(lanes, len(layer.rows) - tile * lanes)):
        if not (hits >> np.uint64(lane)) & np.uint64(1):
            continue
        layer.membranes[tile, lane] = 0
        fired.codes[tile, fired.counts[tile]] = code + lane
        fired.counts[tile] += 1
        if layer.rule != KEEP:
            row = layer.rows[tile * lanes + lane]
            fired.broken[tile] |= change_row(row, step, layer.rule, layer.numbers.slope)
            copy_to_lane(row, layer.tiles[tile], lane)
    step[ids] = layer.numbers.down


@compiled
def following(offsets: NDArray) -> NDArray:
    """For each step, the first step from there on with input events (or the number of steps)."""
    found = np.empty(offsets.size, np.int64)
    found[-1] = offsets.size - 1
    for t in range(offsets.size - 2, -1, -1):
        found[t] = t if offsets[t + 1] > offsets[t] else found[t + 1]
    return found


@compiled
def run_tiles(
    layer: Layer,
    fired: Fired,
    offsets: NDArray,
    ids: NDArray,
    ahead: NDArray,
    tiles: tuple[int, int],
) -> None:
    """Run tiles[0] ≤ tile < tiles[1] of a layer without inhibition through one chunk.

    Without bias and below a positive threshold a neuron cannot fire in a step without input events
    (0 ≤ decay ≤ 1), so such steps, which `ahead` (see `following`) jumps over, only decay.
    """
    numbers, lanes = layer.numbers, layer.lanes
    decay, gain, threshold = numbers.decay, numbers.gain, numbers.threshold
    current = np.zeros_like(layer.biases[0])
    step = np.full(layer.rows.shape[1], numbers.down)
    for q in range(tiles[0], tiles[1]):
        tile, membrane, bias = layer.tiles[q], layer.membranes[q], layer.biases[q]
        quiet = not layer.driven and threshold > 0 and np.all(membrane < threshold)
        t = 0
        while t < offsets.size - 1:
            if quiet and ahead[t] > t:
                relax(membrane, decay, ahead[t] - t, lanes)
                t = ahead[t]
                continue
            events = ids[offsets[t] : offsets[t + 1]]
            currents(tile, events, bias, gain, current, lanes)
            hits = integrate(membrane, current, decay, threshold, lanes)
            if hits:
                spike(layer, fired, step, events, q, hits, t * len(lanes))
            t += 1


@compiled
def run_coupled(layer: Layer, fired: Fired, offsets: NDArray, ids: NDArray) -> None:
    """Run a whole layer with lateral inhibition through one chunk."""
    numbers, lanes = layer.numbers, layer.lanes
    neurons, width = len(layer.rows), len(lanes)
    current = np.zeros_like(layer.biases)
    share = np.zeros(1, layer.rows.dtype)
    step = np.full(layer.rows.shape[1], numbers.down)
    for t in range(offsets.size - 1):
        events = ids[offsets[t] : offsets[t + 1]]
        total = 0.0
        for q in range(len(layer.tiles)):
            currents(layer.tiles[q], events, layer.biases[q], numbers.gain, current[q], lanes)
            for lane in range(min(width, neurons - q * width)):
                total += current[q, lane]
        share[0] = total / neurons
        current -= numbers.inhibition * share[0]
        for q in range(len(layer.tiles)):
            hits = integrate(
                layer.membranes[q], current[q], numbers.decay, numbers.threshold, lanes
            )
            if hits:
                spike(layer, fired, step, events, q, hits, t * width)


@compiled
def merge(fired: Fired, steps: int, lanes: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Offsets [steps + 1] and ids of a layer's spikes, from the spikes of its tiles."""
    offsets = np.zeros(steps + 1, np.int64)
    for q in range(len(fired.counts)):
        for k in range(fired.counts[q]):
            offsets[fired.codes[q, k] // lanes + 1] += 1
    offsets = np.cumsum(offsets)
    ids = np.empty(offsets[-1], np.int32)
    place = offsets[:-1].copy()
    for q in range(len(fired.counts)):
        for k in range(fired.counts[q]):
            step, lane = divmod(fired.codes[q, k], lanes)
            ids[place[step]] = q * lanes + lane
            place[step] += 1
    return offsets, ids
