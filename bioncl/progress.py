"""How long work tells the world that it goes on.

The library only knows this small protocol; the command line supplies one that draws bars on a
terminal, or prints a plain line now and then elsewhere.
"""

from __future__ import annotations

from types import TracebackType
from typing import Protocol


class Bar(Protocol):
    """One running measure, used as a context manager."""

    def advance(self, amount: int = 1) -> None:
        """Say that `amount` more units are done."""

    def __enter__(self) -> Bar:
        """Show the bar."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar away."""


class Progress(Protocol):
    """Where long work reports to."""

    def start(self, what: str, total: int) -> Bar:
        """Begin a measure of `total` units; nested calls nest."""

    def note(self, text: str) -> None:
        """Say one line."""


class _SilentBar:
    def advance(self, amount: int = 1) -> None:
        pass

    def __enter__(self) -> _SilentBar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass


class Silent:
    """Progress that says nothing: the default of the Python API."""

    def start(self, what: str, total: int) -> Bar:
        """Return a bar that shows nothing."""
        return _SilentBar()

    def note(self, text: str) -> None:
        """Say nothing."""
