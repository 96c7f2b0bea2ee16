"""What passes between the `event` engine and its compiled loops: records of arrays and numbers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

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
