"""How fast a night runs: engine `event` beside loops over steps in plain torch, snntorch and norse.

    python benchmarks/night.py [--rounds N] [--quick] [--scaling] [--out FILE]

Everything runs in one process, side by side: each round runs every contestant once, and a figure is
the median over rounds, in CPU time of one thread, so that other work on the machine enters only
through the caches. All run the same night in the same precision: the same weights and the same
input spikes, listed beforehand in the form that each one takes. Compilation is left out (a short
night runs before the clock starts); laying out the weights is not. Spikes are compared: loops sum
in another order than `event`, so a membrane within rounding of the threshold may tell them apart.

`whole` costs the same in every step, so only the first 500 steps are timed.

Two regimes on 784-1200-1200-10:

    published  the night after the first task of `tadros2022-mnist`, 15,000 steps, some 13 input
               spikes a step (a stand-in where MNIST is not at hand)
    busy       7 % of the inputs and some 2 to 3 % of the hidden neurons fire in each step

`bytes` counts what the model of `event` touches: one weight for each addition, three for each
weight changed (row read and written, tile written), three for each weight laid out. `limit` is the
share of this machine's speed of reading a tile-sized block of memory again and again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import night_scaling
import numba
import numpy as np
import torch
from night_loops import Loop
from night_regimes import Regime, busy, published

from bioncl.atomic import write_text
from bioncl.spiking.engines.event import Event
from bioncl.traces.recorder import MemoryRecorder

FORMS = ("rows", "gather", "columns", "snntorch", "norse")
ASKED = {  # what issue 4 asks of `event` over a loop
    ("published", torch.float32): {"rows": 250, "whole": 5000, "snntorch": 400, "norse": 200},
    ("published", torch.float64): {"rows": 150},
    ("busy", torch.float32): {"rows": 12, "whole": 250},
}
WHOLE_STEPS = 500

Run = Callable[[], list[np.ndarray]]
Make = Callable[[Regime, torch.dtype], Run]


def event(regime: Regime, dtype: torch.dtype) -> Run:
    """The night by the engine, one thread."""
    network = regime.network(dtype)

    def run() -> list[np.ndarray]:
        recorder = MemoryRecorder()
        Event(threads=1).run(network, regime.chunks, recorder)
        return recorder.events()

    return run


def timed(make: Make, regime: Regime, dtype: torch.dtype) -> Any:
    """CPU seconds of a night, and its spikes."""
    run = make(regime, dtype)
    start = time.thread_time()
    spikes = run()
    return time.thread_time() - start, spikes


def compare(regime: Regime, dtype: torch.dtype, rounds: int) -> dict[str, Any]:
    """Median steps per second of each contestant, and whether they saw the same spikes."""
    event(regime.first(500), dtype)()
    short = regime.first(WHOLE_STEPS)
    makers: dict[str, Make] = {"event": event, **{form: Loop(form) for form in FORMS}}
    seconds: dict[str, list[float]] = {name: [] for name in (*makers, "whole")}
    spikes = {}
    for _ in range(rounds):
        for name, make in makers.items():
            taken, spikes[name] = timed(make, regime, dtype)
            seconds[name].append(taken)
        taken, spikes["whole"] = timed(Loop("whole"), short, dtype)
        seconds["whole"].append(taken * regime.steps / short.steps)
    speed = {name: regime.steps / statistics.median(each) for name, each in seconds.items()}
    ratios = {
        name: statistics.median(np.divide(each, seconds["event"])) for name, each in seconds.items()
    }
    touched = bytes_touched(regime, dtype, spikes["event"])
    return {
        "steps": regime.steps,
        "spikes": [len(each) for each in spikes["event"]],
        "first_different_step": {
            name: first_difference(spikes["event"], each) for name, each in spikes.items()
        },
        "seconds": seconds,
        "steps_per_second": speed,
        "event_over": ratios,
        "asked": ASKED.get((regime.name, dtype), {}),
        "bytes": touched,
        "share_of_reading_limit": touched
        / statistics.median(seconds["event"])
        / reading_limit(dtype),
    }


def bytes_touched(regime: Regime, dtype: torch.dtype, spikes: list[np.ndarray]) -> int:
    """Bytes that the engine's model touches in a night."""
    shapes = [tuple(w.shape) for w in regime.weights]
    added = sum(len(below) * post for below, (post, _) in zip(spikes, shapes, strict=False))
    changed = sum(len(each) * pre for each, (_, pre) in zip(spikes[1:], shapes, strict=True))
    laid_out = sum(post * pre for post, pre in shapes)
    return (added + 3 * changed + 3 * laid_out) * dtype.itemsize


