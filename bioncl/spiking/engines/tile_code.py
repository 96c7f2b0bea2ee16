"""Vector operations of the loops in `tile_kernels`, written as LLVM instructions.

    relax           steps without input: v = decay·v
    silent          steps of one tile until a lane reaches the threshold
    lowest          the first lane of those that fired
    transpose       a block of weights from rows to a tile
    change_blocks   what a rule with a logistic factor does to one row of weights
    logistic        1/(1 + exp(x)) of one number

numba's own vectoriser keeps the running sums of the first two in memory instead of registers, which
is several times slower. Nothing but the float32 exp may be fused or reordered.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.core.base import BaseContext

from bioncl.spiking.engines.compiled import operation

LINE = 64  # bytes of a cache line: rows of tiles begin on one where they fill it
BLOCK = 8  # weights of so many rows and columns are laid out at once; divides every width
I64 = ir.IntType(64)


class _Code:
    """Writes LLVM instructions on vectors that hold one number for each lane of a tile."""

    def __init__(
        self, context: BaseContext, builder: ir.IRBuilder, array: types.Array, lanes: int
    ) -> None:
        self.context, self.builder = context, builder
        self.vector = ir.VectorType(context.get_value_type(array.dtype), lanes)
        self.bits = ir.IntType(lanes)
        size = context.get_abi_sizeof(self.vector.element)
        self.align = size * lanes if size * lanes < LINE else LINE

    def data(self, array: types.Array, value: ir.Value) -> ir.Value:
        """Address of an array's first element."""
        return self.context.make_array(array)(self.context, self.builder, value).data

    def vectors(self, array: types.Array, value: ir.Value) -> ir.Value:
        """The same as the address of vectors."""
        return self.builder.bitcast(self.data(array, value), self.vector.as_pointer())

    def load(self, pointer: ir.Value) -> ir.Value:
        """A vector from memory."""
        vector = self.builder.load(pointer)
        vector.align = self.align
        return vector

    def store(self, vector: ir.Value, pointer: ir.Value) -> None:
        """A vector to memory."""
        self.builder.store(vector, pointer).align = self.align

    def splat(self, scalar: ir.Value) -> ir.Value:
        """A vector with the same number in all lanes."""
        index = ir.IntType(32)
        empty = ir.Constant(self.vector, ir.Undefined)
        first = self.builder.insert_element(empty, scalar, index(0))
        zeros = ir.Constant(ir.VectorType(index, self.vector.count), None)
        return self.builder.shuffle_vector(first, empty, zeros)

    def repeat(
        self,
        first: ir.Value,
        last: ir.Value,
        value: ir.Value,
        change: Callable[[ir.Value, ir.Value], ir.Value],
    ) -> ir.Value:
        """The value after value = change(value, k) for first ≤ k < last, kept in registers."""
        builder, entry = self.builder, self.builder.block
        head, body, done = (builder.append_basic_block(name) for name in ("head", "body", "done"))
        builder.branch(head)
        builder.position_at_end(head)
        k, current = builder.phi(I64), builder.phi(value.type)
        k.add_incoming(first, entry)
        current.add_incoming(value, entry)
        builder.cbranch(builder.icmp_signed("<", k, last), body, done)
        builder.position_at_end(body)
        current.add_incoming(change(current, k), body)
        k.add_incoming(builder.add(k, I64(1)), body)
        builder.branch(head)
        builder.position_at_end(done)
        return current


@operation
def relax(_: Any, membrane: Any, decay: Any, steps: Any, lanes: Any) -> Any:
    """Multiply the membrane by `decay`, `steps` times, each time rounded."""
    signature = types.void(membrane, decay, steps, lanes)

    def generate(context: BaseContext, builder: ir.IRBuilder, _: Any, args: Any) -> Any:
        code = _Code(context, builder, membrane, lanes.count)
        address, factor = code.vectors(membrane, args[0]), code.splat(args[1])
        start = code.load(address)
        value = code.repeat(I64(0), args[2], start, lambda v, _: builder.fmul(factor, v))
        code.store(value, address)
        return context.get_dummy_value()

    return signature, generate


