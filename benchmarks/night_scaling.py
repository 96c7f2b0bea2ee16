"""How the time of a night grows: with threads, width, activity, population and steps."""

from __future__ import annotations

import itertools
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from night_regimes import Regime, wide
from scipy.optimize import nnls

from bioncl.spiking.engines.event import Event
from bioncl.traces.recorder import MemoryRecorder, SilentRecorder
from bioncl.traces.spikes import Spikes

ROUNDS = 5


def night_seconds(regime: Regime, threads: int, dtype: torch.dtype = torch.float32) -> float:
    """Median time of one night: CPU time of a single thread, or wall time of several."""
    clock = time.thread_time if threads == 1 else time.perf_counter
    found = []
    for _ in range(ROUNDS):
        network = regime.network(dtype)
        start = clock()
        Event(threads=threads).run(network, regime.chunks, SilentRecorder())
        found.append(clock() - start)
    return statistics.median(found)


def threads(regime: Regime) -> dict[str, Any]:
    """Steps per second with one thread up to one a core."""
    counts = [n for n in (1, 2, 4, 8, 16, 32, 64) if n <= (os.cpu_count() or 1)]
    return {
        f"{regime.name} {dtype}": {
            n: regime.steps / night_seconds(regime, n, dtype) for n in counts
        }
        for dtype in (torch.float32, torch.float64)
    }


def counts(regime: Regime) -> dict[str, float]:
    """What a night costs by the model: additions, changed weights, tile steps, all weights."""
    network, recorder = regime.network(torch.float32), MemoryRecorder()
    Event(threads=1).run(network, regime.chunks, recorder)
    spikes = [len(each) for each in recorder.events()]
    sizes = network.sizes
    pairs = list(itertools.pairwise(sizes))
    return {
        "events x neurons": float(
            sum(n * post for n, (_, post) in zip(spikes, pairs, strict=False))
        ),
        "spikes x inputs": float(
            sum(n * pre for n, (pre, _) in zip(spikes[1:], pairs, strict=True))
        ),
        "steps x neurons": float(regime.steps * sum(sizes[1:])),
        "weights": float(sum(pre * post for pre, post in pairs)),
        "steps x weights": float(regime.steps * sum(pre * post for pre, post in pairs)),
    }


def cost_model() -> dict[str, Any]:
    """A fit of the time of many nights to what the model counts, none below zero.

    Each row is divided by its time, so that the fit is to relative errors.
    """
    nights = [wide(width, 2000) for width in (300, 600, 1200, 2400, 4800, 8000)]
    nights += [wide(1200, 2000, a) for a in (0.001, 0.005, 0.02, 0.05, 0.1, 0.2)]
    nights += [wide(1200, steps, 0.02) for steps in (500, 4000, 16_000)]
    nights += [wide(1200, 2000, 0.02, threshold) for threshold in (0.1, 0.5, 5.0)]
    rows = [counts(night) for night in nights]
    seconds = np.array([night_seconds(night, 1) for night in nights])
    names = list(rows[0])
    matrix = np.array([[row[name] for name in names] for row in rows])
    weights, _ = nnls(matrix / seconds[:, None], np.ones(len(seconds)))
    relative = matrix @ weights / seconds - 1
    return {
        "nanoseconds": dict(zip(names, (1e9 * weights).tolist(), strict=True)),
        "largest_relative_error": float(np.abs(relative).max()),
        "mean_relative_error": float(np.abs(relative).mean()),
        "share_of_steps_x_weights": float((matrix[:, -1] * weights[-1] / (matrix @ weights)).max()),
        "nights": [
            {"width": n.weights[0].shape[0], "steps": n.steps, "seconds": s, **row}
            for n, s, row in zip(nights, seconds.tolist(), rows, strict=True)
        ],
    }


def population(regime: Regime, sizes: tuple[int, ...] = (1, 4, 16, 64, 256)) -> dict[str, Any]:
    """Steps per second of many nights through one call, over nights one after another, all cores.

    `given` takes the input spikes as given; `drawn` draws them with the published drive: anew for
    each night of those one by one, once for all in the population, which share their input.
    """
    return {
        str(size): {
            "given": _population(regime, size, lambda: regime.chunks),
            **({"drawn": _population(regime, size, regime.draw)} if regime.draw else {}),
        }
        for size in sizes
    }


def _population(regime: Regime, size: int, draw: Callable[[], list[Spikes]]) -> dict[str, float]:
    engine, singles = Event(threads=os.cpu_count() or 1), min(size, 64)
    networks = [regime.network(torch.float32) for _ in range(size)]
    start = time.perf_counter()
    chunks = ([chunk] for chunk in draw())
    engine.run_many(networks, chunks, [0] * size, [SilentRecorder()] * size)
    together = (time.perf_counter() - start) / size
    networks = [regime.network(torch.float32) for _ in range(singles)]
    start = time.perf_counter()
    for network in networks:
        engine.run(network, draw(), SilentRecorder())
    alone = (time.perf_counter() - start) / singles
    return {"steps_per_second": regime.steps / together, "over_single_nights": alone / together}


def steps() -> dict[str, float]:
    """Steps per second of ever longer nights."""
    return {str(n): n / night_seconds(wide(1200, n, 0.02, 5.0), 1) for n in (1000, 10_000, 100_000)}
