"""Combining two networks layer by layer, and merging them exactly."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from bioncl.errors import UnsupportedError
from bioncl.models.combine import Combination, alphas, combined, folded, merged, recalibrate, units
from bioncl.models.convnet import ConvNet
from bioncl.models.convolution import ConvNorm
from bioncl.models.mlp import MLP
from bioncl.models.resnet import ResNet

SHAPE = (2, 8, 8)
GROUPS = [(0, 1), (2, 3)]
KINDS = {
    "mlp": MLP(hidden=(7, 6), head="per-task"),
    "mlp without biases": MLP(hidden=(7,), bias=False, head="masked"),
    "convnet": ConvNet(channels=(3, 4), kernel=3, hidden=(6,), head="per-task"),
    "convnet with BatchNorm": ConvNet(channels=(3, 4), batch_norm=True, hidden=(6,)),
    "resnet": ResNet(blocks=1, width=3, head="per-task"),
}
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def unsettled(module: nn.Module, seed: int) -> nn.Module:
    """`module` with random parameters and random BatchNorm statistics."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(0.5 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
        for name, b in module.named_buffers():
            if name.endswith("running_mean"):
                b.copy_(torch.randn(b.shape, generator=generator, dtype=b.dtype))
            if name.endswith("running_var"):
                b.copy_(0.3 + 2 * torch.rand(b.shape, generator=generator, dtype=b.dtype))
    return module.eval()


def network(kind: str, seed: int, dtype=torch.float64):
    return unsettled(KINDS[kind].build(SHAPE, 4, GROUPS, 0).to(dtype), seed)


