"""A perceptron that grows: what each change keeps."""

from __future__ import annotations

import math

import pytest
import torch

from bioncl.models import stamped, units
from bioncl.models.mlp import MLP
from bioncl.models.stamped import Stamped

GROUPS = [(0, 1), (2, 3), (4, 5)]


@pytest.fixture(params=[True, False], ids=["biases", "no biases"])
def model(request):
    return MLP(hidden=(6, 5), bias=request.param, head="per-task").build((7,), 6, GROUPS, 0)


def first(model):
    tensors = units.tensors_of(model)
    stamps = [torch.zeros(width, dtype=torch.int16) for width in units.widths(tensors)]
    return Stamped(tensors, tuple(stamps))


def generator():
    return torch.Generator().manual_seed(0)


def answer(model, tensors, task, x):
    network = units.with_tensors(model, tensors)
    network.use_task(task)
    with torch.no_grad():
        return network(x)[:, GROUPS[task]]


def trained(net, task, amount=0.3):
    """Everything but other tasks' outputs moved, as training would."""
    moved = {
        name: t + amount * torch.rand(t.shape, generator=generator())
        for name, t in net.tensors.items()
        if name.startswith(("trunk.", f"head.blocks.{task}."))
    }
    return Stamped(net.tensors | moved, net.stamps)


def test_old_tasks_do_not_see_later_units(model):
    """Bit for bit, whatever later units weigh."""
    net, x = first(model), torch.rand(9, 7)
    wanted = answer(model, net.of_task(0), 0, x)
    for task in (1, 2):
        net = stamped.expanded(net, 4, task, generator())
        for mask_name, mask in net.new_part(task).items():
            net.tensors[mask_name][mask] = 3.0
        assert torch.equal(answer(model, net.of_task(0), 0, x), wanted)
    assert [s.tolist() for s in net.stamps] == [
        [0] * 6 + [1] * 4 + [2] * 4,
        [0] * 5 + [1] * 4 + [2] * 4,
    ]
    assert [len(net.of_task(1)[units.weight(i)]) for i in range(2)] == [10, 9]


def test_expansion_starts_small_and_leaves_old_units_as_they_were(model):
    """New units weigh at most 1/√pre; old units read nothing of new ones."""
    net = stamped.expanded(first(model), 4, 1, generator())
    second = net.tensors[units.weight(1)]
    assert net.tensors[units.weight(0)][6:].abs().max() <= 1 / math.sqrt(7)
    assert second[5:].abs().max() <= 1 / math.sqrt(10)
    assert second[5:].ne(0).all()
    assert not second[:5, 6:].any()
    assert net.tensors[units.block(1)][:, 5:].ne(0).all()
    assert not net.tensors[units.block(0)][:, 5:].any()
    for name, tensor in first(model).tensors.items():
        corner = net.tensors[name][tuple(slice(0, n) for n in tensor.shape)]
        assert torch.equal(corner, tensor)


def test_the_new_part_is_what_touches_new_units_and_the_tasks_outputs(model):
    net = stamped.expanded(first(model), 2, 1, generator())
    masks = net.new_part(1)
    first_rows = torch.arange(8)[:, None] >= 6
    assert torch.equal(masks[units.weight(0)], first_rows.expand(8, 7))
    either = (torch.arange(7)[:, None] >= 5) | (torch.arange(8)[None] >= 6)
    assert torch.equal(masks[units.weight(1)], either)
    heads = {name for name in masks if name.startswith("head.")}
    assert all(masks[name].all() for name in heads)
    assert {name.split(".")[2] for name in heads} == {"1"}


def test_silent_units_go_and_the_others_stay(model):
    net = stamped.expanded(first(model), 4, 1, generator())
    for layer, places in ((0, [7, 9]), (1, [5])):
        net.tensors[units.weight(layer)][places] = 0
    net.tensors[units.weight(0)][2] = 0  # an old unit may be silent, but stays
    x = torch.rand(9, 7)
    small = stamped.without_silent(net, 1)
    assert [len(s) for s in small.stamps] == [8, 8]
    torch.testing.assert_close(answer(model, small.tensors, 1, x), answer(model, net.tensors, 1, x))
    bias = units.bias(0)
    if bias in net.tensors:
        net.tensors[bias][7] = 1.0
        assert len(stamped.without_silent(net, 1).stamps[0]) == 9


