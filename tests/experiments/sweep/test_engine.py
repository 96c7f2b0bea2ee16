"""Sweeps in this process: outcomes, order, going on, failures; and who works by default."""

import json
import shutil
import sys
import threading
import time
from dataclasses import replace

import pytest
from filelock import FileLock

import bioncl
from bioncl.errors import InputError, RunError, UnsupportedError
from bioncl.experiments.run import execute
from bioncl.experiments.setup import make_stream
from bioncl.experiments.sweep import dask_pool, work
from bioncl.experiments.sweep.engine import run_jobs
from bioncl.experiments.sweep.work import Outcome, folder_of, run_job
from bioncl.experiments.sweep.workers import Cluster, Inline, Local, choose
from bioncl.learning.loop import learn_stream
from bioncl.progress import Silent

TIMES = ("seconds", "trace", "settings", "name")


def numbers(result):
    """A result without what differs from run to run."""
    return {key: value for key, value in result.values.items() if key not in TIMES}


def test_a_sweep_finds_what_single_runs_find(jobs, settings, tmp_path):
    """In the order given; each outcome is told once, and is what stands in the folder."""
    told, three = [], jobs(3)
    outcomes = run_jobs(three, Inline(), tmp_path, on_done=lambda job, o: told.append((job, o)))
    for seed, (job, outcome) in enumerate(zip(three, outcomes, strict=True)):
        alone = bioncl.run(settings("rehearsal"), seed=seed)
        assert numbers(outcome.result) == numbers(alone)
        stands = json.loads((tmp_path / "runs" / job.address / "result.json").read_text())
        assert outcome.values == stands
    assert [(job.seed, outcome) for job, outcome in told] == list(enumerate(outcomes))


def test_what_is_done_is_read_and_not_run(jobs, tmp_path):
    """Also if the same job is asked for twice."""
    done, asked = jobs(2), []

    def watched(job, out, retry_failed):
        asked.append(job.seed)
        return run_job(job, out, retry_failed)

    run_jobs(done[:1], Inline(), tmp_path)
    outcomes = run_jobs([*done, *jobs(2)], Inline(), tmp_path, work=watched)
    assert asked == [1]
    assert [outcome.found for outcome in outcomes] == [True, False, True, False]
    assert outcomes[:2] == outcomes[2:]


def test_no_worker_starts_for_nothing(jobs, tmp_path):
    """With a scheduler that is not there, a sweep that is done is still read."""
    done = jobs(1)
    run_jobs(done, Inline(), tmp_path)
    (outcome,) = run_jobs(done, Cluster("tcp://127.0.0.1:9"), tmp_path)
    assert outcome.found


def test_an_interrupted_run_goes_on_after_its_last_task(jobs, tmp_path, monkeypatch):
    """To the numbers of a run that was left in peace."""
    (job,) = jobs(1)
    (whole,) = run_jobs([job], Inline(), tmp_path / "peace")
    calls = []

    def once(learner, methods, done):
        for outcome in learn_stream(learner, methods, done):
            yield outcome
            calls.append(outcome.index)
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("bioncl.experiments.run.learn_stream", once)
        with pytest.raises(KeyboardInterrupt):
            run_jobs([job], Inline(), tmp_path / "stopped")
    assert calls == [0]
    assert not (folder_of(job, tmp_path / "stopped") / "result.json").exists()
    (outcome,) = run_jobs([job], Inline(), tmp_path / "stopped")
    assert numbers(outcome.result) == numbers(whole.result)


