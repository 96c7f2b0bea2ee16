"""How the command line shows progress: always on standard error, so results stay clean.

On a terminal, nested bars (tasks, their epochs, the steps of a night). Elsewhere plain lines: one
when the outermost measure begins, one when it or a measure directly below it ends, and a heartbeat
with all open measures at most every 30 seconds. `advance` is called for every batch and chunk, so
it mostly only adds to a counter.
"""

from __future__ import annotations

import os
import sys
import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from bioncl.progress import Progress, Silent

if TYPE_CHECKING:
    import rich.progress

HEARTBEAT = 30.0
REDRAW = 0.1


def reporter(quiet: bool = False, stream: TextIO | None = None) -> Progress:
    """Progress that suits `stream` (standard error by default); silent if `quiet`."""
    stream = stream or sys.stderr
    if quiet:
        return Silent()
    if stream.isatty() and os.environ.get("TERM") != "dumb":
        return TerminalProgress(stream)
    return PlainProgress(stream)


class _Stack(ABC):
    """The open measures, outermost first, and when to look at them again."""

    interval: float

    def __init__(self) -> None:
        """Start with no measure open."""
        self.open: list[_Measure] = []
        self.due = 0.0

    def start(self, what: str, total: int) -> _Measure:
        """Make a measure of `total` units; it opens when entered."""
        return _Measure(self, what, total)

    def tick(self) -> None:
        """Show the state of things, and set the time of the next look."""
        self.due = time.monotonic() + self.interval
        self.show()

    @abstractmethod
    def show(self) -> None:
        """Show how far the open measures are."""

    @abstractmethod
    def opened(self, measure: _Measure) -> None:
        """A measure was put on the stack."""

    @abstractmethod
    def closed(self, measure: _Measure, depth: int) -> None:
        """A measure was taken off the stack, where it was the `depth`-th from 0."""


class _Measure:
    """One measure: a counter that now and then makes its stack look."""

    def __init__(self, stack: _Stack, what: str, total: int) -> None:
        """Count `total` units of `what` for `stack`."""
        self.stack, self.what, self.total = stack, what, total
        self.done = 0
        self.began = 0.0

    def advance(self, amount: int = 1) -> None:
        """Count `amount` more units."""
        self.done += amount
        if time.monotonic() >= self.stack.due:
            self.stack.tick()

    def __enter__(self) -> _Measure:
        """Open the measure."""
        self.began = time.monotonic()
        self.stack.open.append(self)
        self.stack.opened(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the measure."""
        self.stack.open.remove(self)
        self.stack.closed(self, len(self.stack.open))


class PlainProgress(_Stack):
    """Progress as plain lines, for logs."""

    interval = HEARTBEAT

    def __init__(self, stream: TextIO) -> None:
        """Write to `stream`."""
        super().__init__()
        self.stream = stream

    def note(self, text: str) -> None:
        """Write one line."""
        print(text, file=self.stream, flush=True)

    def show(self) -> None:
        """Write one line about all open measures."""
        self.note(" > ".join(f"{m.what} {m.done:,}/{m.total:,}" for m in self.open))

    def opened(self, measure: _Measure) -> None:
        """Announce the outermost measure, and count the time to a heartbeat from here."""
        if len(self.open) == 1:
            self.due = time.monotonic() + self.interval
            self.note(f"{measure.what}: {measure.total:,} to do")

    def closed(self, measure: _Measure, depth: int) -> None:
        """Say how an outer measure ended."""
        if depth <= 1:
            seconds = time.monotonic() - measure.began
            count = f"{measure.done:,}/{measure.total:,}"
            self.note(f"{'  ' * depth}{measure.what}: {count} in {seconds:.1f} s")


class TerminalProgress(_Stack):
    """Progress as nested bars that disappear when done."""

    interval = REDRAW

    def __init__(self, stream: TextIO) -> None:
        """Draw on the terminal behind `stream`, from the first measure on."""
        super().__init__()
        self.stream = stream
        self.bars: rich.progress.Progress | None = None
        self.tasks: dict[_Measure, rich.progress.TaskID] = {}

    def note(self, text: str) -> None:
        """Write one line above the bars."""
        if self.bars is None:
            print(text, file=self.stream, flush=True)
        else:
            self.bars.console.print(text, markup=False, highlight=False)

    def show(self) -> None:
        """Draw the open bars."""
        if self.bars is not None:
            for measure in self.open:
                self.bars.update(self.tasks[measure], completed=measure.done)

    def opened(self, measure: _Measure) -> None:
        """Add a bar below those that are there."""
        if self.bars is None:
            self.bars = _bars(self.stream)
            self.bars.start()
        label = "  " * (len(self.open) - 1) + measure.what
        self.tasks[measure] = self.bars.add_task(label, total=measure.total)

    def closed(self, measure: _Measure, depth: int) -> None:
        """Remove the bar, and with the outermost one the whole display."""
        if self.bars is None:
            return
        self.bars.remove_task(self.tasks.pop(measure))
        if depth == 0:
            self.bars.stop()
            self.bars = None


def _bars(stream: TextIO) -> rich.progress.Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(file=stream),
        transient=True,
        redirect_stdout=False,
    )
