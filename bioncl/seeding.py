"""Random generators derived from one seed and a purpose.

Every phase of a run (initial weights, the order of batches of task 3, the noise of night 2) draws
from its own generator, made from the run's seed and a key. A resumed run therefore needs no
generator state: it makes the same generators again. Keys are hashed with SHA-256, so the streams
of different purposes are independent, and adding a purpose never shifts another.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy
    import torch


def derive(seed: int, *key: str | int) -> int:
    """Return a 63-bit seed for the purpose `key` of the run with this `seed`."""
    text = "/".join([str(seed), *map(str, key)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_generator(seed: int, *key: str | int) -> numpy.random.Generator:
    """A NumPy generator (PCG64) for the purpose `key`."""
    import numpy

    return numpy.random.default_rng(derive(seed, *key))


def torch_generator(seed: int, *key: str | int) -> torch.Generator:
    """A torch CPU generator for the purpose `key`."""
    import torch

    return torch.Generator().manual_seed(derive(seed, *key))
