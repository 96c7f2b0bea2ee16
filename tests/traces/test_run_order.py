"""In a run, a night's trace is complete before the checkpoint after the night is written."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from bioncl.errors import StorageError
from bioncl.experiments.folder import RunFolder
from bioncl.experiments.run import run
from bioncl.traces import hdf5_part
from bioncl.traces.hdf5_reader import open_trace

SETTINGS: dict[str, Any] = {
    "stream": {
        "name": "split",
        "data": "digits",
        "classes": [[0, 1], [2, 3], [4, 5]],
        "train_per_task": 100,
    },
    "model": {"name": "mlp", "hidden": [20]},
    "train": {"epochs": 1, "batch_size": 20, "lr": 0.2},
    "methods": [{"name": "src"}],
    "sleep": {
        "steps": 600,
        "sees": "current",
        "threads": 1,
        "drive": {"name": "mean"},
        "thresholds": [0.5],
        "rule": {"name": "gated", "inc": 0.01, "dec": 0.01},
    },
}


def nights(path: Path) -> dict[str, np.ndarray]:
    """Spikes, weights and awake arrays of a trace."""
    found: dict[str, np.ndarray] = {}
    wanted = ("spikes/", "/weights/", "/awake/", "/layers/")
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: (
                found.update({name: item[()]})
                if isinstance(item, h5py.Dataset) and any(part in name for part in wanted)
                else None
            )
        )
    return found


def test_a_checkpoint_is_written_only_when_the_trace_holds_its_night(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no thread writes any more then, so a run killed later misses nothing."""
    seen, keep = [], RunFolder.keep

    def looked_at(folder: RunFolder, task: int, *rest: Any, **named: Any) -> None:
        with open_trace(folder.trace) as trace:
            seen.append((task, [night.index for night in trace.nights], trace.complete))
        assert not any(t.name.startswith("trace") for t in threading.enumerate())
        keep(folder, task, *rest, **named)

    monkeypatch.setattr(RunFolder, "keep", looked_at)
    run(SETTINGS, out=tmp_path / "run")
    assert seen == [(0, [0], True), (1, [0, 1], True), (2, [0, 1, 2], True)]


def test_a_run_that_met_a_full_disk_goes_on_to_the_same_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full once, at the third write of the second night."""
    run(SETTINGS, out=tmp_path / "peace")
    take_room, writes, trace = hdf5_part._take_room, [], tmp_path / "run" / "trace.h5"

    def full_once(part: Path, room: int) -> None:
        writes.extend([part] if trace.exists() else [])
        if len(writes) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        take_room(part, room)

    monkeypatch.setattr(hdf5_part, "_take_room", full_once)
    with pytest.raises(StorageError, match="No space left"):
        run(SETTINGS, out=tmp_path / "run")
    with open_trace(trace) as first:
        assert [night.index for night in first.nights] == [0]
    left = sorted(path.name for path in (tmp_path / "run").rglob("*") if path.is_file())
    assert left == ["settings.json", "task-01.safetensors", "trace.h5"]
    run(SETTINGS, out=tmp_path / "run", resume=True)
    peace, resumed = (nights(tmp_path / name / "trace.h5") for name in ("peace", "run"))
    assert set(peace) == set(resumed)
    assert sum(len(peace[f"spikes/{name}/node_ids"]) for name in ("input", "hidden1")) > 0
    for name, values in peace.items():
        assert np.array_equal(values, resumed[name]), name
