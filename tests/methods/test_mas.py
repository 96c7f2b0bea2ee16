"""MAS: importance against plain loops, its penalty, and going on from a state."""

from __future__ import annotations

import pytest
import torch

from bioncl.learning.loop import train_task
from bioncl.learning.method import Together
from bioncl.methods.mas import MAS
from bioncl.models.convnet import ConvNet
from bioncl.models.mlp import MLP
from bioncl.streams.stream import Batch

NETS = {
    "mlp": MLP(hidden=(8,), head="masked"),
    "convnet": ConvNet(channels=(3,), kernel=3, hidden=(6,), batch_norm=True, head="per-task"),
}


@pytest.mark.parametrize("batch", [1, 10])
@pytest.mark.parametrize("net", NETS)
def test_importance_by_its_definition(net, batch, toy_stream, toy_learner):
    """Mean over batches of |∇ mean ‖f‖²|, of the task's own two outputs."""
    learner, method = toy_learner(toy_stream("task"), NETS[net]), MAS(batch=batch)
    task = learner.stream.task(0)
    train_task(learner, Together([method]), task)
    learner.model.eval()
    names, parameters = zip(*learner.model.named_parameters(), strict=True)
    sums = [torch.zeros_like(p) for p in parameters]
    parts = task.train.x.split(batch)
    for x in parts:
        length = learner.model(x)[:, [0, 1]].square().sum(1).mean()
        found = torch.autograd.grad(length, parameters, allow_unused=True)
        for total, gradient in zip(sums, found, strict=True):
            total.add_(0 if gradient is None else gradient.abs())
    for name, total in zip(names, sums, strict=True):
        assert torch.allclose(method.omega[name], total / len(parts), rtol=1e-4, atol=1e-6), name
    assert method.omega[names[0]].max() > 0.01


def test_gradients_of_examples_cancel_in_batches(toy_stream, toy_learner):
    """The triangle inequality, for every parameter; together it is strict."""
    omegas = []
    for batch in (1, 24):
        learner, method = toy_learner(toy_stream()), MAS(batch=batch)
        train_task(learner, Together([method]), learner.stream.task(0))
        omegas.append(torch.cat([o.flatten() for o in method.omega.values()]))
    assert (omegas[1] <= omegas[0] * (1 + 1e-4) + 1e-7).all()
    assert omegas[1].sum() < 0.995 * omegas[0].sum()


def test_labels_do_not_matter(toy_stream, toy_learner):
    learner, method = toy_learner(toy_stream(), epochs=0), MAS()
    task = learner.stream.task(0)
    train_task(learner, Together([method]), task)
    first = method.omega
    task.train.y.copy_(1 - task.train.y)
    method.omega = {}
    method.after_task(learner, task)
    assert all(torch.equal(first[name], method.omega[name]) for name in first)


def test_importance_adds_up_and_the_penalty_has_no_factor_one_half(toy_stream, toy_learner):
    """Gradient 2 strength Ω (θ − θ*), with Ω of both old tasks."""
    stream = toy_stream(tasks=3)
    learner, method, parts = toy_learner(stream), MAS(strength=0.2), []
    for index in range(2):
        before = method.omega
        train_task(learner, Together([method]), stream.task(index))
        parts.append({n: o - before.get(n, 0) for n, o in method.omega.items()})
    assert all(part["trunk.0.weight"].max() > 0 for part in parts)
    anchor = {name: p.detach().clone() for name, p in learner.model.named_parameters()}
    task = stream.task(2)
    learner.begin(task)
    method.before_task(learner, task)
    learner.set_vector(learner.vector() + 0.1)
    for p in learner.model.parameters():
        p.grad = torch.zeros_like(p)
    method.adjust_gradient(learner, Batch(task.train.x, task.train.y, 2))
    for name, p in learner.model.named_parameters():
        omega = parts[0][name] + parts[1][name]
        assert torch.allclose(p.grad, 0.4 * omega * (p.detach() - anchor[name]), rtol=1e-4)


@pytest.mark.parametrize("batch", [1, 8])
def test_going_on_after_a_task_changes_nothing(batch, toy_stream, toy_learner, learnt):
    def make():
        return toy_learner(toy_stream(tasks=3))

    method = MAS(strength=0.5, samples=11, batch=batch)
    whole, methods, scores = learnt(make, method)
    learner, _, resumed = learnt(make, method, stops=(2,))
    assert torch.equal(learner.vector(), whole.vector())
    assert resumed == scores
    assert methods.memory_bytes()["method_state"] == 4 * whole.vector().numel()