@pytest.mark.parametrize("layer", [0, 1])
def test_drift_by_a_plain_loop(layer, model):
    """Weights of new units into old ones do not count; the bias does."""
    before = first(model)
    net = trained(stamped.expanded(before, 3, 1, generator()), 1)
    found = stamped.drift(net, before.tensors, layer)
    old, now = before.tensors[units.weight(layer)], net.tensors[units.weight(layer)]
    wanted = []
    for i in range(len(old)):
        total = sum(float(now[i, j] - old[i, j]) ** 2 for j in range(old.shape[1]))
        if units.bias(layer) in net.tensors:
            biases = net.tensors[units.bias(layer)], before.tensors[units.bias(layer)]
            total += float(biases[0][i] - biases[1][i]) ** 2
        wanted.append(math.sqrt(total))
    assert found.tolist() == pytest.approx(wanted)


def test_units_split_only_above_the_threshold(model):
    before = first(model)
    net = trained(stamped.expanded(before, 3, 1, generator()), 1)
    moved = [stamped.drift(net, before.tensors, layer) for layer in range(2)]
    above = float(torch.cat(moved).median())
    after = stamped.split(net, before.tensors, 1, above)
    for layer in range(2):
        gone = moved[layer] > above
        assert len(after.stamps[layer]) == len(net.stamps[layer]) + int(gone.sum())
        now = stamped.drift(after, before.tensors, layer)
        assert not now[gone].any()
        torch.testing.assert_close(now[~gone], moved[layer][~gone])
        copies = after.tensors[units.weight(layer)][len(net.stamps[layer]) :]
        rows = net.tensors[units.weight(layer)][: len(gone)][gone]
        if layer == 0:
            assert torch.equal(copies, rows)
    assert stamped.split(net, before.tensors, 1, 1e9) is net


def test_splitting_everything_that_moved_gives_old_tasks_their_answers_back(model):
    before, x = first(model), torch.rand(9, 7)
    net = trained(stamped.expanded(before, 3, 1, generator()), 1)
    after = stamped.split(net, before.tensors, 1, 0.0)
    wanted = answer(model, before.of_task(0), 0, x)
    assert not torch.equal(answer(model, net.of_task(0), 0, x), wanted)
    assert torch.equal(answer(model, after.of_task(0), 0, x), wanted)


def test_a_split_network_answers_the_new_task_as_before(model):
    """Where all old units split, the copies are the network; old units are read by none of it."""
    before, x = first(model), torch.rand(9, 7)
    net = trained(stamped.expanded(before, 3, 1, generator()), 1)
    after = stamped.split(net, before.tensors, 1, 0.0)
    torch.testing.assert_close(
        answer(model, after.of_task(1), 1, x), answer(model, net.of_task(1), 1, x)
    )
    assert not after.tensors[units.block(1)][:, :5].any()


def test_cut_and_joined_again(model):
    """After two growths; what old heads have on later units is 0 and not kept."""
    base = first(model)
    shapes = {name: tensor.shape for name, tensor in base.tensors.items()}
    net = base
    for task in (1, 2):
        net = trained(stamped.expanded(net, 3, task, generator()), task)
    inside, rest = stamped.cut(net, shapes)
    assert all(inside[name].shape == shape for name, shape in shapes.items())
    again = stamped.joined(inside, rest, net.stamps)
    assert all(torch.equal(again.tensors[name], t) for name, t in net.tensors.items())
    assert rest[f"columns.{units.block(1)}"].shape == (2, 3)
    assert f"columns.{units.block(0)}" not in rest
    nothing = stamped.cut(base, shapes)[1]
    assert nothing == {}
