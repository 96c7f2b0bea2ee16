"""The nights that `night.py` runs: input spikes, weights, and the network's numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bioncl.errors import BionclError
from bioncl.plasticity import Gated
from bioncl.spiking.network import SpikingNetwork
from bioncl.traces.spikes import Spikes

SIZES = (784, 1200, 1200, 10)
RATE, INC, DEC, SCALE = 239.515363, 0.032064, 0.003344, 55.882454
THRESHOLDS = (14.548273, 44.560317, 38.046326)
CHUNK = 500


@dataclass(frozen=True)
class Regime:
    """One night to run: its name, input spikes, weights in float64, and the network's numbers.

    `draw` draws the input spikes anew, where a drive makes them.
    """

    name: str
    chunks: list[Spikes]
    weights: list[Tensor]
    gains: tuple[float, ...]
    thresholds: tuple[float, ...]
    rule: Gated
    draw: Callable[[], list[Spikes]] | None = None

    @property
    def steps(self) -> int:
        """Length of the night."""
        return sum(chunk.steps for chunk in self.chunks)

    def first(self, steps: int) -> Regime:
        """The beginning of the night."""
        kept = self.chunks[: -(-steps // CHUNK)]
        return Regime(self.name, kept, self.weights, self.gains, self.thresholds, self.rule)

    def network(self, dtype: torch.dtype) -> SpikingNetwork:
        """The network before its night."""
        weights = [w.to(dtype, copy=True) for w in self.weights]
        rules = [self.rule] * len(weights)
        return SpikingNetwork(weights, self.gains, self.thresholds, rules=rules)


def trained(steps: int) -> Regime:
    """The published night itself, after the first task of `tadros2022-mnist` (seed 0)."""
    from bioncl.experiments.settings import load
    from bioncl.experiments.single import prepare
    from bioncl.learning.loop import train_task
    from bioncl.methods.src import SRC
    from bioncl.nights.night import as_seen, peak, twin
    from bioncl.progress import Silent
    from bioncl.seeding import numpy_generator
    from bioncl.spiking.drive import spikes

    learner, methods = prepare(load("tadros2022-mnist", []), Silent())
    task = learner.stream.task(0)
    learner.begin(task)
    train_task(learner, methods, task)
    (src,) = (method for method in methods.methods if isinstance(method, SRC))
    seen = src.seen(learner, task)
    rule = src.sleep.rule
    assert isinstance(rule, Gated)
    network = twin(learner.model, seen, src.sleep)

    def draw() -> list[Spikes]:
        generator = numpy_generator(0, "night", 0)
        return list(spikes(src.sleep.drive, as_seen(seen), steps, peak(src.sleep), generator))

    return Regime(
        "published",
        draw(),
        network.weights,
        tuple(network.gains),
        tuple(network.thresholds),
        rule,
        draw,
    )


def published(steps: int) -> Regime:
    """The published night, or where MNIST is not at hand a stand-in for it."""
    try:
        return trained(steps)
    except BionclError as error:
        print(f"No trained net ({error}); a stand-in instead.")
        return stand_in(steps)


def stand_in(steps: int) -> Regime:
    """Drive, plasticity and thresholds as published, on uniform weights.

    The gains are chosen such that the hidden layers fire for some hundred steps and then fall
    nearly silent, as trained nets do.
    """
    rng = np.random.default_rng(0)
    across = (np.arange(28) - 13.5) ** 2
    image = 0.62 * np.exp(-(across[:, None] + across) / (2 * 6.0**2))
    raster = np.zeros((steps, 28, 28), np.bool_)
    for t, (row, column) in enumerate(rng.integers(0, 18, (steps, 2))):
        window = (t, slice(row, row + 11), slice(column, column + 11))
        raster[window] = rng.random((11, 11)) < 2e-3 * RATE * image[window[1:]]
    gains = tuple(SCALE * c for c in (0.25, 20.0, 20.0))
    chunks = in_chunks(raster.reshape(steps, -1))
    return Regime("stand-in", chunks, uniform(rng, SIZES), gains, THRESHOLDS, Gated(INC, DEC))


def busy(steps: int) -> Regime:
    """7 % of the inputs and some 2 to 3 % of the hidden neurons fire, all night long.

    Steps of plasticity are too small to silence them.
    """
    rng = np.random.default_rng(1)
    chunks = in_chunks(rng.random((steps, SIZES[0])) < 0.07)
    weights = uniform(rng, SIZES)
    return Regime("busy", chunks, weights, (1.0,) * 3, (0.2, 0.1, 0.1), Gated(1e-6, 1e-7))


def wide(width: int, steps: int, activity: float = 0.02, threshold: float = 0.2) -> Regime:
    """Two hidden layers of some width; the share `activity` of the inputs fires in each step."""
    rng = np.random.default_rng(2)
    sizes = (784, width, width, 10)
    chunks = in_chunks(rng.random((steps, sizes[0])) < activity)
    thresholds = (threshold, threshold, threshold)
    return Regime("wide", chunks, uniform(rng, sizes), (1.0,) * 3, thresholds, Gated(1e-6, 1e-7))


def in_chunks(raster: np.ndarray) -> list[Spikes]:
    """The input spikes of a night as engines take them."""
    return [Spikes.from_raster(raster[t : t + CHUNK]) for t in range(0, len(raster), CHUNK)]


def uniform(rng: np.random.Generator, sizes: tuple[int, ...]) -> list[Tensor]:
    """Uniform weights as before training, [post, pre] of each layer."""
    shapes = zip(sizes[1:], sizes[:-1], strict=True)
    return [torch.from_numpy(rng.uniform(-0.01, 0.01, shape)) for shape in shapes]
