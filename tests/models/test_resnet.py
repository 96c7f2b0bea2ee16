"""The residual network: depth, one unit written out, re-entry, weights."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from bioncl.errors import SettingsError
from bioncl.models.resnet import Block, ResNet

X = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def built(settings: ResNet, seed: int = 0, shape=(3, 8, 8)):
    return settings.build(shape, 4, [(0, 1), (2, 3)], seed).eval()


@pytest.mark.parametrize(("blocks", "depth"), [(1, 8), (3, 20), (5, 32)])
def test_depth_is_six_times_the_blocks_and_two(blocks, depth):
    """Counted are convolutions and linear layers, without those of shortcuts, as papers do."""
    model = built(ResNet(blocks=blocks, width=2))
    kinds = (torch.nn.Conv2d, torch.nn.Linear)
    layers = [n for n, m in model.named_modules() if isinstance(m, kinds) and "projection" not in n]
    assert len(layers) == depth


def test_the_paper_network_has_the_known_number_of_parameters():
    """CIFAR's ResNet-32 has 0.46 million (He et al. 2015, table 6), without projections."""
    model = ResNet(blocks=5, width=16).build((3, 32, 32), 10, [tuple(range(10))], 0)
    sizes = [p.numel() for n, p in model.named_parameters() if "projection" not in n]
    assert round(sum(sizes) / 1e6, 2) == 0.46


@pytest.mark.parametrize(("pre", "post", "stride"), [(3, 3, 1), (3, 5, 2)])
def test_a_block_is_the_published_unit(pre, post, stride):
    """x + conv(relu(bn(conv(relu(bn(x)))))), the shortcut projected where the shape changes."""
    block = Block(pre, post, stride, 0, "b").train()
    active = functional.batch_norm(X, None, None, training=True).clamp(min=0)
    h = functional.conv2d(active, block.first.conv.weight, stride=stride, padding=1)
    h = functional.batch_norm(h, None, None, training=True).clamp(min=0)
    h = functional.conv2d(h, block.second.weight, padding=1)
    if stride == 2:
        shortcut = functional.conv2d(active, block.projection.weight, stride=2)
    else:
        assert block.projection is None
        shortcut = X
    assert torch.allclose(block(X), shortcut + h, atol=1e-5)


def test_activations_re_enter_at_their_layer():
    """Going on from the activations of any layer gives the logits of the whole network."""
    model = built(ResNet(blocks=1, width=2, head="per-task"))
    found = model.activations(X)
    assert model.layers == ("stem", "block1", "block2", "block3", "features", "output")
    assert [a.shape[-1] for a in found] == [8, 8, 4, 2, 8, 4]
    for name, active in zip(model.layers[:-1], found, strict=False):
        assert torch.equal(model(active, entry=name), model(X))


def test_weights_come_from_the_seed_alone():
    """No two convolutions share their weights, and torch's own generator is left alone."""
    before = torch.get_rng_state()
    one, same = built(ResNet(blocks=2)), built(ResNet(blocks=2))
    assert torch.equal(torch.get_rng_state(), before)
    for name, value in one.state_dict().items():
        assert torch.equal(value, same.state_dict()[name])
    assert not torch.equal(one.parts[1].second.weight, one.parts[2].second.weight)


def test_flat_inputs_are_refused():
    """Features have no pixels."""
    with pytest.raises(SettingsError, match="expected channels, height, width"):
        built(ResNet(), shape=(64,))
