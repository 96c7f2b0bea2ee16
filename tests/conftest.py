"""Small streams and learners that tests of learning, methods and nights share."""

from __future__ import annotations

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
