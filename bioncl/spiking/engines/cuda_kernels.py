"""The Triton kernel of the `cuda` engine: one layer, one chunk of steps, many nights, one launch.

Work comes in items, a tile of LANES neurons of one night; a program takes its items one after
another and walks each through all steps of the chunk:

    run_layer    drive, decay, compare, reset
      drive      Σ_j W[j] of one step, one addition after another, in ascending order
      note       the spikes of one step
      learn      what the rule does to the weights of the neurons that fired

A tile stays in the caches of the processor that walks it, so the number of programs (how many tiles
compete for them) matters and is left to the caller; it changes no bit, and neither does LANES.
A program is one warp, programs share nothing but what they only read, and no float is added
atomically. Multiplications and additions must not be fused (`OPTIONS`): `dense` rounds twice.

With TRITON_INTERPRET=1 in the environment when this module is imported, the same code runs on CPU
tensors, slowly: for tests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import triton
import triton.language as tl

# Integers that differ from chunk to chunk: no new compilation for those that divide by 16.
VARYING = ("items", "tiles", "pre", "neurons", "steps", "words_below", "words")
# One stage: loads must not be moved ahead of the stores of an earlier step.
OPTIONS = {"num_warps": 1, "num_stages": 1, "enable_fp_fusion": False}


def kernel(function: Callable[..., Any]) -> Any:
    """Compile when first called, for each dtype and width of tile."""
    return triton.jit(function, do_not_specialize=VARYING)


def part(function: Callable[..., Any]) -> Any:
    """A function of kernels."""
    return triton.jit(function)


@part
def drive(
    tile: tl.tensor,
    ids: tl.tensor,
    first: tl.tensor,
    last: tl.tensor,
    LANES: tl.constexpr,
    BATCH: tl.constexpr,
) -> tl.tensor:
    """Sum of the tile's rows ids[first·BATCH : last·BATCH], one after another: [LANES]."""
    row = tile + tl.arange(0, LANES)
    total = tl.zeros([LANES], tile.dtype.element_ty)
    for batch in range(first, last):
        for e in tl.static_range(BATCH):  # independent loads, all under way before the first sum
            j = tl.load(ids + batch * BATCH + e).to(tl.int64)
            total += tl.load(row + j * LANES)
    return total


