"""DER and DER++: what is stored, and the two terms."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy, mse_loss

from bioncl.learning.loop import learn_stream
from bioncl.learning.method import Method, Together
from bioncl.methods.der import DER
from bioncl.models.mlp import MLP
from bioncl.seeding import torch_generator
from bioncl.streams.stream import Batch


class Note(Method):
    """Remembers what the network, as it is after each step, says about the batch."""

    def __init__(self):
        self.said = {}

    def after_step(self, learner, batch):
        learner.model.eval()
        if learner.epoch == 0:
            for x, z in zip(batch.x, learner.model(batch.x).detach(), strict=True):
                self.said[tuple(x.flatten().tolist())] = z
        learner.model.train()


def test_stored_logits_are_those_of_the_moment_of_storing(toy_stream, toy_learner):
    """Though the network has changed since; dropout is off for them."""
    method, note = DER(memory=20), Note()
    learner = toy_learner(toy_stream(), MLP(hidden=(8,), dropout=0.5), epochs=3, lr=0.5)
    list(learn_stream(learner, Together([method, note])))
    held = method.store.examples()
    wanted = torch.stack([note.said[tuple(x.flatten().tolist())] for x in held.x])
    torch.testing.assert_close(method.logits[: len(held)], wanted)
    learner.model.use_task(None)
    assert not torch.allclose(learner.model(held.x), wanted, atol=0.1)


@pytest.mark.parametrize("batch", [0, 3])
def test_terms_are_those_of_the_formula(toy_stream, toy_learner, batch):
    """Mean square on one draw and cross-entropy on another, from the same generator."""
    stream, method = toy_stream(), DER(memory=20, alpha=0.7, beta=0.3, batch=batch)
    learner = toy_learner(stream, lr=0.5)
    next(learn_stream(learner, Together([method])))
    task = stream.task(1)
    learner.begin(task)
    held, generator = method.store.examples(), torch_generator(0, "task", 1)
    first, second = (torch.randperm(20, generator=generator)[: batch or 5] for _ in range(2))
    wanted = 0.7 * mse_loss(learner.model(held.x[first]), method.logits[first])
    wanted += 0.3 * cross_entropy(learner.model(held.x[second]), held.y[second])
    found = method.extra_loss(learner, Batch(task.train.x[:5], task.train.y[:5], 1))
    torch.testing.assert_close(found, wanted)


def test_right_after_storing_the_logits_cost_nothing(toy_stream, toy_learner):
    """The distance is that of the network from itself."""
    stream, method = toy_stream(), DER(memory=24, alpha=1.0, beta=0.0)
    learner = toy_learner(stream)
    task = stream.task(0)
    learner.begin(task)
    method.before_task(learner, task)
    batch = Batch(task.train.x, task.train.y, 0)
    assert method.extra_loss(learner, batch) is None
    method.after_step(learner, batch)
    assert method.extra_loss(learner, batch).item() < 1e-12


def test_outputs_that_were_not_there_do_not_count(toy_stream, toy_learner):
    """A growing head: logits stored in the first task say nothing about later outputs."""
    stream, method = toy_stream(), DER(memory=24, alpha=1.0, beta=0.0)
    learner = toy_learner(stream, MLP(hidden=(8,), head="growing"), lr=0.1)
    next(learn_stream(learner, Together([method])))
    learner.begin(stream.task(1))
    held = method.store.examples()
    found = method.distance(learner, held.x, method.logits[: len(held)])
    wanted = mse_loss(learner.model(held.x)[:, :2], method.logits[: len(held), :2])
    torch.testing.assert_close(found, wanted)
    assert found < 100


@pytest.mark.parametrize("scenario", ["task", "domain", "class"])
def test_it_forgets_less_than_nothing_at_all(toy_stream, toy_learner, scenario):
    options = {"lr": 0.5, "epochs": 30}
    stream = toy_stream(scenario)
    model = MLP(hidden=(8,), head="masked" if scenario == "task" else "single")
    plain = list(learn_stream(toy_learner(stream, model, **options), Together([Method()])))
    method = DER(memory=24)
    held = list(learn_stream(toy_learner(stream, model, **options), Together([method])))
    assert held[-1].scores.tasks[0] >= 0.9
    assert scenario != "class" or plain[-1].scores.tasks[0] < 0.5


def test_logits_count_as_stored(toy_stream, toy_learner):
    """20 images of 16 numbers, labels, tasks, and four logits each."""
    method = DER(memory=20)
    methods = Together([method])
    list(learn_stream(toy_learner(toy_stream()), methods))
    assert methods.memory_bytes()["stored_examples"] == 20 * (16 * 4 + 8 + 8 + 4 * 4)
