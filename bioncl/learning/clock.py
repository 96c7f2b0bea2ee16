"""Wall time by name; what is measured inside something else counts once, for the inner name."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Adds up wall time for "train", "sleep" and "eval"."""

    def __init__(self) -> None:
        """Start with nothing measured."""
        self.seconds = {"train": 0.0, "sleep": 0.0, "eval": 0.0}
        self._running: list[str] = []
        self._since = 0.0

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Measure a block under `name`; the block around it pauses."""
        self._lap()
        self._running.append(name)
        try:
            yield
        finally:
            self._lap()
            self._running.pop()

    def take(self) -> dict[str, float]:
        """The times measured since the last call."""
        taken = self.seconds
        self.seconds = dict.fromkeys(taken, 0.0)
        return taken

    def _lap(self) -> None:
        now = time.perf_counter()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now
