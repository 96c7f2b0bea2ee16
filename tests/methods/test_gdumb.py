"""GDumb: a balanced memory, and a network that has seen nothing else."""

from __future__ import annotations

import pytest
import torch

from bioncl.learning.loop import learn_stream
from bioncl.learning.method import Method, Together
from bioncl.methods.gdumb import GDumb
from bioncl.streams.stream import Task


def test_memory_is_balanced_after_every_task(toy_stream, toy_learner):
    """Counts of the classes seen differ by at most one, and fill the memory."""
    method = GDumb(memory=12)
    for index, _ in enumerate(learn_stream(toy_learner(toy_stream(tasks=3)), Together([method]))):
        counts = method.store.examples().y.bincount().tolist()
        assert sum(counts) == 12
        assert len(counts) == 2 * index + 2
        assert max(counts) - min(counts) <= 1


def test_the_network_has_seen_the_memory_and_nothing_else(toy_stream, toy_learner):
    """A naive learner whose only task is the final memory ends with the same weights."""
    stream, method = toy_stream(tasks=2), GDumb(memory=10)
    options = {"lr": 0.3, "epochs": 5}
    learner = toy_learner(stream, **options)
    list(learn_stream(learner, Together([method])))
    held = method.store.examples()
    alone = toy_learner(stream, **options)

    class OnlyMemory(Method):
        def before_task(self, learner, task):
            learner.data = held

    task = stream.task(1)
    list(learn_stream(alone, Together([OnlyMemory()]), 1))
    assert isinstance(task, Task)
    assert torch.equal(alone.vector(), learner.vector())


def test_training_only_after_the_last_task(toy_stream, toy_learner):
    """Before it the network is a new one; after it the same as if it had trained each time."""
    rows = {}
    for when in ("each", "last"):
        learner = toy_learner(toy_stream(), lr=0.3, epochs=5)
        start = learner.vector()
        run = learn_stream(learner, Together([GDumb(memory=10, when=when)]))
        vectors = [learner.vector() for _ in run]
        rows[when] = [torch.equal(v, start) for v in vectors], vectors[-1]
    assert rows["last"][0] == [True, False]
    assert rows["each"][0] == [False, False]
    assert torch.equal(rows["each"][1], rows["last"][1])


@pytest.mark.parametrize("scenario", ["domain", "class"])
def test_it_remembers_what_its_memory_holds(toy_stream, toy_learner, scenario):
    learner = toy_learner(toy_stream(scenario), lr=0.5, epochs=60)
    outcomes = list(learn_stream(learner, Together([GDumb(memory=24)])))
    assert min(outcomes[-1].scores.tasks) > 0.7
