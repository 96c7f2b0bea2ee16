"""Progress on the command line: few plain lines in a log, bars on a terminal, cheap in loops."""

import io
import time

import pytest

from bioncl.cli import progress as module
from bioncl.cli.progress import PlainProgress, TerminalProgress, reporter
from bioncl.progress import Silent


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_the_reporter_suits_its_stream(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(reporter(stream=io.StringIO()), PlainProgress)
    assert isinstance(reporter(stream=Terminal()), TerminalProgress)
    assert isinstance(reporter(True, Terminal()), Silent)


def test_a_dumb_terminal_gets_plain_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(reporter(stream=Terminal()), PlainProgress)


def test_the_default_stream_is_standard_error(capsys):
    reporter().note("hello")
    assert capsys.readouterr() == ("", "hello\n")


def test_plain_lines_tell_begin_and_ends(clock):
    stream = io.StringIO()
    progress = PlainProgress(stream)
    with progress.start("tasks", 2) as tasks:
        for number in range(2):
            with progress.start(f"task {number}: epochs", 3) as epochs:
                with progress.start("deep", 1000) as deep:
                    deep.advance(1000)
                clock.now += 1.5
                epochs.advance(3)
            tasks.advance()
    assert stream.getvalue().splitlines() == [
        "tasks: 2 to do",
        "  task 0: epochs: 3/3 in 1.5 s",
        "  task 1: epochs: 3/3 in 1.5 s",
        "tasks: 2/2 in 3.0 s",
    ]


def test_a_heartbeat_comes_every_thirty_seconds_at_most(clock):
    stream = io.StringIO()
    progress = PlainProgress(stream)
    with progress.start("tasks", 2), progress.start("steps", 1000) as steps:
        for _ in range(100):
            clock.now += 1
            steps.advance(10)
    beats = [line for line in stream.getvalue().splitlines() if ">" in line]
    assert beats == [f"tasks 0/2 > steps {n}/1,000" for n in (300, 600, 900)]


def test_a_failure_leaves_the_count_in_the_log(clock):
    stream = io.StringIO()
    progress = PlainProgress(stream)
    with pytest.raises(ZeroDivisionError), progress.start("tasks", 5) as tasks:
        tasks.advance(3)
        raise ZeroDivisionError
    assert stream.getvalue().splitlines()[-1] == "tasks: 3/5 in 0.0 s"


def drawn(monkeypatch, **variables) -> str:
    """What nested bars and a note write to a terminal."""
    for name, value in {"TERM": "xterm", **variables}.items():
        monkeypatch.setenv(name, value)
    stream = Terminal()
    progress = TerminalProgress(stream)
    with progress.start("tasks", 2) as tasks, progress.start("epochs [1]", 3) as epochs:
        progress.note("a note with [brackets]")
        epochs.advance(3)
        tasks.advance()
        progress.bars.refresh()
    progress.note("after")
    return stream.getvalue()


def test_bars_show_names_counts_and_notes(monkeypatch):
    text = drawn(monkeypatch)
    for part in ("tasks", "  epochs [1]", "3/3", "a note with [brackets]", "after\n"):
        assert part in text


def test_no_color_is_honoured(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    colour = "\x1b[3"
    assert colour in drawn(monkeypatch)
    assert colour not in drawn(monkeypatch, NO_COLOR="1")


def test_the_terminal_is_given_back_after_a_failure(monkeypatch):
    """The cursor is hidden while bars are drawn; the last word has to show it again."""
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    progress = TerminalProgress(stream)
    with pytest.raises(KeyboardInterrupt), progress.start("tasks", 2):
        raise KeyboardInterrupt
    assert stream.getvalue().rindex("\x1b[?25h") > stream.getvalue().rindex("\x1b[?25l")


@pytest.mark.parametrize("kind", [PlainProgress, TerminalProgress])
def test_advance_is_cheap(kind, monkeypatch):
    """A million of them in seconds: it is called for every batch and every chunk of a night."""
    monkeypatch.setenv("TERM", "xterm")
    progress = kind(Terminal())
    with progress.start("steps", 100_000) as steps:
        began = time.process_time()
        for _ in range(100_000):
            steps.advance()
        assert time.process_time() - began < 2.0
