"""Layers as matrices on vectors: against the layers themselves and autograd."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bioncl.errors import UnsupportedError
from bioncl.learning.affine import (
    gradient,
    of_place,
    places,
    recorded,
    size,
    vectors,
    write_gradient,
)
from bioncl.models.convnet import ConvNet
from bioncl.models.mlp import MLP
from bioncl.models.resnet import ResNet

LAYERS = {
    "linear": (lambda: nn.Linear(5, 3), (7, 5)),
    "linear without bias": (lambda: nn.Linear(5, 3, bias=False), (7, 5)),
    "convolution": (lambda: nn.Conv2d(2, 3, 3, padding=1), (4, 2, 6, 5)),
    "strided": (lambda: nn.Conv2d(2, 3, 3, stride=2, dilation=2, bias=False), (4, 2, 7, 9)),
}
EACH = pytest.mark.parametrize("name", LAYERS)


def made(name):
    """A layer, inputs, and its matrix."""
    torch.manual_seed(0)
    make, shape = LAYERS[name]
    layer = make()
    matrix = layer.weight.detach().flatten(1)
    if layer.bias is not None:
        matrix = torch.cat([matrix, layer.bias.detach()[:, None]], 1)
    return layer, torch.randn(shape), matrix


@EACH
def test_the_layer_is_its_matrix_on_its_vectors(name):
    layer, x, matrix = made(name)
    wanted = layer(x)
    rows = wanted.movedim(1, -1).reshape(-1, wanted.shape[1])
    assert size(layer) == matrix.shape[1]
    torch.testing.assert_close(vectors(layer, x) @ matrix.T, rows, rtol=1e-5, atol=1e-6)


@EACH
def test_the_gradient_is_that_of_the_matrix(name):
    """And what is written is what the optimiser sees."""
    layer, x, matrix = made(name)
    assert gradient(layer) is None
    layer(x).square().sum().backward()
    free = matrix.clone().requires_grad_()
    (vectors(layer, x) @ free.T).square().sum().backward()
    torch.testing.assert_close(gradient(layer), free.grad, rtol=1e-4, atol=1e-4)
    write_gradient(layer, 2 * free.grad)
    assert layer.weight.grad.shape == layer.weight.shape
    torch.testing.assert_close(gradient(layer), 2 * free.grad)


def test_calls_have_inputs_and_what_came_back():
    """Uses in the loss add up; one that the loss is free of gets nothing."""
    layer = nn.Linear(4, 3)
    x = [torch.randn(n, 4) for n in (2, 5, 1)]
    with recorded([layer]) as calls:
        outputs = [layer(part) for part in x]
        (outputs[0].square().sum() + outputs[1].sum()).backward()
    layer(x[0])
    assert len(calls) == 3
    assert all(torch.equal(call.x, part) for call, part in zip(calls, x, strict=True))
    torch.testing.assert_close(calls[0].delta, 2 * outputs[0].detach())
    assert torch.equal(calls[1].delta, torch.ones(5, 3))
    assert calls[2].delta is None


def test_blocks_of_one_head_share_their_place():
    model = MLP(hidden=(6, 5), head="per-task").build((4,), 4, [(0, 1), (2, 3)], 0)
    found = places(model, "x", head=True)
    assert list(found) == ["trunk.0", "trunk.1", "head"]
    assert found["head"] == list(model.head.blocks)
    assert list(places(model, "x", head=False)) == ["trunk.0", "trunk.1"]
    with recorded(found["head"]) as calls:
        model.use_task(1)
        model(torch.randn(3, 4))
    assert [call.layer for call in of_place(found["head"], calls)] == [model.head.blocks[1]]


def test_frozen_layers_are_left_out():
    model = ConvNet(channels=(2,), hidden=(3,)).build((1, 4, 4), 2, [(0, 1)], 0)
    model.parts[0].requires_grad_(False)
    assert list(places(model, "x", head=True)) == ["parts.1.unit", "head"]


@pytest.mark.parametrize("settings", [ResNet(width=2), ConvNet(channels=(2,), batch_norm=True)])
def test_batch_norm_is_refused(settings):
    model = settings.build((1, 8, 8), 2, [(0, 1)], 0)
    with pytest.raises(UnsupportedError, match="BatchNorm"):
        places(model, "x", head=True)


def test_grouped_convolutions_are_refused():
    model = MLP(hidden=(6,)).build((4,), 2, [(0, 1)], 0)
    model.trunk[0] = nn.Conv2d(2, 2, 3, groups=2)
    with pytest.raises(UnsupportedError, match="groups"):
        places(model, "x", head=True)
