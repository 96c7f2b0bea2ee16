"""Weights on their way back from a graph into the network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from bioncl.errors import DivergedError
from bioncl.models.convnet import ConvNet
from bioncl.models.mlp import MLP
from bioncl.models.resnet import ResNet
from bioncl.spiking.graph.activations import activations
from bioncl.spiking.graph.tracing import Traced, trace

DOUBLE = torch.float64


def stirred(model: nn.Module) -> nn.Module:
    """In float64 and eval mode, with BatchNorm of arbitrary statistics and scales of any sign."""
    generator = torch.Generator().manual_seed(3)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2.0, generator=generator)
            module.weight.data.normal_(generator=generator)
            module.bias.data.normal_(generator=generator)
    return model.double().eval()


def noisy(traced: Traced) -> None:
    """Change half of all weights of the graph."""
    generator = torch.Generator().manual_seed(4)
    for op in traced.graph.layers().values():
        noise = torch.randn(op.weight.shape, generator=generator, dtype=DOUBLE)
        op.weight += 0.3 * noise * (noise > 0)


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


NETS = {
    "convnet": ConvNet((3, 4), hidden=(8,), batch_norm=True),
    "resnet": ResNet(2, 3),
    "mlp": MLP((7,), dropout=0.2, dropout_scaling="test"),
    "per-task head": MLP((7,), head="per-task"),
    "growing head": MLP((7,), head="growing"),
}


@pytest.mark.parametrize("name", NETS)
def test_the_network_computes_what_its_changed_graph_does(name: str) -> None:
    """After write_back outputs are equal, and only weights of layers have changed."""
    model = stirred(NETS[name].build((1, 8, 8), 5, [[0, 1, 2], [3, 4]], 0))
    model.start_task(0)
    model.double()
    x = torch.randn(6, 1, 8, 8, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    traced, before = trace(model, x), state(model)
    noisy(traced)
    expected = activations(traced.graph, x)["output"].clamp(min=-1e6)
    assert not torch.allclose(expected, model(x).clamp(min=-1e6))
    traced.write_back()
    torch.testing.assert_close(model(x).detach().clamp(min=-1e6), expected, rtol=1e-9, atol=1e-9)
    layers = {n for n, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)}
    for key, value in state(model).items():
        weight = key.endswith(".weight") and key.removesuffix(".weight") in layers
        assert torch.equal(value, before[key]) is not weight, key


def test_unchanged_weights_stay_bit_for_bit() -> None:
    """Folding and unfolding rounds; a weight that nothing changed is not touched."""
    model = ConvNet((3, 4), hidden=(8,), batch_norm=True).build((1, 8, 8), 5, [[0, 1, 2, 3, 4]], 0)
    stirred(model).float()
    before, traced = state(model), trace(model, torch.zeros(1, 1, 8, 8))
    traced.write_back()
    assert all(torch.equal(value, before[key]) for key, value in state(model).items())
    conv = traced.graph.layers()["parts.1.unit.conv"]
    conv.weight[2, 1, 0, 0] += 1.0
    traced.write_back()
    changed = state(model)["parts.1.unit.conv.weight"] != before["parts.1.unit.conv.weight"]
    assert changed.nonzero().tolist() == [[2, 1, 0, 0]]
    assert [k for k, v in state(model).items() if not torch.equal(v, before[k])] == [
        "parts.1.unit.conv.weight"
    ]


def test_a_channel_with_scale_zero_keeps_its_weights() -> None:
    """Nothing can be divided by 0: the channel's weights stay."""
    model = stirred(nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.ReLU()))
    model[1].weight.data[1] = 0.0
    before, traced = state(model), trace(model, torch.zeros(1, 3, dtype=DOUBLE))
    traced.graph.layers()["0"].weight += 1.0
    traced.write_back()
    assert torch.equal(model[0].weight[1], before["0.weight"][1])
    factor = before["1.weight"][0] / (before["1.running_var"][0] + model[1].eps).sqrt()
    expected = before["0.weight"][0] + 1 / factor
    torch.testing.assert_close(model[0].weight[0].detach(), expected)


def test_blocks_that_share_outputs_keep_hidden_rows() -> None:
    """With two tasks on the same outputs the later block is shown, and it alone changes."""
    model = MLP((4,), head="per-task").build((3,), 2, [[0, 1], [0, 1]], 0).double().eval()
    before, traced = state(model), trace(model, torch.zeros(1, 3, dtype=DOUBLE))
    traced.graph.layers()["head"].weight += 1.0
    traced.write_back()
    assert torch.equal(model.head.blocks[0].weight, before["head.blocks.0.weight"])
    expected = before["head.blocks.1.weight"] + 1.0
    torch.testing.assert_close(model.head.blocks[1].weight.detach(), expected)


def test_weights_that_are_not_finite_change_nothing() -> None:
    """All weights go back, or none."""
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    before, traced = state(model), trace(model, torch.zeros(1, 3))
    traced.graph.layers()["0"].weight += 1.0
    traced.graph.layers()["2"].weight[0, 0] = torch.nan
    with pytest.raises(DivergedError, match="Weights of 2"):
        traced.write_back()
    assert all(torch.equal(value, before[key]) for key, value in state(model).items())