class _Step(NamedTuple):
    """What one step of a tile needs, as values of the code under construction.

    `starts` and `inputs` are the addresses of offsets and ids, `weights` that of the tile.
    """

    code: _Code
    starts: ir.Value
    inputs: ir.Value
    weights: ir.Value
    bias: ir.Value
    decay: ir.Value
    gain: ir.Value

    def offset(self, t: ir.Value) -> ir.Value:
        """Where the firing inputs of step t begin."""
        builder = self.code.builder
        return builder.load(builder.gep(self.starts, [t]))

    def moved(self, v: ir.Value, first: ir.Value, last: ir.Value) -> ir.Value:
        """The membrane after a step, of which the firing inputs are those from first to last."""
        code, builder = self.code, self.code.builder

        def add(total: ir.Value, k: ir.Value) -> ir.Value:
            j = builder.zext(builder.load(builder.gep(self.inputs, [k])), I64)
            return builder.fadd(total, code.load(builder.gep(self.weights, [j])))

        total = code.repeat(first, last, ir.Constant(code.vector, None), add)
        current = builder.fmul(self.gain, builder.fadd(total, self.bias))
        return builder.fadd(builder.fmul(self.decay, v), current)


@operation
def silent(
    _: Any,
    tile: Any,
    events: Any,
    steps: Any,
    membrane: Any,
    bias: Any,
    numbers: Any,
    hits: Any,
    lanes: Any,
) -> Any:
    """Run steps[0] ≤ t < steps[1] of one tile until a lane reaches the threshold.

    In each step v = decay·v + gain·(Σ_j tile[j] + bias), the sum one after another over the firing
    inputs; `events` begins with their offsets [steps + 1] and ids. Returns the step in which some
    lane fired (its bits then stand in hits[0], and v is what it was before the reset), or steps[1].
    """
    signature = types.int64(tile, events, steps, membrane, bias, numbers, hits, lanes)

    def generate(context: BaseContext, builder: ir.IRBuilder, _: Any, args: Any) -> Any:
        code = _Code(context, builder, tile, lanes.count)
        starts, inputs = (
            code.data(events.types[k], builder.extract_value(args[1], k)) for k in (0, 1)
        )
        decay, gain, threshold = (code.splat(builder.extract_value(args[5], k)) for k in (0, 1, 2))
        constant = code.load(code.vectors(bias, args[4]))
        step = _Step(code, starts, inputs, code.vectors(tile, args[0]), constant, decay, gain)
        address = code.vectors(membrane, args[3])
        bounds = [builder.extract_value(args[2], k) for k in (0, 1)]
        stopped, kept, fired = _until_a_hit(step, bounds, code.load(address), threshold)
        code.store(kept, address)
        builder.store(fired, code.data(hits, args[6])).align = 8
        return stopped

    return signature, generate


def _until_a_hit(
    step: _Step, bounds: list[ir.Value], v0: ir.Value, threshold: ir.Value
) -> tuple[ir.Value, ir.Value, ir.Value]:
    """The loop of `silent`: where it stopped, the membrane there, and who fired (64 bits)."""
    code, builder, entry = step.code, step.code.builder, step.code.builder.block
    first0 = step.offset(bounds[0])
    head, body, on, hit, done = (
        builder.append_basic_block(name) for name in ("step", "sum", "on", "hit", "stop")
    )
    builder.branch(head)

    builder.position_at_end(head)
    t, v, first = builder.phi(I64), builder.phi(code.vector), builder.phi(I64)
    for phi, value in ((t, bounds[0]), (v, v0), (first, first0)):
        phi.add_incoming(value, entry)
    builder.cbranch(builder.icmp_signed("<", t, bounds[1]), body, done)

    builder.position_at_end(body)
    after = builder.add(t, I64(1))
    last = step.offset(after)
    moved = step.moved(v, first, last)
    bits = builder.bitcast(builder.fcmp_ordered(">=", moved, threshold), code.bits)
    builder.cbranch(builder.icmp_unsigned("!=", bits, code.bits(0)), hit, on)

    builder.position_at_end(on)
    for phi, value in ((t, after), (v, moved), (first, last)):
        phi.add_incoming(value, on)
    builder.branch(head)

    builder.position_at_end(hit)
    wide = bits if code.bits.width == 64 else builder.zext(bits, I64)
    builder.branch(done)

    builder.position_at_end(done)
    stopped, kept, fired = builder.phi(I64), builder.phi(code.vector), builder.phi(I64)
    for phi, early, late in ((stopped, t, t), (kept, v, moved), (fired, I64(0), wide)):
        phi.add_incoming(early, head)
        phi.add_incoming(late, hit)
    return stopped, kept, fired


