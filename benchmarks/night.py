"""How fast a night runs: engine `event` against a loop over steps in plain torch.

    python benchmarks/night.py [--steps N] [--busy-steps N] [--runs N] [--out FILE]

Everything runs in one process on one thread, side by side: each round runs every contestant once,
and a figure is the median over rounds, in CPU time of that thread, so that other work on the
machine enters only through the caches. All run the whole of the same night, in the same precision:
the same weights and the same input spikes, listed beforehand in the form that each one takes.
Compilation is left out (a short night runs before the clock starts); laying out the weights is not.

The loops are what one writes with care in torch: they touch only the weights of firing inputs and
the rows of firing neurons, and keep every spike.

    gather    weights [post, pre]: current from the columns of firing inputs
    matvec    weights [post, pre]: current from the whole matrix
    columns   weights stored [pre, post]: current from contiguous rows, plasticity on columns

Two regimes on 784-1200-1200-10:

    published  drive, plasticity and thresholds as published for MNIST (an 11×11 window of a mean
               image, some 14 spikes a step); the net is a stand-in, uniform weights and gains
               chosen such that the hidden layers fire for some hundred steps and then fall nearly
               silent, as trained nets do
    busy       7 % of the inputs and some 2 to 3 % of the hidden neurons fire in each step, all
               night long: steps of plasticity are too small to silence them
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import itertools
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor

from bioncl.plasticity import Gated
from bioncl.spiking.engines.event import Event
from bioncl.spiking.network import SpikingNetwork
from bioncl.traces.recorder import MemoryRecorder
from bioncl.traces.spikes import Spikes

SIZES = (784, 1200, 1200, 10)
RATE, INC, DEC, SCALE = 239.515363, 0.032064, 0.003344, 55.882454
THRESHOLDS = (14.548273, 44.560317, 38.046326)
CHUNK = 1000
FORMS = ("gather", "matvec", "columns")


@dataclass(frozen=True)
class Regime:
    """One night to run: its name, input spikes, weights in float64, and the network's numbers."""

    name: str
    chunks: list[Spikes]
    weights: list[Tensor]
    gains: tuple[float, ...]
    thresholds: tuple[float, ...]
    rule: Gated


def published(steps: int) -> Regime:
    """The stand-in for a published night."""
    rng = np.random.default_rng(0)
    across = (np.arange(28) - 13.5) ** 2
    image = 0.62 * np.exp(-(across[:, None] + across) / (2 * 6.0**2))
    raster = np.zeros((steps, 28, 28), np.bool_)
    for t, (row, column) in enumerate(rng.integers(0, 18, (steps, 2))):
        window = (t, slice(row, row + 11), slice(column, column + 11))
        raster[window] = rng.random((11, 11)) < 2e-3 * RATE * image[window[1:]]
    gains = tuple(SCALE * c for c in (0.25, 20.0, 20.0))
    chunks = in_chunks(raster.reshape(steps, -1))
    return Regime("published", chunks, weights(rng), gains, THRESHOLDS, Gated(INC, DEC))


def busy(steps: int) -> Regime:
    """7 % of the inputs fire, and some per cent of the hidden neurons for the whole night."""
    rng = np.random.default_rng(1)
    chunks = in_chunks(rng.random((steps, SIZES[0])) < 0.07)
    return Regime("busy", chunks, weights(rng), (1.0,) * 3, (0.2, 0.1, 0.1), Gated(1e-6, 1e-7))


def in_chunks(raster: np.ndarray) -> list[Spikes]:
    """The input spikes of a night as engines take them."""
    return [Spikes.from_raster(raster[t : t + CHUNK]) for t in range(0, len(raster), CHUNK)]


def weights(rng: np.random.Generator) -> list[Tensor]:
    """Uniform weights as before training, [post, pre] of each layer."""
    shapes = zip(SIZES[1:], SIZES[:-1], strict=True)
    return [torch.from_numpy(rng.uniform(-0.01, 0.01, shape)) for shape in shapes]


