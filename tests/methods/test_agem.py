"""A-GEM: its formula, and which examples judge a step."""

from __future__ import annotations

import pytest
import torch

from bioncl.learning.loop import learn_stream
from bioncl.learning.method import Method, Together
from bioncl.methods import agem, gem
from bioncl.methods.agem import AGEM
from bioncl.models.mlp import MLP
from bioncl.streams.stream import Batch


def pairs(count=50, size=20):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, 2, size, generator=generator, dtype=torch.float64)


def test_no_step_goes_against_the_reference():
    """And steps that would not have gone against it are the very same."""
    violated = 0
    for gradient, reference in pairs():
        found = agem.project(gradient, reference)
        assert found @ reference >= -1e-7
        if gradient @ reference >= 0:
            assert found is gradient
        else:
            violated += 1
    assert 10 < violated < 40


def test_it_is_gem_with_one_constraint():
    for gradient, reference in pairs():
        wanted = gem.project(gradient, reference[None], margin=0.0, ridge=0.0)
        found = agem.project(gradient, reference)
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)


def test_a_reference_of_zero_changes_nothing():
    gradient = pairs()[0][0]
    assert agem.project(gradient, torch.zeros_like(gradient)) is gradient


class Watch(Method):
    """Computes each step anew from what the method drew, at the weights of the step."""

    def __init__(self, method):
        self.method, self.drawn, self.found, self.violated = method, [], [], 0
        inner = method.drawn

        def noting(learner, old):
            batch = inner(learner, old)
            self.drawn.append((learner.task.index, batch))
            return batch

        method.drawn = noting

    def adjust_gradient(self, learner, batch):
        if learner.task.index == 0:
            return
        index, reference = self.drawn[-1]
        assert index == learner.task.index
        wanted, r = learner.gradient_of(batch), learner.gradient_of(reference)
        if wanted @ r < 0:
            self.violated += 1
            wanted = wanted - (wanted @ r) / (r @ r) * r
        self.found.append((learner.gradient(), wanted))


@pytest.mark.parametrize("scenario", ["task", "domain", "class"])
def test_each_step_uses_old_examples_at_the_present_weights(toy_stream, toy_learner, scenario):
    head = "masked" if scenario == "task" else "single"
    method = AGEM(per_class=4, reference_batch=5)
    watch = Watch(method)
    learner = toy_learner(toy_stream(scenario, tasks=3), MLP(hidden=(8,), head=head), epochs=4)
    list(learn_stream(learner, Together([method, watch])))
    assert watch.violated > 0
    for found, wanted in watch.found:
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
    for index, batch in watch.drawn:
        assert len(batch) == 5
        assert int(batch.task.max()) < index
    assert {task for _, batch in watch.drawn for task in batch.task.tolist()} == {0, 1}


@pytest.mark.parametrize("scenario", ["domain", "class"])
def test_memory_has_as_many_of_each_class_of_each_task(toy_stream, toy_learner, scenario):
    """Where tasks share labels, too: later tasks do not push out earlier ones."""
    method = AGEM(per_class=4)
    list(learn_stream(toy_learner(toy_stream(scenario, tasks=3)), Together([method])))
    held, tasks = method.store.examples(), method.store.tasks()
    pairs_held = list(zip(tasks.tolist(), held.y.tolist(), strict=True))
    assert len(pairs_held) == 24
    assert {pairs_held.count(pair) for pair in pairs_held} == {4}


def test_it_forgets_less_than_nothing_at_all(toy_stream, toy_learner):
    options = {"lr": 0.1, "epochs": 60}
    plain = list(learn_stream(toy_learner(toy_stream(), **options), Together([Method()])))
    held = list(learn_stream(toy_learner(toy_stream(), **options), Together([AGEM(per_class=12)])))
    assert held[-1].scores.tasks[0] > plain[-1].scores.tasks[0] + 0.3


def test_a_batch_of_task_numbers_is_kept_with_its_examples(toy_stream, toy_learner):
    """Examples of other tasks among the batch are not stored as this task's."""
    stream = toy_stream()
    learner, method = toy_learner(stream), AGEM(per_class=4)
    learner.begin(stream.task(1))
    method.before_task(learner, stream.task(1))
    old, new = stream.task(0).train.first(4), stream.task(1).train.first(4)
    tasks = torch.tensor([0] * 4 + [1] * 4)
    batch = Batch(torch.cat([old.x, new.x]), torch.cat([old.y, new.y]), tasks)
    learner.epoch = 0
    method.after_step(learner, batch)
    assert method.store.tasks().tolist() == [1] * 4