@part
def note(bits: tl.tensor, left: tl.tensor, LANES: tl.constexpr) -> None:
    """Write the tile's words of one step; `left` [LANES] is below LANES where a neuron fired."""
    ones = tl.where(left < LANES, 1, 0) << (tl.arange(0, LANES) % 32)
    words = tl.sum(tl.reshape(ones, [LANES // 32, 32]), axis=1)
    tl.store(bits + tl.arange(0, LANES // 32), words)


@part
def learn(
    tile: tl.tensor,
    fired: tl.tensor,
    left: tl.tensor,
    pre: tl.tensor,
    number: tl.tensor,
    LANES: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Change the weights of the neurons that fired, one neuron after another.

    Each weight w moves by up·f(w) where the bit of its input in `fired` is set, by down·f(w) where
    not, with f = 1/(1 + exp(slope·w)).
    """
    up, down, slope = tl.load(number + 3), tl.load(number + 4), tl.load(number + 5)
    lane = tl.min(left, axis=0)
    while ((up != 0) | (down != 0)) & (lane < LANES):
        for start in range(0, pre, BLOCK):
            j = start + tl.arange(0, BLOCK)
            inside = j < pre
            bit = (tl.load(fired + j // 32, mask=inside, other=0) >> (j % 32)) & 1
            place = tile + lane + j * LANES
            w = tl.load(place, mask=inside, other=0.0)
            x = tl.minimum(slope * w, 80.0)  # beyond, f is 0 but for 2e-35; spares an overflow
            w += tl.where(bit != 0, up, down) * (1.0 / (1.0 + tl.exp(x)))
            tl.store(place, w, mask=inside)
        left = tl.where(left == lane, LANES, left)
        lane = tl.min(left, axis=0)
    tl.debug_barrier()  # the next step reads what other threads have written


@kernel
def run_layer(  # noqa: PLR0913, PLR0917
    tiled: tl.tensor,
    membranes: tl.tensor,
    biases: tl.tensor,
    numbers: tl.tensor,
    streams: tl.tensor,
    ids: tl.tensor,
    edges: tl.tensor,
    when: tl.tensor,
    bounds: tl.tensor,
    bits_below: tl.tensor,
    bits: tl.tensor,
    items: tl.tensor,
    tiles: tl.tensor,
    pre: tl.tensor,
    neurons: tl.tensor,
    steps: tl.tensor,
    words_below: tl.tensor,
    words: tl.tensor,
    LANES: tl.constexpr,
    BATCH: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """Walk all items through one chunk of steps.

    Args:
        tiled: Weights [night, tile, pre + 1, LANES], changed in place; row `pre` is zero.
        membranes: [night, tile, LANES], changed in place.
        biases: [night, tile, LANES].
        numbers: [night, 6]: decay, gain, threshold, up, down, slope.
        streams: int32 [night], which stream of events each night listens to.
        ids: int32 [events], firing inputs; each step's are filled up to whole batches with `pre`.
        edges: int64 [listed + 2], where the batches of each listed step begin; the last is unused.
        when: int32 [listed + 1], which step of the chunk it is; the last is unused.
        bounds: int64 [stream + 1], where each stream's listed steps begin.
        bits_below: int32 [stream, steps, words_below], the same events, a bit for each input.
        bits: int32 [night, steps, words], zeros; gets a bit for each neuron that fired.
        items: night · tile.
        tiles: Tiles of one night.
        pre: Inputs of the layer.
        neurons: Neurons of the layer.
        steps: Steps of the chunk; those that are not listed only decay.
        words_below: Words of one step of `bits_below`.
        words: Words of one step of `bits`.
        LANES: Neurons in a tile, a multiple of 32.
        BATCH: Events loaded together.
        BLOCK: Weights changed together.
    """
    for item in range(tl.program_id(0), items, tl.num_programs(0)):
        night, q = (item // tiles).to(tl.int64), item % tiles
        lane = tl.arange(0, LANES)
        tile = tiled + (night * tiles + q) * (pre + 1) * LANES
        own = item * LANES + lane
        v, bias = tl.load(membranes + own), tl.load(biases + own)
        number = numbers + night * 6
        decay, gain, threshold = tl.load(number), tl.load(number + 1), tl.load(number + 2)
        rest = gain * (0.0 + bias)  # the current without events: a zero, with its sign
        stream = tl.load(streams + night).to(tl.int64)
        below = bits_below + stream * steps * words_below
        above = bits + night * steps * words + q * (LANES // 32)
        begin, end = tl.load(bounds + stream), tl.load(bounds + stream + 1)
        first, last = tl.load(edges + begin), tl.load(edges + begin + 1)
        now = tl.load(when + begin)
        t = 0
        for k in range(begin, end):
            # Known one step ahead, so that nothing waits for them.
            after, then = tl.load(edges + k + 2), tl.load(when + k + 1)
            for _ in range(t, now):
                v = decay * v + rest
            total = drive(tile, ids, first, last, LANES, BATCH)
            v = decay * v + gain * (total + bias)
            left = tl.where((v >= threshold) & (q * LANES + lane < neurons), lane, LANES)
            if tl.min(left, axis=0) < LANES:
                step = now.to(tl.int64)
                note(above + step * words, left, LANES)
                learn(tile, below + step * words_below, left, pre, number, LANES, BLOCK)
                v = tl.where(left < LANES, 0.0, v)
            t = now + 1
            first, last, now = last, after, then
        for _ in range(t, steps):
            v = decay * v + rest
        tl.store(membranes + own, v)
