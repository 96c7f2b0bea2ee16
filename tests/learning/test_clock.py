"""The clock: inner measures stop outer ones; every second counts once."""

from __future__ import annotations

import pytest

from bioncl.learning import clock as module
from bioncl.learning.clock import Clock


@pytest.fixture
def now(monkeypatch):
    """A hand to turn: `now[0]` is the time."""
    time = [100.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: time[0])
    return time


def test_inner_time_counts_for_the_inner_name_alone(now):
    clock = Clock()
    with clock.measure("train"):
        now[0] += 1
        with clock.measure("eval"):
            now[0] += 10
        now[0] += 2
    now[0] += 50  # nobody's
    with clock.measure("sleep"):
        now[0] += 4
        with clock.measure("sleep"):
            now[0] += 5
    assert clock.take() == {"train": 3.0, "sleep": 9.0, "eval": 10.0}


def test_taking_starts_anew_and_errors_close_the_measure(now):
    clock = Clock()
    with pytest.raises(ZeroDivisionError), clock.measure("train"):
        now[0] += 1
        raise ZeroDivisionError
    now[0] += 7
    assert clock.take() == {"train": 1.0, "sleep": 0.0, "eval": 0.0}
    assert clock.take() == {"train": 0.0, "sleep": 0.0, "eval": 0.0}
