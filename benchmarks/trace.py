"""What it costs to record a night, and to look at ten of them.

    python benchmarks/trace.py [--runs N] [--out FILE]

All on 784-1200-1200-10, packed as by default.

    writing   The first night of `tadros2022-mnist` (15,000 steps) as a run sleeps it: gains from
              12,000 images, drive, simulation; the images are blurs, the network is untrained.
              Every spike, the weights before, their change and the facts go to a file that holds
              other nights already, or nothing is kept. Recording is compared in three ways: wall
              time until the file is complete, CPU time of the thread that sleeps, and CPU time of
              the process, in which the thread that writes counts as well. `simulation` is the wall
              time of drive and engine alone, without a trace. Figures are medians over rounds; each
              round does both.
    bytes     A night of 15,000 steps in which each neuron fires with a probability of 1 % a step.
    reading   Ten nights of 35,000 steps at 1 %, over twice as many spikes as in published nights,
              read by a fresh process: open the file and find the rates of all neurons night by
              night; read 1,000 steps of all layers in the middle of the file and make rasters of
              them. `peak` is the most memory that the process had, Python and NumPy included.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from bioncl.streams.stream import Examples

SIZES = {"input": 784, "hidden1": 1200, "hidden2": 1200, "output": 10}
CHUNK = 500
NIGHTS, STEPS, WINDOW = 10, 35_000, 1_000
Seconds = dict[str, float]


def write_cost(folder: Path, runs: int) -> dict[str, Any]:
    """Seconds of a night with and without a trace."""
    import torch

    from bioncl.experiments.settings import load
    from bioncl.experiments.setup import make_methods, nights_of
    from bioncl.nights.night import NightReport, sleep
    from bioncl.progress import Silent
    from bioncl.traces.hdf5_writer import TraceFile
    from bioncl.traces.recorder import Recorder, SilentRecorder

    torch.set_num_threads(1)
    config = load("tadros2022-mnist", [("sleep.threads", 1)])
    (settings,) = nights_of(make_methods(config))
    seen = blurs(12_000)
    trace = TraceFile(folder / "night.h5", list(SIZES.items()), settings={}, keep_before=True)
    reports: list[NightReport] = []

    def night(recorder: Recorder) -> None:
        model = config.model.build((1, 28, 28), 10, [tuple(range(10))], 0)
        generator = np.random.default_rng(0)
        report = sleep(
            model,
            seen,
            settings,
            recorder=recorder,
            steps=15_000,
            generator=generator,
            progress=Silent(),
        )
        reports.append(report)

    def record(number: int) -> None:
        with trace.night(number, task=number, steps=15_000) as recorder:
            night(recorder)

    record(0)  # compiles, and makes a file to go on from
    found: dict[str, list[Seconds]] = {"night": [], "recorded": []}
    simulation = []
    for number in range(1, runs + 1):
        found["night"].append(timed(lambda: night(SilentRecorder())))
        simulation.append(reports[-1].seconds)
        found["recorded"].append(timed(partial(record, number)))
    medians = {
        name: {k: statistics.median(each[k] for each in all_of) for k in all_of[0]}
        for name, all_of in found.items()
    }
    more = {k: medians["recorded"][k] / medians["night"][k] - 1 for k in medians["night"]}
    about = {"spikes": reports[-1].spikes, "simulation": statistics.median(simulation)}
    return {**about, **medians, "more": more, "runs": found}


def blurs(count: int) -> Examples:
    """Images with a bright spot at random places: about as much ink as digits have."""
    import torch

    from bioncl.streams.stream import Examples

    places = np.random.default_rng(0).uniform(9, 19, (2, count, 1))
    rows, columns = np.exp(-((np.arange(28) - places) ** 2) / (2 * 4.0**2))
    images = (rows[:, :, None] * columns[:, None, :]).astype(np.float32)
    return Examples(torch.from_numpy(images[:, None]), torch.arange(count) % 2)


def timed(work: Callable[[], None]) -> Seconds:
    """Wall time, and CPU time of this thread and of the process."""
    clocks = {"wall": time.perf_counter, "thread": time.thread_time, "process": time.process_time}
    start = {name: clock() for name, clock in clocks.items()}
    work()
    return {name: clock() - start[name] for name, clock in clocks.items()}


def write_nights(path: Path, nights: int, steps: int) -> None:
    """Nights in which each neuron fires with a probability of 1 % a step; no weights."""
    from bioncl.traces.hdf5_writer import TraceFile
    from bioncl.traces.spikes import Spikes

    random = np.random.default_rng(0)
    chunks = [
        [Spikes.from_raster(random.random((CHUNK, n)) < 0.01) for n in SIZES.values()]
        for _ in range(40)
    ]
    trace = TraceFile(path, list(SIZES.items()), settings={})
    for index in range(nights):
        with trace.night(index, task=index, steps=steps) as recorder:
            for number in range(steps // CHUNK):
                for layer, spikes in enumerate(chunks[number % len(chunks)]):
                    recorder.spikes(layer, number * CHUNK, spikes)


def sizes(path: Path) -> dict[str, int]:
    """Bytes of one night at 1 %: of its spikes as packed, and of the whole file."""
    import h5py

    write_nights(path, 1, 15_000)
    with h5py.File(path) as file:
        each = [file[f"spikes/{n}/{what}"] for n in SIZES for what in ("timestamps", "node_ids")]
        packed = sum(data.id.get_storage_size() for data in each)
        return {"spikes": len(each[0]) + sum(map(len, each[2::2])), "packed_bytes": packed} | {
            "file_bytes": path.stat().st_size
        }


def read(path: Path) -> dict[str, float]:
    """Read the file in this process; seconds, and peak memory in MB."""
    from bioncl.traces.hdf5_reader import open_trace
    from bioncl.traces.spikes import Spikes  # noqa: F401 - what a reader imports anyway

    start = time.perf_counter()
    trace = open_trace(path)
    opened = time.perf_counter()
    rates = [trace.rates(night.index) for night in trace.nights]
    rated = time.perf_counter()
    rasters = {}
    for layer, neurons in SIZES.items():
        events = trace.spikes(layer, NIGHTS // 2, STEPS // 2, STEPS // 2 + WINDOW)
        rasters[layer] = np.zeros((WINDOW, neurons), np.bool_)
        rasters[layer][events[:, 0] - STEPS // 2, events[:, 1]] = True
    drawn = time.perf_counter()
    share = float(np.mean([raster.mean() for raster in rasters.values()]))
    rate = float(np.mean([r.mean() for night in rates for r in night.values()]))
    return {
        "open": opened - start,
        "open_and_rates": rated - start,
        "window": drawn - rated,
        "peak_mb": peak_memory() / 1e6,
        "mean_rate_hz": rate,
        "share_in_window": share,
    }


def peak_memory() -> int:
    """Most bytes that this process has had in memory."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would count the process that started this one
        lines = [li for li in status.read_text().splitlines() if li.startswith("VmHWM")]
        return int(lines[0].split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def read_cost(path: Path, runs: int) -> dict[str, Any]:
    """Median over fresh processes that read ten nights."""
    write_nights(path, NIGHTS, STEPS)
    command = [sys.executable, __file__, "--read", str(path)]
    found = [json.loads(subprocess.check_output(command)) for _ in range(runs)]
    medians = {k: statistics.median(each[k] for each in found) for k in found[0]}
    return {**medians, "file_mb": path.stat().st_size / 1e6, "runs": found}


def machine() -> dict[str, Any]:
    """Where and with what this was measured."""
    import h5py
    import night

    return {**night.machine(), "h5py": h5py.__version__, "hdf5": h5py.version.hdf5_version}


def report(result: dict[str, dict[str, Any]]) -> None:
    """Print the figures."""
    written, packed, reading = (result[part] for part in ("writing", "bytes", "reading"))
    print(f"simulation alone {written['simulation']:.3f} s, spikes {written['spikes']}")
    print("published night, 15,000 steps: seconds        wall   thread  process")
    for name in ("night", "recorded", "more"):
        row = written[name]
        form = "{:8.1%}" if name == "more" else "{:8.3f}"
        print(f"  {name:37}", *(form.format(row[k]) for k in ("wall", "thread", "process")))
    print(f"15,000 steps at 1 %: {packed['spikes']:,} spikes")
    print(
        f"  packed {packed['packed_bytes'] / 1e6:.2f} MB, file {packed['file_bytes'] / 1e6:.2f} MB"
    )
    print(f"ten nights of 35,000 steps at 1 %: {reading['file_mb']:.1f} MB")
    print(f"  open {reading['open']:.3f} s, open and rates {reading['open_and_rates']:.3f} s")
    print(f"  1,000 steps {reading['window']:.3f} s, peak memory {reading['peak_mb']:.0f} MB")


def main() -> None:
    """Measure, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5, help="rounds; figures are medians")
    parser.add_argument("--out", type=Path, help="write all figures to this JSON file")
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        print(json.dumps(read(options.read)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result = {
            "machine": machine(),
            "writing": write_cost(folder, options.runs),
            "bytes": sizes(folder / "one.h5"),
            "reading": read_cost(folder / "ten.h5", options.runs),
        }
    report(result)
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
