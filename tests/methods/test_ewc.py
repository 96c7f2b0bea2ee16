"""EWC and its online form: the penalty, what is kept for how many tasks, and its effect."""

from __future__ import annotations

import pytest
import torch

from bioncl.learning.loop import learn_stream, train_task
from bioncl.learning.method import Together
from bioncl.methods.ewc import EWC
from bioncl.methods.online_ewc import OnlineEWC
from bioncl.models.convnet import ConvNet
from bioncl.models.mlp import MLP
from bioncl.streams.stream import Batch


def begun(learner, method, tasks):
    """Learn `tasks` tasks, then begin the next; return the batch of all its data."""
    for index in range(tasks):
        train_task(learner, Together([method]), learner.stream.task(index))
    task = learner.stream.task(tasks)
    learner.begin(task)
    method.before_task(learner, task)
    return Batch(task.train.x, task.train.y, tasks)


def added(learner, method, batch):
    """The gradient that the method adds to a zero one."""
    for p in learner.model.parameters():
        p.grad = torch.zeros_like(p)
    method.adjust_gradient(learner, batch)
    return {name: p.grad.clone() for name, p in learner.model.named_parameters()}


@pytest.mark.parametrize("method", [EWC, OnlineEWC])
def test_nothing_pulls_where_one_task_ended(method, toy_stream, toy_learner):
    learner, chosen = toy_learner(toy_stream()), method(strength=10.0)
    batch = begun(learner, chosen, 1)
    assert chosen.pull.penalty(learner.model).item() == 0
    assert all(g.abs().max() == 0 for g in added(learner, chosen, batch).values())


def test_the_gradient_is_strength_times_fisher_times_distance(toy_stream, toy_learner):
    """Of both old tasks: λ Σ_k F^k (θ − θ^k), each with its own anchor."""
    learner, method = toy_learner(toy_stream(tasks=3)), EWC(strength=3.0)
    batch = begun(learner, method, 2)
    learner.set_vector(learner.vector() + 0.1)
    assert len(method.fishers) == len(method.anchors) == 2
    assert not torch.equal(*(anchor["trunk.0.weight"] for anchor in method.anchors))
    found = added(learner, method, batch)
    for name, p in learner.model.named_parameters():
        pairs = zip(method.fishers, method.anchors, strict=True)
        expected = sum(3.0 * f[name] * (p.detach() - a[name]) for f, a in pairs)
        assert torch.allclose(found[name], expected, atol=1e-7), name
        assert all(fisher[name].min() >= 0 for fisher in method.fishers)


def test_the_gradient_of_the_loss_is_kept(toy_stream, toy_learner):
    learner, method = toy_learner(toy_stream()), EWC(strength=5.0)
    batch = begun(learner, method, 1)
    learner.set_vector(learner.vector() + 0.1)
    penalty = added(learner, method, batch)
    learner.model.zero_grad()
    learner.loss(batch).backward()
    loss = {name: p.grad.clone() for name, p in learner.model.named_parameters()}
    method.adjust_gradient(learner, batch)
    for name, p in learner.model.named_parameters():
        assert torch.allclose(p.grad, loss[name] + penalty[name])


def after(learner, method, tasks):
    for index in range(tasks):
        train_task(learner, Together([method]), learner.stream.task(index))
    return method


def test_online_with_gamma_one_is_the_sum_and_with_zero_the_last(toy_stream, toy_learner):
    """Without a penalty all learners take the same path, so their Fisher information agrees."""
    stream = toy_stream(tasks=3)
    separate = after(toy_learner(stream), EWC(strength=0.0), 3)
    total, half, last = (
        after(toy_learner(stream), OnlineEWC(strength=0.0, gamma=gamma), 3)
        for gamma in (1.0, 0.5, 0.0)
    )
    for name in separate.fishers[0]:
        first, second, third = (fisher[name] for fisher in separate.fishers)
        assert torch.allclose(total.running[name], first + second + third)
        assert torch.allclose(half.running[name], first / 4 + second / 2 + third)
        assert torch.equal(last.running[name], third)


@pytest.mark.parametrize("method", [EWC(strength=1e4), OnlineEWC(strength=1e4)])
def test_a_strong_penalty_holds_weights_that_matter(method, toy_stream, toy_learner):
    """The first task's half of weights with most information moves less than without."""

    def moved(method):
        learner = toy_learner(toy_stream(), epochs=5, lr=0.001, optimizer="adam")
        train_task(learner, Together([method]), learner.stream.task(0))
        before = learner.model.hidden()[0].weight.detach().clone()
        train_task(learner, Together([method]), learner.stream.task(1))
        return (learner.model.hidden()[0].weight.detach() - before).abs()

    fisher = after(toy_learner(toy_stream(), epochs=5, lr=0.001, optimizer="adam"), EWC(), 1)
    weights = fisher.fishers[0]["trunk.0.weight"]
    matter = weights > weights.median()
    free = moved(EWC(strength=0.0))
    held = moved(method)
    assert held[matter].mean() < 0.5 * free[matter].mean()


@pytest.mark.parametrize("method", [EWC(strength=30.0, samples=7), OnlineEWC(samples=7)])
@pytest.mark.parametrize("head", ["single", "growing"])
def test_going_on_after_each_task_changes_nothing(method, head, toy_stream, toy_learner, learnt):
    def make():
        return toy_learner(toy_stream(tasks=3), MLP(hidden=(8,), head=head), epochs=2)

    whole, _, scores = learnt(make, method)
    for stop in (1, 2):
        learner, _, resumed = learnt(make, method, stops=(stop,))
        assert torch.equal(learner.vector(), whole.vector())
        assert resumed == scores


def test_memory_is_what_the_papers_count(toy_stream, toy_learner):
    """EWC: F of each task and θ* of each but the latest, which is the network; online: F."""
    learner = toy_learner(toy_stream(tasks=3))
    parameters = 4 * learner.vector().numel()
    separate, online = Together([EWC()]), Together([OnlineEWC()])
    list(learn_stream(learner, separate))
    list(learn_stream(toy_learner(toy_stream(tasks=3)), online))
    assert separate.memory_bytes() == {"stored_examples": 0, "method_state": 5 * parameters}
    assert online.memory_bytes() == {"stored_examples": 0, "method_state": parameters}


def test_a_night_moves_the_anchor(toy_stream, toy_learner):
    """What changes the network between tasks is not undone: there the penalty is zero."""
    learner, method = toy_learner(toy_stream()), EWC(strength=5.0)
    train_task(learner, Together([method]), learner.stream.task(0))
    learner.set_vector(learner.vector() * 0.9)
    learner.begin(learner.stream.task(1))
    method.before_task(learner, learner.stream.task(1))
    assert method.pull.penalty(learner.model).item() == 0


@pytest.mark.parametrize("scenario", ["task", "domain", "class"])
def test_convolutions_and_all_scenarios(scenario, toy_stream, toy_learner):
    head = "per-task" if scenario == "task" else "single"
    settings = ConvNet(channels=(3,), kernel=3, hidden=(6,), batch_norm=True, head=head)
    learner = toy_learner(toy_stream(scenario), settings)
    method = EWC(strength=1.0)
    list(learn_stream(learner, Together([method])))
    assert set(method.fishers[1]) == {name for name, _ in learner.model.named_parameters()}
    assert method.fishers[1]["parts.0.unit.conv.weight"].max() > 0
