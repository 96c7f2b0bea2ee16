"""Work that is done beside the night: in a thread of its own, one job after another.

h5py and NumPy let other threads run while they pack and write, so a night hardly waits for its
trace. A failure of a job is raised in the caller's thread, by the next call; the jobs after it are
left undone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

AHEAD = 8
"""Jobs that may wait; with more the caller waits, so that memory does not grow."""


class Background:
    """A thread for the length of a `with` block; at its end the thread has ended."""

    def __init__(self, name: str) -> None:
        """Name the thread; it starts with the first job."""
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._jobs: deque[Future[None]] = deque()
        self._broken = False

    def __enter__(self) -> Background:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Drop the jobs that wait, and let the one under way end."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def do(self, job: Callable[[], object]) -> None:
        """Do `job` after those before it; raise what one of them has raised."""
        while self._jobs and (self._jobs[0].done() or len(self._jobs) >= AHEAD):
            self._jobs.popleft().result()
        self._jobs.append(self._pool.submit(self._run, job))

    def wait(self) -> None:
        """Wait until all is done; raise what a job has raised."""
        while self._jobs:
            self._jobs.popleft().result()

    def _run(self, job: Callable[[], object]) -> None:
        if self._broken:
            return
        try:
            job()
        except BaseException:
            self._broken = True
            raise
