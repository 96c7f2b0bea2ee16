"""Online EWC by itself; what it shares with EWC is tested in test_ewc."""

from __future__ import annotations

import torch

from bioncl.learning.loop import train_task
from bioncl.learning.method import Together
from bioncl.methods.online_ewc import OnlineEWC
from bioncl.streams.stream import Batch


def test_the_penalty_goes_around_the_latest_network(toy_stream, toy_learner):
    """λ (F¹ + F²)(θ − θ²) after two tasks: the anchor moves along, the importance adds up."""
    learner, method = toy_learner(toy_stream(tasks=3)), OnlineEWC(strength=4.0)
    for index in range(2):
        train_task(learner, Together([method]), learner.stream.task(index))
    anchor = {name: p.detach().clone() for name, p in learner.model.named_parameters()}
    task = learner.stream.task(2)
    learner.begin(task)
    method.before_task(learner, task)
    learner.set_vector(learner.vector() - 0.2)
    for p in learner.model.parameters():
        p.grad = torch.zeros_like(p)
    method.adjust_gradient(learner, Batch(task.train.x, task.train.y, 2))
    for name, p in learner.model.named_parameters():
        expected = 4.0 * method.running[name] * (p.detach() - anchor[name])
        assert torch.allclose(p.grad, expected)
        assert p.grad.max() <= 0
