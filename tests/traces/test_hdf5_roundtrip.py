"""What is read from a trace equals what was recorded, as a recorder in memory keeps it."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bioncl.errors import InputError, TraceError
from bioncl.traces import MemoryRecorder, Spikes, hdf5_events
from bioncl.traces.hdf5_reader import open_trace
from bioncl.traces.hdf5_writer import TraceFile

LAYERS = [("input", 30), ("hidden", 20), ("output", 5)]
STEPS = 120


def chunks(seed: int, length: int = 25, steps: int = STEPS) -> list[tuple[int, list[Spikes]]]:
    """(first step, spikes of each layer) of a night; the last chunk is shorter."""
    random = np.random.default_rng(seed)
    found = []
    for first in range(0, steps, length):
        size = min(length, steps - first)
        found.append(
            (first, [Spikes.from_raster(random.random((size, n)) < 0.2) for _, n in LAYERS])
        )
    return found


def record(trace: TraceFile, index: int, seed: int) -> list[NDArray[np.int64]]:
    """Record one night; return the events of each layer, kept by the recorder in memory."""
    memory = MemoryRecorder()
    with trace.night(index, task=index + 10, steps=STEPS) as recorder:
        for first, layers in chunks(seed):
            for layer, spikes in enumerate(layers):
                memory.spikes(layer, first, spikes)
                recorder.spikes(layer, first, spikes)
        recorder.facts({"acc_before": [0.5, None], "seconds": 1.5, "log": "x" * 70_000})
    return memory.events()


@pytest.mark.parametrize("block_events", [1, 300, 10**6])
@pytest.mark.parametrize("compressed", [True, False])
def test_spikes_come_back_night_by_night_and_run_on_over_all(
    tmp_path: Path, block_events: int, compressed: bool
) -> None:
    """Per night steps start at 0; without a night they run on, 120 steps later each."""
    path = tmp_path / "trace.h5"
    file = TraceFile(
        path, LAYERS, settings={"seed": 3}, compressed=compressed, block_events=block_events
    )
    kept = [record(file, index, seed=index) for index in range(3)]
    with open_trace(path) as trace:
        assert trace.complete
        assert trace.layers == ["input", "hidden", "output"]
        assert [night.recorded for night in trace.nights] == [STEPS] * 3
        for layer, (name, neurons) in enumerate(LAYERS):
            for night in range(3):
                assert np.array_equal(trace.spikes(name, night), kept[night][layer])
            run_on = [events[layer] + [STEPS * night, 0] for night, events in enumerate(kept)]
            assert np.array_equal(trace.spikes(name), np.concatenate(run_on))
            counts = np.bincount(kept[1][layer][:, 1], minlength=neurons)
            assert np.array_equal(trace.counts(name, 1), counts)
            np.testing.assert_allclose(trace.rates(1)[name], counts / 0.12, rtol=1e-14)
            total = sum(np.bincount(k[layer][:, 1], minlength=neurons) for k in kept)
            np.testing.assert_allclose(trace.rates()[name], total / 0.36, rtol=1e-14)


@pytest.mark.parametrize("block_events", [1, 300])
def test_a_window_of_steps_holds_exactly_its_spikes(
    tmp_path: Path, block_events: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against a mask over all spikes, also across nights and in pieces of seven events."""
    monkeypatch.setattr(hdf5_events, "PIECE_EVENTS", 7)
    path = tmp_path / "trace.h5"
    file = TraceFile(path, LAYERS, settings={}, block_events=block_events)
    for index in range(2):
        record(file, index, seed=index)
    with open_trace(path) as trace:
        for start, stop in [
            (0, 1),
            (24, 26),
            (25, 25),
            (50, 75),
            (13, 119),
            (119, 500),
            (100, 150),
        ]:
            for night in (0, 1, None):
                events = trace.spikes("hidden", night)
                inside = (events[:, 0] >= start) & (events[:, 0] < stop)
                assert np.array_equal(trace.spikes("hidden", night, start, stop), events[inside])


def test_facts_settings_and_versions_come_back(tmp_path: Path) -> None:
    """NumPy numbers become plain ones."""
    path = tmp_path / "trace.h5"
    settings = {"seed": 3, "sleep": {"rates": np.array([1.0, 2.0]), "on": np.bool_(True)}}
    record(TraceFile(path, LAYERS, settings=settings), 4, seed=1)
    with open_trace(path) as trace:
        assert trace.settings == {"seed": 3, "sleep": {"rates": [1.0, 2.0], "on": True}}
        assert trace.versions["numpy"] == np.__version__
        (night,) = trace.nights
        assert (night.index, night.task, night.steps, night.complete) == (4, 14, STEPS, True)
        assert night.facts == {"acc_before": [0.5, None], "seconds": 1.5, "log": "x" * 70_000}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_change_of_weights_is_after_less_before(tmp_path: Path, dtype: type) -> None:
    """In the precision of the weights; `before` only where it was asked for."""
    random = np.random.default_rng(0)
    before = [random.normal(size=(20, 30)).astype(dtype)]
    after = [before[0] + random.normal(size=(20, 30)).astype(dtype)]
    for keep in (False, True):
        path = tmp_path / f"{keep}.h5"
        with TraceFile(path, LAYERS, settings={}, keep_before=keep).night(
            0, task=0, steps=5
        ) as recorder:
            recorder.weights(["hidden"], before, after)
        with open_trace(path) as trace:
            assert trace.weight_names(0) == ["hidden"]
            change = trace.weight_change("hidden", 0)
            assert change.dtype == dtype
            assert np.array_equal(change, after[0] - before[0])
            if keep:
                assert np.array_equal(trace.weights("hidden", 0, "before"), before[0])
            else:
                with pytest.raises(TraceError, match="does not keep 'before'"):
                    trace.weights("hidden", 0, "before")
            with pytest.raises(TraceError, match="Did you mean 'hidden'"):
                trace.weight_change("hiden", 0)


