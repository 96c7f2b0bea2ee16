"""Damaged, foreign and half-written files; disks that are full or may not be written."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import bioncl
from bioncl.errors import DivergedError, StorageError, TraceError
from bioncl.traces import Spikes
from bioncl.traces.hdf5_reader import open_trace
from bioncl.traces.hdf5_unfinished import Block, UnfinishedNight
from bioncl.traces.hdf5_writer import TraceFile

LAYERS = [("input", 40), ("output", 10)]


def record(path: Path, index: int, steps: int = 60) -> None:
    """Write one night of 20-step chunks, each a block."""
    random = np.random.default_rng(index)
    file = TraceFile(path, LAYERS, settings={"seed": 0}, block_events=1)
    with file.night(index, task=index, steps=steps) as recorder:
        for first in range(0, steps, 20):
            for layer, (_, neurons) in enumerate(LAYERS):
                recorder.spikes(
                    layer, first, Spikes.from_raster(random.random((20, neurons)) < 0.3)
                )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A trace of one night."""
    record(tmp_path / "trace.h5", 0)
    return tmp_path / "trace.h5"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Also what could be opened in its place."""
    with pytest.raises(TraceError, match="There is no trace"):
        open_trace(tmp_path / "trace.h5")
    with pytest.raises(TraceError, match="There is no trace"):
        open_trace(tmp_path / "trace.h5.part")
    (tmp_path / "trace.h5.part").touch()
    with pytest.raises(TraceError, match=r"unfinished night .*trace\.h5\.part"):
        open_trace(tmp_path / "trace.h5")


def test_the_folder_of_a_run_is_no_trace_but_the_error_names_the_one_in_it(
    tmp_path: Path,
) -> None:
    """What a user types first is the folder given to --out."""
    (tmp_path / "trace.h5").touch()
    with pytest.raises(TraceError, match=re.escape(f"open {tmp_path / 'trace.h5'} in it")):
        open_trace(tmp_path)
    (tmp_path / "trace.h5").unlink()
    with pytest.raises(TraceError, match="Check the path"):
        open_trace(tmp_path)


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    """No HDF5, other HDF5, an empty file, a folder."""
    (tmp_path / "text.h5").write_text("hello")
    (tmp_path / "empty.h5").touch()
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = [1, 2]
    with h5py.File(tmp_path / "near.h5", "w") as file:
        file["bioncl"] = 3
    for name in ("text.h5", "empty.h5", "other.h5", "near.h5", "."):
        with pytest.raises(TraceError):
            open_trace(tmp_path / name)


def test_a_newer_version_is_refused_and_says_so(path: Path) -> None:
    """The way out is a newer program."""
    with h5py.File(path, "r+") as file:
        file["bioncl"].attrs["format_version"] = 2
    with pytest.raises(TraceError, match=r"expected at most 1, got 2.*newer bioncl"):
        open_trace(path)


def test_unknown_layers_and_nights_are_named(path: Path) -> None:
    """With what there is."""
    with open_trace(path) as trace:
        with pytest.raises(TraceError, match="Did you mean 'output'"):
            trace.spikes("outputs")
        with pytest.raises(TraceError, match="expected 0, got 3"):
            trace.counts("output", 3)


def everything(path: Path) -> None:
    """Read all that a trace offers."""
    with open_trace(path) as trace:
        for layer in trace.layers:
            for night in trace.nights:
                trace.spikes(layer, night.index)
                trace.counts(layer, night.index)


def test_a_cut_file_is_refused(path: Path) -> None:
    """At any of 20 lengths."""
    whole = path.read_bytes()
    for length in np.linspace(0, len(whole) - 1, 20).astype(int):
        path.write_bytes(whole[:length])
        with pytest.raises(TraceError):
            everything(path)


def test_a_flipped_byte_among_the_spikes_is_found(path: Path) -> None:
    """The checksum of each chunk does not let it pass."""
    with h5py.File(path) as file:
        info = file["spikes/input/node_ids"].id.get_chunk_info(0)
    damaged = bytearray(path.read_bytes())
    damaged[info.byte_offset + info.size // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(TraceError, match="Cannot read the trace"):
        everything(path)


@pytest.mark.parametrize(
    ("what", "value"), [("node_ids", 40), ("timestamps", 60.0), ("timestamps", -1.0)]
)
def test_spikes_outside_of_layer_or_night_are_refused(path: Path, what: str, value: float) -> None:
    """A neuron that is not there, a step past the end, and one before the start."""
    with h5py.File(path, "r+") as file:
        file[f"spikes/input/{what}"][3] = np.array(value).astype(file[f"spikes/input/{what}"].dtype)
    with pytest.raises(TraceError, match="outside of the night or the layer"):
        everything(path)


def test_a_part_that_is_cut_off_opens_to_its_last_whole_block(path: Path) -> None:
    """Times without neurons, as a kill may leave them, are not counted."""
    with open_trace(path) as trace:
        whole = trace.spikes("input")
    part = path.with_name("trace.h5.part")
    path.rename(part)
    with h5py.File(part, "r+") as file:
        night = file["bioncl/sleep/0000"]
        night.attrs["complete"] = file["bioncl"].attrs["complete"] = False
        del night["facts_json"], night["layers"]
        ids = file["spikes/input/node_ids"]
        ids.resize((len(ids) - 1,))
    with open_trace(part) as trace:
        assert not trace.complete
        assert trace.nights[0].recorded == 40
        kept = whole[whole[:, 0] < 40]
        assert np.array_equal(trace.spikes("input"), kept)
        assert np.array_equal(trace.counts("input"), np.bincount(kept[:, 1], minlength=40))


def test_a_torn_part_is_replaced_by_its_twin(path: Path) -> None:
    """The twin is read when the first copy is damaged."""
    part = path.with_name("trace.h5.part")
    path.rename(path.with_name("trace.h5.part2"))
    part.write_bytes(b"torn")
    with open_trace(part) as trace:
        assert trace.nights[0].recorded == 60


def test_a_first_block_that_tore_the_night_before_is_replaced_by_its_twin(path: Path) -> None:
    """A night's first block moves the chunk that also holds the end of the night before."""
    part = path.with_name("trace.h5.part")
    night = UnfinishedNight(path, 1, dict(LAYERS), compressed=True, keep_before=False)
    night.begin({"seed": 0}, 1, 60, continued=True)
    before = part.read_bytes()
    spikes = Spikes.from_raster(np.random.default_rng(1).random((20, 40)) < 0.3)
    night.append(Block(20, [[(0, spikes)], []]))
    with h5py.File(io.BytesIO(before)) as file:  # no block of night 1 in it, and night 0 in pieces
        chunk = file["spikes/input/node_ids"].id.get_chunk_info(0)
    torn = bytearray(before)
    torn[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    part.write_bytes(torn)
    with open_trace(part) as trace:
        assert [(found.index, found.recorded) for found in trace.nights] == [(1, 20)]


@pytest.mark.parametrize("error", [DivergedError, KeyboardInterrupt, RuntimeError])
def test_an_exception_in_the_night_leaves_the_file_as_it_was(
    path: Path, error: type[BaseException]
) -> None:
    """And nothing beside it."""
    before = path.read_bytes()
    file = TraceFile(path, LAYERS, settings={}, block_events=1)
    with pytest.raises(error), file.night(1, task=1, steps=40) as recorder:
        for first in (0, 20):
            recorder.spikes(0, first, Spikes.from_raster(np.ones((20, 40), bool)))
        raise error
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_other_layers_cannot_be_continued(path: Path) -> None:
    """The file stays as it is."""
    before = path.read_bytes()
    with (
        pytest.raises(TraceError, match="holds other layers"),
        TraceFile(path, [("input", 41)], settings={}).night(1, task=1, steps=1),
    ):
        pass
    path.with_name("bad.h5").write_text("no")
    with (
        pytest.raises(TraceError, match=r"Cannot read the trace .*bad\.h5"),
        TraceFile(path.with_name("bad.h5"), LAYERS, settings={}).night(1, task=1, steps=1),
    ):
        pass
    assert path.read_bytes() == before


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
@pytest.mark.parametrize("call", ["__setitem__", "resize"])
def test_a_write_that_fails_is_a_storage_error(
    path: Path, code: int, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full disk and missing permission, at the first block; the file stays as it was."""
    before = path.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError(code, "simulated")

    monkeypatch.setattr(h5py.Dataset, call, fail)
    with pytest.raises(StorageError, match=r"Cannot write .*simulated"):
        record(path, 1)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_place_that_may_not_be_written_is_a_storage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder cannot be made; a file stands where it should be."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="Cannot write"):
        record(tmp_path / "file" / "trace.h5", 0)

    def fail(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(h5py, "File", fail)
    with pytest.raises(StorageError, match="Permission denied"):
        record(tmp_path / "trace.h5", 0)


FULL = """
import json, resource, sys
from pathlib import Path
import numpy as np
from bioncl.errors import StorageError
from bioncl.traces import Spikes
from bioncl.traces.hdf5_unfinished import Block, UnfinishedNight
from bioncl.traces.hdf5_writer import TraceFile
path, limit = Path(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
chunk = Spikes.from_raster(np.random.default_rng(0).random((100, 40)) < 0.5)
try:
    with TraceFile(path, [("input", 40), ("output", 10)], settings={}, compressed=False,
                   block_events=1).night(1, task=1, steps=10_000) as recorder:
        for number in range(100):
            recorder.spikes(0, 100 * number, chunk)
except StorageError as error:
    print(json.dumps(str(error)))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs the limits of POSIX")
@pytest.mark.parametrize("room", [100, 20_000, 200_000])
def test_a_file_that_may_not_grow_is_a_storage_error(path: Path, room: int) -> None:
    """The system itself refuses; the program goes on, leaves the trace alone and ends cleanly."""
    before = path.read_bytes()
    arguments = [sys.executable, "-c", FULL, str(path), str(len(before) + room)]
    here = {**os.environ, "PYTHONPATH": str(Path(bioncl.__file__).parents[1])}
    done = subprocess.run(
        arguments, env=here, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Cannot write" in json.loads(done.stdout)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
