"""Rehearsal with old examples appended to the data, from a memory or from all old data."""

from __future__ import annotations

import pytest
import torch

from bioncl.errors import SettingsError
from bioncl.learning.loop import learn_stream
from bioncl.learning.method import Method, Together
from bioncl.methods.rehearsal import Rehearsal


class Note(Method):
    """Remembers what each task trained on."""

    def __init__(self):
        self.data, self.tasks = [], []

    def before_task(self, learner, task):
        self.data.append(learner.data)
        self.tasks.append(learner.data_tasks)


def learnt(method, stream, learner):
    note = Note()
    list(learn_stream(learner, Together([method, note])))
    return note


def rows(x):
    return {tuple(row) for row in x.flatten(1).tolist()}


def test_stored_examples_join_the_data(toy_stream, toy_learner):
    """As they were stored, told apart by their task; the first task has none."""
    stream = toy_stream(tasks=3)
    method = Rehearsal(memory=9, policy="class-balanced", mix="append")
    note = learnt(method, stream, toy_learner(stream))
    assert [len(data) for data in note.data] == [24, 33, 33]
    assert note.tasks[0] is None
    old = note.data[1].select((note.tasks[1] == 0).nonzero().flatten())
    assert len(old) == 9
    assert rows(old.x) <= rows(stream.task(0).train.x)
    assert sorted(note.tasks[2].bincount().tolist()[:2]) == [4, 5]


def test_repeated_they_are_about_as_many_as_the_new_ones(toy_stream, toy_learner):
    """24 new, 5 old: four times."""
    stream = toy_stream()
    method = Rehearsal(memory=5, policy="class-balanced", mix="append", repeat=True)
    note = learnt(method, stream, toy_learner(stream))
    assert note.tasks[1].bincount().tolist() == [20, 24]
    assert len(rows(note.data[1].x[24:])) == 5


def test_nothing_is_added_to_the_loss(toy_stream, toy_learner):
    stream = toy_stream()
    learner, method = toy_learner(stream), Rehearsal(memory=20, mix="append")
    list(learn_stream(learner, Together([method])))
    assert method.extra_loss(learner, None) is None


def test_only_new_examples_are_offered(toy_stream, toy_learner):
    """Old ones that come by again are not stored twice: after all, 48 examples are 48 in memory."""
    stream = toy_stream()
    method = Rehearsal(memory=1000, policy="class-balanced", mix="append", repeat=True)
    learnt(method, stream, toy_learner(stream, epochs=3))
    held = method.store.examples()
    assert len(held) == 48
    assert rows(held.x) == rows(stream.task(0).train.x) | rows(stream.task(1).train.x)


@pytest.mark.parametrize(
    ("fraction", "round_to", "counts"),
    [(0.25, 1, [6, 12]), (0.25, 8, [8, 16]), (1.0, 1, [24, 48]), (0.1, 8, [0, 8])],
)
def test_a_fraction_of_all_old_data_is_drawn_anew(
    toy_stream, toy_learner, fraction, round_to, counts
):
    stream = toy_stream(tasks=3)
    method = Rehearsal(mix="append", fraction=fraction, round_to=round_to)
    note = learnt(method, stream, toy_learner(stream))
    for index, count in enumerate(counts, 1):
        old = note.data[index].x[24:]
        allowed = set().union(*(rows(stream.task(i).train.x) for i in range(index)))
        assert len(old) == len(rows(old)) == count
        assert rows(old) <= allowed


def test_a_fraction_stores_nothing_and_says_what_it_reads(toy_stream, toy_learner):
    stream = toy_stream()
    method = Rehearsal(mix="append", fraction=0.5)
    learnt(method, stream, toy_learner(stream))
    assert method.state() == {}
    assert method.reads_past
    assert not Rehearsal(mix="append").reads_past


def test_a_fraction_of_a_loss_is_refused(toy_stream):
    with pytest.raises(SettingsError, match="append"):
        Rehearsal(fraction=0.5).check(toy_stream())


def test_all_old_data_appended_is_joint_data(toy_stream, toy_learner):
    """Every example so far, once each."""
    stream = toy_stream(tasks=3)
    note = learnt(Rehearsal(mix="append", fraction=1.0), stream, toy_learner(stream))
    everything = torch.cat([stream.task(i).train.x for i in range(3)])
    assert rows(note.data[2].x) == rows(everything)
    assert len(note.data[2]) == len(everything)
