"""A sweep on a Dask scheduler that runs on its own, and one that loses it."""

import importlib.util
import json
import subprocess
import sys
import time

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("distributed") is None,
        reason="needs Dask distributed (pip install 'bioncl[cluster]')",
    ),
]


@pytest.fixture
def scheduler(tmp_path):
    """A scheduler with one worker: its file, and its process."""
    file = tmp_path / "scheduler.json"
    common = ["--scheduler-file", str(file)]
    dask = [sys.executable, "-m"]
    first = [*dask, "distributed.cli.dask_scheduler", *common, "--port", "0"]
    second = [*dask, "distributed.cli.dask_worker", *common, "--nthreads", "1", "--no-dashboard"]
    first += ["--host", "127.0.0.1", "--no-dashboard"]
    second += ["--local-directory", str(tmp_path / "scratch")]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    processes = [subprocess.Popen(command, **quiet) for command in (first, second)]
    end = time.monotonic() + 60
    while not file.exists() and time.monotonic() < end:
        time.sleep(0.2)
    yield file, processes[0]
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture
def compare(settings_file, scheduler, tmp_path):
    """A function that starts `bioncl compare` on the scheduler, and its folder."""
    out = tmp_path / "out"

    def start(*more):
        words = ["compare", str(settings_file("rehearsal")), "--seeds", "4", "--out", str(out)]
        words += ["--scheduler", str(scheduler[0]), "--json", *more]
        command = [sys.executable, "-m", "bioncl", *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=tmp_path)

    return start, out


def test_a_running_scheduler_does_the_runs(compare):
    start, out = compare
    process = start()
    told, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert json.loads(told)["summary"][0]["seeds"] == 4
    assert len(list(out.glob("runs/*/result.json"))) == 4


def test_a_lost_scheduler_ends_the_sweep_with_a_word_about_it(compare, scheduler):
    """And nothing of what was done is lost."""
    start, out = compare
    process = start("--set", "train.epochs=60")
    end = time.monotonic() + 60
    while not list(out.glob("runs/*/result.json")) and time.monotonic() < end:
        time.sleep(0.05)
    scheduler[1].kill()
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "The scheduler is gone" in errors.splitlines()[-1]
    assert "start it again" in errors.splitlines()[-1]
    assert list(out.glob("runs/*/result.json"))


def test_a_scheduler_that_does_not_answer_is_told(settings_file, tmp_path, monkeypatch, command):
    monkeypatch.setattr("bioncl.experiments.sweep.dask_pool.PATIENCE", 1.0)
    words = ["compare", settings_file(), "--out", tmp_path / "out"]
    code, _, errors = command(*words, "--scheduler", "tcp://127.0.0.1:9")
    assert code == 2
    assert "No Dask scheduler answers at tcp://127.0.0.1:9" in errors
