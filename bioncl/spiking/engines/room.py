"""Memory that nights work in, used again by the next ones.

The system takes about as long to hand out fresh pages as a layer needs for a thousand steps.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bioncl.spiking.engines.tile_code import LINE

SPARE_BYTES = 2**28  # of memory kept for the next nights


class Room:
    """Memory for one night, on cache lines: vectors across two of them cost twice as much."""

    spare: ClassVar[dict[int, list[NDArray[np.uint8]]]] = {}

    def __init__(self) -> None:
        """Take nothing yet."""
        self.taken: list[NDArray[np.uint8]] = []

    def __call__(self, shape: tuple[int, ...], dtype: np.dtype) -> NDArray:
        """An array, not initialised."""
        size = math.prod(shape) * dtype.itemsize
        try:
            memory = self.spare[size].pop()
        except (KeyError, IndexError):
            whole = np.empty(size + LINE, np.uint8)
            start = -whole.ctypes.data % LINE
            memory = whole[start : start + size]
        self.taken.append(memory)
        return memory.view(dtype).reshape(shape)

    def free(self) -> None:
        """Give everything back."""
        held = sum(len(memory) for each in self.spare.values() for memory in each)
        for memory in self.taken:
            held += len(memory) + LINE
            if held < SPARE_BYTES:
                self.spare.setdefault(len(memory), []).append(memory)
        self.taken.clear()
