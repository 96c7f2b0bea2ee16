"""Rings by task and by class of a task, and old examples among the new."""

from __future__ import annotations

import pytest
import torch

from bioncl.learning.memory import RingMemory
from bioncl.learning.mixing import append, only
from bioncl.streams.stream import Batch


def fed(by, per_group=3, tasks=3, count=20):
    """Numbered examples of two labels, in batches of 7, task after task."""
    memory, generator = RingMemory(per_group, by), torch.Generator()
    for task in range(tasks):
        for part in torch.arange(task * count, (task + 1) * count).split(7):
            memory.add(Batch(part.float().view(-1, 1), part % 2, task), generator)
    return memory


@pytest.mark.parametrize(
    ("by", "group"),
    [
        ("class", lambda n: (0, n % 2)),
        ("task", lambda n: (n // 20, 0)),
        ("task-class", lambda n: (n // 20, n % 2)),
    ],
)
def test_ring_holds_the_last_of_each_group(by, group):
    groups = {}
    for n in range(60):
        groups.setdefault(group(n), []).append(n)
    wanted = [n for key in sorted(groups) for n in groups[key][-3:]]
    memory = fed(by)
    assert memory.examples().x.flatten().tolist() == wanted
    assert memory.tasks().tolist() == [n // 20 for n in wanted]
    assert len(memory) == len(wanted)


def test_examples_before_a_task_are_those_of_earlier_ones():
    memory = fed("task-class")
    for task in range(4):
        old = memory.before(task)
        assert old.task.tolist() == [k for k in range(task) for _ in range(6)]
        assert [int(n) // 20 for n in old.x.flatten()] == old.task.tolist()
    empty = RingMemory(3, "task").before(0)
    assert len(empty) == 0


@pytest.mark.parametrize("by", ["class", "task", "task-class"])
def test_a_restored_ring_draws_and_overwrites_the_same(by):
    memory, twin = fed(by), RingMemory(1, by)
    twin.load_state({name: value.clone() for name, value in memory.state().items()})
    for other in (memory, twin):
        other.add(Batch(torch.arange(70.0, 72.0).view(-1, 1), torch.tensor([0, 1]), 2), None)
    draws = [m.draw(4, torch.Generator().manual_seed(0)) for m in (memory, twin)]
    assert torch.equal(draws[0].x, draws[1].x)
    assert torch.equal(memory.examples().x, twin.examples().x)


def test_appended_examples_are_told_apart(toy_stream, toy_learner):
    """Twice, by two methods: tasks stay with their examples, the stream's data is left alone."""
    stream = toy_stream()
    learner = toy_learner(stream)
    learner.begin(stream.task(1))
    fresh = learner.data
    old = Batch(torch.zeros(3, 1, 4, 4), torch.tensor([0, 1, 0]), torch.tensor([0, 0, 0]))
    append(learner, old)
    append(learner, Batch(old.x + 1, old.y, 0), repeat=True)
    assert learner.data_tasks.tolist() == [1] * 24 + [0] * 3 + [0] * 3 * 9
    assert torch.equal(learner.data.x[:24], fresh.x)
    assert learner.data.x[24:27].sum() == 0
    assert learner.data.x[27:].mean() == 1
    assert len(fresh) == 24


def test_nothing_appended_leaves_the_data_as_it_is(toy_stream, toy_learner):
    learner = toy_learner(toy_stream())
    learner.begin(learner.stream.task(1))
    append(learner, Batch(torch.empty(0), torch.empty(0, dtype=torch.long), 0), repeat=True)
    assert learner.data_tasks is None
    assert len(learner.data) == 24


def test_only_one_task_of_a_batch():
    batch = Batch(torch.arange(4.0).view(-1, 1), torch.arange(4), torch.tensor([0, 1, 0, 1]))
    assert only(batch, 1).x.flatten().tolist() == [1, 3]
    assert only(batch, 1).task == 1
    whole = Batch(batch.x, batch.y, 1)
    assert only(whole, 1) is whole
