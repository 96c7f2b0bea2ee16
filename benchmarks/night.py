"""How fast a night runs: engine `event` against a loop over steps in plain torch.

    python benchmarks/night.py [--steps N] [--busy-steps N] [--runs N] [--out FILE]

Everything runs in one process on one thread, side by side: each round runs every contestant once,
and the figure is the median over rounds. All run the whole of the same night: the same weights, the
same input spikes, in the same precision as the loop they are compared with. Compilation is left out
(one short night before the clock starts); laying out the weights is not.

The loops are what one writes with care in torch: they touch only the weights of firing inputs and the
rows of firing neurons, and keep every spike.

    gather    weights [post, pre]: current from the columns of firing inputs
    matvec    weights [post, pre]: current from the whole matrix
    columns   weights stored [pre, post]: current from contiguous rows, plasticity on columns

Two regimes on 784-1200-1200-10 with the plasticity, rate and thresholds published for MNIST:

    published  drive as in the published nights (an 11×11 window of a mean image, about 14 spikes a
               step); the net is a stand-in, uniform weights and gains chosen such that the hidden
               layers fire for some hundred steps and then fall nearly silent, as trained nets do
    busy       7 % of the inputs fire each step, a few per cent of the hidden neurons; every weight
               moves (rule Constant with small steps), so that activity lasts
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

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


@dataclass(frozen=True)
class Regime:
    """One night to run: input spikes [steps, inputs], weights in float64, and what stands beside."""

    raster: np.ndarray
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
    gains = tuple(SCALE * c for c in (0.25, 0.6, 0.8))
    return Regime(raster.reshape(steps, -1), weights(rng), gains, THRESHOLDS, Gated(INC, DEC))


def busy(steps: int) -> Regime:
    """7 % of the inputs fire, and some per cent of the hidden neurons for the whole night."""
    rng = np.random.default_rng(1)
    raster = rng.random((steps, SIZES[0])) < 0.07
    return Regime(raster, weights(rng), (1.0,) * 3, (0.2, 0.1, 0.1), Gated(1e-6, 1e-7))


def weights(rng: np.random.Generator) -> list[Tensor]:
    """Uniform weights as before training, [post, pre] of each layer."""
    shapes = zip(SIZES[1:], SIZES[:-1], strict=True)
    return [torch.from_numpy(rng.uniform(-0.01, 0.01, shape)) for shape in shapes]


class Loop:
    """A night as a loop over steps; `form` is gather, matvec or columns (see above)."""

    def __init__(self, form: str) -> None:
        self.form = form

    def __call__(self, regime: Regime, dtype: torch.dtype) -> list[np.ndarray]:
        """Run; return the (step, neuron) of all spikes of each layer, input first."""
        flip = self.form == "columns"
        held = [(w.T if flip else w).to(dtype, copy=True).contiguous() for w in regime.weights]
        membranes = [torch.zeros(n, dtype=dtype) for n in SIZES[1:]]
        inputs = torch.from_numpy(regime.raster)
        spikes: list[list[Tensor]] = [[] for _ in SIZES]
        for t in range(len(inputs)):
            ids = inputs[t].nonzero().squeeze(1)
            spikes[0].append(ids)
            for layer, (weight, v) in enumerate(zip(held, membranes, strict=True)):
                ids = self.step(regime, layer, weight, v, ids)
                spikes[layer + 1].append(ids)
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


def event(regime: Regime, dtype: torch.dtype) -> list[np.ndarray]:
    """The same night by the engine, one thread."""
    network = SpikingNetwork(
        [w.to(dtype, copy=True) for w in regime.weights],
        regime.gains,
        regime.thresholds,
        rules=[regime.rule] * 3,
    )
    parts = range(0, len(regime.raster), CHUNK)
    chunks = (Spikes.from_raster(regime.raster[t : t + CHUNK]) for t in parts)
    recorder = MemoryRecorder()
    Event(threads=1).run(network, chunks, recorder)
    return recorder.events()


def compare(regime: Regime, dtype: torch.dtype, runs: int) -> dict[str, object]:
    """Median steps per second of each contestant, and whether they saw the same spikes."""
    contestants: dict[str, Callable[[Regime, torch.dtype], list[np.ndarray]]] = {
        "event": event,
        **{form: Loop(form) for form in ("gather", "matvec", "columns")},
    }
    event(Regime(regime.raster[:10], *list(vars(regime).values())[1:]), dtype)
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    spikes = {}
    for _ in range(runs):
        for name, run in contestants.items():
            start = time.perf_counter()
            spikes[name] = run(regime, dtype)
            seconds[name].append(time.perf_counter() - start)
    steps = len(regime.raster)
    speed = {name: steps / statistics.median(each) for name, each in seconds.items()}
    return {
        "steps": steps,
        "spikes": [len(each) for each in spikes["event"]],
        "first_different_step": {
            name: first_difference(spikes["event"], each) for name, each in spikes.items()
        },
        "seconds": seconds,
        "steps_per_second": speed,
        "event_over": {n: speed["event"] / each for n, each in speed.items() if n != "event"},
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
        name = "published" if regime.thresholds == THRESHOLDS else "busy"
        for dtype in (torch.float64, torch.float32):
            found = compare(regime, dtype, options.runs)
            result[f"{name} {dtype}"] = found
            print(f"{name}, {dtype}, {found['steps']} steps, spikes {found['spikes']}")
            for contestant, speed in found["steps_per_second"].items():
                ratio = found["event_over"].get(contestant, 1.0)
                same = found["first_different_step"][contestant]
                note = "same spikes" if same is None else f"spikes differ from step {same}"
                print(f"  {contestant:8} {speed:12,.0f} steps/s   event is {ratio:7.1f}×   {note}")
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
