"""Threads that share jobs: every part is done once, and nobody is left in a job that is over."""

import os

import numpy as np
import pytest

from bioncl.spiking.engines import sharing
from bioncl.spiking.engines.compiled import compiled
from bioncl.spiking.engines.sharing import Helpers
from bioncl.spiking.engines.sharing_code import load, post


@compiled
def count(done, work, box):
    """Add 1 to each part that is taken, after looking into the box so many times."""
    part = sharing.take(box)
    while part < len(done):
        for _ in range(work):
            load(box, sharing.STATE)
        done[part] += 1
        part = sharing.take(box)


@compiled
def wait_for_company(found, looks, box):
    """Note how many were in the job at last, looking until there is somebody else."""
    while looks > 0 and load(box, sharing.STATE) < 2:
        looks -= 1
    found[0] = max(found[0], load(box, sharing.STATE))


@compiled
def share(job, array, number, box):
    post(box, job, (array, number, box))
    sharing.begin(box)


def together(helpers, job, array, number):
    share(job, array, number, helpers.begin())
    helpers.call()
    job(array, number, helpers.box)
    helpers.finish()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_every_part_is_done_once(threads):
    helpers = Helpers(threads)
    for job in range(300):
        done = np.zeros(1 + job % 40, np.int64)
        together(helpers, count, done, job % 7 * 100)
        assert (done == 1).all()
        assert helpers.box[sharing.STATE] == 0
    helpers.release()


def test_helpers_come():
    helpers, found = Helpers(2), np.zeros(1, np.int64)
    together(helpers, wait_for_company, found, 10**10)
    helpers.release()
    assert found[0] == 2


def test_helpers_go_home_when_no_job_comes():
    helpers = Helpers(3)
    helpers.call()
    for future in helpers.begun:
        future.result(timeout=30)
    helpers.release()


def test_those_that_wait_for_a_job_go_at_once_when_there_will_be_none(monkeypatch):
    monkeypatch.setattr(sharing, "PATIENCE", 2**62)
    helpers = Helpers(2)
    helpers.call()
    helpers.release()
    (future,) = helpers.begun
    assert future.cancelled() or future.result(timeout=30) is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_gets_helpers_of_its_own():
    Helpers(2).call()
    child = os.fork()
    if not child:
        helpers = Helpers(2)
        helpers.call()
        helpers.begun[0].result(timeout=30)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
