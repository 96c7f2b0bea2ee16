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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bioncl.atomic import storage_errors, write_json
from bioncl.errors import CheckpointError, InputError, describe
from bioncl.models.checkpoint import Checkpoint, load, save

VOLATILE = ("device", "data.dir", "data.download", "sleep.threads", "checkpoints", "title", "notes")


class FolderBusyError(InputError):
    """Another process is running in the folder."""


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
        """Keep other processes from running in this folder; an empty one is not left behind.

        Raises:
            FolderBusyError: Another process runs there.
            StorageError: The folder cannot be made.
        """
        lock = self.path / ".lock"
        with storage_errors(lock):
            self.path.mkdir(parents=True, exist_ok=True)
            guard = FileLock(lock)
            try:
                guard.acquire(timeout=0)
            except Timeout as error:
                hint = "Wait for it, or choose another --out."
                what = f"Another process is running in {self.path}"
                raise FolderBusyError(describe(what, hint=hint)) from error
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)  # before the release: the next one makes its own
            guard.release()
            with suppress(OSError):
                self.path.rmdir()

    @property
    def settings(self) -> Path:
        """Where it stands what is run here."""
        return self.path / "settings.json"

    @property
    def started(self) -> bool:
        """Whether something stands here that another run must not replace."""
        return self.result.exists() or bool(self.checkpoints())

    def checkpoints(self) -> list[Path]:
        """The checkpoints, newest first."""
        found = (self.path / "checkpoints").glob("task-*.safetensors")
        return sorted((p for p in found if _digits(p).isdigit()), key=_number, reverse=True)

    def claim(self, settings: Mapping[str, Any]) -> None:
        """Note what is run here, before its first task."""
        if not self.started:
            if self.settings.exists():  # a run that was stopped before it had finished a task
                self.trace.unlink(missing_ok=True)
            write_json(self.settings, dict(settings))

    def check(self, settings: Mapping[str, Any], resume: bool) -> None:
        """Check that the folder is free, or holds the run that is to go on.

        Raises:
            InputError: The folder holds another run, or one that `resume` was not asked for.
        """
        if not self.started:
            return
        if not resume:
            hint = "Add --resume to go on with it, or choose another --out."
            raise InputError(describe(f"{self.path} already holds a run", hint=hint))
        try:
            old = dict(json.loads(self.settings.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            what = f"{self.settings} is missing or damaged ({error})"
            raise InputError(describe(what, hint="Choose another --out.")) from error
        differing = sorted(differences(old, settings))
        if differing:
            hint = "Give the settings it was started with, or choose another --out."
            what = f"{self.path} holds a run with other settings ({', '.join(differing)})"
            raise InputError(describe(what, hint=hint))

    def latest(self) -> tuple[int, Checkpoint] | None:
        """The number of tasks done and the newest checkpoint that is whole."""
        damaged = None
        for path in self.checkpoints():
            try:
                return _of_task(path, _number(path))
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


def _digits(path: Path) -> str:
    return path.stem.removeprefix("task-")


def _number(path: Path) -> int:
    """The number of tasks that the name of a checkpoint tells; 100 comes after 99."""
    return int(_digits(path))


def _of_task(path: Path, number: int) -> tuple[int, Checkpoint]:
    """The number and the checkpoint at `path`, which must be that of this task."""
    checkpoint = load(path)
    found = checkpoint.header.get("tasks_done")
    if found != number:
        what = f"Checkpoint {path}: tasks learnt"
        raise CheckpointError(describe(what, expected=number, got=found))
    return number, checkpoint


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
