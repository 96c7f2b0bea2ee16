"""The quadratic pull: its gradient, joining, and names that come and go."""

from __future__ import annotations

import torch
from torch import nn

from bioncl.learning.pull import Pull, place_of, plus, with_prefix, without_prefix


def net(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).double()


def pull_for(model, seed):
    generator = torch.Generator().manual_seed(seed)
    draw = {
        name: [torch.rand(p.shape, generator=generator, dtype=p.dtype) for _ in range(2)]
        for name, p in model.named_parameters()
    }
    return Pull({n: d[0] for n, d in draw.items()}, {n: d[1] for n, d in draw.items()})


def gradient_added(model, pull, factor):
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    pull.add_gradient(model, factor)
    return [p.grad for p in model.parameters()]


def test_the_gradient_in_closed_form_is_that_of_the_penalty():
    model = net()
    pull = pull_for(model, 1)
    expected = torch.autograd.grad(0.7 * pull.penalty(model), list(model.parameters()))
    for found, wanted in zip(gradient_added(model, pull, 0.7), expected, strict=True):
        assert torch.allclose(found, wanted)


def test_at_the_anchor_there_is_neither_penalty_nor_gradient():
    model = net()
    pull = Pull(pull_for(model, 1).importance, place_of(model))
    assert pull.penalty(model).item() == 0
    assert all(g.abs().max() == 0 for g in gradient_added(model, pull, 1.0))


def test_joined_pulls_have_the_sum_of_the_gradients():
    model = net()
    pulls = [pull_for(model, seed) for seed in range(4)]
    pulls[0].importance["0.weight"][0] = 0  # nothing pulls here but the later ones
    del pulls[2].importance["2.bias"], pulls[2].anchor["2.bias"]
    expected = torch.autograd.grad(
        torch.stack([pull.penalty(model) for pull in pulls]).sum(), list(model.parameters())
    )
    found = gradient_added(model, Pull.of(pulls), 1.0)
    for one, wanted in zip(found, expected, strict=True):
        assert torch.allclose(one, wanted)


def test_where_no_pull_has_importance_joining_gives_no_nan():
    model = net()
    zero = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    joined = Pull.of([Pull(zero, place_of(model)), Pull(zero, place_of(net(1)))])
    assert all(g.abs().max() == 0 for g in gradient_added(model, joined, 1.0))


def test_parameters_without_gradient_and_new_ones_are_left_alone():
    model = net()
    pull = pull_for(model, 1)
    del pull.importance["0.bias"]
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    model[2].bias.grad = None
    pull.add_gradient(model, 1.0)
    assert model[2].bias.grad is None
    assert model[0].bias.grad.abs().max() == 0
    assert model[2].weight.grad.abs().min() > 0


def test_named_sums_and_prefixes():
    old, new = {"a": torch.tensor(2.0), "b": torch.tensor(3.0)}, {"b": torch.tensor(1.0)}
    found = plus(old, new | {"c": torch.tensor(5.0)}, 0.5)
    assert {name: v.item() for name, v in found.items()} == {"a": 1.0, "b": 2.5, "c": 5.0}
    assert without_prefix("x.1", with_prefix("x.1", new) | {"x.10.b": old["b"]}) == new
