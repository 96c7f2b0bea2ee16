"""REMIND: frozen layers, what enters the rest, replay against the formula, and bytes."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from bioncl.errors import UnsupportedError
from bioncl.learning.feature_codes import features
from bioncl.learning.loop import learn_stream
from bioncl.learning.method import Method, Together
from bioncl.methods.joint import Joint
from bioncl.methods.remind import REMIND, below
from bioncl.methods.src import SRC
from bioncl.models.convnet import ConvNet
from bioncl.models.mlp import MLP
from bioncl.seeding import numpy_generator

NETS = {
    "mlp": (MLP(hidden=(12, 8), dropout=0.2), "hidden1", 4),
    "growing": (MLP(hidden=(12, 8), head="growing"), "hidden2", 4),
    "convnet": (ConvNet(channels=(4, 6), kernel=3, hidden=(8,), batch_norm=True), "conv1", 2),
    "all but the head": (ConvNet(channels=(4,), kernel=3, hidden=(8,), dropout=0.2), "hidden1", 4),
}
EACH = pytest.mark.parametrize("name", NETS)


def learner_of(toy_learner, stream, name, **training):
    options = {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-3, "epochs": 3} | training
    return toy_learner(stream, NETS[name][0], **options)


def remind_of(name, **settings):
    return REMIND(**{"layer": NETS[name][1], "parts": NETS[name][2], "replay": 6} | settings)


@EACH
def test_frozen_layers_stay_bit_identical(toy_stream, toy_learner, name):
    """Weights and statistics up to the layer, with momentum and weight decay; the rest learns."""
    learner = learner_of(toy_learner, toy_stream(tasks=3), name)
    run = learn_stream(learner, Together([remind_of(name)]))
    next(run)
    before = copy.deepcopy(learner.model.state_dict())
    list(run)
    parts = list(learner.model.layers).index(NETS[name][1]) + 1
    frozen = {f"{kind}.{i}." for kind in ("trunk", "parts") for i in range(parts)}
    after = learner.model.state_dict()
    same = {key for key in before if torch.equal(after[key], before[key])}
    below_layer = {k for k in before if any(k.startswith(start) for start in frozen)}
    assert below_layer <= same
    weights = {k for k in before if k.endswith("weight")}
    assert weights - below_layer - same == weights - below_layer


@EACH
def test_what_enters_is_what_codes_give_back(toy_stream, toy_learner, name):
    """At test, after each task: encoded and decoded activations enter above their layer."""
    stream, remind = toy_stream(tasks=2), remind_of(name, centroids=5)
    learner = learner_of(toy_learner, stream, name)
    for _ in learn_stream(learner, Together([remind])):
        model = learner.model.eval()
        x = stream.test(0).x
        found = features(model, NETS[name][1], x)
        books, parts = remind.codes.quantiser.codebooks, NETS[name][2]
        pieces = found.movedim(1, -1).unflatten(-1, (parts, -1))
        near = torch.empty_like(pieces)
        for place in np.ndindex(*pieces.shape[:-1]):
            book = books[place[-1]]
            near[place] = book[(book - pieces[place]).square().sum(1).argmin()]
        wanted = model(near.flatten(-2).movedim(-1, 1), NETS[name][1])
        torch.testing.assert_close(model(x), wanted)
        assert (near.flatten(-2).movedim(-1, 1) - found).abs().max() > 1e-3


@EACH
def test_bytes_of_a_code(toy_stream, toy_learner, name):
    """A byte for each part of each vector, beside 8 each for label and task."""
    remind = remind_of(name)
    learner = learner_of(toy_learner, toy_stream(tasks=2, train=24), name)
    methods = Together([remind])
    list(learn_stream(learner, methods))
    vectors = {"conv1": 2 * 2}.get(NETS[name][1], 1)
    codes = remind.state()["examples.x"]
    assert codes.dtype == torch.uint8
    assert codes.shape == (48, vectors * NETS[name][2])
    assert methods.memory_bytes()["stored_examples"] == 48 * (vectors * NETS[name][2] + 8 + 8)


def test_stored_codes_are_those_of_the_examples(toy_stream, toy_learner):
    """Every example of every task once; decoded they are near to what the trunk gives."""
    stream, remind = toy_stream(tasks=3), remind_of("convnet")
    learner = learner_of(toy_learner, stream, "convnet")
    list(learn_stream(learner, Together([remind])))
    held, tasks = remind.store.examples(), remind.store.tasks()
    for task in stream.tasks():
        found = features(learner.model, "conv1", task.train.x)
        wanted = sorted(map(tuple, remind.codes.encode(found).tolist()))
        assert sorted(map(tuple, held.x[tasks == task.index].tolist())) == wanted


def test_a_full_memory_holds_as_much_of_every_class(toy_stream, toy_learner):
    remind = remind_of("mlp", memory=30)
    learner = learner_of(toy_learner, toy_stream(tasks=3), "mlp")
    list(learn_stream(learner, Together([remind])))
    assert remind.store.examples().y.bincount().tolist() == [5] * 6


class Watch(Method):
    """Recomputes each step's gradient from the memory as the module's formula has it."""

    def __init__(self, remind):
        self.remind, self.found, self.shares = remind, [], []

    def before_task(self, learner, task):
        self.chance = numpy_generator(learner.seed, "mixup", task.index)

    def note(self, learner):
        """The state of the generator before REMIND draws."""
        self.drawing = learner.generator.get_state()

    def adjust_gradient(self, learner, batch):
        """Runs after REMIND's; one mean over new and mixed replayed examples."""
        if learner.task.index == 0:
            return
        model, m = learner.model, self.remind.replay
        share = self.chance.beta(self.remind.mixup, self.remind.mixup)
        again = torch.Generator()
        again.set_state(self.drawing)
        held = self.remind.store.examples()
        a, b = torch.randint(len(held), (2, m), generator=again)
        codes = self.remind.codes
        new = codes.decode(codes.encode(features(model, "hidden1", batch.x)))
        old = share * codes.decode(held.x[a]) + (1 - share) * codes.decode(held.x[b])
        logits = model(torch.cat([new, old]), "hidden1")
        sums = cross_entropy(logits[: len(new)], batch.y, reduction="sum")
        for part, places in ((share, a), (1 - share, b)):
            z = logits[len(new) :]
            sums = sums + part * cross_entropy(z, held.y[places], reduction="sum")
        wanted = torch.autograd.grad(sums / (len(new) + m), learner.parameters())
        self.found.append((learner.gradient(), torch.cat([g.flatten() for g in wanted])))
        self.shares.append(share)


