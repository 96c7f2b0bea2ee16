"""Threads that share the parts of one job, and meet in microseconds.

A night of ten milliseconds has a dozen jobs, too many to wake a thread by the system for each. So a
helper stays in compiled code, without Python's lock, and looks into a box again and again until a
job is posted there, for a fraction of a millisecond at most; then it goes back to its pool, to be
called again by the next job.

Parts are taken one by one, by whoever is free. The thread that posted a job takes parts as well and
waits only for helpers that are in the midst of one: on a busy machine, where none comes in time, it
does all of them.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bioncl.spiking.engines.compiled import compiled
from bioncl.spiking.engines.sharing_code import ARGUMENTS, ROOM, add, call, load, swap

Box = NDArray[np.int64]

# Places in a box, each on a cache line of its own so that threads do not hinder each other: one
# more than helpers are in the job, 0 while it is closed; the number of the job; parts that were
# taken; whether no more jobs will come.
STATE, JOB, TAKEN, OVER = 0, 8, 16, 24
SPINS = 20_000  # some 50 µs
PATIENCE = 200_000  # some 500 µs
NAP = 5e-5  # seconds
MOST = 256  # helpers at a time; more of them wait


@compiled
def begin(box: Box) -> None:
    """Open the job that was posted, of which no part may have been taken."""
    add(box, JOB, 1)
    add(box, STATE, 1)


@compiled
def take(box: Box) -> int:
    """The next part of the job; parts beyond the last are taken as well."""
    return add(box, TAKEN, 1)


@compiled
def end(box: Box, spins: int) -> bool:
    """Close the job once nobody is in it any more, looking so many times; returns whether it is."""
    closed = False
    while spins > 0 and not closed:
        closed = load(box, STATE) == 0 or swap(box, STATE, 1, 0)
        spins -= 1
    return closed


@compiled
def help_out(box: Box, patience: int) -> None:
    """Help with every job in the box, until none has come for so many looks."""
    seen, looks = 0, 0
    while looks < patience and load(box, OVER) == 0:
        looks += 1
        state = load(box, STATE)
        if state > 0 and load(box, JOB) != seen and swap(box, STATE, state, state + 1):
            seen = load(box, JOB)
            call(box)
            add(box, STATE, -1)
            looks = 0


class Helpers:
    """Threads beside the calling one, for one night."""

    pool: ClassVar[ThreadPoolExecutor | None] = None  # of all nights; it has threads when asked to

    def __init__(self, threads: int) -> None:
        """Have `threads`, of which the calling one is the first."""
        self.box = np.zeros(ARGUMENTS + ROOM, np.int64)
        self.begun: list[Future[None] | None] = [None] * (threads - 1)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.begun)

    def begin(self) -> Box:
        """The box, of whose next job no part has been taken yet."""
        self.box[TAKEN] = 0
        return self.box

    def call(self) -> None:
        """Wake those that have lost patience: once a job is open, lest they only look around."""
        for place, future in enumerate(self.begun):
            if future is None or future.done():
                Helpers.pool = Helpers.pool or ThreadPoolExecutor(MOST, "bioncl-helper")
                self.begun[place] = Helpers.pool.submit(help_out, self.box, PATIENCE)

    def finish(self) -> None:
        """Close the job, if one is open, once nobody is in it any more."""
        try:
            while not end(self.box, SPINS):
                time.sleep(NAP)
        finally:  # at Ctrl-C, too: helpers write into memory that is about to be given back
            while not end(self.box, SPINS):
                pass

    def release(self) -> None:
        """No more jobs will come."""
        self.box[OVER] = 1
        for future in self.begun:
            if future is not None:
                future.cancel()


def _forget() -> None:
    """A process that was forked has none of the threads."""
    Helpers.pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
