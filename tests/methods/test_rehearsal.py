"""Rehearsal: the term it adds, what is stored when, and going on from a state."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from bioncl.errors import SettingsError
from bioncl.learning.loop import learn_stream
from bioncl.learning.method import Method, Together
from bioncl.methods.rehearsal import Rehearsal
from bioncl.models.mlp import MLP
from bioncl.seeding import torch_generator
from bioncl.streams.stream import Batch


class Watch(Method):
    """Notes what the memory was offered and how long the extra term was missing."""

    def __init__(self, rehearsal):
        self.rehearsal, self.offered, self.terms = rehearsal, [], []

    def before_task(self, learner, task):
        store = self.rehearsal.store
        if self.offered or store is None:
            return
        add = store.add

        def noting(batch, generator):
            self.offered.append((learner.task.index, learner.epoch, batch))
            add(batch, generator)

        store.add = noting

    def after_step(self, learner, batch):
        self.terms.append((learner.task.index, self.rehearsal.extra_loss(learner, batch)))


@pytest.mark.parametrize("batch", [0, 3])
@pytest.mark.parametrize("scenario", ["task", "class"])
def test_term_is_the_weighted_loss_of_what_is_drawn(toy_stream, toy_learner, batch, scenario):
    """Computed by hand from the stored examples and the same draw."""
    stream = toy_stream(scenario)
    learner = toy_learner(stream, model=MLP(hidden=(8,), head="masked"))
    method = Rehearsal(memory=20, batch=batch, weight=0.7)
    next(learn_stream(learner, Together([method])))
    task = stream.task(1)
    learner.begin(task)
    held, tasks = method.store.examples(), method.store.tasks()
    count = batch or 5
    chosen = torch.randperm(20, generator=torch_generator(0, "task", 1))[:count]
    logits = learner.model(held.x[chosen]).detach()
    if scenario == "task":
        for row, old in zip(logits, tasks[chosen].tolist(), strict=True):
            row[[o for o in range(4) if o not in stream.group(old)]] = -1e11
    wanted = 0.7 * cross_entropy(logits, held.y[chosen])
    found = method.extra_loss(learner, Batch(task.train.x[:5], task.train.y[:5], 1))
    torch.testing.assert_close(found, wanted)


def test_each_example_is_offered_once(toy_stream, toy_learner):
    """In the first epoch of its task only, whatever the number of epochs."""
    stream, method = toy_stream(), Rehearsal(memory=1000)
    watch = Watch(method)
    list(learn_stream(toy_learner(stream, epochs=3), Together([method, watch])))
    assert {epoch for _, epoch, _ in watch.offered} == {0}
    for index in range(2):
        shown = torch.cat([batch.x for task, _, batch in watch.offered if task == index])
        rows = sorted(map(tuple, shown.flatten(1).tolist()))
        assert rows == sorted(map(tuple, stream.task(index).train.x.flatten(1).tolist()))
    assert len(method.store) == 48
    assert method.store.tasks().bincount().tolist() == [24, 24]


def test_nothing_is_replayed_in_the_first_task(toy_stream, toy_learner):
    """Though the memory already holds examples of it."""
    method = Rehearsal(memory=20)
    watch = Watch(method)
    list(learn_stream(toy_learner(toy_stream()), Together([method, watch])))
    missing = {task: {term is None for t, term in watch.terms if t == task} for task in (0, 1)}
    assert missing == {0: {True}, 1: {False}}


def test_a_ring_too_small_for_the_outputs_is_refused(toy_stream):
    stream = toy_stream()
    with pytest.raises(SettingsError, match="class-balanced"):
        Rehearsal(memory=3, policy="ring").check(stream)
    Rehearsal(memory=4, policy="ring").check(stream)


@pytest.mark.parametrize("policy", ["reservoir", "ring"])
def test_it_forgets_less(toy_stream, toy_learner, policy):
    learner = toy_learner(toy_stream(), lr=0.5, epochs=30)
    methods = Together([Rehearsal(memory=24, policy=policy)])
    rows = [o.scores.tasks for o in learn_stream(learner, methods)]
    assert min(rows[-1]) > 0.8


def test_ring_shares_the_memory_among_all_outputs(toy_stream, toy_learner):
    method = Rehearsal(memory=21, policy="ring")
    list(learn_stream(toy_learner(toy_stream()), Together([method])))
    assert method.store.examples().y.bincount().tolist() == [5, 5, 5, 5]


@pytest.mark.parametrize("policy", ["reservoir", "ring"])
@pytest.mark.parametrize("memory", [0, 20])
def test_going_on_from_a_state_is_going_on(toy_stream, toy_learner, policy, memory):
    options = {"lr": 0.1, "epochs": 2}
    method = Rehearsal(memory=memory, policy=policy)
    straight = toy_learner(toy_stream(tasks=3), **options)
    run = learn_stream(straight, Together([method]))
    next(run)
    next(run)
    state = {name: value.clone() for name, value in method.state().items()}
    network = {name: value.clone() for name, value in straight.state().items()}
    wanted = next(run).scores
    again, other = toy_learner(toy_stream(tasks=3), **options), Rehearsal(memory, policy)
    again.load_state(network, 2)
    other.load_state(state)
    assert next(learn_stream(again, Together([other]), 2)).scores == wanted
    assert torch.equal(again.vector(), straight.vector())
    for name, value in method.state().items():
        assert torch.equal(other.state()[name], value)


def test_no_memory_is_naive(toy_stream, toy_learner):
    learners = [toy_learner(toy_stream(), lr=0.1) for _ in range(2)]
    list(learn_stream(learners[0], Together([Rehearsal(memory=0)])))
    list(learn_stream(learners[1], Together([Method()])))
    assert torch.equal(learners[0].vector(), learners[1].vector())
