"""A night goes on while it is written; file and failures do not depend on who is faster."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from bioncl.errors import StorageError
from bioncl.traces import Spikes, hdf5_part, hdf5_unfinished
from bioncl.traces.hdf5_reader import open_trace
from bioncl.traces.hdf5_unfinished import Block, UnfinishedNight
from bioncl.traces.hdf5_writer import TraceFile

LAYERS = [("input", 40), ("output", 10)]
CHUNK, CHUNKS = 20, 6
STEPS = CHUNK * CHUNKS
PATIENCE = 20.0


def chunk(index: int, number: int, layer: int) -> Spikes:
    """The same spikes each time."""
    random = np.random.default_rng([index, number, layer])
    return Spikes.from_raster(random.random((CHUNK, LAYERS[layer][1])) < 0.3)


def record(path: Path, index: int, *, spoil: bool = False) -> None:
    """Write one night with all there is; `spoil` overwrites what was handed in, where allowed."""
    random = np.random.default_rng(index)
    before, after = random.normal(size=(2, 10, 40))
    file = TraceFile(path, LAYERS, settings={"seed": 0}, keep_before=True, block_events=1)
    with file.night(index, task=index, steps=STEPS) as recorder:
        noted = random.normal(size=(3, 4))
        recorder.arrays({"awake/means/output": noted})
        for number in range(CHUNKS):
            for layer in range(len(LAYERS)):
                spikes = chunk(index, number, layer)
                recorder.spikes(layer, number * CHUNK, spikes)
                if spoil:
                    spikes.ids[:], spikes.offsets[:] = 0, 0
        recorder.weights(["output"], [before], [after])
        recorder.facts({"accuracy": 0.5})
        if spoil:
            noted[:] = 0


def content(path: Path) -> dict[str, Any]:
    """Every data set and attribute of a file, but for the time of its making."""
    found: dict[str, Any] = {}

    def note(name: str, item: h5py.HLObject) -> None:
        found.update({f"{name}@{k}": np.asarray(v).tolist() for k, v in item.attrs.items()})
        if isinstance(item, h5py.Dataset):
            found[name] = (item.dtype.str, np.asarray(item[()]).tolist())

    with h5py.File(path) as file:
        file.visititems(note)
    del found["bioncl@created"]
    return found


def nothing_left(path: Path) -> bool:
    """Whether no thread runs on and nothing stands beside the trace."""
    threads = [thread.name for thread in threading.enumerate()]
    return list(path.parent.iterdir()) == [path] and not any(t.startswith("trace") for t in threads)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A trace of one night."""
    record(tmp_path / "trace.h5", 0)
    return tmp_path / "trace.h5"


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """No block is written until the gate is opened."""
    opened, append = threading.Event(), UnfinishedNight.append

    def later(night: UnfinishedNight, block: Block) -> None:
        opened.wait(PATIENCE)
        append(night, block)

    monkeypatch.setattr(UnfinishedNight, "append", later)
    yield opened
    opened.set()


def test_a_night_goes_on_while_it_is_written(path: Path, gate: threading.Event) -> None:
    """All blocks are handed in before the first is written; leaving the night waits for them."""
    file = TraceFile(path, LAYERS, settings={}, block_events=1)
    with file.night(1, task=1, steps=STEPS) as recorder:
        for number in range(CHUNKS):
            for layer in range(len(LAYERS)):
                recorder.spikes(layer, number * CHUNK, chunk(1, number, layer))
        with h5py.File(path) as unchanged:
            assert set(unchanged["bioncl/sleep"]) == {"0000"}
        threading.Timer(0.1, gate.set).start()
    with open_trace(path) as trace:
        assert trace.complete
        assert trace.nights[1].recorded == STEPS
    assert nothing_left(path)


