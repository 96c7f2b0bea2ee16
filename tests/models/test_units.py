"""Units of a perceptron: what is reached against a plain search, and what changes change."""

from __future__ import annotations

import pytest
import torch

from bioncl.models import units
from bioncl.models.mlp import MLP

GROUPS = [(0, 1), (2, 3)]


def network(hidden=(6, 5, 4), bias=True, sparse=0.0, seed=0):
    """A perceptron with 7 inputs, a share of whose weights is 0."""
    model = MLP(hidden=hidden, bias=bias, head="per-task").build((7,), 4, GROUPS, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith("weight"):
                p.mul_(torch.rand(p.shape, generator=generator) >= sparse)
    return model


def searched(tensors, task):
    """Inputs and units from which a depth-first search finds an output of `task`."""
    layers = [tensors[units.weight(i)] for i in range(units.depth(tensors))]
    chain = [*layers, tensors[units.block(task)]]
    found = [set() for _ in chain]

    def visit(level, unit):
        if unit in found[level]:
            return
        found[level].add(unit)
        for below in range(chain[level - 1].shape[1]) if level else ():
            if float(chain[level - 1][unit, below]) != 0:
                visit(level - 1, below)

    for row in chain[-1]:
        for unit in range(len(row)):
            if float(row[unit]) != 0:
                visit(len(chain) - 1, unit)
    return found


@pytest.mark.parametrize("sparse", [0.3, 0.6, 0.8, 0.95])
@pytest.mark.parametrize("seed", range(4))
def test_reached_is_what_a_plain_search_finds(sparse, seed):
    tensors = units.tensors_of(network(sparse=sparse, seed=seed))
    for task in (0, 1):
        wanted = searched(tensors, task)
        found = [set(mask.nonzero().flatten().tolist()) for mask in units.reached(tensors, task)]
        assert found == wanted


def test_between_is_where_both_ends_are_chosen():
    tensors = units.tensors_of(network(sparse=0.7, seed=1))
    chosen = units.reached(tensors, 1)
    masks = units.between(tensors, chosen)
    assert not all(mask.all() for mask in chosen)
    for layer in range(3):
        for i in range(len(chosen[layer + 1])):
            assert masks[units.bias(layer)][i] == chosen[layer + 1][i]
            for j in range(len(chosen[layer])):
                both = bool(chosen[layer + 1][i] and chosen[layer][j])
                assert bool(masks[units.weight(layer)][i, j]) == both


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_units_that_nothing_reads_change_no_answer_and_can_be_removed(layer, bias):
    model, x = network(bias=bias), torch.rand(5, 7)
    tensors = units.tensors_of(model)
    below = tensors[units.weight(layer)].shape[1]
    more = units.added(tensors, layer, torch.ones(3, below), torch.ones(3))
    wide = units.with_tensors(model, more)
    assert units.widths(more)[layer] == units.widths(tensors)[layer] + 3
    torch.testing.assert_close(wide(x), model(x))
    keep = torch.arange(units.widths(more)[layer]) < units.widths(tensors)[layer]
    again = units.kept(more, layer, keep)
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in tensors.items())


def test_what_is_visible_is_the_smaller_network():
    model, x = network(), torch.rand(5, 7)
    seen = units.visible(units.tensors_of(model), (4, 3, 2))
    h = x
    for layer, (rows, columns) in zip(model.trunk, [(4, 7), (3, 4), (2, 3)], strict=True):
        h = (h @ layer.weight[:rows, :columns].T + layer.bias[:rows]).relu()
    small = units.with_tensors(model, seen)
    small.use_task(1)
    block = model.head.blocks[1]
    wanted = h @ block.weight[:, :2].T + block.bias
    torch.testing.assert_close(small(x)[:, [2, 3]], wanted)
    assert all(tensor.is_contiguous() for tensor in seen.values())


def test_a_network_of_other_widths_shares_nothing_with_its_model():
    model = network()
    tensors = units.tensors_of(model)
    other = units.with_tensors(model, tensors)
    with torch.no_grad():
        for p in other.parameters():
            p.add_(1)
    assert all(torch.equal(p, tensors[n]) for n, p in model.named_parameters())
    wide = units.with_tensors(model, units.added(tensors, 2, torch.ones(1, 5), torch.ones(1)))
    assert (wide.head.width, wide.trunk[2].out_features, model.head.width) == (5, 5, 4)
