"""Compiled loops for layers whose neurons do not see each other: one layer, one batch of steps.

The neurons of a layer are laid out in tiles of some lanes. The hot loop, `silent`, keeps sums and
membrane potentials of one tile in vector registers over as many steps as nobody fires:

    share      lets other threads run tiles of a layer
    run        tiles of a layer through a batch of steps, tile by tile, time innermost
      relax    steps without input in which nothing can fire: v = decay·v
      silent   steps until a lane reaches the threshold
      spike    the spikes of one tile in one step, and what the rule does to their weights
    merge      spikes of all tiles -> spikes of the layer in order of step, then neuron

Each layer keeps its weights twice: as rows [post, pre], which plasticity walks along, and as tiles
[tile, pre, lane], which the sums walk along. No float operation depends on the width of a tile, on
threads or on batches, and none may be fused or reordered (no fastmath), so every choice gives the
same bits.

What needs vector registers stands in `tile_code`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bioncl.spiking.engines.compiled import compiled
from bioncl.spiking.engines.rule_numbers import KEEP, LOGISTIC
from bioncl.spiking.engines.sharing import Box, begin, take
from bioncl.spiking.engines.sharing_code import post
from bioncl.spiking.engines.tile_code import (
    BLOCK,
    LINE,
    change_blocks,
    logistic,
    lowest,
    relax,
    silent,
    transpose,
)

SILENCE = 8  # steps without input that are worth leaving the hot loop for


class Numbers(NamedTuple):
    """Numbers of one layer, all in the precision of its weights.

    The rule adds `up`·f(w) where the input fired and `down`·f(w) where it did not.
    """

    decay: Any
    gain: Any
    threshold: Any
    up: Any
    down: Any
    slope: Any


class Tiled(NamedTuple):
    """One layer as the loops take it; they change `rows`, `tiles` and `membranes`.

    Attributes:
        rows: Weights [post, pre].
        tiles: The same weights [tile, pre, lane], zero in the lanes beyond the last neuron.
        membranes: [tile, lane].
        biases: [tile, lane].
        numbers: See `Numbers`.
        rule: KEEP, CONSTANT or LOGISTIC; see `rule_numbers`.
        idle: Whether no neuron below threshold can fire in a step without input.
        lanes: A tuple as long as a tile is wide: its type tells the compiler the width.
    """

    rows: NDArray
    tiles: NDArray
    membranes: NDArray
    biases: NDArray
    numbers: Numbers
    rule: int
    idle: bool
    lanes: tuple[None, ...]


class Events(NamedTuple):
    """Firing inputs of a layer in a batch of steps.

    Attributes:
        offsets: int64 [steps + 1], see `Spikes`.
        ids: int32 [spikes], see `Spikes`.
        edges: int64, where input pauses and goes on, see `pauses`.
    """

    offsets: NDArray[np.int64]
    ids: NDArray[np.int32]
    edges: NDArray[np.int64]


class Desk(NamedTuple):
    """Room to work in, of one thread.

    Attributes:
        mask: uint64 [1], the lanes that fired.
        step: Float [pre], what the rule adds per f(w); `down` everywhere except inside `spike`.
    """

    mask: NDArray[np.uint64]
    step: NDArray


class Hits(NamedTuple):
    """Who fired in a batch of steps, tile by tile.

    Attributes:
        steps: int32 [tile, steps], in which step, ascending.
        masks: uint64 [tile, steps], a bit for each lane that fired there.
        counts: int64 [tile], how many are filled in.
        broken: int64 [tile], the first step in which a weight stopped being finite, or −1.
    """

    steps: NDArray[np.int32]
    masks: NDArray[np.uint64]
    counts: NDArray[np.int64]
    broken: NDArray[np.int64]


@compiled
def change(layer: Tiled, tile: int, lane: int, step: NDArray) -> bool:
    """Add step·f(w) to each weight of one neuron, as a row and in its tile.

    Returns whether any weight stopped being finite.
    """
    row, block, slope = (
        layer.rows[tile * len(layer.lanes) + lane],
        layer.tiles[tile],
        layer.numbers.slope,
    )
    count = LINE // row.itemsize
    copied, changed = 0, 0
    broken = slope - slope
    if layer.rule == LOGISTIC:
        broken += change_blocks(row, step, slope, block, lane, layer.lanes)
        changed = row.size // count * count
        copied = max(changed - count, 0)
        for j in range(changed, row.size):
            row[j] += step[j] * logistic(slope * row[j])
            broken += row[j] - row[j]
    else:
        for j in range(row.size):
            row[j] += step[j]
            broken += row[j] - row[j]
    for j in range(copied, row.size):
        block[j, lane] = row[j]
    return broken != 0


@compiled
def fill(rows: NDArray, tile: NDArray, q: int) -> None:
    """Copy weights [post, pre] into tile q."""
    lanes, first = tile.shape[1], q * tile.shape[1]
    count, inputs = min(lanes, len(rows) - first), rows.shape[1]
    if count < lanes:
        tile[:] = 0
    whole_lanes, whole_inputs = count // BLOCK * BLOCK, inputs // BLOCK * BLOCK
    for j in range(0, whole_inputs, BLOCK):
        for lane in range(0, whole_lanes, BLOCK):
            transpose(rows, first + lane, j, tile, lane)
    for lane in range(count):
        row = rows[first + lane]
        for j in range(whole_inputs if lane < whole_lanes else 0, inputs):
            tile[j, lane] = row[j]


@compiled
def spike(layer: Tiled, events: Events, t: int, tile: int, mask: np.uint64, desk: Desk) -> bool:
    """Reset the neurons of `mask`, which fired in step t, and change their weights.

    Returns whether any weight stopped being finite.
    """
    broken, left = False, mask
    start, stop = events.offsets[t], events.offsets[t + 1]
    if layer.rule != KEEP:
        for k in range(start, stop):
            desk.step[events.ids[k]] = layer.numbers.up
    while left:
        lane = lowest(left)
        left &= left - np.uint64(1)
        layer.membranes[tile, lane] = 0
        if layer.rule != KEEP:
            broken |= change(layer, tile, lane, desk.step)
    if layer.rule != KEEP:
        for k in range(start, stop):
            desk.step[events.ids[k]] = layer.numbers.down
    return broken


@compiled
def pauses(offsets: NDArray) -> NDArray:
    """Where input falls silent for at least SILENCE steps, and where it begins again.

    Returns int64 edges [2·n + 1], 0 first and the number of steps last: from edge 2k to 2k + 1
    there is input every now and then, from 2k + 1 to 2k + 2 there is none.
    """
    end = offsets.size - 1
    edges = np.zeros(2 * (end // SILENCE) + 4, np.int64)
    count, since = 1, 0
    for t in range(end):
        if offsets[t + 1] > offsets[t]:
            if t - since >= SILENCE:
                edges[count], edges[count + 1] = since, t
                count += 2
            since = t + 1
    if end - since >= SILENCE:
        edges[count], edges[count + 1] = since, end
        count += 2
    elif edges[count - 1] < end:
        edges[count], edges[count + 1] = end, end
        count += 2
    return edges[:count]


@compiled
def share(layer: Tiled, hits: Hits, events: Events, fresh: bool, box: Box) -> None:
    """Let helpers `run` tiles, too. All arguments have to be kept until `sharing.end`."""
    post(box, run, (layer, hits, events, fresh, box))
    begin(box)


@compiled
def run(layer: Tiled, hits: Hits, events: Events, fresh: bool, box: Box) -> None:
    """Run a layer through one batch of steps, tile after tile, until all are taken.

    `fresh` tiles are filled from the rows first. Where the layer is `idle`, pauses of the input
    only decay.
    """
    numbers, edges = layer.numbers, events.edges
    desk = Desk(np.zeros(1, np.uint64), np.full(layer.rows.shape[1], numbers.down))
    q = take(box)
    while q < len(layer.tiles):
        membrane = layer.membranes[q]
        if fresh:
            fill(layer.rows, layer.tiles[q], q)
        if not (layer.idle and np.all(membrane < numbers.threshold)):
            active(layer, hits, events, (0, events.offsets.size - 1), q, desk)
        else:
            for k in range(edges.size // 2):
                active(layer, hits, events, (edges[2 * k], edges[2 * k + 1]), q, desk)
                relax(membrane, numbers.decay, edges[2 * k + 2] - edges[2 * k + 1], layer.lanes)
        q = take(box)


@compiled
def active(
    layer: Tiled, hits: Hits, events: Events, steps: tuple[int, int], q: int, desk: Desk
) -> None:
    """Run tile q through steps[0] ≤ t < steps[1]."""
    tile, membrane, bias = layer.tiles[q], layer.membranes[q], layer.biases[q]
    real = np.uint64(2**64 - 1) >> np.uint64(max(0, 64 - len(layer.rows) + q * len(layer.lanes)))
    t, stop = steps
    while t < stop:
        part = (t, stop)
        t = silent(tile, events, part, membrane, bias, layer.numbers, desk.mask, layer.lanes)
        fired = desk.mask[0] & real
        if t < stop and fired:
            hits.steps[q, hits.counts[q]] = t
            hits.masks[q, hits.counts[q]] = fired
            hits.counts[q] += 1
            if spike(layer, events, t, q, fired, desk) and hits.broken[q] < 0:
                hits.broken[q] = t
        t += 1


@compiled
def merge(hits: Hits, steps: int, lanes: int) -> tuple[Events, int]:
    """A layer's spikes, and the first step in which a weight broke, or −1, from its tiles."""
    offsets = np.zeros(steps + 1, np.int64)
    for q in range(len(hits.counts)):
        for k in range(hits.counts[q]):
            mask = hits.masks[q, k]
            while mask:
                mask &= mask - np.uint64(1)
                offsets[hits.steps[q, k] + 1] += 1
    offsets = np.cumsum(offsets)
    ids = np.empty(offsets[-1], np.int32)
    place = offsets[:-1].copy()
    for q in range(len(hits.counts)):
        for k in range(hits.counts[q]):
            step, mask = hits.steps[q, k], hits.masks[q, k]
            while mask:
                ids[place[step]] = q * lanes + lowest(mask)
                mask &= mask - np.uint64(1)
                place[step] += 1
    return Events(offsets, ids, pauses(offsets)), first_broken(hits)


@compiled
def first_broken(hits: Hits) -> int:
    """The first step in which a weight stopped being finite, or −1."""
    first = -1
    for step in hits.broken:
        if step >= 0 and (first < 0 or step < first):
            first = step
    return first
