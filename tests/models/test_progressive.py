"""Columns: the formula against a plain loop, what learns, and how many parameters there are."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.nn.functional import conv2d, max_pool2d

from bioncl.errors import UnsupportedError
from bioncl.models.convnet import ConvNet
from bioncl.models.mlp import MLP
from bioncl.models.progressive import Column, Lateral, ProgressiveNetwork
from bioncl.models.resnet import ResNet

SHAPE, GROUPS = (1, 4, 4), [(0, 1), (2, 3), (4, 5)]
PERCEPTRON = MLP(hidden=(7, 5), head="per-task")
CONVNET = ConvNet(channels=(3, 4), kernel=3, hidden=(6,), head="per-task")


def network(kind, settings=PERCEPTRON, columns=3):
    """A network of columns that started from different weights, with laterals that matter."""
    made = []
    for index in range(columns):
        net = settings.build(SHAPE, 6, GROUPS, seed=index)
        made.append(Column.new(net, index, kind, 1.0, seed=5))
    return ProgressiveNetwork(made).eval()


def inputs(count=4):
    return torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(3))


def beside(column, place, earlier):
    """What the lateral at `place` adds, written out from its parameters."""
    if place not in column.laterals:
        return 0.0
    lateral = column.laterals[place]
    if lateral.alpha is None:
        width = earlier[0].shape[1]
        return sum(
            h @ lateral.up.weight[:, j * width : (j + 1) * width].T for j, h in enumerate(earlier)
        )
    joined = torch.cat([lateral.alpha[j] * h for j, h in enumerate(earlier)], 1)
    low = torch.clamp(joined @ lateral.down.weight.T + lateral.down.bias, min=0)
    return low @ lateral.up.weight.T


@pytest.mark.parametrize("kind", ["adapter", "linear"])
@pytest.mark.parametrize("task", [0, 1, 2])
def test_the_formula_against_a_plain_loop(kind, task):
    whole, x = network(kind), inputs()
    h = [[x.flatten(1)] for _ in range(task + 1)]
    for k in range(task + 1):
        column = whole.columns[k]
        for i, layer in enumerate(column.net.trunk):
            z = h[k][i] @ layer.weight.T + layer.bias
            z = z + beside(column, str(i), [h[j][i] for j in range(k)])
            h[k].append(torch.clamp(z, min=0))
    last, block = whole.columns[task], whole.columns[task].net.head.blocks[task]
    wanted = h[task][-1] @ block.weight.T + block.bias
    wanted = wanted + beside(last, "head", [h[j][-1] for j in range(task)])
    found = whole.logits(x, task)
    torch.testing.assert_close(found[:, GROUPS[task]], wanted)
    others = [o for g in GROUPS for o in g if o not in GROUPS[task]]
    assert (found[:, others] < -1e10).all()


def test_convolutions_against_a_plain_loop():
    """V is a 1×1 convolution, U has the kernel of W; into a linear layer both are matrices."""
    whole, x = network("adapter", CONVNET, columns=2), inputs()
    maps = [x, x]
    for i in range(2):
        made = []
        for k, column in enumerate(whole.columns):
            unit = column.net.parts[i].unit
            z = conv2d(maps[k], unit.weight, unit.bias, padding=1)
            if k and i:
                side = column.laterals[str(i)]
                assert side.up.weight.shape == unit.weight.shape
                low = conv2d(side.alpha[0] * maps[0], side.down.weight, side.down.bias).relu()
                z = z + conv2d(low, side.up.weight, padding=1)
            made.append(max_pool2d(z.relu(), 2))
        maps = made
    flat = [m.flatten(1) for m in maps]
    last = whole.columns[1]
    hidden = [column.net.parts[2].unit for column in whole.columns]
    first = (flat[0] @ hidden[0].weight.T + hidden[0].bias).relu()
    z = flat[1] @ hidden[1].weight.T + hidden[1].bias
    second = (z + beside(last, "2", [flat[0]])).relu()
    block = last.net.head.blocks[1]
    wanted = second @ block.weight.T + block.bias + beside(last, "head", [first])
    torch.testing.assert_close(whole.logits(x, 1)[:, GROUPS[1]], wanted)


@pytest.mark.parametrize("settings", [PERCEPTRON, CONVNET], ids=["mlp", "convnet"])
@pytest.mark.parametrize("kind", ["adapter", "linear"])
def test_without_what_laterals_bring_columns_are_networks_by_themselves(kind, settings):
    whole, x = network(kind, settings), inputs()
    for column in whole.columns:
        for lateral in column.laterals.values():
            lateral.up.weight.data.zero_()
    for index, column in enumerate(whole.columns):
        column.net.use_task(index)
        assert torch.equal(whole.logits(x, index), column.net(x))


def test_one_column_is_the_network_itself():
    whole, x = network("adapter", columns=1), inputs()
    assert torch.equal(whole(x), whole.net(x).where(whole.logits(x, 0) > -1e10, -1e11))
    assert not whole.columns[0].laterals


@pytest.mark.parametrize("kind", ["adapter", "linear"])
def test_only_the_last_column_learns(kind):
    settings = ConvNet(channels=(3,), kernel=3, hidden=(6,), batch_norm=True, head="per-task")
    whole = network(kind, settings).train()
    old = copy.deepcopy([column.state_dict() for column in whole.columns[:-1]])
    whole.use_task(2)
    assert [column.training for column in whole.columns] == [False, False, True]
    optimizer = torch.optim.SGD(whole.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        whole(inputs(8))[:, [4, 5]].square().sum().backward()
        optimizer.step()
    for column, before in zip(whole.columns, old, strict=False):
        assert all(p.grad is None for p in column.parameters())
        assert all(torch.equal(t, before[n]) for n, t in column.state_dict().items())
    lateral = whole.last.laterals["head"]
    assert all(p.grad.any() for p in lateral.parameters())


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_parameters_of_laterals_by_formula(columns):
    """adapter: V (k−1)·n·n + n, U n·m, α k−1; linear: (k−1)·n·m; the first layer has none."""
    pairs, earlier = [(7, 5), (5, 2)], columns - 1
    for kind, wanted in (
        ("adapter", sum(earlier * n * n + n + n * m + earlier for n, m in pairs)),
        ("linear", sum(earlier * n * m for n, m in pairs)),
    ):
        laterals = network(kind, columns=columns).last.laterals
        assert sum(p.numel() for p in laterals.parameters()) == (wanted if earlier else 0)


def test_alpha_starts_small_and_different():
    net = PERCEPTRON.build(SHAPE, 6, GROUPS, 0)
    alpha = Lateral(net.head.blocks[0], 4, "adapter", 0.1, seed=0, name="a").alpha
    assert ((alpha >= 0) & (alpha <= 0.1)).all()
    assert len(alpha.unique()) == 4


def test_a_task_to_come_is_answered_by_the_first_column():
    whole, x = network("adapter", columns=2), inputs()
    whole.use_task(2)
    first = whole.columns[0].net
    first.use_task(2)
    assert torch.equal(whole(x), first(x))
    whole.use_task(None)
    assert torch.equal(whole(x), whole.logits(x, 1))


def test_other_networks_and_uses_are_refused():
    with pytest.raises(UnsupportedError, match="MLP or ConvNet"):
        Column.new(ResNet(head="per-task").build(SHAPE, 6, GROUPS, 0), 0, "adapter", 0.1, 0)
    with pytest.raises(UnsupportedError, match="per-task"):
        Column.new(MLP(head="single").build(SHAPE, 6, GROUPS, 0), 0, "adapter", 0.1, 0)
    whole = network("adapter", columns=1)
    for call in (lambda: whole(inputs(), entry="hidden1"), lambda: whole.activations(inputs())):
        with pytest.raises(UnsupportedError):
            call()
    for call in (whole.stack, lambda: whole.write_stack([])):
        with pytest.raises(UnsupportedError, match="cannot sleep"):
            call()
