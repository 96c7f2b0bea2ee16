"""What methods with a memory share: one memory, offered each example once, saved as it is."""

from __future__ import annotations

import torch

from bioncl.learning.learner import Learner
from bioncl.learning.loop import train_task
from bioncl.learning.memory import ReservoirMemory
from bioncl.learning.method import Together
from bioncl.learning.storing import StoringAsLearnt
from bioncl.learning.training import Training
from bioncl.models.mlp import MLP
from bioncl.streams.stream import Batch, Examples, Stream, Task


class Keeping(StoringAsLearnt[ReservoirMemory]):
    """Keeps everything."""

    def new_store(self, outputs: int) -> ReservoirMemory:
        self.outputs = outputs
        return ReservoirMemory(100)

    def before_task(self, learner: Learner, task: Task) -> None:
        self.opened(learner)


def numbered(index):
    """A task whose inputs are the numbers from 20·index on."""
    y = torch.arange(20) % 2 + 2 * index
    data = Examples(torch.arange(20 * index, 20 * index + 20.0)[:, None] / 100, y)
    return Task(index, (2 * index, 2 * index + 1), data, data, "numbers")


def learnt(method, epochs=3, tasks=2):
    stream = Stream("numbers", "class", 4, (1,), 2, numbered)

    def build():
        return MLP(hidden=(4,)).build((1,), 4, [(0, 1), (2, 3)], 0)

    learner = Learner(build, stream, Training(epochs=epochs, batch_size=7), seed=0)
    for index in range(tasks):
        train_task(learner, Together([method]), stream.task(index))
    return learner


def test_every_example_is_stored_once_whatever_the_epochs():
    method = Keeping()
    learnt(method)
    held = method.store.examples()
    assert held.x.flatten().sort().values.tolist() == (torch.arange(40) / 100).tolist()
    assert method.store.tasks().bincount().tolist() == [20, 20]
    assert method.outputs == 4


def test_examples_of_other_tasks_among_a_step_are_left_out():
    method = Keeping()
    learner = learnt(method, tasks=1)
    batch = Batch(torch.tensor([[7.0], [8.0]]), torch.tensor([0, 2]), torch.tensor([0, 1]))
    learner.task, learner.epoch = learner.stream.task(1), 0
    method.after_step(learner, batch)
    assert len(method.store) == 21
    assert method.store.examples().x[20].item() == 8.0


def test_there_is_no_state_before_the_memory_is_made():
    method = Keeping()
    assert method.state() == {}
    method.load_state({})
    assert method.store is None


def test_a_memory_is_opened_once_and_comes_back_from_its_state():
    method, again = Keeping(), Keeping()
    learner = learnt(method)
    assert method.opened(learner) is method.store
    assert len(method.state()["examples.x"]) == 40
    again.load_state(method.state())
    assert again.opened(learner) is again.store
    assert all(torch.equal(again.state()[k], v) for k, v in method.state().items())