@pytest.mark.parametrize("index", [0, 1])
def test_the_file_does_not_depend_on_who_is_faster(
    path: Path, index: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that writes slowly, and a night that reuses its arrays: the same content."""
    record(path, index)
    whole = content(path)
    if index == 1:  # the night is repeated, as after a resumed run
        assert {"bioncl/sleep/0000/blocks", "bioncl/sleep/0001/blocks"} < set(whole)
    append = UnfinishedNight.append

    def slowly(night: UnfinishedNight, block: Block) -> None:
        time.sleep(0.02)
        append(night, block)

    monkeypatch.setattr(UnfinishedNight, "append", slowly)
    record(path, index, spoil=True)
    assert content(path) == whole
    assert nothing_left(path)


def failing(call: int) -> tuple[Callable[[Path, int], None], list[Path]]:
    """A disk that is full at the `call`-th write; and the list of all writes."""
    take_room, writes = hdf5_part._take_room, []

    def take(part: Path, room: int) -> None:
        writes.append(part)
        if len(writes) == call:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        take_room(part, room)

    return take, writes


def test_a_disk_that_is_full_at_any_write_is_a_storage_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Raised in the thread of the night; nothing is written after it and the trace is as it was."""
    before = path.read_bytes()
    counting, writes = failing(0)
    monkeypatch.setattr(hdf5_part, "_take_room", counting)
    record(path, 1)
    # begin: 2; each block: 2; weights, arrays, facts: 1 each
    assert len(writes) == 2 + 2 * CHUNKS + 3
    path.write_bytes(before)
    for call in range(1, len(writes) + 1):
        full, tried = failing(call)
        monkeypatch.setattr(hdf5_part, "_take_room", full)
        with pytest.raises(StorageError, match="No space left"):
            record(path, 1)
        assert len(tried) == call
        assert path.read_bytes() == before
        assert nothing_left(path)


def test_an_exception_while_a_block_is_written_leaves_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even what the thread was writing when the parts were to be removed."""
    before, begun, append = path.read_bytes(), threading.Event(), UnfinishedNight.append

    def slowly(night: UnfinishedNight, block: Block) -> None:
        begun.set()
        time.sleep(0.2)
        append(night, block)

    monkeypatch.setattr(UnfinishedNight, "append", slowly)
    file = TraceFile(path, LAYERS, settings={}, block_events=1)
    with pytest.raises(KeyboardInterrupt), file.night(1, task=1, steps=STEPS) as recorder:
        for number in range(CHUNKS):
            recorder.spikes(0, number * CHUNK, chunk(1, number, 0))
        assert begun.wait(PATIENCE)
        raise KeyboardInterrupt
    assert path.read_bytes() == before
    assert nothing_left(path)


def test_the_twin_holds_the_unfinished_night_alone(path: Path) -> None:
    """The same spikes, at the same times, as in the first file, which has the night before too."""
    night = UnfinishedNight(path, 1, dict(LAYERS), compressed=True, keep_before=False)
    night.begin({}, 1, STEPS, continued=True)
    for number in range(3):
        layers = [[(number * CHUNK, chunk(1, number, layer))] for layer in range(len(LAYERS))]
        night.append(Block((number + 1) * CHUNK, layers))
    part = path.with_name("trace.h5.part")
    with open_trace(part) as first:
        assert [known.index for known in first.nights] == [0, 1]
        wanted = {name: first.spikes(name, 1) for name, _ in LAYERS}
    part.write_bytes(b"torn by a kill")
    with open_trace(part) as twin:
        (known,) = twin.nights
        assert (known.index, known.recorded, known.first_step) == (1, 3 * CHUNK, STEPS)
        for name, _ in LAYERS:
            assert len(wanted[name]) > 0
            assert np.array_equal(twin.spikes(name, 1), wanted[name])
    night.remove()
    assert nothing_left(path)


@pytest.mark.parametrize("exact", [True, False])
def test_weights_are_written_in_pieces(
    path: Path, exact: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few rows at a time; values and norms are those of the whole matrices."""
    monkeypatch.setattr(hdf5_unfinished, "_PIECE", 3 * 30 * 8)
    random = np.random.default_rng(0)
    before = random.normal(size=(10, 30))
    before = before.astype(np.float32).astype(np.float64) if exact else before
    after = before + random.normal(size=(10, 30))
    file = TraceFile(path, LAYERS, settings={}, keep_before=True)
    with file.night(0, task=0, steps=1) as recorder:
        recorder.weights(["output"], [before], [after])
    with h5py.File(path) as held:
        group = held["bioncl/sleep/0000/weights/output"]
        assert group["delta"].chunks == (3, 30)
        assert np.array_equal(group["delta"][:], after - before)
        assert np.array_equal(group["before"][:], before)
        assert group["before"].dtype == (np.float32 if exact else np.float64)
        for what, values in (("before", before), ("after", after), ("delta", after - before)):
            norm = group.attrs[f"norm_{what}"]
            np.testing.assert_allclose(norm, np.linalg.norm(values), rtol=1e-12)
