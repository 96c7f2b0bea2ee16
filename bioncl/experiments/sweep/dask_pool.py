"""Jobs on Dask distributed. The only module that imports it, and only when asked to.

The pool keeps as many jobs with the scheduler as there are threads: so a job is blamed for a lost
worker only if it was running there, and nothing has to be called back when the driver stops.
Whatever Dask repeats (a job of a lost worker, an outcome that was lost with it) costs a look at
result.json.
"""

from __future__ import annotations

import importlib.util
import logging
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bioncl.errors import InputError, RunError, describe
from bioncl.experiments.sweep.jobs import Job
from bioncl.experiments.sweep.work import Outcome, Work, failed
from bioncl.traces.exports.optional import require

EXTRA = "cluster"

PATIENCE = 20.0
"""Seconds to wait for a scheduler."""
FIRST_WORKER = 600.0
"""Seconds to wait for its first worker, which may stand in a queue."""
PAUSE = 0.5
LOOK = 5.0
"""Seconds between looks for workers that have joined."""


def installed() -> bool:
    """Whether Dask distributed is there."""
    return importlib.util.find_spec("distributed") is not None


@contextmanager
def local_client(count: int, losses: int) -> Iterator[Any]:
    """A client of `count` processes of this machine with one thread each, which end with it.

    Nothing of it can be reached from elsewhere, and it has no dashboard.

    Args:
        count: Processes.
        losses: Workers that a job may lose before it counts as failed.
    """
    dask, distributed = require("dask", EXTRA), require("distributed", EXTRA)
    settings = {
        "distributed.scheduler.allowed-failures": losses,
        "distributed.nanny.pre-spawn-environ.NUMBA_NUM_THREADS": 1,
    }
    with (
        tempfile.TemporaryDirectory(prefix="bioncl-", ignore_cleanup_errors=True) as scratch,
        dask.config.set(settings),
        distributed.LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            memory_limit=None,
            local_directory=scratch,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@contextmanager
def cluster_client(address: str) -> Iterator[Any]:
    """A client of the scheduler at `address`, or of the one that a scheduler file names.

    Raises:
        InputError: It does not answer.
    """
    distributed = require("distributed", EXTRA)
    where = {"scheduler_file": address} if Path(address).is_file() else {"address": address}
    try:
        client = distributed.Client(**where, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, ImportError) as error:
        hint = "Start one with `dask scheduler`, or give --workers."
        what = f"No Dask scheduler answers at {address} ({error})"
        raise InputError(describe(what, hint=hint)) from error
    with _quiet("distributed"), client:
        yield client


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Nothing on standard error about what is raised all the same."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


class DaskPool:
    """Hands jobs to the workers of a Dask scheduler."""

    def __init__(self, client: Any, out: Path, retry_failed: bool, work: Work) -> None:
        """Work for `client` in the sweep at `out`."""
        self._client, self._work = client, work
        self._out, self._retry_failed = out.resolve(), retry_failed
        self._waiting: deque[Job] = deque()
        self._running: dict[Any, Job] = {}

    @property
    def slots(self) -> int:
        """See `Pool`."""
        return sum(self._client.nthreads().values())

    def submit(self, job: Job) -> None:
        """See `Pool`."""
        self._waiting.append(job)

    def finished(self) -> Iterator[tuple[Job, Outcome]]:
        """See `Pool`."""
        try:
            while self._waiting or self._running:
                self._fill()
                for future in self._done():
                    job = self._running.pop(future)
                    yield job, self._outcome(job, future)
                    self._fill()
        except (OSError, CancelledError) as error:
            hint = "What is done stays done: start it again to go on."
            reason = str(error).partition("\n")[0].rstrip(":") or type(error).__name__
            raise RunError(describe(f"The scheduler is gone ({reason})", hint=hint)) from error

    def _done(self) -> list[Any]:
        """Futures that are done; none if that takes longer than `LOOK`."""
        distributed = require("distributed", EXTRA)
        with self._client.as_current():
            try:
                found = distributed.wait(list(self._running), LOOK, "FIRST_COMPLETED")
            except TimeoutError:
                return []
        return list(found.done)

    def _fill(self) -> None:
        """Have as many jobs with the scheduler as there are threads, at least one."""
        while self._waiting and len(self._running) < self._room():
            job = self._waiting.popleft()
            future = self._client.submit(
                self._work, job, self._out, self._retry_failed, pure=False, retries=0
            )
            self._running[future] = job

    def _room(self) -> int:
        """Threads there are; waits for the first worker.

        Raises:
            RunError: None came.
        """
        end = time.monotonic() + FIRST_WORKER
        while not (slots := self.slots):
            if self._running:
                return 0  # they are all lost for the moment, with jobs that wait for new ones
            if time.monotonic() > end:
                hint = "Start some with `dask worker ADDRESS --nthreads 1`."
                raise RunError(describe("The scheduler has no workers", hint=hint))
            time.sleep(PAUSE)
        return slots

    def _outcome(self, job: Job, future: Any) -> Outcome:
        """What became of `job`; one that cost too many workers has failed."""
        error = future.exception()  # raises CancelledError if the scheduler has dropped it
        if error is None:
            outcome: Outcome = future.result()
            return outcome
        if type(error).__name__ == "KilledWorker":
            what, hint = "Every worker that ran it died", "It may need more memory than there is."
            error = RunError(describe(what, hint=hint))
        return failed(job, self._out, error)