def inputs(dtype=torch.float64, seed=5, count=6):
    return torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def set_alphas(model: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for alpha in alphas(model):
            alpha.copy_(torch.randn(alpha.shape, generator=generator, dtype=alpha.dtype))


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("kind", KINDS)
def test_merged_does_what_combined_does(kind, dtype):
    """Whole networks, any alpha, any statistics; the size is the original's."""
    source, target = network(kind, 1, dtype), network(kind, 2, dtype)
    both = combined(source, target).eval()
    set_alphas(both, 3)
    one = merged(both)
    x = inputs(dtype)
    scale = both(x).abs().max()
    assert (one(x) - both(x)).abs().max() <= TOLERANCE[dtype] * scale.clamp(min=1)
    assert {n: p.shape for n, p in one.state_dict().items()} == {
        n: p.shape for n, p in source.state_dict().items()
    }


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(
    ("unit", "shape"),
    [
        (nn.Linear(5, 4), (6, 5)),
        (nn.Linear(5, 4, bias=False), (6, 5)),
        (nn.Conv2d(3, 4, 3, padding=1), (6, 3, 5, 5)),
        (nn.Conv2d(3, 4, 1, stride=2, bias=False), (6, 3, 5, 5)),
        (ConvNorm(nn.Conv2d(3, 4, 3, bias=False)), (6, 3, 5, 5)),
        (nn.BatchNorm2d(3), (6, 3, 5, 5)),
        (nn.BatchNorm1d(3), (6, 3)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_kind_of_unit_merges_exactly(unit, shape, dtype):
    """(1 + α_s) f_s + α_t f_t computed by hand, combined, and merged agree."""
    source = unsettled(copy.deepcopy(unit).to(dtype), 1)
    target = unsettled(copy.deepcopy(unit).to(dtype), 2)
    x = torch.rand(shape, generator=torch.Generator().manual_seed(4), dtype=dtype)
    pair = Combination(copy.deepcopy(source), copy.deepcopy(target)).eval()
    set_alphas(pair, 3)
    line = (-1,) + (1,) * (x.dim() - 2)
    keep, add = 1 + pair.alpha_source.view(line), pair.alpha_target.view(line)
    by_hand = keep * source(x) + add * target(x)
    holder = nn.Sequential(pair)
    assert (holder(x) - by_hand).abs().max() <= TOLERANCE[dtype]
    assert (merged(holder)(x) - by_hand).abs().max() <= 10 * TOLERANCE[dtype]


@pytest.mark.parametrize("kind", KINDS)
def test_two_alphas_give_back_the_two_networks(kind):
    """α = 0 is the source bit for bit; α_s = −1, α_t = 1 is the target."""
    source, target, x = network(kind, 1), network(kind, 2), inputs()
    source.head.load_state_dict(target.head.state_dict())
    both = combined(source, target).eval()
    with torch.no_grad():
        for alpha in alphas(both):
            alpha.zero_()
    assert torch.equal(both(x), source(x))
    for pair in (m for m in both.modules() if isinstance(m, Combination)):
        nn.init.constant_(pair.alpha_source, -1.0)
        nn.init.constant_(pair.alpha_target, 1.0)
    assert torch.allclose(both(x), target(x), atol=1e-12)


def test_it_starts_as_the_mean_of_the_two():
    """One layer: ½ (f_s + f_t)."""
    source, target, x = network("mlp", 1), network("mlp", 2), inputs().flatten(1)
    both = combined(source, target)
    first = both.get_submodule("trunk.0")(x)
    assert torch.allclose(first, (source.trunk[0](x) + target.trunk[0](x)) / 2)


@pytest.mark.parametrize("kind", KINDS)
def test_only_alphas_and_the_target_learn(kind):
    """After steps in training mode the source is what it was, statistics included."""
    source, target = network(kind, 1), network(kind, 2)
    before = copy.deepcopy(source.state_dict())
    both = combined(source, target).train()
    optimizer = torch.optim.SGD([p for p in both.parameters() if p.requires_grad], lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        both(inputs()).square().mean().backward()
        optimizer.step()
    found = [pair for pair in both.modules() if isinstance(pair, Combination)]
    assert len(found) == len(list(units(source)))
    assert all(a.grad is not None and a.grad.abs().sum() > 0 for a in alphas(both))
    for name, unit in units(source):
        assert name
        for key, value in unit.state_dict().items():
            assert torch.equal(value, before[f"{name}.{key}"])
    for (_, unit), pair in zip(units(source), found, strict=True):
        for key, value in pair.source.state_dict().items():
            assert torch.equal(value, unit.state_dict()[key])
        assert all(p.grad is None for p in pair.source.parameters())
        assert all(p.grad is not None for p in pair.target.parameters())


def test_the_networks_given_are_left_alone():
    """Combining copies; training the copy moves neither."""
    source, target = network("resnet", 1), network("resnet", 2)
    assert all(p.requires_grad for p in source.parameters())
    both = combined(source, target)
    with torch.no_grad():
        for p in both.parameters():
            p.add_(1)
    assert all(p.requires_grad for p in source.parameters())
    assert torch.equal(target.parts[0].weight, network("resnet", 2).parts[0].weight)


def test_every_affine_layer_is_combined():
    """Stem, BatchNorm alone, convolution with BatchNorm, convolution, projection, last norm."""
    names = [name for name, _ in units(network("resnet", 1))]
    assert names[:4] == ["parts.0", "parts.1.norm", "parts.1.first", "parts.1.second"]
    assert [n for n in names if "projection" in n] == ["parts.2.projection", "parts.3.projection"]
    assert names[-1] == "parts.4.norm"
    assert not any("head" in n for n in names)


def test_recalibrated_statistics_are_those_of_the_data():
    """Training mode on the whole data then does what evaluation does, which has not changed."""
    model, x = network("resnet", 1), inputs(count=40)
    before = model(x)
    recalibrate(model, x.split(16))
    assert torch.allclose(model(x), before, atol=1e-10)
    stem = model.parts[0](x)
    assert torch.allclose(model.parts[1].norm.running_mean, stem.mean((0, 2, 3)))
    variance = stem.var((0, 2, 3), correction=0)
    assert torch.allclose(model.parts[1].norm.running_var, variance)
    assert torch.allclose(copy.deepcopy(model).train()(x), before, atol=1e-8)


def test_unknown_layers_are_named():
    """A layer that cannot be combined must not be left out silently."""
    model = network("mlp", 1)
    model.trunk[1] = nn.PReLU()
    with pytest.raises(UnsupportedError, match=r"layer 'trunk.1'.*got PReLU"):
        combined(model, model)


def test_folding_is_what_the_unit_computes():
    """Weight and bias of a convolution with BatchNorm, checked on one pixel."""
    unit = unsettled(ConvNorm(nn.Conv2d(3, 4, 1, bias=False)).double(), 1)
    weight, bias = folded(unit)
    x = torch.rand(1, 3, 1, 1, dtype=torch.float64)
    assert torch.allclose(unit(x).flatten(), weight.flatten(1) @ x.flatten() + bias)
