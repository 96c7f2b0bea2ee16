"""The LeNet-like network: shapes, re-entry, weights, against torch's own layers."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from bioncl.errors import SettingsError, UnsupportedError
from bioncl.models.convnet import ConvNet
from bioncl.models.convolution import convolution

GROUPS = [(0, 1), (2, 3)]
X = torch.rand(5, 1, 12, 12, generator=torch.Generator().manual_seed(1))


def built(settings: ConvNet, seed: int = 0, shape=(1, 12, 12)):
    return settings.build(shape, 4, GROUPS, seed).eval()


@pytest.mark.parametrize("pooling", ["max", "avg"])
def test_forward_is_what_torch_computes_step_by_step(pooling):
    """Convolution, ReLU, pooling, twice; then linear, ReLU, head."""
    model = built(ConvNet(channels=(3, 4), kernel=3, hidden=(6,), pooling=pooling))
    w = model.state_dict()
    pool = functional.max_pool2d if pooling == "max" else functional.avg_pool2d
    h = X
    for i in (0, 1):
        h = functional.conv2d(h, w[f"parts.{i}.unit.weight"], w[f"parts.{i}.unit.bias"], padding=1)
        h = pool(h.clamp(min=0), 2)
    h = functional.linear(h.flatten(1), w["parts.2.unit.weight"], w["parts.2.unit.bias"])
    expected = functional.linear(h.clamp(min=0), w["head.linear.weight"], w["head.linear.bias"])
    assert torch.allclose(model(X), expected, atol=1e-6)


@pytest.mark.parametrize(
    "settings",
    [
        ConvNet(channels=(3, 4), batch_norm=True, head="per-task"),
        ConvNet(channels=(2,), hidden=(), bias=False),
        ConvNet(channels=(3,), hidden=(7, 6), output="relu", dropout=0.3),
    ],
)
def test_activations_re_enter_at_their_layer(settings):
    """Going on from the activations of any layer gives the logits of the whole network."""
    model = built(settings)
    found = model.activations(X)
    assert len(found) == len(model.layers)
    for name, active in zip(model.layers[:-1], found, strict=False):
        assert torch.equal(model(active, entry=name), model(X))
    expected = model(X).relu() if model.output == "relu" else model(X).softmax(1)
    assert torch.equal(found[-1], expected)


def test_names_and_shapes():
    """Two poolings quarter height and width."""
    model = built(ConvNet(channels=(3, 4), hidden=(6,)))
    assert model.layers == ("conv1", "conv2", "hidden1", "output")
    shapes = [tuple(a.shape) for a in model.activations(X)]
    assert shapes == [(5, 3, 6, 6), (5, 4, 3, 3), (5, 6), (5, 4)]


def test_weights_come_from_the_seed_alone():
    """Neither read nor move torch's own generator; another seed gives others."""
    before = torch.get_rng_state()
    one, same, other = built(ConvNet()), built(ConvNet()), built(ConvNet(), seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    for name, value in one.state_dict().items():
        assert torch.equal(value, same.state_dict()[name])
    assert not torch.equal(one.parts[0].unit.weight, other.parts[0].unit.weight)


def test_he_weights_have_their_spread():
    """The variance is 2 over the inputs of one output: channels times the kernel's area."""
    layer = convolution((8, 200, 5), seed=0, name="a")
    assert layer.weight.std().item() == pytest.approx((2 / (8 * 25)) ** 0.5, rel=0.02)
    assert layer.bias is None


def test_torch_bounds_are_those_of_conv2d():
    """Torch's own layer of this shape stays within the same bound, and fills it."""
    own = torch.nn.Conv2d(4, 50, 3)
    layer = convolution((4, 50, 3), seed=0, name="a", bias=True, initial="torch")
    assert layer.weight.abs().max().item() == pytest.approx(own.weight.abs().max().item(), rel=0.02)


def test_heads_block_other_tasks():
    """With a task chosen, softmax gives the outputs of others nothing."""
    model = built(ConvNet(head="masked"))
    model.use_task(1)
    assert torch.all(model(X).softmax(1)[:, :2] == 0)


def test_what_does_not_fit_is_refused():
    """Flat inputs, inputs that pooling would use up, unknown entries, being taken for a chain."""
    with pytest.raises(SettingsError, match="expected channels, height, width"):
        built(ConvNet(), shape=(64,))
    with pytest.raises(SettingsError, match="expected at least 16, got 12 and 12"):
        built(ConvNet(channels=(1, 1, 1, 1)))
    with pytest.raises(SettingsError, match="The masked head blocks outputs"):
        built(ConvNet(head="masked", output="relu"))
    model = built(ConvNet())
    with pytest.raises(UnsupportedError, match="expected input, conv1, conv2, hidden1, got output"):
        model(X, entry="output")
    for act in (model.stack, lambda: model.write_stack([])):
        with pytest.raises(UnsupportedError, match="no chain of linear layers"):
            act()