@operation
def lowest(_: Any, mask: Any) -> Any:
    """The place of the lowest bit that is set in a uint64 other than 0."""

    def generate(_: BaseContext, builder: ir.IRBuilder, __: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.IntType(1)(1))

    return types.int64(types.uint64), generate


@operation
def transpose(_: Any, rows: Any, row: Any, column: Any, tile: Any, lane: Any) -> Any:
    """Copy rows[row + i, column + j] to tile[column + j, lane + i], for i and j below BLOCK."""
    signature = types.void(rows, types.int64, types.int64, tile, types.int64)

    def generate(context: BaseContext, builder: ir.IRBuilder, _: Any, args: Any) -> Any:
        code = _Code(context, builder, rows, BLOCK)
        code.align = rows.dtype.bitwidth // 8

        def address(kind: Any, value: Any, first: ir.Value, then: ir.Value) -> ir.Value:
            """Of a vector in a matrix, whose rows follow each other."""
            shape = context.make_array(kind)(context, builder, value).shape
            place = builder.add(builder.mul(first, builder.extract_value(shape, 1)), then)
            start = builder.gep(code.data(kind, value), [place])
            return builder.bitcast(start, code.vector.as_pointer())

        block = [
            code.load(address(rows, args[0], builder.add(args[1], I64(i)), args[2]))
            for i in range(BLOCK)
        ]
        for j, vector in enumerate(_transposed(builder, block)):
            code.store(vector, address(tile, args[3], builder.add(args[2], I64(j)), args[4]))
        return context.get_dummy_value()

    return signature, generate


def _transposed(builder: ir.IRBuilder, rows: list[ir.Value]) -> list[ir.Value]:
    """The columns of a square block: swaps halves, then halves of these, down to single numbers."""
    size = len(rows)
    mask = ir.VectorType(ir.IntType(32), size)
    half = size // 2
    while half:
        low = [c if not c & half else c - half + size for c in range(size)]
        high = [c + half if not c & half else c + size for c in range(size)]
        for i in (i for i in range(size) if not i & half):
            pair = rows[i], rows[i + half]
            rows[i], rows[i + half] = (
                builder.shuffle_vector(*pair, ir.Constant(mask, order)) for order in (low, high)
            )
        half //= 2
    return rows


class Exponential(NamedTuple):
    """How exp is computed in one precision; see `_logistic`."""

    degree: int
    bound: float
    rounding: float
    ln2: tuple[float, float]
    shift: int
    bias: int
    flags: tuple[str, ...]


# In float64 every operation is rounded by itself, so that all machines agree; float32 may fuse.
EXPONENTIAL = {
    32: Exponential(
        7, 87.0, 12582912.0, (0.693359375, -2.12194440e-4), 23, 127 << 23, ("contract",)
    ),
    64: Exponential(
        13,
        708.0,
        6755399441055744.0,
        (6.93147180369123816490e-01, 1.90821492927058770002e-10),
        52,
        1023 << 52,
        (),
    ),
}


