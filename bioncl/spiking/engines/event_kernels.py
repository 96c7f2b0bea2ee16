"""Compiled loops of the `event` engine: one layer, one chunk of steps.

The neurons of a layer are laid out in tiles of some lanes; the sums of one tile live in vector
registers while the loop runs over the firing inputs of a step:

    run_tiles     layer without lateral inhibition: tile by tile, time innermost; for threads
    run_coupled   layer with lateral inhibition: step by step, because all neurons share the mean
      currents    gain · (Σ_j W[j] + bias) of one tile, in the order of the firing inputs
      integrate   v = decay·v + current; which lanes reached the threshold
      relax       v = decay·v several times: steps without input in which nothing can fire
      fire        spikes of one tile in one step, and what the rule does to their weights
    merge         spikes of all tiles -> spikes of the layer in order of step, then neuron

Each layer keeps its weights twice: as rows [post, pre], which plasticity walks along, and as tiles
[tile, pre, lane], which the sums walk along. No float operation depends on the width of a tile or on
threads, and none may be fused or reordered (no fastmath), so every choice gives the same bits.

`currents`, `integrate` and `relax` are written as LLVM vector operations: numba's own vectoriser
keeps the running sums in memory instead of registers, which is several times slower. Everything that
is compiled stands in this one file because numba's cache looks only at the file of the outermost
function: after a change elsewhere it would go on running old code.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core.base import BaseContext
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True, "cache": True}
KEEP, CONSTANT, LOGISTIC = 0, 1, 2


class Numbers(NamedTuple):
    """Numbers of one layer, all in the precision of its weights.

    The rule adds `up`·f(w) where the input fired and `down`·f(w), `down` ≤ 0, where it did not;
    `slope` is that of f (see `Layer.rule`).
    """

    decay: Any
    gain: Any
    threshold: Any
    inhibition: Any
    up: Any
    down: Any
    slope: Any


class Layer(NamedTuple):
    """One layer as the kernels take it; they change `rows`, `tiles` and `membranes`.

    Attributes:
        rows: Weights [post, pre].
        tiles: The same weights [tile, pre, lane], zero in the lanes beyond the last neuron.
        membranes: [tile, lane].
        biases: [tile, lane].
        rule: KEEP (no change), CONSTANT (f = 1) or LOGISTIC (f = 1/(1 + exp(slope·w))).
        driven: Whether any bias is not 0.
        lanes: A tuple as long as a tile is wide: its type tells the compiler the width.
    """

    rows: NDArray
    tiles: NDArray
    membranes: NDArray
    biases: NDArray
    numbers: Numbers
    rule: int
    driven: bool
    lanes: tuple[None, ...]


class Fired(NamedTuple):
    """What a chunk leaves behind, tile by tile.

    Attributes:
        codes: int64 [tile, steps·lanes], step·lanes + lane of each spike, ascending.
        counts: int64 [tile], how many codes are filled in.
        broken: bool [tile], whether a weight stopped being finite.
    """

    codes: NDArray[np.int64]
    counts: NDArray[np.int64]
    broken: NDArray[np.bool_]


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


@intrinsic
def currents(typing, tile, ids, first, last, bias, gain, out, lanes):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Set out = gain · (Σ_k tile[ids[k]] + bias) for first ≤ k < last, one addition after another."""
    signature = types.void(tile, ids, first, last, bias, gain, out, lanes)

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        vector = _vector(context, tile, lanes)
        address = [
            _pointer(context, builder, kind, value, vector)
            for kind, value in ((tile, args[0]), (bias, args[4]), (out, args[6]))
        ]
        numbers = context.make_array(ids)(context, builder, args[1]).data
        entry = builder.block
        head, body, done = (builder.append_basic_block(name) for name in ("head", "add", "summed"))
        builder.branch(head)
        builder.position_at_end(head)
        position, total = builder.phi(args[2].type), builder.phi(vector)
        position.add_incoming(args[2], entry)
        total.add_incoming(ir.Constant(vector, None), entry)
        builder.cbranch(builder.icmp_signed("<", position, args[3]), body, done)
        builder.position_at_end(body)
        row = builder.zext(builder.load(builder.gep(numbers, [position])), ir.IntType(64))
        weights = _load(builder, builder.gep(address[0], [row]), context)
        total.add_incoming(builder.fadd(total, weights), body)
        position.add_incoming(builder.add(position, position.type(1)), body)
        builder.branch(head)
        builder.position_at_end(done)
        summed = builder.fadd(total, _load(builder, address[1], context))
        current = builder.fmul(_splat(builder, args[5], vector), summed)
        _store(builder, current, address[2], context)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def integrate(typing, membrane, current, decay, threshold, lanes):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Set membrane = decay·membrane + current; return a bit for each lane ≥ threshold (uint64)."""
    signature = types.uint64(membrane, current, decay, threshold, lanes)

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
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


@intrinsic
def relax(typing, membrane, decay, steps, lanes):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Multiply the membrane by `decay`, `steps` times, each time rounded."""
    signature = types.void(membrane, decay, steps, lanes)

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        vector = _vector(context, membrane, lanes)
        address = _pointer(context, builder, membrane, args[0], vector)
        factor, start = _splat(builder, args[1], vector), _load(builder, address, context)
        entry = builder.block
        head, body, done = (builder.append_basic_block(name) for name in ("head", "decay", "rest"))
        builder.branch(head)
        builder.position_at_end(head)
        left, value = builder.phi(args[2].type), builder.phi(vector)
        left.add_incoming(args[2], entry)
        value.add_incoming(start, entry)
        builder.cbranch(builder.icmp_signed(">", left, left.type(0)), body, done)
        builder.position_at_end(body)
        value.add_incoming(builder.fmul(factor, value), body)
        left.add_incoming(builder.sub(left, left.type(1)), body)
        builder.branch(head)
        builder.position_at_end(done)
        _store(builder, value, address, context)
        return context.get_dummy_value()

    return signature, generate


