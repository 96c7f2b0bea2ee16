"""Figures of a twin against the same figures computed in the open."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bioncl.errors import InputError
from bioncl.models.convnet import ConvNet
from bioncl.spiking.graph.activations import activations
from bioncl.spiking.graph.fidelity import fidelity
from bioncl.spiking.graph.normalise import normalise
from bioncl.spiking.graph.rate import Coding, rate_code
from bioncl.spiking.graph.tracing import trace


def test_figures_are_those_of_all_inputs_at_once() -> None:
    """Accuracy, agreement and errors over batches equal those of one batch, by definition."""
    model = ConvNet((3,), hidden=(6,), batch_norm=True).build((1, 6, 6), 4, [[0, 1, 2, 3]], 0)
    x, y = torch.rand(23, 1, 6, 6), torch.randint(4, (23,))
    model.train()
    graph = trace(model, x[:1]).graph
    normalise(graph, x)
    found = fidelity(model, graph, x, y, (3, 20), batch=10)
    assert model.training
    decided = model.eval()(x).argmax(1)
    twin = rate_code(graph, x, (3, 20))
    assert found.samples == 23
    assert found.ann_accuracy == pytest.approx((decided == y).float().mean().item())
    for steps, logits in twin.logits.items():
        choice = logits.argmax(1)
        assert found.twin_accuracy[steps] == pytest.approx((choice == y).float().mean().item())
        assert found.agreement[steps] == pytest.approx((choice == decided).float().mean().item())
    true = activations(graph, x)
    assert list(found.errors) == [p.name for p in graph.populations[:-1]]
    for name, error in found.errors.items():
        gap = (twin.rates[name] - true[name]).abs().mean().item()
        assert error.mean_absolute == pytest.approx(gap, rel=1e-5)
        assert error.relative == pytest.approx(gap / true[name].mean().item(), rel=1e-5)


def test_a_long_twin_decides_as_its_network() -> None:
    """After 1,024 steps without clipped rates all decisions agree, and errors are small."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(8, 30), nn.ReLU(), nn.Linear(30, 30), nn.ReLU(), nn.Linear(30, 4)
    )
    x = torch.rand(60, 8)
    graph = trace(model, x[:1]).graph
    normalise(graph, x, "max")
    found = fidelity(model, graph, x, model(x).argmax(1), (2, 1024), coding=Coding(signed=True))
    assert found.ann_accuracy == 1.0
    assert found.twin_accuracy == found.agreement
    assert found.agreement[1024] >= 59 / 60
    assert all(error.relative < 0.02 for error in found.errors.values())


def test_inputs_and_outputs_must_match() -> None:
    """As many inputs as outputs, and one at least."""
    model = nn.Linear(3, 2)
    graph = trace(model, torch.zeros(1, 3)).graph
    for x, y in ((torch.zeros(0, 3), torch.zeros(0)), (torch.zeros(2, 3), torch.zeros(3))):
        with pytest.raises(InputError, match="equally many"):
            fidelity(model, graph, x, y)
