"""Independent networks: no forgetting at all, each task answered by its own network."""

from __future__ import annotations

import pytest
import torch

from bioncl.errors import UnsupportedError
from bioncl.learning.evaluation import evaluate
from bioncl.learning.loop import learn_stream, train_task
from bioncl.learning.method import Together
from bioncl.methods.independent import Independent
from bioncl.methods.naive import Naive
from bioncl.models.convnet import ConvNet
from bioncl.models.mlp import MLP

NETS = {
    "mlp": MLP(hidden=(8,), head="per-task"),
    "masked": MLP(hidden=(8,), head="masked"),
    "convnet": ConvNet(
        channels=(3,), kernel=3, hidden=(), batch_norm=True, head="per-task", dropout=0.2
    ),
}


@pytest.mark.parametrize("net", NETS)
def test_each_task_has_the_accuracy_of_a_network_trained_on_it_alone(net, toy_stream, toy_learner):
    def make():
        return toy_learner(toy_stream("task", tasks=3), NETS[net], epochs=1, lr=0.05)

    learner = make()
    rows = [o.scores.tasks for o in learn_stream(learner, Together([Independent()]))]
    for index in range(3):
        alone = make()
        train_task(alone, Together([Naive()]), alone.stream.task(index))
        own = evaluate(alone.model, alone.stream, alone.device).tasks[index]
        assert [row[index] for row in rows[index:]] == [own] * (3 - index)


def test_old_decisions_are_those_of_the_old_network(toy_stream, toy_learner):
    learner, method = toy_learner(toy_stream("task"), NETS["mlp"], epochs=20), Independent()
    x, decisions = learner.stream.task(0).train.x, []
    for _ in learn_stream(learner, Together([method])):
        learner.model.use_task(0)
        decisions.append(learner.read_out(learner.model, x))
        learner.model.use_task(1)
        assert set(learner.read_out(learner.model, x).tolist()) <= {2, 3}
    assert len(set(decisions[0].tolist())) == 2
    assert torch.equal(decisions[0], decisions[1])
    learner.model.use_task(0)
    assert not torch.equal(learner.model(x).argmax(1), decisions[0])


def test_every_task_starts_from_the_same_weights(toy_stream, toy_learner):
    learner, method = toy_learner(toy_stream("task"), NETS["mlp"], epochs=0), Independent()
    list(learn_stream(learner, Together([method])))
    own = learner.model.state_dict()
    assert all(torch.equal(method.nets[0][name], tensor) for name, tensor in own.items())


def test_going_on_after_a_task_changes_nothing(toy_stream, toy_learner, learnt):
    def make():
        return toy_learner(toy_stream("task", tasks=3), NETS["convnet"], epochs=2)

    whole, methods, scores = learnt(make, Independent())
    learner, _, resumed = learnt(make, Independent(), stops=(2,))
    assert torch.equal(learner.vector(), whole.vector())
    assert resumed == scores
    one = sum(t.nbytes for t in whole.model.state_dict().values())
    assert methods.memory_bytes()["method_state"] == 2 * one


def test_a_restored_state_answers_without_learning_on(toy_stream, toy_learner):
    """As `bioncl eval` does: attach, put the state back, score."""
    first, method = toy_learner(toy_stream("task"), NETS["mlp"], epochs=3), Independent()
    scores = [o.scores for o in learn_stream(first, Together([method]))][-1]
    learner, restored = toy_learner(toy_stream("task"), NETS["mlp"]), Independent()
    restored.attach(learner)
    learner.load_state(first.state(), 2)
    restored.load_state(method.state())
    assert learner.scores() == scores


def test_unsuitable_streams_and_heads_are_refused(toy_stream, toy_learner):
    with pytest.raises(UnsupportedError, match="scenario"):
        Independent().check(toy_stream("class"))
    learner = toy_learner(toy_stream("task"), MLP(hidden=(8,)))
    with pytest.raises(UnsupportedError, match="model.head"):
        next(learn_stream(learner, Together([Independent()])))
