"""DEN: what each phase may touch, when it grows and splits, and that it can go on after a stop."""

from __future__ import annotations

import copy

import pytest
import torch

from bioncl.errors import UnsupportedError
from bioncl.learning.loop import learn_stream
from bioncl.learning.method import Together
from bioncl.methods.den import DEN, mean_loss, padded, shorten, thin
from bioncl.methods.src import SRC
from bioncl.models import stamped, units
from bioncl.models.convnet import ConvNet
from bioncl.models.mlp import MLP

NET = MLP(hidden=(12, 10), head="per-task")
HARD = {"momentum": 0.9, "weight_decay": 0.001, "lr": 0.05, "epochs": 3}
STILL = {"threshold": 1e9, "split_above": 1e9}


class Watched(DEN):
    """Notes the network at the end of each phase."""

    def phase(self, learner, name, epochs, free, after=None, pull=None):
        before = units.tensors_of(learner.model)
        super().phase(learner, name, epochs, free, after, pull)
        self.noted.append((learner.task.index, name, before, units.tensors_of(learner.model)))


def watched(**settings):
    method = Watched(**settings)
    method.noted = []
    return method


def run(learner, method):
    return [o.scores.tasks for o in learn_stream(learner, Together([method]))]


def logits(method, learner, task):
    learner.model.eval()
    learner.model.use_task(task)
    with torch.no_grad():
        return method.logits(learner.model, learner.stream.test(task).x)


def changed(before, after):
    return {n: before[n] != after[n] for n in before}


def test_the_first_task_becomes_sparse(toy_stream, toy_learner):
    """By exact zeros, and the fewer the weaker the penalty."""

    def zeros(l1):
        learner = toy_learner(toy_stream("task"), NET, epochs=10, lr=0.1)
        next(learn_stream(learner, Together([DEN(l1=l1)])))
        return int((learner.model.trunk[0].weight == 0).sum())

    assert zeros(0.0) == 0
    assert zeros(0.01) < zeros(0.05)
    assert zeros(0.01) > 0


def test_selective_retraining_touches_only_what_is_reached(toy_stream, toy_learner):
    """What is reached is searched for along the weights, unit by unit."""
    learner = toy_learner(toy_stream("task"), NET, **HARD)
    method = watched(l1=0.05, head_epochs=3, split_epochs=0, **STILL)
    steps = learn_stream(learner, Together([method]))
    next(steps)
    next(steps)
    name, _, outputs = method.noted[0][1:]
    assert name == "outputs"
    frontier = {u for u in range(10) if outputs[units.block(1)][:, u].any()}
    below = {u for u in range(12) for v in frontier if outputs[units.weight(1)][v, u] != 0}
    inputs = {u for u in range(16) for v in below if outputs[units.weight(0)][v, u] != 0}
    assert 0 < len(frontier) < 10
    moved = changed(outputs, units.tensors_of(learner.model))
    for i in range(12):
        assert bool(moved[units.bias(0)][i]) <= (i in below)
        for j in range(16):
            assert bool(moved[units.weight(0)][i, j]) <= (i in below and j in inputs)
    for i in range(10):
        for j in range(12):
            assert bool(moved[units.weight(1)][i, j]) <= (i in frontier and j in below)
    assert moved[units.weight(1)].any()
    assert not moved[units.block(0)].any()


def test_at_first_the_new_outputs_alone_learn(toy_stream, toy_learner):
    """From 0, and so that some weights stay there."""
    learner = toy_learner(toy_stream("task"), NET, **HARD)
    method = watched(l1=0.05, head_epochs=3, **STILL)
    run(learner, method)
    _, name, before, after = method.noted[0]
    assert name == "outputs"
    assert not before[units.block(1)].any()
    moved = changed(before, after)
    assert {n for n, mask in moved.items() if mask.any()} == {
        units.block(1),
        "head.blocks.1.bias",
    }
    assert (after[units.block(1)] == 0).any()


def test_no_expansion_below_the_threshold_and_no_split_below_its_own(toy_stream, toy_learner):
    learner, method = toy_learner(toy_stream("task", tasks=3), NET, **HARD), DEN(**STILL)
    run(learner, method)
    assert method.state() == {}


