"""What every registered method must do, in every scenario that it says it suits.

A new method is found by itself. If its defaults do not suit runs as small as these, it gets a line
in EXTRA; if it cannot go together with sleep or rehearsal and says so, one in APART.
"""

from __future__ import annotations

import shutil
from typing import get_args

import pytest
import torch

from bioncl.errors import UnsupportedError
from bioncl.experiments.run import execute
from bioncl.experiments.settings import load
from bioncl.experiments.setup import make_learner, make_methods, make_stream, torch_threads
from bioncl.learning.loop import learn_stream
from bioncl.learning.method import Method, Together
from bioncl.methods import METHODS
from bioncl.models import checkpoint
from bioncl.progress import Silent
from bioncl.streams.stream import Scenario

TASKS, TRAIN, MEMORY = 3, 60, 12
EXAMPLE_BYTES = 64 * 4 + 8  # an 8×8 image in float32 and its label
STORED_BYTES = EXAMPLE_BYTES + 8  # in a memory: its task, too

# Settings by dotted key, for methods whose defaults do not suit: {"name": {"train.lr": 0.1}}.
EXTRA: dict[str, dict[str, object]] = {
    "imprinting": {"model.bias": False},
    "independent": {"model.head": "per-task"},
    "multi-head": {"model.head": "per-task"},
    "owm": {"methods.0.alpha": [10.0]},
    "remind": {"methods.0.parts": 4},
    "rescl": {"model.head": "per-task"},
    "packnet": {"model.head": "per-task"},
    "progressive": {"model.head": "per-task"},
    "den": {"model.head": "per-task"},
}
# Methods that refuse company, and whose: {"name": {"src", "rehearsal"}}.
APART: dict[str, set[str]] = {
    "remind": {"src"},
    "packnet": {"src", "rehearsal"},
    "progressive": {"src", "rehearsal"},
    "den": {"src", "rehearsal"},
}

# So mild that all goes on as before.
RULE = {"name": "gated", "inc": 0.001, "dec": 0.0001}
NIGHT = {"steps": 200, "drive": {"name": "mean"}, "rule": RULE}
CASES = [
    (name, scenario)
    for name in METHODS.names()
    for scenario in get_args(Scenario)
    if scenario in METHODS.load(name).scenarios
]
EACH = pytest.mark.parametrize(("name", "scenario"), CASES)


def config_of(name, scenario, *others):
    """Settings of a run of the method `name`, with the tables `others` of more methods."""
    tables = {
        "stream": {
            "name": "split",
            "data": "digits",
            "scenario": scenario,
            "classes": [[0, 1], [2, 3], [4, 5]],
            "train_per_task": TRAIN,
            "test_per_task": 40,
        },
        "model": {"name": "mlp", "hidden": [16]},
        "train": {"epochs": 2, "batch_size": 10, "lr": 0.1},
        "methods": [{"name": name}, *others],
        "sleep": NIGHT,
        "trace": {"record": False},
    }
    return load(tables, EXTRA.get(name, {}).items())


