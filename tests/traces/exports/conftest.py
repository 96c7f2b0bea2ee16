"""Random runs to export: recorded into a trace, and listed spike by spike by slow, plain loops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import strategies as st
from numpy.typing import NDArray

from bioncl.traces import Spikes
from bioncl.traces.exports import EVERYTHING, Selection
from bioncl.traces.hdf5_reader import Trace, open_trace
from bioncl.traces.hdf5_writer import TraceFile

Event = tuple[int, str, int, int]
"""Night, layer, step within the night, neuron."""


@dataclass(frozen=True)
class Run:
    """Layers by name and size, and for each night a raster [steps, neurons] of each layer."""

    layers: dict[str, int]
    nights: Sequence[Sequence[NDArray[np.bool_]]]

    def record(self, path: Path, *, compressed: bool = True) -> None:
        """Write the trace, in blocks of at least five spikes."""
        file = TraceFile(
            path,
            list(self.layers.items()),
            settings={"seed": 3},
            compressed=compressed,
            block_events=5,
        )
        for index, rasters in enumerate(self.nights):
            with file.night(index, task=10 + index, steps=len(rasters[0])) as recorder:
                for first in range(0, len(rasters[0]), 7):
                    for layer, raster in enumerate(rasters):
                        spikes = Spikes.from_raster(raster[first : first + 7])
                        recorder.spikes(layer, first, spikes)
                recorder.facts({"acc_before": 0.5, "each": [1, 2]})

    @contextmanager
    def recorded(self, *, compressed: bool = True) -> Iterator[tuple[Trace, Path]]:
        """The open trace, and a folder to export into."""
        with TemporaryDirectory() as folder:
            self.record(Path(folder) / "trace.h5", compressed=compressed)
            with open_trace(Path(folder) / "trace.h5") as trace:
                yield trace, Path(folder)

    def first_steps(self) -> list[int]:
        """Steps of all earlier nights, for each night."""
        lengths = [len(rasters[0]) for rasters in self.nights]
        return [sum(lengths[:night]) for night in range(len(lengths))]

    def events(self, which: Selection = EVERYTHING) -> list[Event]:
        """All chosen spikes, by layer, night, step and neuron."""
        stop = float("inf") if which.stop is None else which.stop
        found: list[Event] = []
        for layer, name in enumerate(self.layers):
            for night, rasters in enumerate(self.nights):
                shift = self.first_steps()[night] if which.night is None else 0
                for step, neuron in np.argwhere(rasters[layer]).tolist():
                    if which.start <= step + shift < stop:
                        found.append((night, name, step, neuron))
        return [
            event
            for event in found
            if which.night in (None, event[0]) and (not which.layers or event[1] in which.layers)
        ]


@st.composite
def _runs(draw: st.DrawFn) -> Run:
    """Up to three layers and four nights, silent ones and crowded ones among them."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    layers = {f"layer, {i}": size for i, size in enumerate(sizes)}
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    rate = st.sampled_from([0.0, 0.1, 1.0])
    nights = []
    for _ in range(draw(st.integers(1, 4))):
        steps = draw(st.integers(1, 30))
        nights.append([random.random((steps, size)) < draw(rate) for size in sizes])
    return Run(layers, nights)


@st.composite
def _cases(draw: st.DrawFn) -> tuple[Run, Selection]:
    """A run, and a part of it that holds at least one step."""
    run = draw(_runs())
    night = draw(st.none() | st.integers(0, len(run.nights) - 1))
    lengths = [len(rasters[0]) for rasters in run.nights]
    end = sum(lengths) if night is None else lengths[night]
    start = draw(st.integers(0, end - 1))
    stop = draw(st.none() | st.integers(start + 1, end + 3))
    layers = draw(st.lists(st.sampled_from(list(run.layers)), unique=True))
    return run, Selection(night, layers, start, stop)


@pytest.fixture(scope="session")
def cases() -> st.SearchStrategy[tuple[Run, Selection]]:
    """Runs with a part of them."""
    return _cases()


@pytest.fixture(scope="session")
def run() -> Run:
    """Two nights; the hidden layer is silent in the first, neuron 2 of the input in both."""
    random = np.random.default_rng(0)
    nights = []
    for steps, rate in ((40, 0.0), (25, 0.3)):
        inputs = random.random((steps, 5)) < 0.2
        inputs[:, 2] = False
        nights.append([inputs, random.random((steps, 3)) < rate])
    return Run({"input": 5, "hidden": 3}, nights)
