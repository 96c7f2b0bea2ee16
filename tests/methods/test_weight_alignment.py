"""Weight alignment: lengths of rows after it, what it leaves alone, and growing heads."""

from __future__ import annotations

import pytest
import torch

from bioncl.errors import UnsupportedError
from bioncl.learning.loop import learn_stream
from bioncl.learning.method import Together
from bioncl.methods.weight_alignment import WeightAlignment
from bioncl.models.mlp import MLP

HEADS = ["single", "masked", "per-task", "growing"]


def shuffled(toy_stream):
    """Three tasks of two classes, whose order is not that of the outputs."""
    stream = toy_stream(tasks=3)
    build, order = stream.build, (2, 0, 1)

    def other(index):
        task = build(order[index])
        return type(task)(index, task.outputs, task.train, task.test, task.name)

    return type(stream)("shuffled", "class", 6, stream.input_shape, 3, other)


def rows_of(learner):
    """Weights by output, found by their effect on the logits alone."""
    features = torch.eye(8)
    model = learner.model
    bias = model.head(torch.zeros(1, 8))
    return (model.head(features) - bias).T.detach()


def at_task(learner, index):
    task = learner.stream.task(index)
    learner.begin(task)
    with torch.no_grad():
        for p in learner.model.head.parameters():
            p.mul_(1 + torch.rand(p.shape, generator=torch.Generator().manual_seed(index)))
    return task


@pytest.mark.parametrize("head", HEADS)
def test_new_rows_get_the_mean_length_of_old_ones(head, toy_stream, toy_learner):
    learner = toy_learner(shuffled(toy_stream), MLP(hidden=(8,), head=head))
    task = at_task(learner, 1)
    before = rows_of(learner)
    WeightAlignment().after_task(learner, task)
    after = rows_of(learner)
    assert torch.allclose(after[[4, 5]], before[[4, 5]], atol=1e-5)  # old: the first task's
    new = after[[0, 1]].norm(dim=1)
    assert new.mean().item() == pytest.approx(before[[4, 5]].norm(dim=1).mean().item(), rel=1e-4)
    ratio = after[[0, 1]] / before[[0, 1]]
    assert torch.allclose(ratio, ratio[0, 0].expand_as(ratio), rtol=1e-2)
    if head != "growing":
        assert torch.allclose(after[[2, 3]], before[[2, 3]], atol=1e-5)


@pytest.mark.parametrize("head", HEADS)
def test_all_rows_seen_get_one_length(head, toy_stream, toy_learner):
    learner = toy_learner(shuffled(toy_stream), MLP(hidden=(8,), head=head))
    task = at_task(learner, 1)
    before = rows_of(learner)[[0, 1, 4, 5]]
    WeightAlignment("all").after_task(learner, task)
    after = rows_of(learner)[[0, 1, 4, 5]]
    mean = before.norm(dim=1).mean()
    assert torch.allclose(after.norm(dim=1), mean.expand(4), rtol=1e-3)
    cosine = torch.nn.functional.cosine_similarity(before, after)
    assert torch.allclose(cosine, torch.ones(4), atol=1e-4)


def test_the_first_task_is_left_alone_and_biases_always(toy_stream, toy_learner):
    learner = toy_learner(shuffled(toy_stream))
    before = learner.vector()
    WeightAlignment().after_task(learner, at_task_unchanged(learner, 0))
    assert torch.equal(learner.vector(), before)
    bias = learner.model.head.bias().detach().clone()
    WeightAlignment().after_task(learner, at_task(learner, 1))
    changed = learner.model.head.bias() / bias
    assert (changed > 1).all()  # by at_task alone: twice at most
    assert changed.max() <= 2


def at_task_unchanged(learner, index):
    learner.begin(learner.stream.task(index))
    return learner.stream.task(index)


def test_scores_are_those_of_the_aligned_network(toy_stream, toy_learner):
    learner = toy_learner(shuffled(toy_stream), epochs=4)
    for outcome in learn_stream(learner, Together([WeightAlignment()])):
        learner.changed()
        assert learner.scores() == outcome.scores


def test_silent_rows_do_no_harm(toy_stream, toy_learner):
    learner = toy_learner(shuffled(toy_stream))
    for align in ("new", "all"):
        task = at_task_unchanged(learner, 1)
        with torch.no_grad():
            learner.model.head.linear.weight[[0, 1]] = 0
        WeightAlignment(align).after_task(learner, task)
        assert learner.model.head.weight().isfinite().all()


def test_only_class_incremental_streams_suit(toy_stream):
    with pytest.raises(UnsupportedError, match="scenario"):
        WeightAlignment().check(toy_stream("domain"))
