"""A run that was killed or interrupted goes on to the numbers of one that was left in peace."""

import importlib.util
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bioncl.experiments.run import run

KILLER = Path(__file__).with_name("killed_runs.py")
ROOT = Path(__file__).parents[2]
METHODS = ("naive", "rehearsal", "src")
EVERYWHERE = {"train", "eval", "checkpoint half written", "any"}
EVERYWHERE |= {"file before its renaming", "file after its renaming"}
ASLEEP = {"sleep", "trace before its renaming", "trace after its renaming"}

specification = importlib.util.spec_from_file_location("killed_runs", KILLER)
killed_runs = importlib.util.module_from_spec(specification)
specification.loader.exec_module(killed_runs)


def environment():
    """Where a child process finds the package."""
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def bioncl(*words):
    """The command line as a user calls it."""
    return [sys.executable, "-m", "bioncl", *map(str, words)]


@pytest.fixture(scope="module")
def trials(tmp_path_factory):
    """What killing and resuming led to, in every phase of every method."""
    command = [sys.executable, str(KILLER), str(tmp_path_factory.mktemp("killed"))]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("method", METHODS)
def test_a_killed_run_resumes_to_the_same_bits(trials, method):
    """Result, all checkpoints, spikes and weights of the nights; and nothing is left over."""
    mine = [trial for trial in trials if trial["method"] == method]
    assert {trial["phase"] for trial in mine} == EVERYWHERE | (ASLEEP if method == "src" else set())
    for trial in mine:
        assert trial["differ"] == [], trial
        assert trial["killed"] or trial["phase"] == "any", trial


def test_the_comparison_sees_a_single_bit(trials, tmp_path):
    """Otherwise the test above could not fail."""
    import torch

    from bioncl.models.checkpoint import Checkpoint, load, save

    one, other = tmp_path / "one", tmp_path / "other"
    (one / "checkpoints").mkdir(parents=True)
    (other / "checkpoints").mkdir(parents=True)
    weight = torch.ones(3)
    save(one / "checkpoints" / "task-01.safetensors", Checkpoint({"w": weight}, {}))
    weight[1] = torch.nextafter(weight[1], torch.tensor(2.0))
    save(other / "checkpoints" / "task-01.safetensors", Checkpoint({"w": weight}, {}))
    assert load(one / "checkpoints" / "task-01.safetensors").tensors["w"].sum() == 3
    assert killed_runs.checkpoint_differences(one, other) == ["task-01.safetensors: w"]


@pytest.mark.usefixtures("heeds_interrupts")
def test_ctrl_c_gives_130_and_the_command_that_goes_on(tmp_path):
    """The printed command is run as it stands, and ends as an undisturbed run does."""
    settings = tmp_path / "my settings.toml"
    slow = killed_runs.SETTINGS.replace("epochs = 3", "epochs = 60")
    settings.write_text(slow + killed_runs.METHODS["rehearsal"])
    words = ["run", settings.name, "--seed", 3, "--set", "train.lr=0.1", "--no-figures"]
    process = subprocess.Popen(
        bioncl(*words),
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stderr:
        if line.startswith("  task 1"):
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    last = err.splitlines()[-1]
    assert last.startswith("Interrupted. Finished tasks are saved; go on with: bioncl run ")
    program, *printed = shlex.split(last.partition("go on with: ")[2])
    assert (program, printed[-1]) == ("bioncl", "--resume")
    done = subprocess.run(
        bioncl(*printed, "--json"),
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    resumed = json.loads(done.stdout)
    overrides = [("train.lr", 0.1)]
    peace = run(settings, seed=3, out=tmp_path / "peace", overrides=overrides)
    assert resumed["accuracy"] == peace.values["accuracy"]
    assert (
        killed_runs.checkpoint_differences(tmp_path / "peace", tmp_path / printed_out(printed))
        == []
    )


def printed_out(words):
    """The folder that a command names with --out."""
    return words[words.index("--out") + 1]


FULL = """
[stream]
name = "split"
data = "mnist-5k"
train_per_task = 800
[model]
name = "mlp"
hidden = [200, 200]
[train]
epochs = 4
batch_size = 20
lr = 0.05
momentum = 0.5
[sleep]
steps = 2000
rate = 280.4
thresholds = [0.451, 0.2002, 0.5823]
rule = { name = "sigmoid", inc = 0.0008517, dec = 0.0003605, slope = 13.12 }
"""
MOMENTS = 10


def start(words):
    """Start a run and wait until its first task begins; return the process and the moment."""
    process = subprocess.Popen(
        bioncl(*words),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr.readline().startswith(("tasks:", "resuming"))
    return process, time.monotonic()


def kill_after(delay, out, settings):
    """Start a run in `out` and kill it; False, and nothing left, if it was done before that."""
    process, _ = start(["run", settings, "--out", out, "--no-figures"])
    time.sleep(delay)
    process.kill()
    killed = process.wait() == -signal.SIGKILL
    process.stderr.close()
    if not killed:
        shutil.rmtree(out)
    return killed


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_ten_random_moments_of_a_full_run(method, tmp_path):
    """Processes of their own, killed from outside at moments spread over the whole run."""
    settings, peace = tmp_path / "settings.toml", tmp_path / "peace"
    settings.write_text(FULL + killed_runs.METHODS[method])
    process, began = start(["run", settings, "--out", peace, "--no-figures"])
    assert process.wait() == 0, process.communicate()
    lasts = time.monotonic() - began
    process.stderr.close()
    dice = random.Random(method)
    for moment in range(MOMENTS):
        out = tmp_path / f"moment{moment}"
        delay = dice.uniform(moment, moment + 1) / MOMENTS * lasts
        while not kill_after(delay, out, settings):
            delay *= 0.7  # the machine is faster than it was for the first run
        words = ["run", settings, "--out", out, "--no-figures", "--resume", "--quiet"]
        subprocess.run(bioncl(*words), env=environment(), capture_output=True, check=True)
        assert killed_runs.differences(peace, out) == []
