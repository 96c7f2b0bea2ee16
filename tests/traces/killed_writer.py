"""Writes traces in child processes, kills them at random moments and looks at what is left.

Run by test_kill.py in a process of its own: python killed_writer.py FOLDER KILLS. Prints one JSON
object: how many unfinished files there were, how many opened (how many by their twin), and why the
others did not.
"""

from __future__ import annotations

import functools
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

from bioncl.errors import TraceError
from bioncl.traces import Spikes
from bioncl.traces.hdf5_reader import open_trace
from bioncl.traces.hdf5_writer import TraceFile

LAYERS = [("input", 50), ("hidden", 40), ("output", 10)]
CHUNK = 20
NIGHT = 40 * CHUNK


@functools.cache
def chunk(layer: int, number: int) -> Spikes:
    """The same spikes each time, so that whatever is read can be compared."""
    generator = np.random.default_rng([layer, number])
    return Spikes.from_raster(generator.random((CHUNK, LAYERS[layer][1])) < 0.1)


def expected(layer: int, steps: int) -> np.ndarray:
    """(step, neuron) of all spikes of one night up to `steps`."""
    parts = [chunk(layer, number).events() for number in range(steps // CHUNK)]
    for number, part in enumerate(parts):
        part[:, 0] += number * CHUNK
    return np.concatenate(parts) if parts else np.zeros((0, 2), np.int64)


def write(path: Path, first_night: int, nights: int) -> None:
    """Write nights, each block of a few dozen spikes to the disk at once."""
    trace = TraceFile(path, LAYERS, settings={"seed": 1}, block_events=1)
    for index in range(first_night, first_night + nights):
        with trace.night(index, task=index, steps=NIGHT) as recorder:
            for number in range(NIGHT // CHUNK):
                for layer in range(len(LAYERS)):
                    recorder.spikes(layer, number * CHUNK, chunk(layer, number))


def check(path: Path) -> tuple[int, str]:
    """Compare all nights with what was written; return how many are whole, and the file read."""
    with open_trace(path) as trace:
        for night in trace.nights:
            assert night.complete or not trace.complete
            for layer, (name, _) in enumerate(LAYERS):
                want = expected(layer, night.recorded)
                assert np.array_equal(trace.spikes(name, night.index), want), (path, night)
        return sum(night.complete for night in trace.nights), trace.path.suffix


def kill_one(path: Path, first_night: int, delay: float) -> None:
    """Write in a child process and kill it after `delay` seconds."""
    child = os.fork()
    if child == 0:
        write(path, first_night, 1000)
        os._exit(0)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def main(folder: Path, kills: int) -> dict[str, object]:
    """Kill `kills` writers, each going on from what the one before left."""
    found: dict[str, object] = {
        "kills": kills,
        "parts": 0,
        "opened": 0,
        "by_twin": 0,
        "refused": [],
    }
    path = folder / "trace.h5"
    part = folder / "trace.h5.part"
    whole = 0
    for attempt in range(kills):
        if attempt % 5 == 0:
            path.unlink(missing_ok=True)
            whole = 0
        kill_one(path, whole, random.Random(attempt).uniform(0.02, 0.5))
        if path.exists():
            with open_trace(path) as trace:
                assert trace.complete
            now, _ = check(path)
            assert now >= whole
            whole = now
        if part.exists():
            found["parts"] += 1
            try:
                found["opened"] += 1
                found["by_twin"] += check(part)[1] == ".part2"
            except TraceError as error:
                found["opened"] -= 1
                found["refused"].append(str(error))
    write(path, whole, 1)
    found["nights_after_all"] = check(path)[0]
    found["nights_expected"] = whole + 1
    found["part_left"] = part.exists() or part.with_suffix(".part2").exists()
    return found


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))
