"""Averaging: the mean of networks that were trained one by one, from three kinds of start."""

from __future__ import annotations

import copy

import pytest
import torch

from bioncl.learning.loop import learn_stream, train_task
from bioncl.learning.method import Method, Together
from bioncl.methods.averaging import Averaging
from bioncl.methods.naive import Naive
from bioncl.models.convnet import ConvNet
from bioncl.models.mlp import MLP


def learner_for(toy_stream, toy_learner, head="single"):
    return toy_learner(toy_stream(tasks=3), MLP(hidden=(8,), head=head), epochs=2)


def test_initial_is_the_mean_of_networks_trained_apart(toy_stream, toy_learner):
    alone = []
    for index in range(3):
        learner = learner_for(toy_stream, toy_learner)
        train_task(learner, Together([Naive()]), learner.stream.task(index))
        alone.append(learner.vector())
    learner = learner_for(toy_stream, toy_learner)
    for count, outcome in enumerate(learn_stream(learner, Together([Averaging()])), 1):
        assert torch.allclose(learner.vector(), sum(alone[:count]) / count, atol=1e-6)
        learner.changed()
        assert outcome.scores == learner.scores()


def test_previous_is_the_mean_along_plain_training(toy_stream, toy_learner):
    naive = learner_for(toy_stream, toy_learner)
    way = [naive.vector() for _ in learn_stream(naive, Together([Naive()]))]
    learner = learner_for(toy_stream, toy_learner)
    for count, _ in enumerate(learn_stream(learner, Together([Averaging("previous")])), 1):
        assert torch.allclose(learner.vector(), sum(way[:count]) / count, atol=1e-6)


class Watch(Method):
    """Notes where tasks begin and what training ends with."""

    def __init__(self):
        self.begins, self.ends = [], []

    def before_task(self, learner, task):
        self.begins.append(learner.vector())

    def after_step(self, learner, batch):
        self.end = learner.vector()


def test_mean_starts_where_the_mean_is(toy_stream, toy_learner):
    learner, watch, means = learner_for(toy_stream, toy_learner), Watch(), []
    for count, _ in enumerate(learn_stream(learner, Together([Averaging("mean"), watch])), 1):
        before = means[-1] if means else watch.begins[0]
        assert torch.equal(watch.begins[-1], before)
        expected = before + (watch.end - before) / count
        means.append(learner.vector())
        assert torch.allclose(means[-1], expected, atol=1e-6)


def test_outputs_that_are_added_count_as_untrained_before(toy_stream, toy_learner):
    """With a growing head: the same as if all blocks had been there and blocked."""
    learner = learner_for(toy_stream, toy_learner, "growing")
    blocks = copy.deepcopy(learner.model)
    blocks.start_task(2)
    initial = blocks.head.blocks[1].weight.detach()
    second = learner_for(toy_stream, toy_learner, "growing")
    train_task(second, Together([Naive()]), second.stream.task(1))
    for count, _ in enumerate(learn_stream(learner, Together([Averaging()])), 1):
        if count == 2:
            expected = (initial + second.model.head.blocks[1].weight) / 2
            assert torch.allclose(learner.model.head.blocks[1].weight, expected, atol=1e-6)


@pytest.mark.parametrize("start", ["initial", "previous", "mean"])
def test_going_on_after_a_task_changes_nothing(start, toy_stream, toy_learner, learnt):
    settings = ConvNet(channels=(3,), kernel=3, hidden=(), batch_norm=True)

    def make():
        return toy_learner(toy_stream(tasks=3), settings, epochs=2, momentum=0.5)

    whole, methods, scores = learnt(make, Averaging(start))
    learner, _, resumed = learnt(make, Averaging(start), stops=(2,))
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, learner.model.state_dict()[name]), name
    assert resumed == scores
    assert bool(methods.memory_bytes()["method_state"]) == (start == "previous")
