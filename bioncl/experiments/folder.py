"""The folder of a run: what stands where, and going on after a stop.

settings.json                 what is run, resolved; a run goes on only with the same
checkpoints/task-01.safetensors …   model, optimiser, methods and accuracies after each task
trace.h5                      the nights' spikes
figures/                      pictures
result.json                   written last: a folder that has it is complete
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bioncl.atomic import storage_errors, write_json
from bioncl.errors import CheckpointError, InputError, describe
from bioncl.models.checkpoint import Checkpoint, load, save

VOLATILE = ("device", "data.dir", "data.download", "sleep.threads", "checkpoints", "title", "notes")


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run."""

    path: Path

    @property
    def result(self) -> Path:
        """Where the result stands."""
        return self.path / "result.json"

    @property
    def trace(self) -> Path:
        """Where the nights stand."""
        return self.path / "trace.h5"

    def checkpoint(self, task: int) -> Path:
        """Where the checkpoint after the task at `task` stands."""
        return self.path / "checkpoints" / f"task-{task + 1:02d}.safetensors"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from running in this folder."""
        lock = self.path / ".lock"
        with storage_errors(lock):
            self.path.mkdir(parents=True, exist_ok=True)
            guard = FileLock(lock)
            try:
                guard.acquire(timeout=0)
            except Timeout as error:
                hint = "Wait for it, or choose another --out."
                what = f"Another process is running in {self.path}"
                raise InputError(describe(what, hint=hint)) from error
        try:
            yield
        finally:
            guard.release()
            lock.unlink(missing_ok=True)

    def claim(self, settings: Mapping[str, Any], resume: bool) -> None:
        """Note what is run here, or check that it is what was run here.

        Raises:
            InputError: The folder holds another run, or one that `resume` was not asked for.
        """
        noted = self.path / "settings.json"
        if not noted.exists():
            write_json(noted, dict(settings))
            return
        if not resume:
            hint = "Add --resume to go on with it, or choose another --out."
            raise InputError(describe(f"{self.path} already holds a run", hint=hint))
        try:
            old = json.loads(noted.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(
                describe(f"{noted} is damaged", hint="Choose another --out.")
            ) from error
        differing = sorted(differences(old, settings))
        if differing:
            hint = "Give the settings it was started with, or choose another --out."
            what = f"{self.path} holds a run with other settings ({', '.join(differing)})"
            raise InputError(describe(what, hint=hint))

    def latest(self) -> tuple[int, Checkpoint] | None:
        """The number of tasks done and the newest checkpoint that is whole."""
        damaged = None
        for path in sorted((self.path / "checkpoints").glob("task-*.safetensors"), reverse=True):
            try:
                return int(path.stem.removeprefix("task-")), load(path)
            except CheckpointError as error:
                damaged = error
        if damaged is not None:
            raise damaged
        return None

    def keep(self, task: int, checkpoint: Checkpoint, *, only_last: bool) -> None:
        """Write the checkpoint after the task at `task`; drop older ones if told to."""
        save(self.checkpoint(task), checkpoint)
        if only_last:
            for older in range(task):
                self.checkpoint(older).unlink(missing_ok=True)


def differences(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Dotted keys whose values differ, but for those that cannot change the result."""
    for key in {*old, *new}:
        a, b = old.get(key), new.get(key)
        if f"{path}{key}" in VOLATILE:
            continue
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            yield from differences(a, b, f"{path}{key}.")
        elif a != b:
            yield f"{path}{key}"
