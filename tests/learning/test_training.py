"""Settings of training: epochs and learning rates of each task, and the optimisers they make."""

from __future__ import annotations

import pytest
import torch

from bioncl.learning.training import Training, optimizer_state, restore_optimizer


def test_epochs_of_each_task():
    assert [Training(epochs=3).epochs_of(k) for k in range(3)] == [3, 3, 3]
    assert [Training(epochs=(4, 2)).epochs_of(k) for k in range(4)] == [4, 2, 2, 2]


def test_learning_rate_decays_from_task_to_task_down_to_a_floor():
    rates = [Training(lr=0.8, lr_decay=0.5, lr_min=0.15).lr_of(k) for k in range(5)]
    assert rates == pytest.approx([0.8, 0.4, 0.2, 0.15, 0.15])


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_optimiser_has_the_settings_and_learns_only_what_may_learn(name):
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    model[0].requires_grad_(False)
    training = Training(optimizer=name, lr=0.5, lr_decay=0.1, momentum=0.3, weight_decay=0.2)
    optimizer = training.make_optimizer(model, 1)
    group = optimizer.param_groups[0]
    assert type(optimizer).__name__.lower() == name
    assert group["lr"] == pytest.approx(0.05)
    assert group["weight_decay"] == 0.2
    assert name == "adam" or group["momentum"] == 0.3
    assert [id(p) for p in group["params"]] == [id(p) for p in model[1].parameters()]


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_restored_optimiser_takes_the_same_steps(name):
    """One optimiser all along equals one that is made anew and given the state, bit for bit."""
    training = Training(optimizer=name, lr=0.1, momentum=0.9)
    torch.manual_seed(0)
    models = [torch.nn.Linear(3, 2) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    optimizers = [training.make_optimizer(m, 0) for m in models]
    for step in range(4):
        if step == 2:
            state = {k: v.clone() for k, v in optimizer_state(optimizers[1], models[1]).items()}
            optimizers[1] = training.make_optimizer(models[1], 0)
            restore_optimizer(optimizers[1], models[1], state)
        for model, optimizer in zip(models, optimizers, strict=True):
            optimizer.zero_grad()
            model(torch.full((1, 3), step + 1.0)).square().sum().backward()
            optimizer.step()
    assert torch.equal(models[0].weight, models[1].weight)
    assert torch.equal(models[0].bias, models[1].bias)


def test_state_of_parameters_that_are_gone_or_have_another_shape_is_left_out():
    model = torch.nn.Linear(3, 2)
    optimizer = Training(momentum=0.9).make_optimizer(model, 0)
    buffers = {"weight": torch.ones(2, 3), "bias": torch.ones(5), "gone": torch.ones(2)}
    state = {f"{name}:momentum_buffer": value for name, value in buffers.items()}
    restore_optimizer(optimizer, model, state)
    assert set(optimizer_state(optimizer, model)) == {"weight:momentum_buffer"}