def test_a_repeated_night_replaces_itself_and_what_followed(tmp_path: Path) -> None:
    """Nights 0 to 2, then night 1 again: 0 stays, 1 is new, 2 is gone; also in the raw data."""
    path = tmp_path / "trace.h5"
    kept = record(TraceFile(path, LAYERS, settings={}), 0, seed=0)
    for index in (1, 2):
        record(TraceFile(path, LAYERS, settings={}), index, seed=index)
    new = record(TraceFile(path, LAYERS, settings={}), 1, seed=77)
    with open_trace(path) as trace:
        assert [night.index for night in trace.nights] == [0, 1]
        assert np.array_equal(trace.spikes("input", 0), kept[0])
        assert np.array_equal(trace.spikes("input", 1), new[0])
        assert len(trace.spikes("input")) == len(kept[0]) + len(new[0])
        counts = trace.counts("input")
        assert np.array_equal(counts, np.bincount(trace.spikes("input")[:, 1], minlength=30))


def test_night_0_begins_a_new_file(tmp_path: Path) -> None:
    """Also over a file of other layers, or one that is none."""
    path = tmp_path / "trace.h5"
    path.write_bytes(b"no HDF5 at all")
    record(TraceFile(path, LAYERS, settings={"run": 2}), 0, seed=0)
    with open_trace(path) as trace:
        assert trace.settings == {"run": 2}


def test_silent_and_empty_nights_can_be_read(tmp_path: Path) -> None:
    """No spikes, and not even a chunk."""
    path = tmp_path / "trace.h5"
    file = TraceFile(path, LAYERS, settings={})
    with file.night(0, task=0, steps=50) as recorder:
        for layer, (_, neurons) in enumerate(LAYERS):
            recorder.spikes(layer, 0, Spikes.from_raster(np.zeros((50, neurons), bool)))
    with file.night(1, task=1, steps=0):
        pass
    with open_trace(path) as trace:
        assert [night.recorded for night in trace.nights] == [50, 0]
        assert trace.spikes("hidden").shape == (0, 2)
        assert not trace.rates()["hidden"].any()
        assert not trace.rates(1)["hidden"].any()


def test_chunks_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    """Unknown layer, wrong width, and steps that went by; nothing is left behind."""
    file = TraceFile(tmp_path / "trace.h5", LAYERS, settings={})
    narrow = Spikes.from_raster(np.zeros((5, 3), bool))
    wide = Spikes.from_raster(np.zeros((5, 30), bool))
    for calls in ([(3, 0, wide)], [(0, 0, narrow)], [(0, 0, wide), (0, 4, wide)]):
        with pytest.raises(InputError), file.night(0, task=0, steps=5) as recorder:
            for call in calls:
                recorder.spikes(*call)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("layers", [[], [("a", 1), ("a", 2)], [("a/b", 1)], [("", 1)], [(".", 1)]])
def test_layers_that_cannot_be_named_are_refused(layers: list[tuple[str, int]]) -> None:
    """Before anything is written."""
    with pytest.raises(InputError, match="trace"):
        TraceFile("trace.h5", layers, settings={})


def test_settings_and_facts_must_be_json(tmp_path: Path) -> None:
    """An object of a class has no form in JSON."""
    with pytest.raises(InputError, match="object has no form in JSON"):
        TraceFile(tmp_path / "trace.h5", LAYERS, settings={"a": object()})
    with (
        pytest.raises(InputError, match="object has no form in JSON"),
        TraceFile(tmp_path / "trace.h5", LAYERS, settings={}).night(0, task=0, steps=1) as recorder,
    ):
        recorder.facts({"a": object()})


def test_memory_does_not_grow_with_the_night(tmp_path: Path) -> None:
    """A night of 2 million spikes (32 MB as written) is recorded and read within 8 MB."""
    chunk = Spikes.from_raster(np.ones((100, 200), bool))
    file = TraceFile(tmp_path / "trace.h5", [("input", 200)], settings={}, compressed=False)
    tracemalloc.start()
    with file.night(0, task=0, steps=10_000) as recorder:
        for number in range(100):
            recorder.spikes(0, 100 * number, chunk)
    written = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert written < 8e6
    with open_trace(tmp_path / "trace.h5") as trace:
        assert sum(map(len, trace.pieces("input"))) == 2_000_000


def test_opening_ten_nights_reads_next_to_nothing(tmp_path: Path) -> None:
    """Well under a second, measured at its best of three."""
    file = TraceFile(tmp_path / "trace.h5", LAYERS, settings={})
    for index in range(10):
        record(file, index, seed=index)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        open_trace(tmp_path / "trace.h5").close()
        times.append(time.perf_counter() - start)
    assert min(times) < 0.5
