"""Stable SGD: the schedule, the switches, and that they lead to flatter ground."""

from __future__ import annotations

import pytest
import torch

from bioncl.analysis.curvature import hessian_product, top_eigenvalue
from bioncl.errors import SettingsError, UnsupportedError
from bioncl.learning.loop import learn_stream
from bioncl.learning.method import Method, Together
from bioncl.methods.naive import Naive
from bioncl.methods.stable_sgd import StableSGD
from bioncl.models.mlp import MLP
from bioncl.models.resnet import ResNet
from bioncl.streams.stream import Batch

OFF = {"dropout": 0.0, "decay": 1.0, "fresh_velocity": False}


class Watch(Method):
    """Notes learning rates, and weights and gradient around every step."""

    def __init__(self):
        self.rates, self.moves = [], []

    def adjust_gradient(self, learner, batch):
        self.rates.append((learner.task.index, learner.optimizer.param_groups[0]["lr"]))
        self.before = learner.vector(), learner.gradient(), learner.epoch

    def after_step(self, learner, batch):
        place, slope, epoch = self.before
        self.moves.append((learner.task.index, epoch, learner.vector() - place, slope))


def learnt(learner, *methods):
    watch = Watch()
    list(learn_stream(learner, Together([*methods, watch])))
    return watch


def test_learning_rates_decay_by_task_down_to_the_least(toy_stream, toy_learner):
    """0.1, 0.05, 0.025, then 0.02 instead of 0.0125."""
    method = StableSGD(decay=0.5, lr_min=0.02)
    watch = learnt(toy_learner(toy_stream(tasks=4), lr=0.1, epochs=2), method)
    wanted = {0: 0.1, 1: 0.05, 2: 0.025, 3: 0.02}
    assert len(watch.rates) == 4 * 2 * 3
    for task, rate in watch.rates:
        assert rate == pytest.approx(wanted[task], rel=1e-12)


def test_with_all_switches_off_it_is_plain_training(toy_stream, toy_learner):
    """Bit for bit, velocity carried from task to task."""
    training = {"momentum": 0.9, "epochs": 2, "keep_optimizer": True, "lr": 1e-6}
    vectors = []
    for method in (Naive(), StableSGD(**OFF)):
        learner = toy_learner(toy_stream(), MLP(hidden=(8,), dropout=0.2), **training)
        list(learn_stream(learner, Together([method])))
        vectors.append(learner.vector())
    assert torch.equal(*vectors)


def test_dropout_is_that_of_the_network(toy_stream, toy_learner):
    """The same bits as a network that is set to drop as much."""
    vectors = []
    for model, method in (
        (MLP(hidden=(8, 8), dropout=0.4), Naive()),
        (MLP(hidden=(8, 8)), StableSGD(**OFF | {"dropout": 0.4})),
    ):
        learner = toy_learner(toy_stream(), model)
        list(learn_stream(learner, Together([method])))
        vectors.append(learner.vector())
    assert torch.equal(*vectors)


def test_nothing_is_dropped_while_it_is_tested(toy_stream, toy_learner):
    """With torch's scaling a network in evaluation computes what it did without dropout."""
    learner = toy_learner(toy_stream())
    x = toy_stream().test(0).x
    learner.model.eval()
    wanted = learner.model(x)
    StableSGD().attach(learner)
    assert torch.equal(learner.model(x), wanted)
    learner.model.train()
    assert not torch.equal(learner.model(x), wanted)


def test_a_new_network_gets_dropout_too(toy_stream, toy_learner):
    class Renew(Method):
        def before_task(self, learner, task):
            learner.replace_model()

    learner = toy_learner(toy_stream())
    list(learn_stream(learner, Together([Renew(), StableSGD(dropout=0.4)])))
    assert learner.model.dropout.keep == pytest.approx(0.6)


@pytest.mark.parametrize("fresh", [True, False])
def test_velocity_begins_anew_with_every_epoch(toy_stream, toy_learner, fresh):
    """Then the first step of an epoch is −lr·g, and no other is; velocity of old tasks goes too."""
    method = StableSGD(**OFF | {"fresh_velocity": fresh})
    learner = toy_learner(toy_stream(), lr=0.1, momentum=0.9, epochs=3, keep_optimizer=True)
    plain = {}
    for task, epoch, move, slope in learnt(learner, method).moves:
        plain.setdefault((task, epoch), []).append(torch.allclose(move, -0.1 * slope, atol=1e-6))
    assert len(plain) == 6
    for place, found in plain.items():
        assert found == [fresh or place == (0, 0), False, False]


def test_attaching_twice_changes_nothing_more(toy_stream, toy_learner):
    learner, method = toy_learner(toy_stream(), lr=0.1), StableSGD(decay=0.5)
    method.attach(learner)
    training = learner.training
    method.attach(learner)
    assert learner.training == training
    assert training.lr_of(1) == pytest.approx(0.05)


def test_two_decays_are_refused(toy_stream, toy_learner):
    with pytest.raises(SettingsError, match=r"train\.lr_decay"):
        StableSGD(decay=0.5).attach(toy_learner(toy_stream(), lr_decay=0.9))


def test_two_dropouts_are_refused(toy_stream, toy_learner):
    learner = toy_learner(toy_stream(), MLP(hidden=(8,), dropout=0.5))
    with pytest.raises(SettingsError, match=r"model\.dropout"):
        StableSGD(dropout=0.25).attach(learner)


def test_a_network_without_dropout_is_refused(toy_stream, toy_learner):
    learner = toy_learner(toy_stream(), ResNet(width=2))
    with pytest.raises(UnsupportedError, match="no dropout"):
        StableSGD().attach(learner)
    StableSGD(dropout=0.0).attach(learner)


def curvature(learner):
    """Top eigenvalue of the loss on task 1, where the network stands."""
    train = learner.stream.task(0).train
    learner.model.eval()
    batch = Batch(train.x, train.y, 0)
    product = hessian_product(lambda: [learner.loss(batch)], learner.parameters())
    start = torch.randn(len(learner.vector()), generator=torch.Generator().manual_seed(0))
    return top_eigenvalue(product, start).value


def test_it_ends_on_flatter_ground_than_the_plastic_regime(toy_stream, toy_learner):
    """Both until they know every example of the task by heart."""
    model, stream = MLP(hidden=(16,)), toy_stream(tasks=1, train=48)
    found = {}
    for name, method, training in (
        ("plastic", Naive(), {"lr": 0.02, "batch_size": 48, "epochs": 1500}),
        ("stable", StableSGD(dropout=0.25), {"lr": 0.2, "batch_size": 8, "epochs": 100}),
    ):
        learner = toy_learner(stream, model, **training)
        list(learn_stream(learner, Together([method])))
        train = stream.task(0).train
        assert (learner.model(train.x).argmax(1) == train.y).all()
        found[name] = curvature(learner)
    assert 0 < found["stable"] < 0.5 * found["plastic"]
