"""Doing one job: run it into its folder, or read what stands there.

    runs/<address>/result.json    done: read, never run again
    runs/<address>/error.json     failed: told, run again only when asked to
    runs/<address>/checkpoints/   interrupted: goes on after the last whole task

Two workers may be given the same job, when one was lost from sight but lives on: the later waits
for the folder and then finds the result.
"""

from __future__ import annotations

import json
import platform
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bioncl.atomic import write_json
from bioncl.errors import BionclError, InputError, RunError, StorageError, describe
from bioncl.experiments.folder import FolderBusyError
from bioncl.experiments.result import RunResult
from bioncl.experiments.run import execute
from bioncl.experiments.sweep.jobs import Job, code_version
from bioncl.progress import Silent

WAIT = 0.2
"""Seconds between looks at a folder that another process works in."""


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        address: Of the job.
        result: What the run found; None if it failed.
        error: Why it failed, in a line; empty if it did not.
        seconds: Wall time spent on it now.
        found: Whether it was there already.
    """

    address: str
    result: RunResult | None
    error: str = ""
    seconds: float = 0.0
    found: bool = False

    @property
    def values(self) -> Mapping[str, Any]:
        """What stands in result.json.

        Raises:
            RunError: The run failed.
        """
        if self.result is None:
            raise RunError(describe(f"Run {self.address} failed ({self.error})"))
        return self.result.values


Work = Callable[[Job, Path, bool], Outcome]
"""Does a job: (job, folder of the sweep, whether failed ones run again) to its outcome.

It runs in a worker's process, so it must be a function of a module, or a `partial` of one."""


def folder_of(job: Job, out: Path) -> Path:
    """Where the run of `job` stands in the sweep at `out`."""
    return out / "runs" / job.address


def run_job(job: Job, out: Path, retry_failed: bool = False) -> Outcome:
    """Do `job` in the sweep at `out`; whatever goes wrong with it becomes its outcome.

    Args:
        job: What to run.
        out: Folder of the sweep; its workers all see it.
        retry_failed: Whether a job that has failed before is run again.
    """
    folder = folder_of(job, out)
    before = known(job, out)
    if before is not None and (before.result is not None or not retry_failed):
        return before
    began = time.perf_counter()
    try:
        result = _run(job, folder)
    # One run that fails must not take the others with it; KeyboardInterrupt passes.
    except Exception as error:  # noqa: BLE001
        return failed(job, out, error, time.perf_counter() - began)
    with suppress(OSError):
        (folder / "error.json").unlink(missing_ok=True)
    return Outcome(job.address, result, seconds=time.perf_counter() - began)


def known(job: Job, out: Path) -> Outcome | None:
    """The outcome that stands in the sweep at `out`; None if there is none yet."""
    folder = folder_of(job, out)
    try:
        if (folder / "result.json").exists():
            return Outcome(job.address, RunResult.read(folder / "result.json"), found=True)
        told = json.loads((folder / "error.json").read_text(encoding="utf-8"))
        return Outcome(job.address, None, error=str(told["error"]), found=True)
    except (OSError, ValueError, KeyError, TypeError, InputError):
        return None  # not there; or damaged, which the run itself will meet


def failed(job: Job, out: Path, error: BaseException, seconds: float = 0.0) -> Outcome:
    """The outcome of a job that `error` ended; it is kept in error.json, if that can be written."""
    kind = type(error).__name__
    line = str(error) if isinstance(error, BionclError) else f"{kind}: {error}"
    told = {
        "schema": 1,
        "error": line,
        "kind": kind,
        "traceback": "".join(traceback.format_exception(error)),
        "name": job.name,
        "seed": job.seed,
        "settings": dict(job.tables),
        "code": job.code,
        "host": platform.node(),
    }
    with suppress(StorageError):
        write_json(folder_of(job, out) / "error.json", told)
    return Outcome(job.address, None, error=line, seconds=seconds)


def _run(job: Job, folder: Path) -> RunResult:
    if job.code != code_version():
        what = "The worker runs other code than the sweep was planned with"
        hint = "Install the same bioncl everywhere, or start the sweep again."
        raise RunError(describe(what, expected=job.code, got=code_version(), hint=hint))
    config = job.config()
    while True:
        try:
            return execute(config, folder, resume=True, progress=Silent())
        except FolderBusyError:
            time.sleep(WAIT)
