"""Joint: a fresh network and everything so far, after each task."""

from __future__ import annotations

import pytest
import torch

from bioncl.learning.loop import learn_stream
from bioncl.learning.method import Method, Together
from bioncl.methods.joint import Joint
from bioncl.methods.naive import Naive
from bioncl.streams.stream import Stream, Task, joined


class Watch(Method):
    """Notes the weights at the start of each task and what was trained on."""

    def __init__(self):
        self.starts, self.data, self.tasks = [], [], []

    def before_task(self, learner, task):
        self.starts.append(learner.vector())
        self.data.append(learner.data)
        self.tasks.append(learner.data_tasks)


def test_each_task_starts_afresh_on_all_data_so_far(toy_stream, toy_learner):
    stream, watch = toy_stream(tasks=3), Watch()
    learner = toy_learner(stream)
    untrained = learner.vector()
    list(learn_stream(learner, Together([Joint(), watch])))
    for index in range(3):
        assert torch.equal(watch.starts[index], untrained)
        wanted = joined([stream.task(k).train for k in range(index + 1)])
        assert torch.equal(watch.data[index].x, wanted.x)
        assert torch.equal(watch.data[index].y, wanted.y)
        assert watch.tasks[index].tolist() == [k for k in range(index + 1) for _ in range(24)]


def test_the_last_row_is_that_of_a_network_trained_on_the_union(toy_stream, toy_learner):
    """Naive on a stream whose only task is the union, with the same order of batches."""
    stream = toy_stream()
    learner = toy_learner(stream, lr=0.2, epochs=3)
    last = list(learn_stream(learner, Together([Joint()])))[-1].scores.tasks
    union = joined([task.train for task in stream.tasks()])

    def build(index):
        test = stream.test(index)
        return Task(index, stream.group(index), union if index == 1 else test, test, "")

    both = Stream("union", "class", 4, stream.input_shape, 2, build)
    twin = toy_learner(both, lr=0.2, epochs=3)
    rows = list(learn_stream(twin, Together([Naive()]), first=1))  # the second task alone
    assert torch.equal(twin.vector(), learner.vector())
    assert rows[-1].scores.tasks == last


@pytest.mark.parametrize("scenario", ["task", "domain", "class"])
def test_it_remembers(toy_stream, toy_learner, scenario):
    """Also where the tasks' outputs must not compete with one another in a mixed batch."""
    learner = toy_learner(toy_stream(scenario, tasks=3), lr=0.5, epochs=40)
    rows = [o.scores.tasks for o in learn_stream(learner, Together([Joint()]))]
    assert min(rows[-1]) > 0.8


def test_velocity_does_not_outlive_the_network_it_moved(toy_stream, toy_learner):
    kept = toy_learner(toy_stream(), momentum=0.9, keep_optimizer=True)
    fresh = toy_learner(toy_stream(), momentum=0.9, keep_optimizer=False)
    for learner in (kept, fresh):
        list(learn_stream(learner, Together([Joint()])))
    assert torch.equal(kept.vector(), fresh.vector())