@njit(**OPTIONS)
def logistic64(x: float) -> float:
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


@njit(**OPTIONS)
def logistic32(x: float) -> float:
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


def logistic(x: float) -> float:
    """1/(1 + exp(x)) in the precision of x; finite for every x, NaN for NaN (compiled code only)."""
    raise NotImplementedError


@overload(logistic)
def _logistic(x):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    one = logistic32 if x == types.float32 else logistic64
    return lambda x: one(x)


@njit(**OPTIONS)
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


@njit(**OPTIONS)
def fire(layer: Layer, fired: Fired, step: NDArray, tile: int, hits: int, code: int) -> None:
    """Note the spikes of one tile in one step, change the weights of who fired, reset them."""
    lanes = len(layer.lanes)
    for lane in range(min(lanes, len(layer.rows) - tile * lanes)):
        if not (hits >> np.uint64(lane)) & np.uint64(1):
            continue
        layer.membranes[tile, lane] = 0
        fired.codes[tile, fired.counts[tile]] = code + lane
        fired.counts[tile] += 1
        if layer.rule != KEEP:
            row = layer.rows[tile * lanes + lane]
            if change_row(row, step, layer.rule, layer.numbers.slope):
                fired.broken[tile] = True
            column = layer.tiles[tile]
            for j in range(row.size):
                column[j, lane] = row[j]


@njit(**OPTIONS)
def spike(
    layer: Layer, fired: Fired, step: NDArray, ids: NDArray, tile: int, hits: int, code: int
) -> None:
    """`fire` with the firing inputs `ids` of this step marked in `step` (elsewhere it is down)."""
    up, down = layer.numbers.up, layer.numbers.down
    for j in ids:
        step[j] = up
    fire(layer, fired, step, tile, hits, code)
    for j in ids:
        step[j] = down


@njit(**OPTIONS)
def following(offsets: NDArray) -> NDArray:
    """For each step, the first step from there on that has input events (or the number of steps)."""
    found = np.empty(offsets.size, np.int64)
    found[-1] = offsets.size - 1
    for t in range(offsets.size - 2, -1, -1):
        found[t] = t if offsets[t + 1] > offsets[t] else found[t + 1]
    return found


@njit(**OPTIONS)
def run_tiles(
    layer: Layer, fired: Fired, offsets: NDArray, ids: NDArray, ahead: NDArray, tiles: tuple[int, int]
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
            first, last = offsets[t], offsets[t + 1]
            currents(tile, ids, first, last, bias, gain, current, lanes)
            hits = integrate(membrane, current, decay, threshold, lanes)
            if hits:
                spike(layer, fired, step, ids[first:last], q, hits, t * len(lanes))
            t += 1


@njit(**OPTIONS)
def run_coupled(layer: Layer, fired: Fired, offsets: NDArray, ids: NDArray) -> None:
    """Run a whole layer with lateral inhibition through one chunk."""
    numbers, lanes = layer.numbers, layer.lanes
    neurons, width = len(layer.rows), len(lanes)
    current = np.zeros_like(layer.biases)
    share = np.zeros(1, layer.rows.dtype)
    step = np.full(layer.rows.shape[1], numbers.down)
    for t in range(offsets.size - 1):
        first, last = offsets[t], offsets[t + 1]
        total = 0.0
        for q in range(len(layer.tiles)):
            bias, out = layer.biases[q], current[q]
            currents(layer.tiles[q], ids, first, last, bias, numbers.gain, out, lanes)
            for lane in range(min(width, neurons - q * width)):
                total += out[lane]
        share[0] = total / neurons
        current -= numbers.inhibition * share[0]
        for q in range(len(layer.tiles)):
            hits = integrate(layer.membranes[q], current[q], numbers.decay, numbers.threshold, lanes)
            if hits:
                spike(layer, fired, step, ids[first:last], q, hits, t * width)


@njit(**OPTIONS)
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