def _logistic(builder: ir.IRBuilder, x: ir.Value, width: int) -> ir.Value:
    """1/(1 + exp(x)) of numbers or vectors of `width` bits, finite unless x is NaN.

    exp(x) = 2ⁿ·exp(r) with n = round(x/ln 2): adding 1.5·2⁵² (or 1.5·2²³) rounds, and leaves n in
    the low bits of the mantissa; ln 2 comes in two parts so that r is exact; |r| ≤ 0.35, Taylor.
    """
    way = EXPONENTIAL[width]
    lanes = x.type.count if isinstance(x.type, ir.VectorType) else 0
    whole = ir.VectorType(ir.IntType(width), lanes) if lanes else ir.IntType(width)

    def number(value: float, kind: ir.Type = x.type) -> ir.Constant:
        return ir.Constant(kind, [value] * lanes if lanes else value)

    def times(a: ir.Value, b: ir.Value) -> ir.Value:
        return builder.fmul(a, b, flags=way.flags)

    def plus(a: ir.Value, b: ir.Value) -> ir.Value:
        return builder.fadd(a, b, flags=way.flags)

    def minus(a: ir.Value, b: ir.Value) -> ir.Value:
        return builder.fsub(a, b, flags=way.flags)

    low, high, one = number(-way.bound), number(way.bound), number(1.0)
    x = builder.select(builder.fcmp_ordered("<", x, low), low, x)
    x = builder.select(builder.fcmp_ordered(">", x, high), high, x)
    shifted = plus(times(x, number(1 / math.log(2))), number(way.rounding))
    n = builder.fsub(shifted, number(way.rounding))
    r = minus(minus(x, times(n, number(way.ln2[0]))), times(n, number(way.ln2[1])))
    p = number(1 / math.factorial(way.degree))
    for k in range(way.degree - 1, 1, -1):
        p = plus(times(p, r), number(1 / math.factorial(k)))
    p = plus(plus(times(p, times(r, r)), r), one)
    bits = builder.shl(builder.bitcast(shifted, whole), number(way.shift, whole))
    power = builder.bitcast(builder.add(bits, number(way.bias, whole)), x.type)
    return builder.fdiv(one, plus(one, times(p, power)))


@operation
def logistic(_: Any, x: Any) -> Any:
    """1/(1 + exp(x)) of one number."""

    def generate(_: BaseContext, builder: ir.IRBuilder, __: Any, args: Any) -> Any:
        return _logistic(builder, args[0], x.bitwidth)

    return x(x), generate


@operation
def change_blocks(_: Any, row: Any, step: Any, slope: Any, tile: Any, lane: Any, lanes: Any) -> Any:
    """Add step·logistic(slope·w) to the weights of a row, LINE bytes at a time, as far as they fit.

    Meanwhile copies each block, when the next one has been computed, into the neuron's lane of its
    tile; the last block is left to the caller. Returns the sum of w − w over all new weights, 0 if
    they are finite.
    """
    signature = row.dtype(row, step, slope, tile, lane, lanes)

    def generate(context: BaseContext, builder: ir.IRBuilder, _: Any, args: Any) -> Any:
        width = row.dtype.bitwidth
        count = 8 * LINE // width
        code = _Code(context, builder, row, count)
        code.align = width // 8
        weights, steps = code.vectors(row, args[0]), code.vectors(step, args[1])
        factor, lane_0 = code.splat(args[2]), args[4]
        whole = ir.IntType(width).as_pointer()
        source = builder.bitcast(code.data(row, args[0]), whole)
        target = builder.bitcast(code.data(tile, args[3]), whole)
        size = builder.extract_value(context.make_array(row)(context, builder, args[0]).shape, 0)

        def block(broken: ir.Value, k: ir.Value) -> ir.Value:
            place = builder.gep(weights, [k])
            w = code.load(place)
            gate = _logistic(builder, builder.fmul(factor, w), width)
            w = builder.fadd(w, builder.fmul(code.load(builder.gep(steps, [k])), gate))
            code.store(w, place)
            before = builder.sub(k, I64(1))
            before = builder.select(builder.icmp_signed("<", before, I64(0)), I64(0), before)
            start = builder.mul(before, I64(count))
            for i in range(count):
                j = builder.add(start, I64(i))
                to = builder.add(builder.mul(j, I64(lanes.count)), lane_0)
                builder.store(builder.load(builder.gep(source, [j])), builder.gep(target, [to]))
            return builder.fadd(broken, builder.fsub(w, w))

        blocks = builder.sdiv(size, I64(count))
        broken = code.repeat(I64(0), blocks, ir.Constant(code.vector, None), block)
        total = builder.extract_element(broken, ir.IntType(32)(0))
        for i in range(1, count):
            total = builder.fadd(total, builder.extract_element(broken, ir.IntType(32)(i)))
        return total

    return signature, generate
