"""Random runs to export: recorded into a trace, and listed spike by spike by slow, plain loops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
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
        """The open trace, and the folder it stands in, to export into."""
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


def _random_run(random: np.random.Generator) -> Run:
    """Up to three layers and four nights, silent ones and crowded ones among them."""
    sizes = random.integers(1, 7, random.integers(1, 4)).tolist()
    nights = []
    for steps in random.integers(1, 31, random.integers(1, 5)).tolist():
        rates = random.choice([0.0, 0.1, 1.0], len(sizes))
        nights.append(
            [random.random((steps, n)) < rate for n, rate in zip(sizes, rates, strict=True)]
        )
    return Run({f"layer, {i}": size for i, size in enumerate(sizes)}, nights)


@st.composite
def _selections(draw: st.DrawFn, run: Run) -> Selection:
    """A part of the run that holds at least one step."""
    night = draw(st.none() | st.integers(0, len(run.nights) - 1))
    lengths = [len(rasters[0]) for rasters in run.nights]
    end = sum(lengths) if night is None else lengths[night]
    start = draw(st.integers(0, end - 1))
    stop = draw(st.none() | st.integers(start + 1, end + 3))
    layers = draw(st.lists(st.sampled_from(list(run.layers)), unique=True))
    return Selection(night, layers, start, stop)


Case = tuple[Run, Trace, Selection]


@pytest.fixture(scope="session")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[st.SearchStrategy[Case]]:
    """A random run, its trace, and a part of it; the runs are recorded once, to be quick."""
    folder = tmp_path_factory.mktemp("runs")
    random = np.random.default_rng(0)
    runs = [_random_run(random) for _ in range(8)]
    with ExitStack() as opened:
        found = []
        for number, run in enumerate(runs):
            run.record(folder / f"{number}.h5")
            trace = opened.enter_context(open_trace(folder / f"{number}.h5"))
            found.append(st.tuples(st.just(run), st.just(trace), _selections(run)))
        yield st.one_of(found)


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