def test_each_step_is_on_new_and_mixed_replayed_features(toy_stream, toy_learner):
    remind = remind_of("mlp", mixup=0.7)
    watch = Watch(remind)

    class First(Method):
        def extra_loss(self, learner, batch):
            watch.note(learner)

    learner = toy_learner(toy_stream(), MLP(hidden=(12, 8)), epochs=2)
    list(learn_stream(learner, Together([First(), remind, watch])))
    assert len(watch.found) == 6
    for found, wanted in watch.found:
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)
    assert all(0 <= share <= 1 for share in watch.shares)
    assert len(set(watch.shares)) == 6


def test_without_mixup_replay_is_as_stored(toy_stream, toy_learner):
    """λ = 1: the loss is that of the first draw alone."""
    remind = remind_of("mlp", mixup=0.0)
    learner = toy_learner(toy_stream(), MLP(hidden=(12, 8)))
    list(learn_stream(learner, Together([remind])))
    held, state = remind.store.examples(), learner.generator.get_state()
    found = remind.extra_loss(learner, copy.copy(held.first(3)))
    learner.generator.set_state(state)
    places = torch.randint(len(held), (2, 6), generator=learner.generator)[0]
    logits = learner.model(remind.codes.decode(held.x[places]), "hidden1")
    torch.testing.assert_close(found, 2 * cross_entropy(logits, held.y[places]))


def test_the_first_task_is_plain_training(toy_stream, toy_learner):
    plain = learner_of(toy_learner, toy_stream(tasks=1), "convnet")
    list(learn_stream(plain, Together([Method()])))
    learner = learner_of(toy_learner, toy_stream(tasks=1), "convnet")
    list(learn_stream(learner, Together([remind_of("convnet")])))
    assert torch.equal(learner.vector(), plain.vector())