def run(config, out=None, *, resume=False):
    return execute(config, out, resume=resume, progress=Silent()).values


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A function that gives folder and result of an uninterrupted run; each is run once."""
    done = {}

    def get(name, scenario):
        if (name, scenario) not in done:
            out = tmp_path_factory.mktemp("run") / "whole"
            done[name, scenario] = out, run(config_of(name, scenario), out)
        return done[name, scenario]

    return get


def last_state(out):
    path = out / "checkpoints" / f"task-{TASKS:02d}.safetensors"
    return checkpoint.load(path)


@EACH
def test_same_seed_same_run(whole, name, scenario):
    """And a folder for the results changes none of them."""
    again, first = run(config_of(name, scenario)), whole(name, scenario)[1]
    for key in ("accuracy", "accuracy_all", "accuracy_initial", "memory_bytes"):
        assert again[key] == first[key]


@EACH
def test_first_task_is_learnt(whole, name, scenario):
    """Two classes, so chance is a half at most."""
    assert whole(name, scenario)[1]["accuracy"][0][0] > 0.8


@EACH
def test_killed_after_task_two_and_resumed(whole, name, scenario, tmp_path):
    """Accuracies, network and what the method carries are those of the whole run, bit for bit."""
    out, result = whole(name, scenario)
    (tmp_path / "checkpoints").mkdir()
    for file in ("settings.json", "checkpoints/task-01.safetensors"):
        shutil.copy(out / file, tmp_path / file)
    shutil.copy(out / "checkpoints" / "task-02.safetensors", tmp_path / "checkpoints")
    resumed = run(config_of(name, scenario), tmp_path, resume=True)
    for key in ("accuracy", "accuracy_all", "memory_bytes"):
        assert resumed[key] == result[key]
    wanted, found = last_state(out).tensors, last_state(tmp_path).tensors
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        assert torch.equal(found[key], value), key


@EACH
def test_reported_memory_is_that_of_the_state(whole, name, scenario):
    """Counted from the file; old data that is read counts as stored."""
    out, result = whole(name, scenario)
    state = last_state(out).part("method.")
    examples = {k: v.nbytes for k, v in state.items() if k.split(".")[1] == "examples"}
    past = METHODS.load(name)().reads_past * (TASKS - 1) * TRAIN * EXAMPLE_BYTES
    assert result["memory_bytes"] == {
        "stored_examples": sum(examples.values()) + past,
        "method_state": sum(v.nbytes for v in state.values()) - sum(examples.values()),
    }


class Before(Method):
    """Keeps copies of what the methods are handed."""

    def before_task(self, learner, task):
        self.task = [part.clone() for part in (task.train.x, task.train.y, task.test.x)]

    def extra_loss(self, learner, batch):
        self.batch = batch.x.clone(), batch.y.clone()


class After(Method):
    """Compares them after all other methods have had their turn."""

    sleeps = True  # the very last one after a task

    def __init__(self, before):
        self.before = before

    def after_step(self, learner, batch):
        assert torch.equal(batch.x, self.before.batch[0])
        assert torch.equal(batch.y, self.before.batch[1])

    def after_task(self, learner, task):
        for part, kept in zip(
            (task.train.x, task.train.y, task.test.x), self.before.task, strict=True
        ):
            assert torch.equal(part, kept)


@EACH
def test_data_is_left_alone(name, scenario):
    """Batches within each step, and a task's data from its start until after the night."""
    config, before = config_of(name, scenario), Before()
    after = After(before)
    after.sleeps = "src" not in APART.get(name, ())
    with torch_threads(1):
        learner = make_learner(config, make_stream(config, Silent()), Silent())
        methods = Together([before, make_methods(config), after])
        assert len(list(learn_stream(learner, methods))) == TASKS


@EACH
def test_a_night_of_no_steps_beside_it_changes_nothing(whole, name, scenario):
    """So sleep goes with the method, and costs it nothing but what sleep itself does."""
    if METHODS.load(name).sleeps:
        pytest.skip("sleeps by itself")
    config = config_of(name, scenario, {"name": "src"})
    if "src" in APART.get(name, ()):
        with pytest.raises(UnsupportedError):
            run(config)
        return
    config.methods[1].sleep = load_night(steps=0)
    found, alone = run(config), whole(name, scenario)[1]
    assert found["accuracy"] == found["accuracy_awake"] == alone["accuracy"]
    assert found["accuracy_all"] == alone["accuracy_all"]


def load_night(**settings):
    tables = {"methods": [{"name": "src"}], "sleep": NIGHT | settings}
    return load(tables | {"stream": {"name": "patches"}}).methods[0].sleep


@EACH
def test_it_sleeps(name, scenario):
    """A short night beside it runs, and the result tells accuracies before and after."""
    if METHODS.load(name).sleeps or "src" in APART.get(name, ()):
        pytest.skip("sleeps by itself, or does not")
    found = run(config_of(name, scenario, {"name": "src"}))
    assert len(found["accuracy_awake"]) == len(found["accuracy"]) == TASKS


@EACH
def test_rehearsal_goes_beside_it(whole, name, scenario):
    """The memory of rehearsal comes on top of what the method itself keeps."""
    config = config_of(name, scenario, {"name": "rehearsal", "memory": MEMORY})
    if "rehearsal" in APART.get(name, ()):
        with pytest.raises(UnsupportedError):
            run(config)
        return
    found, alone = run(config), whole(name, scenario)[1]
    more = found["memory_bytes"]["stored_examples"] - alone["memory_bytes"]["stored_examples"]
    assert more == MEMORY * STORED_BYTES
    assert found["accuracy"][0][0] > 0.8


@pytest.mark.parametrize("name", METHODS.names())
def test_other_scenarios_are_refused(name):
    """By an error that says which ones suit."""
    suited = METHODS.load(name).scenarios
    assert suited
    assert set(suited) <= set(get_args(Scenario))
    for scenario in set(get_args(Scenario)) - set(suited):
        with pytest.raises(UnsupportedError, match=" or ".join(suited)):
            run(config_of(name, scenario))


@pytest.mark.parametrize("name", METHODS.names())
def test_it_says_where_it_comes_from(name):
    assert METHODS.load(name).paper
    assert METHODS.load(name).__doc__