class Loop:
    """A night as a loop over steps; `form` is gather, matvec or columns (see above)."""

    def __init__(self, form: str) -> None:
        self.form = form

    def __call__(
        self, regime: Regime, inputs: list[Tensor], dtype: torch.dtype
    ) -> list[np.ndarray]:
        """Run; return the (step, neuron) of all spikes of each layer, input first."""
        flip = self.form == "columns"
        held = [(w.T if flip else w).to(dtype, copy=True).contiguous() for w in regime.weights]
        membranes = [torch.zeros(n, dtype=dtype) for n in SIZES[1:]]
        spikes: list[list[Tensor]] = [[] for _ in SIZES]
        for fired in inputs:
            spikes[0].append(fired)
            for layer, (weight, v) in enumerate(zip(held, membranes, strict=True)):
                below = spikes[layer][-1]
                spikes[layer + 1].append(self.step(regime, layer, weight, v, below))
        return [events(each) for each in spikes]

    def step(self, regime: Regime, layer: int, weight: Tensor, v: Tensor, ids: Tensor) -> Tensor:
        """One step of one layer: ids of firing inputs -> ids of firing neurons."""
        v.mul_(0.999)
        if len(ids):
            v.add_(self.total(weight, ids), alpha=regime.gains[layer])
        post = (v >= regime.thresholds[layer]).nonzero().squeeze(1)
        if len(post):
            side = int(self.form == "columns")
            rows = weight.index_select(side, post)
            step = weight.new_full((weight.shape[1 - side],), -2 * regime.rule.dec)
            step[ids] = 2 * regime.rule.inc
            step = step.unsqueeze(1) if side else step
            gate = (rows * (-1 / regime.rule.scale)).sigmoid_()
            weight.index_copy_(side, post, rows.addcmul_(gate, step))
            v[post] = 0
        return post

    def total(self, weight: Tensor, ids: Tensor) -> Tensor:
        """Σ over the firing inputs of their weights, [post]."""
        if self.form == "matvec":
            return weight @ weight.new_zeros(weight.shape[1]).index_fill_(0, ids, 1)
        side = 0 if self.form == "columns" else 1
        return weight.index_select(side, ids).sum(side)


def events(ids: list[Tensor]) -> np.ndarray:
    """(step, neuron) of spikes that are listed step by step: int64 [spikes, 2]."""
    steps = np.repeat(np.arange(len(ids)), [len(each) for each in ids])
    return np.stack([steps, torch.cat(ids).numpy()], axis=1)


def twin(regime: Regime, dtype: torch.dtype) -> SpikingNetwork:
    """The network of a regime, before its night."""
    return SpikingNetwork(
        [w.to(dtype, copy=True) for w in regime.weights],
        regime.gains,
        regime.thresholds,
        rules=[regime.rule] * 3,
    )


def event(regime: Regime, dtype: torch.dtype) -> list[np.ndarray]:
    """The same night by the engine, one thread."""
    network = twin(regime, dtype)
    recorder = MemoryRecorder()
    Event(threads=1).run(network, regime.chunks, recorder)
    return recorder.events()


def compare(regime: Regime, dtype: torch.dtype, runs: int) -> dict[str, Any]:
    """Median steps per second of each contestant, and whether they saw the same spikes."""
    inputs = [
        torch.from_numpy(chunk.ids[first:last].astype(np.int64))
        for chunk in regime.chunks
        for first, last in itertools.pairwise(chunk.offsets)
    ]
    contestants: dict[str, Callable[[], list[np.ndarray]]] = {
        "event": functools.partial(event, regime, dtype),
        **{form: functools.partial(Loop(form), regime, inputs, dtype) for form in FORMS},
    }
    event(dataclasses.replace(regime, chunks=regime.chunks[:1]), dtype)
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    spikes = {}
    for _ in range(runs):
        for name, run in contestants.items():
            start = time.thread_time()
            spikes[name] = run()
            seconds[name].append(time.thread_time() - start)
    speed = {name: len(inputs) / statistics.median(each) for name, each in seconds.items()}
    return {
        "steps": len(inputs),
        "spikes": [len(each) for each in spikes["event"]],
        "first_different_step": {
            name: first_difference(spikes["event"], each) for name, each in spikes.items()
        },
        "seconds": seconds,
        "steps_per_second": speed,
        "event_over": {name: speed["event"] / each for name, each in speed.items()},
    }


def first_difference(left: list[np.ndarray], right: list[np.ndarray]) -> int | None:
    """The first step in which two nights differ by a spike, or None."""
    found = []
    for a, b in zip(left, right, strict=True):
        only = set(map(tuple, a.tolist())) ^ set(map(tuple, b.tolist()))
        found += [min(only)[0]] if only else []
    return min(found, default=None)


def machine() -> dict[str, object]:
    """Where and with what this was measured."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [li for li in info.read_text().splitlines() if li.startswith("model name")]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "torch": torch.__version__,
    }


def main() -> None:
    """Measure, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--steps", type=int, default=15_000, help="of the published night")
    parser.add_argument("--busy-steps", type=int, default=1_000, help="of the busy night")
    parser.add_argument("--runs", type=int, default=3, help="rounds; figures are medians")
    parser.add_argument("--out", type=Path, help="write all figures to this JSON file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    result: dict[str, object] = {"machine": machine()}
    for regime in (published(options.steps), busy(options.busy_steps)):
        for dtype in (torch.float64, torch.float32):
            found = compare(regime, dtype, options.runs)
            result[f"{regime.name} {dtype}"] = found
            print(f"{regime.name}, {dtype}, {found['steps']} steps, spikes {found['spikes']}")
            for name, speed in found["steps_per_second"].items():
                different = found["first_different_step"][name]
                note = "same spikes" if different is None else f"spikes differ at step {different}"
                ratio = found["event_over"][name]
                print(f"  {name:8} {speed:11,.0f} steps/s   event is {ratio:6.1f} times   {note}")
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
