"""Small streams, learners, settings and the command line, for tests of any package."""

from __future__ import annotations

import json
import signal
import sys

import pytest
import torch

from bioncl.learning.learner import Learner
from bioncl.learning.training import Training
from bioncl.models.mlp import MLP
from bioncl.streams.stream import Examples, Stream, Task

SHAPE = (1, 4, 4)


def blobs(labels, places, seed):
    """Noisy images 0..1 whose bright quarter tells the label's place; easy to learn."""
    noise = torch.rand(len(labels), *SHAPE, generator=torch.Generator().manual_seed(seed)) / 2
    for image, place in zip(noise, places, strict=True):
        image.flatten()[place % 8 :: 8] += 0.5
    return Examples(noise, torch.tensor(labels))


@pytest.fixture
def toy_stream():
    """A function that makes a stream of tasks with two classes each."""

    def make(scenario="class", tasks=2, train=24, tests=None):
        def outputs(index):
            return (0, 1) if scenario == "domain" else (2 * index, 2 * index + 1)

        def part(index, count, seed):
            labels = [outputs(index)[i % 2] for i in range(count)]
            return blobs(labels, [2 * index + i % 2 for i in range(count)], seed)

        def build(index):
            count = 10 if tests is None else tests[index]
            train_part, test_part = part(index, train, index), part(index, count, 100 + index)
            return Task(index, outputs(index), train_part, test_part, f"task {index}")

        total = 2 if scenario == "domain" else 2 * tasks
        return Stream("toy", scenario, total, SHAPE, tasks, build)

    return make


@pytest.fixture
def toy_learner():
    """A function that makes a learner of a stream."""

    def make(stream, model=None, seed=0, **training):
        model = model or MLP(hidden=(8,))
        groups = [stream.group(i) for i in range(len(stream))]

        def build():
            return model.build(stream.input_shape, stream.outputs, groups, seed)

        return Learner(build, stream, Training(**{"batch_size": 8} | training), seed=seed)

    return make


@pytest.fixture
def settings():
    """A function that makes settings tables of a run that lasts a fraction of a second."""

    def make(*methods, **tables):
        found = {
            "stream": {"name": "split", "data": "digits", "classes": [[0, 1], [2, 3], [4, 5]]},
            "model": {"name": "mlp", "hidden": [20, 16]},
            "train": {"epochs": 3, "batch_size": 20, "lr": 0.2},
            "methods": [{"name": name} for name in methods or ("naive",)],
        }
        if "src" in methods:
            rule = {"name": "gated", "inc": 0.01, "dec": 0.01}
            night = {"steps": 300, "sees": "current", "threads": 1, "thresholds": [0.5]}
            found["sleep"] = night | {"drive": {"name": "mean"}, "rule": rule}
        for key, table in tables.items():
            merge = isinstance(table, dict) and key in found
            found[key] = found[key] | table if merge else table
        return found

    return make


@pytest.fixture
def settings_file(settings, tmp_path):
    """A function that writes such settings as TOML and returns the path."""

    def toml(value):
        if isinstance(value, dict):
            return "{" + ", ".join(f"{k} = {toml(v)}" for k, v in value.items()) + "}"
        if isinstance(value, (list, tuple)):
            return "[" + ", ".join(map(toml, value)) + "]"
        return json.dumps(value)

    def write(*methods, name="small.toml", **tables):
        lines = [f"{key} = {toml(table)}" for key, table in settings(*methods, **tables).items()]
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


@pytest.fixture
def command(capfd, monkeypatch):
    """A function that calls the command line in this process: exit code, output, errors."""
    from bioncl.cli.errors import run_command
    from bioncl.cli.main import cli

    def call(*words):
        words = [str(word) for word in words]
        monkeypatch.setattr(sys, "argv", ["bioncl", *words])
        capfd.readouterr()
        code = run_command(cli, words)
        return code, *capfd.readouterr()

    return call


@pytest.fixture
def heeds_interrupts():
    """Processes begun meanwhile heed SIGINT, even if the tests run where it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
