"""How fast nights run on a GPU: engine `cuda` against `event` on two cores. Needs a CUDA device.

    python benchmarks/gpu.py [--steps N] [--nights N] [--runs N] [--out FILE]

Without Triton or a CUDA device it says so and ends with exit code 2. The regimes are those of
benchmarks/night.py, on 784-1200-1200-10 in float32 and float64. Seconds are wall time, medians over
runs; compilation is left out, and so is copying the initial weights for the next run.

    single       one night handed in and back on the CPU, as `bioncl` does it, in chunks of 500
                 steps; whether `event` saw the same spikes, and how far the weights are apart.
                 Target: the published night in less than 0.3 s.
    population   many published nights in float32, each with weights of its own, weights lying on
                 the GPU or on the CPU, one stream of input for all or one for each, in long chunks.
                 Target: at least 100 times the steps per second of `event` on two cores.
    tuning       the population again (on the GPU, one stream), for widths of tiles and numbers of
                 programs: what the engine's defaults should be.

Spikes are handed to recorders that keep nothing.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from night import machine
from night_regimes import SIZES, Regime, busy, published
from torch import Tensor

from bioncl.errors import UnsupportedError
from bioncl.spiking.engines.cuda import Cuda
from bioncl.spiking.engines.event import Event
from bioncl.spiking.network import SpikingNetwork
from bioncl.traces.recorder import MemoryRecorder, SilentRecorder
from bioncl.traces.spikes import Spikes

CHUNK, LONG_CHUNK = 500, 5000
Start = list[list[Tensor]]


def chunked(regime: Regime, length: int) -> list[Spikes]:
    """The input of a night in chunks of `length` steps."""
    raster = np.concatenate([chunk.raster() for chunk in regime.chunks])
    return [Spikes.from_raster(raster[t : t + length]) for t in range(0, len(raster), length)]


def timed(run: Callable[[], object]) -> float:
    """Wall seconds, with all that was asked of the GPU done before and after."""
    torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def single(regime: Regime, dtype: torch.dtype, runs: int) -> dict[str, Any]:
    """One night from CPU to CPU on both engines."""
    chunks = chunked(regime, CHUNK)
    Cuda().run(regime.network(dtype), chunks[:1], SilentRecorder())
    Event(threads=2).run(regime.network(dtype), chunks[:1], SilentRecorder())
    networks: dict[str, SpikingNetwork] = {}
    events = {}
    seconds: dict[str, list[float]] = {"cuda": [], "event": []}
    for _ in range(runs):
        for name, engine in (("cuda", Cuda()), ("event", Event(threads=2))):
            network, recorder = regime.network(dtype), MemoryRecorder()
            seconds[name].append(timed(lambda: engine.run(network, chunks, recorder)))  # noqa: B023
            networks[name], events[name] = network, recorder.events()
    apart = [
        (a - b).abs().max().item()
        for a, b in zip(networks["cuda"].weights, networks["event"].weights, strict=True)
    ]
    same = all(np.array_equal(a, b) for a, b in zip(events["cuda"], events["event"], strict=True))
    return {
        "steps": sum(chunk.steps for chunk in chunks),
        "spikes": [len(each) for each in events["event"]],
        "same_spikes": same,
        "weights_apart": apart,
        "seconds": seconds,
        "median_seconds": {name: statistics.median(each) for name, each in seconds.items()},
    }


def initial(nights: int, device: str) -> Start:
    """Uniform weights of each night and layer."""
    generator = torch.Generator(device).manual_seed(0)
    shapes = list(itertools.pairwise(SIZES))
    return [
        [
            torch.rand(post, pre, device=device, generator=generator).mul_(0.02).sub_(0.01)
            for pre, post in shapes
        ]
        for _ in range(nights)
    ]


def population(
    engine: Cuda, regime: Regime, start: Start, streams: list[list[Spikes]], runs: int
) -> dict[str, Any]:
    """All nights of `start` at once; night i listens to stream i, or all to the only one."""
    listening = [i % len(streams) for i in range(len(start))]
    recorders = [SilentRecorder()] * len(start)
    seconds = []
    for run in range(runs + 1):
        weights = [[w.clone() for w in night] for night in start]
        networks = [
            SpikingNetwork(night, regime.gains, regime.thresholds, rules=[regime.rule] * 3)
            for night in weights
        ]
        chunks = list(zip(*streams, strict=True))
        taken = timed(lambda: engine.run_many(networks, chunks, listening, recorders))  # noqa: B023
        seconds += [taken] if run else []  # the first one compiles
    steps = len(start) * sum(chunk.steps for chunk in streams[0])
    return {"seconds": seconds, "steps_per_second": steps / statistics.median(seconds)}


def shuffled(chunks: list[Spikes], generator: np.random.Generator) -> list[Spikes]:
    """Another stream: the steps of each chunk in another order."""
    rasters = [chunk.raster() for chunk in chunks]
    return [Spikes.from_raster(raster[generator.permutation(len(raster))]) for raster in rasters]


def populations(regime: Regime, nights: int, runs: int) -> dict[str, Any]:
    """Every variant of the population, and the widths and numbers of programs."""
    chunks, generator = chunked(regime, LONG_CHUNK), np.random.default_rng(2)
    own = [shuffled(chunks, generator) for _ in range(nights)]
    on_gpu = initial(nights, "cuda")
    found: dict[str, Any] = {
        "weights on the GPU, one stream": population(Cuda(), regime, on_gpu, [chunks], runs),
        "weights on the GPU, own streams": population(Cuda(), regime, on_gpu, own, runs),
        "tuning": {},
    }
    processors = torch.cuda.get_device_properties(0).multi_processor_count
    for lanes, each in itertools.product((32, 64), (4, 8, 16, 32)):
        engine = Cuda(lanes=lanes, programs=each * processors)
        name = f"{lanes} lanes, {each} programs a processor"
        found["tuning"][name] = population(engine, regime, on_gpu, [chunks], runs)
    del on_gpu
    on_cpu = initial(nights, "cpu")
    found["weights on the CPU, one stream"] = population(Cuda(), regime, on_cpu, [chunks], runs)
    return found


def main() -> int:
    """Measure, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--steps", type=int, default=15_000, help="of the published night")
    parser.add_argument("--busy-steps", type=int, default=2_000, help="of the busy night")
    parser.add_argument("--nights", type=int, default=256, help="of the population")
    parser.add_argument("--runs", type=int, default=3, help="figures are medians")
    parser.add_argument("--out", type=Path, help="write all figures to this JSON file")
    options = parser.parse_args()
    try:
        Cuda()
        if not torch.cuda.is_available():
            raise UnsupportedError("Triton's interpreter is no GPU: unset TRITON_INTERPRET.")
    except UnsupportedError as error:
        print(f"Nothing measured: {error}", file=sys.stderr)
        return 2
    import triton

    torch.set_num_threads(1)
    where = {"gpu": torch.cuda.get_device_name(), "triton": triton.__version__, **machine()}
    result: dict[str, Any] = {"machine": where}
    night = published(options.steps)
    for regime, dtype in itertools.product(
        (night, busy(options.busy_steps)), (torch.float64, torch.float32)
    ):
        found = single(regime, dtype, options.runs)
        result[f"single {regime.name} {dtype}"] = found
        print(f"single {regime.name} {dtype}: {found['median_seconds']} s, {found['steps']} steps,")
        print(f"  same spikes: {found['same_spikes']}, weights apart {found['weights_apart']}")
    cpu = result[f"single published {torch.float32}"]["median_seconds"]["event"]
    result["population"] = populations(night, options.nights, options.runs)
    result["event_steps_per_second"] = options.steps / cpu
    tuning = result["population"]["tuning"]
    for name, found in (result["population"] | tuning).items():
        if "steps_per_second" in found:
            ratio = found["steps_per_second"] * cpu / options.steps
            print(
                f"{options.nights} nights, {name}: {found['steps_per_second']:,.0f} steps/s, ",
                end="",
            )
            print(f"{ratio:.0f} times event on two cores")
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
