"""SI: the path integral, importance, penalty, and which gradient it sees."""

from __future__ import annotations

import pytest
import torch

from bioncl.learning.loop import learn_stream, train_task
from bioncl.learning.method import Method, Together
from bioncl.methods.si import SI
from bioncl.models.mlp import MLP
from bioncl.streams.stream import Batch


def integral_error(toy_stream, toy_learner, lr, epochs):
    """Relative error of Σω against the fall of the loss, for full-batch descent."""
    stream = toy_stream(train=24)
    learner = toy_learner(stream, batch_size=24, lr=lr, epochs=epochs)
    learner.model.double()
    batch = Batch(stream.task(0).train.x.double(), stream.task(0).train.y, 0)
    method = SI()
    before = learner.loss(batch).item()
    learner.begin(stream.task(0))
    method.before_task(learner, stream.task(0))
    learner.make_optimizer()
    for _ in range(epochs):
        learner.optimizer.zero_grad()
        learner.loss(batch).backward()
        method.adjust_gradient(learner, batch)
        learner.optimizer.step()
        method.after_step(learner, batch)
    fall = before - learner.loss(batch).item()
    assert fall > 0.1
    return abs(sum(path.sum().item() for path in method.path.values()) - fall) / fall


def test_the_path_integral_is_the_fall_of_the_loss(toy_stream, toy_learner):
    """The same way in ten times as many steps: ten times smaller error, to the first order."""
    errors = [
        integral_error(toy_stream, toy_learner, lr, epochs)
        for lr, epochs in ((0.1, 20), (0.01, 200), (0.001, 2000))
    ]
    assert errors[0] < 0.2
    assert errors[1] < 0.15 * errors[0]
    assert errors[2] < 0.15 * errors[1]


class Record(Method):
    """Keeps the gradient of the loss and the step, computed by itself."""

    def __init__(self):
        self.sums, self.before, self.gradient = 0.0, None, None

    def adjust_gradient(self, learner, batch):
        self.before, self.gradient = learner.vector(), learner.gradient_of(batch)

    def after_step(self, learner, batch):
        self.sums = self.sums - self.gradient * (learner.vector() - self.before)


def test_importance_by_its_definition_over_two_tasks(toy_stream, toy_learner):
    """The path uses the loss's gradient, not the penalty's, whatever the optimiser does with it."""
    learner = toy_learner(toy_stream(), epochs=3, optimizer="adam", lr=0.01)
    method = SI(c=50.0, xi=0.01)
    expected = 0.0
    for index in range(2):
        record, start = Record(), learner.vector()
        train_task(learner, Together([method, record]), learner.stream.task(index))
        distance = (learner.vector() - start).square()
        expected = expected + record.sums.clamp(min=0) / (distance + 0.01)
    found = torch.cat([method.omega[n].flatten() for n, _ in learner.model.named_parameters()])
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-7)
    assert found.min() == 0
    assert found.max() > 0.1


def test_the_penalty_has_no_factor_one_half(toy_stream, toy_learner):
    """Gradient 2 c Ω (θ − θ*)."""
    learner, method = toy_learner(toy_stream()), SI(c=0.3)
    train_task(learner, Together([method]), learner.stream.task(0))
    anchor = {name: p.detach().clone() for name, p in learner.model.named_parameters()}
    task = learner.stream.task(1)
    learner.begin(task)
    method.before_task(learner, task)
    learner.set_vector(learner.vector() + 0.1)
    batch = Batch(task.train.x, task.train.y, 1)
    for p in learner.model.parameters():
        p.grad = torch.zeros_like(p)
    method.adjust_gradient(learner, batch)
    for name, p in learner.model.named_parameters():
        expected = 2 * 0.3 * method.omega[name] * (p.detach() - anchor[name])
        assert torch.allclose(p.grad, expected, atol=1e-8)


def test_heads_of_other_tasks_are_left_alone(toy_stream, toy_learner):
    stream = toy_stream("task")
    learner = toy_learner(stream, MLP(hidden=(8,), head="per-task"), optimizer="adam")
    method = SI(c=1.0)
    train_task(learner, Together([method]), stream.task(0))
    head = learner.model.head.weight()[:2].detach().clone()
    assert method.omega["head.blocks.1.weight"].abs().max() == 0
    train_task(learner, Together([method]), stream.task(1))
    assert torch.equal(learner.model.head.weight()[:2], head)
    assert method.omega["head.blocks.1.weight"].max() > 0


def test_strength_zero_is_plain_training(toy_stream, toy_learner):
    plain, with_si = toy_learner(toy_stream()), toy_learner(toy_stream())
    list(learn_stream(plain, Together([Method()])))
    list(learn_stream(with_si, Together([SI(c=0.0)])))
    assert torch.equal(plain.vector(), with_si.vector())


@pytest.mark.parametrize("stop", [1, 2])
def test_going_on_after_a_task_changes_nothing(stop, toy_stream, toy_learner, learnt):
    def make():
        return toy_learner(toy_stream(tasks=3), optimizer="adam", lr=0.01, keep_optimizer=True)

    whole, methods, scores = learnt(make, SI(c=1.0))
    learner, _, resumed = learnt(make, SI(c=1.0), stops=(stop,))
    assert torch.equal(learner.vector(), whole.vector())
    assert resumed == scores
    assert methods.memory_bytes()["method_state"] == 4 * whole.vector().numel()