def test_expansion_adds_units_and_holds_old_weights(toy_stream, toy_learner):
    """`grow` in each layer; only weights into and out of them, and the outputs, learn."""
    learner = toy_learner(toy_stream("task"), NET, **HARD)
    method = watched(threshold=0.0, grow=4, group=0.0, split_above=1e9, split_epochs=0)
    run(learner, method)
    _, _, before, after = next(n for n in method.noted if n[1] == "expansion")
    assert units.widths(after) == [16, 14]
    moved = changed(before, after)
    assert not moved[units.weight(0)][:12].any()
    assert not moved[units.weight(1)][:10, :12].any()
    assert moved[units.weight(0)][12:].any()
    assert moved[units.weight(1)][:10, 12:].any()
    assert not moved[units.block(0)].any()
    assert method.stamps["0"].tolist() == [1] * 4
    assert method.stamps["1"].tolist() == [1] * 4


def test_the_group_penalty_removes_useless_units(toy_stream, toy_learner):
    """All of them if it is strong, none without it, some in between."""

    def left(group):
        learner = toy_learner(toy_stream("task"), NET, **HARD)
        method = DEN(
            threshold=0.0, grow=8, group=group, expand_epochs=10, split_above=1e9, split_epochs=0
        )
        run(learner, method)
        return sum(len(stamps) for stamps in method.stamps.values())

    assert left(0.0) == 16
    assert 0 < left(0.4) < 16
    assert left(10.0) == 0


def test_old_tasks_are_answered_without_later_units(toy_stream, toy_learner):
    """With nothing but expansion, bit for bit as before."""
    learner = toy_learner(toy_stream("task", tasks=3), NET, **HARD)
    learner.training = copy.copy(learner.training)
    object.__setattr__(learner.training, "epochs", (3, 0))
    method = DEN(threshold=0.0, grow=4, split_above=1e9, split_epochs=0)
    kept = []
    for outcome in learn_stream(learner, Together([method])):
        now = [logits(method, learner, task) for task in range(outcome.index + 1)]
        assert all(torch.equal(a, b) for a, b in zip(kept, now, strict=False))
        kept = now
    assert method.stamps["0"].tolist() == [1] * 4 + [2] * 4


def test_splitting_all_that_moves_forgets_nothing(toy_stream, toy_learner):
    """Although selective retraining and the pull moved old weights."""
    learner = toy_learner(toy_stream("task", tasks=3), NET, **HARD)
    method, kept = DEN(threshold=0.0, grow=3, split_above=0.0), []
    for outcome in learn_stream(learner, Together([method])):
        now = [logits(method, learner, task) for task in range(outcome.index + 1)]
        assert all(torch.equal(a, b) for a, b in zip(kept, now, strict=False))
        kept = now
    assert len(method.stamps["0"]) > 6


def test_a_unit_splits_when_it_drifts_more_than_the_threshold(toy_stream, toy_learner):
    """As many copies as units whose weights after the pull are farther than that from before."""
    learner = toy_learner(toy_stream("task"), NET, **HARD)
    method = watched(grow=0, split_above=0.004, drift_pull=0.01)
    steps = learn_stream(learner, Together([method]))
    next(steps)
    before = units.tensors_of(learner.model)
    next(steps)
    _, _, _, drifted = next(n for n in method.noted if n[1] == "drift")
    for layer in range(2):
        distances = [
            sum(
                float(a - b) ** 2
                for name in (units.weight(layer), units.bias(layer))
                for a, b in zip(drifted[name][i].view(-1), before[name][i].view(-1), strict=True)
            )
            ** 0.5
            for i in range(len(before[units.weight(layer)]))
        ]
        wanted = sum(distance > 0.004 for distance in distances)
        assert 0 < wanted < len(distances)
        assert len(method.stamps[str(layer)]) == wanted


def test_a_stronger_pull_keeps_units_nearer(toy_stream, toy_learner):
    def drift(pull):
        learner = toy_learner(toy_stream("task"), NET, **(HARD | {"momentum": 0.0}))
        method = DEN(drift_pull=pull, split_epochs=5, **STILL)
        steps = learn_stream(learner, Together([method]))
        next(steps)
        before = units.tensors_of(learner.model)
        next(steps)
        now = units.tensors_of(learner.model)
        return sum(float((now[n] - before[n]).square().sum()) for n in now if "trunk" in n)

    assert drift(5.0) < drift(0.5) < drift(0.0)


def test_the_l1_step_is_the_learning_rate_times_its_strength(toy_stream, toy_learner):
    learner = toy_learner(toy_stream("task"), NET, lr=0.5)
    learner.begin(learner.stream.task(0))
    name = units.weight(0)
    before = learner.model.get_parameter(name).detach().clone()
    mask = torch.arange(16).expand(12, 16) < 8
    thin(learner, [name], 0.1, {name: mask})
    wanted = torch.where(
        mask, before.sign() * torch.maximum(before.abs() - 0.05, torch.zeros(())), before
    )
    torch.testing.assert_close(learner.model.get_parameter(name).detach(), wanted)


