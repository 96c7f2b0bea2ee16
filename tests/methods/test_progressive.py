"""Progressive networks: what old tasks answer does not change by a bit; growth is accounted for."""

from __future__ import annotations

import pytest
import torch

from bioncl.errors import UnsupportedError
from bioncl.learning.loop import learn_stream, train_task
from bioncl.learning.method import Together
from bioncl.methods.naive import Naive
from bioncl.methods.progressive import Progressive
from bioncl.methods.src import SRC
from bioncl.models.convnet import ConvNet
from bioncl.models.mlp import MLP
from bioncl.models.resnet import ResNet

NETS = {
    "mlp": MLP(hidden=(10, 6), head="per-task", dropout=0.1),
    "convnet": ConvNet(
        channels=(4,), kernel=3, hidden=(8,), batch_norm=True, head="per-task", dropout=0.2
    ),
    "no hidden linear": ConvNet(channels=(4,), kernel=3, hidden=(), head="per-task"),
}
HARD = {"momentum": 0.9, "weight_decay": 0.01, "keep_optimizer": True, "lr": 0.05}


def answers(method, learner, tasks):
    """Logits of each task's test inputs under the task."""
    learner.model.eval()
    whole, found = method.joined(learner.model).eval(), []
    for index in range(tasks):
        with torch.no_grad():
            found.append(whole.logits(learner.stream.test(index).x, index))
    return found


@pytest.mark.parametrize("lateral", ["adapter", "linear"])
@pytest.mark.parametrize("net", NETS)
def test_old_answers_are_bit_identical_after_every_later_task(
    net, lateral, toy_stream, toy_learner
):
    """With momentum, weight decay and BatchNorm."""
    learner = toy_learner(toy_stream("task", tasks=4), NETS[net], epochs=8, **HARD)
    method, kept = Progressive(lateral=lateral), []
    for outcome in learn_stream(learner, Together([method])):
        now = answers(method, learner, outcome.index + 1)
        assert all(torch.equal(a, b) for a, b in zip(kept, now, strict=False))
        kept = now
        decided = now[outcome.index].argmax(1)
        right = (decided == learner.stream.test(outcome.index).y).float().mean()
        assert outcome.scores.tasks[outcome.index] == pytest.approx(float(right))
        assert right > 0.5


def test_the_first_task_is_learnt_as_by_the_network_alone(toy_stream, toy_learner):
    def make():
        return toy_learner(toy_stream("task"), NETS["convnet"], epochs=2, **HARD)

    learner, alone = make(), make()
    next(learn_stream(learner, Together([Progressive()])))
    train_task(alone, Together([Naive()]), alone.stream.task(0))
    assert torch.equal(learner.vector(), alone.vector())


def test_laterals_learn(toy_stream, toy_learner):
    """All of them: the first scale, the way down and the way up, in hidden and output layer."""
    learner = toy_learner(toy_stream("task"), NETS["mlp"], epochs=3)
    method, started = Progressive(), {}
    for outcome in learn_stream(learner, Together([method])):
        if outcome.index == 0:
            fresh = method.column(learner.model, 1).laterals.state_dict()
            started = {name: tensor.clone() for name, tensor in fresh.items()}
    assert method.laterals.keys() == started.keys()
    assert {name.split(".")[0] for name in started} == {"1", "head"}
    assert all(not torch.equal(t, started[n]) for n, t in method.laterals.items())


@pytest.mark.parametrize("net", NETS)
def test_going_on_after_a_task_changes_nothing(net, toy_stream, toy_learner, learnt):
    def make():
        return toy_learner(toy_stream("task", tasks=4), NETS[net], epochs=2, **HARD)

    whole, methods, scores = learnt(make, Progressive())
    for stop in (1, 2, 3):
        learner, again, resumed = learnt(make, Progressive(), stops=(stop,))
        assert torch.equal(learner.vector(), whole.vector())
        assert resumed == scores
        state = again.state()
        assert all(torch.equal(state[n], t) for n, t in methods.state().items())


def test_a_restored_state_answers_without_learning_on(toy_stream, toy_learner):
    """As `bioncl eval` does: attach, put the state back, score."""
    first, method = toy_learner(toy_stream("task", tasks=3), NETS["convnet"]), Progressive()
    scores = [o.scores for o in learn_stream(first, Together([method]))][-1]
    learner, restored = toy_learner(toy_stream("task", tasks=3), NETS["convnet"]), Progressive()
    restored.attach(learner)
    learner.load_state(first.state(), 3)
    restored.load_state(method.state())
    assert learner.scores() == scores


def test_growth_is_counted(toy_stream, toy_learner):
    """Four bytes a number: earlier columns with one head each, and the laterals of all columns."""
    learner = toy_learner(toy_stream("task", tasks=3), MLP(hidden=(10, 6), head="per-task"))
    methods = Together([Progressive()])
    column = (16 + 1) * 10 + (10 + 1) * 6 + (6 + 1) * 2

    def laterals(k):
        return sum((k - 1) * n * n + n + n * m + k - 1 for n, m in ((10, 6), (6, 2)))

    wanted = [0, column + laterals(2), 2 * column + laterals(2) + laterals(3)]
    for outcome in learn_stream(learner, methods):
        held = methods.memory_bytes()
        assert held == {"stored_examples": 0, "method_state": 4 * wanted[outcome.index]}


@pytest.mark.parametrize("scenario", ["domain", "class"])
def test_without_task_identity_it_is_refused(scenario, toy_stream):
    with pytest.raises(UnsupportedError, match="expected task"):
        Progressive().check(toy_stream(scenario))


@pytest.mark.parametrize(
    ("model", "way_out"),
    [
        (MLP(hidden=(8,), head="masked"), "per-task"),
        (MLP(hidden=(8,)), "per-task"),
        (ResNet(head="per-task"), "convnet"),
    ],
)
def test_networks_without_columns_are_refused(model, way_out, toy_stream, toy_learner):
    learner = toy_learner(toy_stream("task"), model)
    with pytest.raises(UnsupportedError, match=way_out):
        next(learn_stream(learner, Together([Progressive()])))


def test_other_methods_beside_it_are_refused(toy_stream, toy_learner):
    learner = toy_learner(toy_stream("task"), NETS["mlp"])
    with pytest.raises(UnsupportedError, match="SRC"):
        next(learn_stream(learner, Together([SRC(), Progressive()])))
