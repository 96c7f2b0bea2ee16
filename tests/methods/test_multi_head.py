"""Multi-head: which networks and streams it takes, and what stays untouched."""

from __future__ import annotations

import pytest
import torch

from bioncl.errors import UnsupportedError
from bioncl.learning.loop import learn_stream
from bioncl.learning.method import Together
from bioncl.methods.multi_head import MultiHead
from bioncl.methods.naive import Naive
from bioncl.models.mlp import MLP


@pytest.mark.parametrize("head", ["single", "growing"])
def test_a_network_without_heads_of_tasks_is_refused(head, toy_stream, toy_learner):
    learner = toy_learner(toy_stream("task"), MLP(hidden=(8,), head=head))
    with pytest.raises(UnsupportedError, match="model.head"):
        next(learn_stream(learner, Together([MultiHead()])))


@pytest.mark.parametrize("scenario", ["domain", "class"])
def test_a_stream_that_does_not_tell_the_task_is_refused(scenario, toy_stream):
    with pytest.raises(UnsupportedError, match="scenario"):
        MultiHead().check(toy_stream(scenario))


@pytest.mark.parametrize("head", ["per-task", "masked"])
def test_it_is_naive_and_other_heads_stay_bit_for_bit(head, toy_stream, toy_learner):
    """With momentum kept from task to task; a masked head has one gradient, zero elsewhere."""
    momentum = 0.9 if head == "per-task" else 0.0

    def make():
        model = MLP(hidden=(8,), head=head)
        return toy_learner(toy_stream("task"), model, momentum=momentum, keep_optimizer=True)

    learner, naive = make(), make()
    steps = learn_stream(learner, Together([MultiHead()]))
    rows = [learner.model.head.weight().detach().clone() for _ in steps]
    list(learn_stream(naive, Together([Naive()])))
    start = make().model.head.weight()
    assert torch.equal(learner.vector(), naive.vector())
    assert torch.equal(rows[0][2:], start[2:])
    assert torch.equal(rows[1][:2], rows[0][:2])
    assert not torch.equal(rows[1][2:], rows[0][2:])
