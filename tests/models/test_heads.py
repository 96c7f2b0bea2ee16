"""Heads: who competes, who gets a gradient, what stays as it was."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from bioncl.errors import SettingsError
from bioncl.models.heads import BLOCKED
from bioncl.models.mlp import MLP

GROUPS = ((0, 3), (1, 4), (2, 5))  # not in a row, so that a mix-up of places shows
ROWS = ((0, 1), (2, 3), (4, 5))
MULTI = ["masked", "per-task", "growing"]


def network(head, started=3, groups=GROUPS, **settings):
    model = MLP(hidden=(8,), head=head, **settings).build((6,), 6, groups, 0)
    for index in range(started):
        model.start_task(index)
    return model


def inputs(count=5):
    return torch.rand(count, 6, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("head", ["masked", "per-task"])
@pytest.mark.parametrize("task", [0, 1, 2])
def test_only_the_chosen_task_competes(head, task):
    model = network(head)
    free = model(inputs()).detach()
    model.use_task(task)
    logits = model(inputs())
    mine = list(GROUPS[task])
    others = [o for o in range(6) if o not in mine]
    assert (logits[:, others] == BLOCKED).all()
    torch.testing.assert_close(logits[:, mine], free[:, mine])
    shares = logits.softmax(1)
    assert (shares[:, others] == 0).all()
    torch.testing.assert_close(shares[:, mine], free[:, mine].softmax(1))
    model.use_task(None)
    torch.testing.assert_close(model(inputs()), free)
    assert (free > BLOCKED).all()


@pytest.mark.parametrize("head", ["masked", "per-task"])
def test_blocked_outputs_get_no_gradient(head):
    """Exactly zero, or none at all, for weights and biases of other tasks' outputs."""
    model = network(head)
    model.use_task(1)
    cross_entropy(model(inputs()), torch.tensor([1, 4, 1, 4, 1])).backward()
    if head == "masked":
        others = [0, 2, 3, 5]
        assert not model.head.linear.weight.grad[others].any()
        assert not model.head.linear.bias.grad[others].any()
        assert model.head.linear.weight.grad[[1, 4]].any()
    else:
        assert [block.weight.grad is None for block in model.head.blocks] == [True, False, True]
        assert model.head.blocks[1].weight.grad.any()


def test_other_heads_stay_bit_for_bit_under_momentum_and_weight_decay():
    """Each head moves while its own task is learnt, and never else."""
    model = network("per-task")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    for task, group in enumerate(GROUPS):
        before = [block.weight.detach().clone() for block in model.head.blocks]
        model.use_task(task)
        for _ in range(5):
            optimizer.zero_grad(set_to_none=True)
            cross_entropy(model(inputs()), torch.tensor(group)[torch.arange(5) % 2]).backward()
            optimizer.step()
        same = [
            torch.equal(block.weight, old)
            for block, old in zip(model.head.blocks, before, strict=True)
        ]
        assert same == [place != task for place in range(3)]


def test_growing_keeps_old_logits_and_blocks_what_is_to_come():
    model = network("growing", started=1)
    first = model(inputs()).detach()
    assert (first[:, [1, 2, 4, 5]] == BLOCKED).all()
    model.start_task(1)
    second = model(inputs()).detach()
    assert torch.equal(second[:, [0, 3]], first[:, [0, 3]])
    assert (second[:, [2, 5]] == BLOCKED).all()
    assert (second[:, [1, 4]] > BLOCKED).all()


@pytest.mark.parametrize("head", ["per-task", "growing"])
@pytest.mark.parametrize("started", [1, 2, 3])
def test_blocks_side_by_side_give_what_scattered_ones_give(head, started):
    """The same blocks in other places: the same logits there, and the same gradients."""
    row, scattered = (network(head, started, groups, initial="he") for groups in (ROWS, GROUPS))
    scattered.load_state_dict(row.state_dict())
    if head == "per-task":
        row.use_task(started - 1)
        scattered.use_task(started - 1)
    to_row = [output for group in GROUPS for output in group]
    assert torch.equal(row(inputs()), scattered(inputs())[:, to_row])
    for model, groups in ((row, ROWS), (scattered, GROUPS)):
        labels = torch.tensor(groups[started - 1])[torch.arange(5) % 2]
        weight = model.head.blocks[started - 1].weight
        cross_entropy(model(inputs()).double(), labels).backward()
        assert weight.grad.any()
    for a, b in zip(row.parameters(), scattered.parameters(), strict=True):
        assert (a.grad is None) == (b.grad is None)
        if a.grad is not None:
            torch.testing.assert_close(a.grad, b.grad, rtol=1e-6, atol=1e-7)


def test_growing_has_no_rows_before_the_first_task():
    head = network("growing", started=0).head
    assert (head.weight().shape, head.bias()) == ((0, 8), None)


def test_growing_twice_for_a_task_changes_nothing():
    model = network("growing", started=2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.start_task(1)
    model.start_task(0)
    assert before.keys() == model.state_dict().keys()
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_growing_lets_all_old_outputs_compete_whatever_the_task():
    model = network("growing", started=2)
    free = model(inputs())
    model.use_task(0)
    assert torch.equal(model(inputs()), free)


@pytest.mark.parametrize("head", MULTI)
def test_write_is_the_inverse_of_weight(head):
    model = network(head)
    wanted = torch.randn(model.head.weight().shape, generator=torch.Generator().manual_seed(4))
    model.head.write(wanted)
    assert torch.equal(model.head.weight(), wanted)
    assert model.head.bias().shape == (6,)


@pytest.mark.parametrize("head", MULTI)
def test_heads_without_bias_have_none(head):
    assert network(head, bias=False).head.bias() is None


def test_single_head_cannot_be_told_a_task():
    model = network("single")
    free = model(inputs())
    model.use_task(1)
    assert torch.equal(model(inputs()), free)


@pytest.mark.parametrize("head", MULTI)
def test_relu_output_refuses_heads_that_block(head):
    with pytest.raises(SettingsError, match="softmax"):
        network(head, output="relu")


def test_growing_refuses_shared_outputs():
    with pytest.raises(SettingsError, match="share"):
        network("growing", groups=((0, 1), (1, 2)))
