"""Imprinting: where output weights begin, what learns, what competes, and lengths at the end."""

from __future__ import annotations

import pytest
import torch

from bioncl.errors import UnsupportedError
from bioncl.learning.loop import learn_stream
from bioncl.learning.method import Together
from bioncl.methods.imprinting import Imprinting
from bioncl.methods.rehearsal import Rehearsal
from bioncl.methods.src import SRC
from bioncl.models.mlp import MLP
from bioncl.nights.settings import NightSettings
from bioncl.plasticity import Constant
from bioncl.spiking.drive import Mean
from bioncl.streams.stream import Batch

NET = MLP(hidden=(12, 8), bias=False)


def attached(toy_stream, toy_learner, **training):
    learner, method = toy_learner(toy_stream(tasks=3), NET, **training), Imprinting(length=5.0)
    method.attach(learner)
    return learner, method


def test_rows_begin_as_mean_directions_of_their_classes(toy_stream, toy_learner):
    """Against sums over single examples."""
    learner, method = attached(toy_stream, toy_learner)
    before = learner.model.head.weight().detach().clone()
    task = learner.stream.task(1)
    learner.begin(task)
    method.before_task(learner, task)
    after = learner.model.head.weight().detach()
    for label in task.outputs:
        total = torch.zeros(8)
        for x, y in zip(task.train.x, task.train.y, strict=True):
            if y == label:
                hidden = learner.model.activations(x[None])[1][0].detach()
                total += hidden / hidden.norm()
        assert torch.allclose(after[label], 5.0 * total / total.norm(), atol=1e-4)
    others = [0, 1, 4, 5]
    assert torch.equal(after[others], before[others])


def test_only_rows_of_the_task_learn_and_keep_their_length(toy_stream, toy_learner):
    learner, method = attached(toy_stream, toy_learner, lr=0.5, epochs=3, momentum=0.5)
    hidden = [p.detach().clone() for p in learner.model.trunk.parameters()]
    rows = []
    for outcome in learn_stream(learner, Together([method])):
        rows.append(learner.model.head.weight().detach().clone())
        seen = rows[-1][: 2 * outcome.index + 2]
        assert torch.allclose(seen.norm(dim=1), torch.full((len(seen),), 5.0), atol=1e-4)
    assert torch.equal(rows[0][:2], rows[2][:2])
    assert torch.equal(rows[1][2:4], rows[2][2:4])
    for old, new in zip(hidden, learner.model.trunk.parameters(), strict=True):
        assert torch.equal(old, new)


def test_tuning_moves_rows_away_from_the_means(toy_stream, toy_learner):
    learner, method = attached(toy_stream, toy_learner, lr=0.5, epochs=3)
    means = []
    imprint = method.before_task

    def noting(*given):
        imprint(*given)
        means.append(learner.model.head.weight().detach().clone())

    method.before_task = noting
    next(iter(learn_stream(learner, Together([method]))))
    assert not torch.allclose(means[0][:2], learner.model.head.weight()[:2], atol=1e-2)


def test_the_outputs_of_an_example_s_own_task_compete(toy_stream, toy_learner):
    """Also where a batch mixes tasks; against the closed form for two outputs."""
    _, method = attached(toy_stream, toy_learner)
    logits = torch.tensor([[0.0, 1.0, 9.0, 9.0, 9.0, 9.0], [9.0, 9.0, 2.0, 0.0, 9.0, 9.0]])
    mixed = Batch(torch.zeros(2, 1), torch.tensor([0, 2]), torch.tensor([0, 1]))
    wanted = (torch.tensor([1.0, -2.0]).exp() + 1).log().mean()
    assert method.criterion(logits, mixed).item() == pytest.approx(wanted.item(), rel=1e-5)
    one = Batch(torch.zeros(1, 1), torch.tensor([0]), 0)
    assert method.criterion(logits[:1], one).item() == pytest.approx(1.3132617, rel=1e-5)


def test_outputs_seen_compete_and_learn_with_rehearsal(toy_stream, toy_learner):
    """Old rows move and keep their length; outputs of tasks to come stay out of it."""
    learner = toy_learner(toy_stream(tasks=3), NET, lr=0.5, epochs=2)
    method = Imprinting(length=5.0, compete="seen")
    methods = Together([method, Rehearsal(memory=12)])
    head = learner.model.head
    rows = [head.weight().detach().clone() for _ in learn_stream(learner, methods)]
    assert not torch.equal(rows[0][:2], rows[1][:2])
    assert torch.equal(rows[0][4:], rows[1][4:])
    assert torch.allclose(rows[2].norm(dim=1), torch.full((6,), 5.0), atol=1e-4)


def test_a_night_before_the_first_task_is_what_the_means_are_taken_of(toy_stream, toy_learner):
    learner = toy_learner(toy_stream(tasks=3), NET, epochs=0)
    rule, factors = Constant(0.0, 0.05), (1.0, 1.0, 0.0)
    night = NightSettings(
        steps=(40, 0, 0),
        when="before-task",
        rule=rule,
        rule_factors=factors,
        thresholds=(0.2,),
        drive=Mean(),
    )
    method, source = Imprinting(), SRC(sleep=night)
    learner.may_read_past = True
    before = [p.detach().clone() for p in learner.model.trunk.parameters()]
    next(iter(learn_stream(learner, Together([source, method]))))
    assert len(source.reports) == 1
    after = list(learner.model.trunk.parameters())
    assert not torch.equal(before[0], after[0])
    task = learner.stream.task(0)
    hidden = learner.model.activations(task.train.x)[1]
    directions = torch.nn.functional.normalize(hidden)[task.train.y == 0].sum(0)
    row = learner.model.head.weight()[0]
    assert torch.cosine_similarity(row, directions, dim=0).item() == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("model", [MLP(hidden=(8,)), MLP(hidden=(8,), bias=False, head="growing")])
def test_biases_and_growing_heads_are_refused(model, toy_stream, toy_learner):
    learner = toy_learner(toy_stream(), model)
    with pytest.raises(UnsupportedError, match=r"model\.bias = false"):
        Imprinting().attach(learner)


def test_only_class_incremental_streams_suit(toy_stream):
    with pytest.raises(UnsupportedError, match="scenario"):
        Imprinting().check(toy_stream("domain"))