@numba.njit(fastmath=True)
def _read(values: np.ndarray, times: int) -> float:
    total = values[0]
    for _ in range(times):
        for i in range(values.size):
            total += values[i]
    return total


def reading_limit(dtype: torch.dtype) -> float:
    """Bytes per second of summing up 100 kB, which is a tile of the first hidden layer."""
    values = np.zeros(100_000 // dtype.itemsize, str(dtype).removeprefix("torch."))
    _read(values, 1)
    found = []
    for _ in range(7):
        start = time.thread_time()
        _read(values, 2000)
        found.append(2000 * values.nbytes / (time.thread_time() - start))
    return max(found)


def first_difference(left: list[np.ndarray], right: list[np.ndarray]) -> int | None:
    """The first step, of those that both ran, in which two nights differ by a spike, or None."""
    steps = min(max((e[:, 0].max(initial=-1) for e in each), default=-1) for each in (left, right))
    found = []
    for a, b in zip(left, right, strict=True):
        ends = [set(map(tuple, each[each[:, 0] <= steps].tolist())) for each in (a, b)]
        only = ends[0] ^ ends[1]
        found += [min(only)[0]] if only else []
    return min(found, default=None)


def machine() -> dict[str, object]:
    """Where and with what this was measured."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [li for li in info.read_text().splitlines() if li.startswith("model name")]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    libraries = ("numpy", "numba", "torch", "snntorch", "norse")
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        **{name: version(name) for name in libraries},
    }


def show(regime: Regime, dtype: torch.dtype, found: dict[str, Any]) -> None:
    """Print one comparison."""
    print(f"{regime.name}, {dtype}, {found['steps']} steps, spikes {found['spikes']}")
    print(
        f"  {found['bytes'] / 1e6:,.0f} MB touched, "
        f"{found['share_of_reading_limit']:.0%} of the reading limit"
    )
    for name, speed in found["steps_per_second"].items():
        different = found["first_different_step"][name]
        note = "same spikes" if different is None else f"spikes differ at step {different}"
        asked = f"(asked {found['asked'][name]:,})" if name in found["asked"] else ""
        ratio = found["event_over"][name]
        print(f"  {name:9}{speed:12,.0f} steps/s  event is {ratio:8,.1f} times {asked:15} {note}")


def main() -> None:
    """Measure, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="figures are medians over them")
    parser.add_argument("--quick", action="store_true", help="short nights, to see that it works")
    parser.add_argument("--scaling", action="store_true", help="and how the time grows with what")
    parser.add_argument("--out", type=Path, help="write all figures to this JSON file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    long, short = (1500, 500) if options.quick else (15_000, 2000)
    result: dict[str, Any] = {"machine": machine()}
    night = published(long)
    for regime in (night, busy(short)):
        for dtype in (torch.float32, torch.float64):
            found = compare(regime, dtype, options.rounds)
            result[f"{regime.name} {dtype}"] = found
            show(regime, dtype, found)
    if options.scaling:
        for name, measured in {
            "threads": night_scaling.threads(night),
            "cost": night_scaling.cost_model(),
            "population": night_scaling.population(night),
            "steps": night_scaling.steps(),
        }.items():
            result[name] = measured
            shown = {k: v for k, v in measured.items() if k != "nights"}
            print(name, json.dumps(shown, indent=1))
    if options.out:
        write_text(options.out, json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
