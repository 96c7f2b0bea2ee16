"""Importances equal a plain loop over examples, for every kind of network and head."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bioncl.learning import importance as module
from bioncl.learning.fisher import every_class, log_probability
from bioncl.learning.importance import importance, is_linear
from bioncl.models.convnet import ConvNet
from bioncl.models.mlp import MLP
from bioncl.models.resnet import ResNet
from bioncl.streams.stream import Examples

CPU = torch.device("cpu")
NETS = {
    "mlp": (MLP(hidden=(6, 5)), (7,)),
    "mlp without biases": (MLP(hidden=(6,), bias=False, dropout=0.5), (7,)),
    "mlp, masked": (MLP(hidden=(6,), head="masked"), (7,)),
    "mlp, per task": (MLP(hidden=(6,), head="per-task"), (7,)),
    "mlp, growing": (MLP(hidden=(6,), head="growing"), (7,)),
    "linear": (MLP(hidden=()), (7,)),
    "convnet": (ConvNet(channels=(3,), kernel=3, hidden=(5,), batch_norm=True), (1, 4, 4)),
    "convnet, per task": (ConvNet(channels=(3,), kernel=3, hidden=(), head="per-task"), (1, 4, 4)),
    "resnet": (ResNet(width=2), (1, 4, 4)),
}


def made(name, count=5):
    """A network in double precision, told task 1 of 2, and examples."""
    settings, shape = NETS[name]
    model = settings.build(shape, 4, [(0, 1), (2, 3)], 0).double()
    model.start_task(1)
    model.double().train()
    model(torch.randn(8, *shape, dtype=torch.float64))  # running statistics other than 0 and 1
    model.use_task(1)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(count, *shape, generator=generator, dtype=torch.float64)
    return model, Examples(x, 2 + torch.arange(count) % 2)


def log_likelihood(logits, labels, competing):
    values = log_probability(logits, labels)
    return values, torch.ones_like(values)


def looped(model, examples, rate, power):
    """The definition: one backward pass for each example and each value."""
    model.eval()
    names, parameters = zip(*model.named_parameters(), strict=True)
    sums = {name: torch.zeros_like(p) for name, p in zip(names, parameters, strict=True)}
    competing = torch.tensor([o for o in range(4) if model(examples.x)[0, o] > -1e10])
    for i in range(len(examples)):
        values, weights = rate(model(examples.x[i : i + 1]), examples.y[i : i + 1], competing)
        for value, weight in zip(values[0], weights[0], strict=True):
            found = torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)
            for name, g in zip(names, found, strict=True):
                if g is not None:
                    sums[name] += weight * g.abs() ** power
    return {name: total / len(examples) for name, total in sums.items()}


def assert_same(found, expected):
    assert set(found) == set(expected)
    assert any(value.abs().max() > 1e-6 for value in expected.values())
    for name, value in expected.items():
        assert torch.allclose(found[name], value, rtol=1e-9, atol=1e-15), name


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("rate", [every_class, log_likelihood])
@pytest.mark.parametrize("name", NETS)
def test_it_equals_a_loop_over_examples(name, rate, power):
    model, examples = made(name)
    found = importance(model, examples, rate, power=power, device=CPU)
    assert_same(found, looped(model, examples, rate, power))


@pytest.mark.parametrize("name", ["mlp", "convnet"])
def test_chunks_add_up(name, monkeypatch):
    model, examples = made(name)
    whole = importance(model, examples, every_class, power=2, device=CPU)
    monkeypatch.setattr(module, "LINEAR_CHUNK", 2)
    monkeypatch.setattr(module, "VMAP_NUMBERS", 1)
    assert_same(importance(model, examples, every_class, power=2, device=CPU), whole)


def test_only_chains_of_linear_layers_take_the_short_way():
    assert {name for name in NETS if is_linear(*_first(name))} == {n for n in NETS if n[0] in "ml"}


def _first(name):
    model, examples = made(name)
    return model, examples.x[:1]


class Twice(nn.Module):
    """A layer that is used twice: its gradient is a sum, so no product of two vectors."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4, dtype=torch.float64)

    def forward(self, x):
        return self.layer(self.layer(x).relu())


class NoVmap(nn.Module):
    """Asks for a number in Python, which vmap cannot give."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4, dtype=torch.float64))

    def forward(self, x):
        return x * self.scale if x.sum().item() > 0 else -x * self.scale


@pytest.mark.parametrize("net", [Twice, NoVmap])
def test_networks_that_need_another_way(net):
    torch.manual_seed(0)
    model = net()
    examples = Examples(torch.randn(6, 4, dtype=torch.float64), torch.arange(6) % 4)
    found = importance(model, examples, every_class, power=2, device=CPU)
    assert_same(found, looped(model, examples, every_class, 2))


def test_frozen_parameters_have_none_and_the_mode_stays():
    model, examples = made("mlp")
    model.hidden()[0].requires_grad_(False)
    expected = looped(made("mlp")[0], examples, every_class, 2)
    model.train()
    found = importance(model, examples, every_class, power=2, device=CPU)
    assert model.training
    assert set(expected) - set(found) == {"trunk.0.weight", "trunk.0.bias"}
    assert_same(found, {name: expected[name] for name in found})
    assert all(not value.requires_grad for value in found.values())
