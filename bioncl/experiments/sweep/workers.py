"""Who does the jobs: this process, the cores of this machine, or a cluster.

| workers | what it is |
|---|---|
| `Inline()` | this process, one job after the other; needs nothing installed |
| `Local(count)` | that many processes, one thread each (Dask distributed's LocalCluster) |
| `Cluster(address)` | the workers of a running Dask scheduler, who all see the sweep's folder |

    with workers.open(out) as pool:
        for job in first:
            pool.submit(job)
        for job, outcome in pool.finished():
            pool.submit(…)                       # more, for as long as there is a reason to

A job whose worker dies is given to another one, up to `LOSSES` times; then it counts as failed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bioncl.cores import cores
from bioncl.errors import InputError, describe
from bioncl.experiments.sweep.jobs import Job
from bioncl.experiments.sweep.work import Outcome, Work, run_job

LOSSES = 5
"""Workers that a job may lose before it counts as failed."""


class Pool(Protocol):
    """Takes jobs and gives outcomes."""

    @property
    def slots(self) -> int:
        """How many jobs are done at once, at the moment."""

    def submit(self, job: Job) -> None:
        """Have `job` done."""

    def finished(self) -> Iterator[tuple[Job, Outcome]]:
        """Jobs and their outcomes as they come, until none is left; meanwhile more may be given.

        Raises:
            RunError: The workers cannot be reached any more; what is done stays done.
        """


class Workers(Protocol):
    """A way to have jobs done."""

    def open(
        self, out: Path, *, retry_failed: bool = False, work: Work = run_job
    ) -> AbstractContextManager[Pool]:
        """A pool that works in the sweep at `out`, until the context ends.

        Args:
            out: Folder of the sweep.
            retry_failed: Whether jobs that have failed before are run again.
            work: Does a job.

        Raises:
            InputError: There are no such workers.
        """


@dataclass(frozen=True)
class Inline:
    """This process, one job after the other, in the order given."""

    @contextmanager
    def open(
        self, out: Path, *, retry_failed: bool = False, work: Work = run_job
    ) -> Iterator[Pool]:
        """See `Workers`."""
        yield InlinePool(out, retry_failed, work)


class InlinePool:
    """Does a job when its outcome is asked for."""

    slots = 1

    def __init__(self, out: Path, retry_failed: bool, work: Work) -> None:
        """Start with no job."""
        self._out, self._retry_failed, self._work = out, retry_failed, work
        self._waiting: deque[Job] = deque()

    def submit(self, job: Job) -> None:
        """See `Pool`."""
        self._waiting.append(job)

    def finished(self) -> Iterator[tuple[Job, Outcome]]:
        """See `Pool`."""
        while self._waiting:
            job = self._waiting.popleft()
            yield job, self._work(job, self._out, self._retry_failed)


@dataclass(frozen=True)
class Local:
    """Processes of this machine, one thread each, so that they do not fight for cores.

    Attributes:
        count: How many.
    """

    count: int

    @contextmanager
    def open(
        self, out: Path, *, retry_failed: bool = False, work: Work = run_job
    ) -> Iterator[Pool]:
        """See `Workers`."""
        if self.count < 1:
            raise InputError(describe("Number of workers", expected="1 or more", got=self.count))
        from bioncl.experiments.sweep import dask_pool

        with dask_pool.local_client(self.count, LOSSES) as client:
            yield dask_pool.DaskPool(client, out, retry_failed, work)


@dataclass(frozen=True)
class Cluster:
    """The workers of a running Dask scheduler.

    They need the same bioncl, and `out` has to lead them to the same folder. Start them with one
    thread each (`dask worker ADDRESS --nthreads 1`).

    Attributes:
        address: Such as tcp://10.0.0.1:8786, or the path of a scheduler file.
    """

    address: str

    @contextmanager
    def open(
        self, out: Path, *, retry_failed: bool = False, work: Work = run_job
    ) -> Iterator[Pool]:
        """See `Workers`."""
        from bioncl.experiments.sweep import dask_pool

        with dask_pool.cluster_client(self.address) as client:
            yield dask_pool.DaskPool(client, out, retry_failed, work)


def choose(count: int | None, scheduler: str | None) -> Workers:
    """The workers that a command line asks for.

    Args:
        count: Processes; 0 works in this one; None takes as many as there are cores, or this
            process if there is one core or no Dask.
        scheduler: Address of a Dask scheduler.

    Raises:
        InputError: Both are given.
    """
    if scheduler is not None:
        if count is not None:
            raise InputError(describe("Workers and a scheduler are given", hint="Give one."))
        return Cluster(scheduler)
    if count is None:
        from bioncl.experiments.sweep import dask_pool

        return Local(cores()) if cores() > 1 and dask_pool.installed() else Inline()
    return Local(count) if count else Inline()
