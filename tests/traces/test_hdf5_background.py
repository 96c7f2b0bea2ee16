"""The thread that writes: order, failures, bounds and its end."""

from __future__ import annotations

import threading
import time

import pytest

from bioncl.traces.hdf5_background import AHEAD, Background

PATIENCE = 20.0


def alive() -> list[str]:
    """Names of threads that a trace has started and not ended."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("trace")]


def test_jobs_are_done_one_after_another_in_another_thread() -> None:
    """Also when a later job would be quicker."""
    done: list[tuple[int, int]] = []
    with Background("trace") as background:
        for number in range(3 * AHEAD):
            background.do(lambda n=number: done.append((n, threading.get_ident())))
        background.wait()
        assert [number for number, _ in done] == list(range(3 * AHEAD))
        (thread,) = {thread for _, thread in done}
        assert thread != threading.get_ident()
    assert not alive()


@pytest.mark.parametrize("notice", ["wait", "do"])
def test_a_failure_comes_back_and_what_follows_is_left_undone(notice: str) -> None:
    """The same object is raised, soon; the job that was handed in already is not begun."""
    failure, done, gate = OSError("no room"), [], threading.Event()

    def fail() -> None:
        gate.wait(PATIENCE)
        raise failure

    with pytest.raises(OSError, match="no room") as caught, Background("trace") as background:
        background.do(fail)
        background.do(lambda: done.append(1))
        gate.set()
        if notice == "wait":
            background.wait()
        for _ in range(AHEAD // 2):
            time.sleep(0.1)
            background.do(lambda: done.append(2))
    assert caught.value is failure
    assert done == []
    assert not alive()


def test_the_caller_waits_when_too_much_is_handed_in() -> None:
    """One job is under way and AHEAD are handed in; the next one is not taken until one is done."""
    gate, taken = threading.Event(), threading.Event()
    with Background("trace") as background:
        for _ in range(AHEAD):
            background.do(lambda: gate.wait(PATIENCE))

        def one_more() -> None:
            background.do(lambda: None)
            taken.set()

        caller = threading.Thread(target=one_more)
        caller.start()
        assert not taken.wait(0.2)
        gate.set()
        assert taken.wait(PATIENCE)
        caller.join()
        background.wait()


def test_an_exception_drops_what_waits_and_lets_the_job_under_way_end() -> None:
    """Half a job would leave half a file."""
    begun, done = threading.Event(), []

    def slow() -> None:
        begun.set()
        done.append("half")
        time.sleep(0.2)
        done.append("whole")

    with pytest.raises(KeyboardInterrupt), Background("trace") as background:
        background.do(slow)
        background.do(lambda: done.append("next"))
        assert begun.wait(PATIENCE)
        raise KeyboardInterrupt
    assert done == ["half", "whole"]
    assert not alive()