def test_training_steps_are_counted_over_an_interruption(jobs, tmp_path):
    """By hand: three epochs of batches of 20 over each task's images."""
    (job,) = jobs(1, "naive")
    (outcome,) = run_jobs([job], Inline(), tmp_path)
    stream = make_stream(job.config(), Silent())
    sizes = [len(stream.task(i).train) for i in range(len(stream))]
    assert outcome.values["training_steps"] == sum(3 * -(-size // 20) for size in sizes)
    (folder_of(job, tmp_path) / "result.json").unlink()
    (folder_of(job, tmp_path) / "checkpoints" / "task-03.safetensors").unlink()
    (again,) = run_jobs([job], Inline(), tmp_path)
    assert again.values["training_steps"] == outcome.values["training_steps"]


def test_a_failure_is_kept_and_the_rest_goes_on(jobs, tmp_path):
    wild = jobs(1, train={"lr": 1e30})
    first, second = run_jobs([*wild, *jobs(1)], Inline(), tmp_path)
    assert "diverged" in first.error
    assert second.result is not None
    with pytest.raises(RunError, match="diverged"):
        _ = first.values
    kept = json.loads((folder_of(wild[0], tmp_path) / "error.json").read_text())
    assert (kept["kind"], kept["seed"], kept["error"]) == ("DivergedError", 0, first.error)
    (again,) = run_jobs(wild, Inline(), tmp_path)
    assert again == Outcome(wild[0].address, None, first.error, found=True)


def test_a_failure_that_went_away_leaves_no_error(jobs, tmp_path):
    (job,) = jobs(1)
    work.failed(job, tmp_path, OSError("no room"))
    (kept,) = run_jobs([job], Inline(), tmp_path)
    assert kept.error == "OSError: no room"
    (outcome,) = run_jobs([job], Inline(), tmp_path, retry_failed=True)
    assert outcome.result is not None
    assert not (folder_of(job, tmp_path) / "error.json").exists()


def test_other_code_does_not_run_a_job(jobs, tmp_path):
    """A worker of another version would put its numbers under this version's address."""
    (job,) = jobs(1)
    (outcome,) = run_jobs([replace(job, code="0.0-old")], Inline(), tmp_path)
    assert "other code" in outcome.error


def test_a_job_waits_for_whoever_works_in_its_folder(jobs, tmp_path):
    """And then finds the result, without running a second time."""
    (job,) = jobs(1)
    folder = folder_of(job, tmp_path)
    folder.mkdir(parents=True)
    lock = FileLock(folder / ".lock")
    lock.acquire()
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(run_job(job, tmp_path)))
    thread.start()
    time.sleep(3 * work.WAIT)
    assert outcomes == []
    assert not (folder / "result.json").exists()
    other = execute(job.config(), tmp_path / "other", resume=False, progress=Silent())
    shutil.copy(tmp_path / "other" / "settings.json", folder)
    other.save(folder / "result.json")
    lock.release()
    thread.join(timeout=30)
    assert outcomes[0].result == other


def test_more_may_be_given_while_outcomes_come(jobs, tmp_path):
    """As a search does: the next job is chosen by the outcome of the last."""
    seen, (first, *more) = [], jobs(3)
    with Inline().open(tmp_path) as pool:
        pool.submit(first)
        for job, outcome in pool.finished():
            seen.append((job.seed, outcome.result is not None))
            if more:
                pool.submit(more.pop(0))
    assert seen == [(0, True), (1, True), (2, True)]


def test_who_works(monkeypatch):
    monkeypatch.setattr(dask_pool, "installed", lambda: True)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2}, raising=False)
    assert choose(None, None) == Local(3)
    assert choose(0, None) == Inline()
    assert choose(2, None) == Local(2)
    assert choose(None, "tcp://x:1") == Cluster("tcp://x:1")
    with pytest.raises(InputError, match="Give one"):
        choose(2, "tcp://x:1")
    monkeypatch.setattr(dask_pool, "installed", lambda: False)
    assert choose(None, None) == Inline()


def test_without_dask_the_way_out_is_told(jobs, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UnsupportedError, match=r"pip install 'bioncl\[cluster\]'"):
        run_jobs(jobs(1), Local(1), tmp_path)
    with pytest.raises(InputError, match="1 or more, got -1"):
        run_jobs(jobs(1), Local(-1), tmp_path)