def test_the_learning_rate_falls_over_each_later_task(toy_stream, toy_learner):
    """By the same factor a step, from the full rate to the share asked for."""
    rates = []

    class Note(Method):
        def adjust_gradient(self, learner, batch):
            rates.append((learner.task.index, learner.optimizer.param_groups[0]["lr"]))

    learner = toy_learner(toy_stream(tasks=3), lr=0.2, epochs=2)
    list(learn_stream(learner, Together([REMIND(parts=2, lr_decay=0.01), Note()])))
    falling = [0.2 * 0.01 ** (step / 6) for step in range(6)]
    assert [rate for task, rate in rates if task == 0] == [0.2] * 6
    for index in (1, 2):
        assert [rate for task, rate in rates if task == index] == pytest.approx(falling)
    assert learner.optimizer.param_groups[0]["lr"] == pytest.approx(0.002)


def test_inputs_that_are_features_already_freeze_nothing(toy_stream, toy_learner):
    """Codes are those of the inputs: one vector of channels a pixel, here of one channel."""
    remind = REMIND(layer="input", parts=1, replay=6)
    learner = toy_learner(toy_stream(), MLP(hidden=(12,)), epochs=60, lr=0.3)
    scores = [outcome.scores.tasks for outcome in learn_stream(learner, Together([remind]))]
    assert all(p.requires_grad for p in learner.model.parameters())
    assert remind.state()["examples.x"].shape == (48, 16)
    assert min(scores[-1]) > 0.8


@EACH
def test_below_is_what_comes_before_the_layer(name):
    net, layer, _ = NETS[name]
    model = net.build((1, 4, 4), 4, [(0, 1), (2, 3)], 0)
    model.start_task(1)
    found = features(model, layer, torch.rand(2, 1, 4, 4))
    count = model.layers.index(layer) + 1
    parts = model.trunk if hasattr(model, "trunk") else model.parts
    wanted = {p for part in list(parts)[:count] for p in part.parameters()}
    assert set(below(model, found, layer)) == wanted


def test_it_forgets_less_than_nothing_at_all(toy_stream, toy_learner):
    options = {"lr": 0.3, "epochs": 60}
    plain = list(learn_stream(toy_learner(toy_stream(), **options), Together([Method()])))
    remind = REMIND(parts=2, replay=16)
    held = list(learn_stream(toy_learner(toy_stream(), **options), Together([remind])))
    assert held[-1].scores.tasks[0] > plain[-1].scores.tasks[0] + 0.5


def test_stopping_after_any_task_changes_nothing(toy_stream, toy_learner, learnt):
    def make():
        return learner_of(toy_learner, toy_stream(tasks=3), "convnet")

    method = remind_of("convnet", memory=40)
    whole, _, scores = learnt(make, method)
    for stop in (1, 2):
        again, _, found = learnt(make, method, stops=(stop,))
        assert found == scores
        assert torch.equal(again.model.head.linear.weight, whole.model.head.linear.weight)


@pytest.mark.parametrize("copied", [False, True])
def test_copies_of_the_network_read_codes_too(toy_stream, toy_learner, copied):
    """As methods that keep the old network make them, before the codes are there."""
    learner, remind = learner_of(toy_learner, toy_stream(tasks=1), "mlp"), remind_of("mlp")
    remind.attach(learner)
    twin = copy.deepcopy(learner.model) if copied else learner.model
    list(learn_stream(learner, Together([remind])))
    twin.load_state_dict(learner.model.state_dict())
    x = learner.task.test.x
    torch.testing.assert_close(twin.eval()(x), learner.model.eval()(x))


def test_sleep_is_refused(toy_stream, toy_learner):
    with pytest.raises(UnsupportedError, match="sleep"):
        list(learn_stream(toy_learner(toy_stream()), Together([SRC(), REMIND()])))


def test_another_network_is_refused(toy_stream, toy_learner):
    learner = toy_learner(toy_stream())
    with pytest.raises(UnsupportedError, match="replaced the network"):
        list(learn_stream(learner, Together([Joint(), REMIND(parts=2)])))


def test_unknown_layers_are_refused_before_training(toy_stream, toy_learner):
    with pytest.raises(UnsupportedError, match="hidden1"):
        list(learn_stream(toy_learner(toy_stream()), Together([REMIND(layer="conv9")])))
