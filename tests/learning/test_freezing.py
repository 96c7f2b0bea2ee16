"""Freezing: frozen numbers keep their bits under every optimiser, free ones learn as ever."""

from __future__ import annotations

import copy

import pytest
import torch

from bioncl.learning.freezing import Freeze
from bioncl.models.mlp import MLP

OPTIMIZERS = {
    "momentum and weight decay": lambda p: torch.optim.SGD(
        p, lr=0.1, momentum=0.9, weight_decay=0.1
    ),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.9),
}


def network():
    return MLP(hidden=(6,), head="per-task").build((4,), 4, [(0, 1), (2, 3)], 0)


def half(model):
    """About half of the numbers of one weight, and a whole bias, are free."""
    generator = torch.Generator().manual_seed(0)
    weight = model.trunk[0].weight
    return {
        "trunk.0.weight": torch.rand(weight.shape, generator=generator) < 0.5,
        "head.blocks.0.bias": torch.ones(2, dtype=torch.bool),
    }


def train(model, optimizer, freeze, steps, masked=True):
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        x = torch.rand(8, 4, generator=generator)
        model.use_task(0)
        optimizer.zero_grad(set_to_none=True)
        model(x)[:, :2].square().sum().backward()
        if freeze and masked:
            freeze.mask_gradient()
        optimizer.step()
        if freeze:
            freeze.restore()


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_frozen_numbers_keep_their_bits(kind, masked):
    """Even if the gradient is not masked, as where another method writes it afterwards."""
    model = network()
    free, start = half(model), {n: p.detach().clone() for n, p in model.named_parameters()}
    train(model, OPTIMIZERS[kind](model.parameters()), Freeze(model, free), 10, masked)
    for name, p in model.named_parameters():
        mask = free.get(name, torch.zeros_like(p, dtype=torch.bool))
        assert torch.equal(p[~mask], start[name][~mask]), name
        if name in free:
            assert (p[mask] != start[name][mask]).any()


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_free_numbers_make_the_step_that_they_would_make_anyway(kind):
    frozen, plain = network(), network()
    free = half(frozen)
    train(frozen, OPTIMIZERS[kind](frozen.parameters()), Freeze(frozen, free), 1)
    train(plain, OPTIMIZERS[kind](plain.parameters()), None, 1)
    wanted = dict(plain.named_parameters())
    for name, mask in free.items():
        assert torch.equal(frozen.get_parameter(name)[mask], wanted[name][mask])


def test_gradients_are_zero_where_nothing_learns():
    model = network()
    free, freeze = half(model), Freeze(model, half(model))
    model.use_task(0)
    model(torch.ones(3, 4))[:, :2].sum().backward()
    before = copy.deepcopy(model.trunk[0].weight.grad)
    freeze.mask_gradient()
    mask = free["trunk.0.weight"]
    assert torch.equal(model.trunk[0].weight.grad[mask], before[mask])
    assert not model.trunk[0].weight.grad[~mask].any()
    assert not model.trunk[0].bias.grad.any()
    assert model.head.blocks[1].weight.grad is None