def test_the_group_step_shortens_what_leads_into_new_units_alone(toy_stream, toy_learner):
    learner, method = toy_learner(toy_stream("task"), NET, lr=0.5), DEN()
    method.attach(learner)
    learner.begin(learner.stream.task(1))
    net = stamped.expanded(method.whole(learner.model), 3, 1, learner.generator)
    method.become(learner, net)
    with torch.no_grad():
        learner.model.trunk[0].bias[12:] = 0.2
    rows = torch.cat([learner.model.trunk[0].weight, learner.model.trunk[0].bias[:, None]], 1)
    before = rows.detach().clone()
    shorten(learner, net, 1, 0.1)
    rows = torch.cat([learner.model.trunk[0].weight, learner.model.trunk[0].bias[:, None]], 1)
    assert torch.equal(rows[:12], before[:12])
    torch.testing.assert_close(rows[12:].norm(dim=1), before[12:].norm(dim=1) - 0.05)


def test_mean_loss_is_that_of_all_examples(toy_stream, toy_learner):
    learner = toy_learner(toy_stream("task"), NET)
    task = learner.stream.task(1)
    learner.begin(task)
    learner.model.use_task(1)
    with torch.no_grad():
        logits = learner.model(task.train.x)[:, [2, 3]]
    chances = logits.softmax(1)[torch.arange(len(task.train)), task.train.y - 2]
    assert mean_loss(learner) == pytest.approx(float(-chances.log().mean()), rel=1e-5)


@pytest.mark.parametrize("bias", [True, False])
def test_going_on_after_a_task_changes_nothing(bias, toy_stream, toy_learner, learnt):
    """The shapes that it has grown to are restored."""
    net = MLP(hidden=(12, 10), head="per-task", bias=bias, dropout=0.1)
    method = DEN(threshold=0.0, grow=3, group=0.1, split_above=0.05, drift_pull=0.01)

    def make():
        return toy_learner(toy_stream("task", tasks=4), net, **HARD, keep_optimizer=True)

    whole, methods, scores = learnt(make, method)
    assert all(len(methods.methods[0].stamps[layer]) > 3 for layer in "01")
    for stop in (1, 2, 3):
        learner, again, resumed = learnt(make, method, stops=(stop,))
        assert torch.equal(learner.vector(), whole.vector())
        assert resumed == scores
        state, wanted = again.state(), methods.state()
        assert state.keys() == wanted.keys()
        assert all(torch.equal(state[n], tensor) for n, tensor in wanted.items())


def test_memory_is_what_has_grown(toy_stream, toy_learner):
    """Weights into and out of added units, and their stamps of two bytes."""
    learner = toy_learner(toy_stream("task"), NET, **HARD)
    methods = Together([DEN(threshold=0.0, grow=3, group=0.0, split_above=1e9)])
    list(learn_stream(learner, methods))
    numbers = 3 * (16 + 1) + 3 * (15 + 1) + 10 * 3 + 2 * 3
    held = methods.memory_bytes()
    assert held == {"stored_examples": 0, "method_state": 4 * numbers + 2 * 6}


def test_each_task_is_learnt(toy_stream, toy_learner):
    learner = toy_learner(toy_stream("task", tasks=3, train=60), NET, epochs=15, lr=0.1)
    scores = run(learner, DEN(head_epochs=3, expand_epochs=5, split_epochs=2))
    assert all(row[index] > 0.8 for index, row in enumerate(scores))


@pytest.mark.parametrize("scenario", ["domain", "class"])
def test_without_task_identity_it_is_refused(scenario, toy_stream):
    with pytest.raises(UnsupportedError, match="expected task"):
        DEN().check(toy_stream(scenario))


@pytest.mark.parametrize(
    ("model", "way_out"),
    [
        (MLP(hidden=(8,), head="masked"), "per-task"),
        (ConvNet(channels=(3,), kernel=3, hidden=(), head="per-task"), "mlp"),
    ],
)
def test_other_networks_are_refused(model, way_out, toy_stream, toy_learner):
    learner = toy_learner(toy_stream("task"), model)
    with pytest.raises(UnsupportedError, match=way_out):
        next(learn_stream(learner, Together([DEN()])))


def test_other_methods_beside_it_are_refused(toy_stream, toy_learner):
    learner = toy_learner(toy_stream("task"), NET)
    with pytest.raises(UnsupportedError, match="SRC"):
        next(learn_stream(learner, Together([SRC(), DEN()])))


def test_padding_puts_a_tensor_into_the_corner_of_zeros():
    found = padded(torch.ones(2, 3), torch.zeros(3, 5))
    assert found.sum() == found[:2, :3].sum() == 6
