"""iCaRL: its losses, its exemplars, and its decisions."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.nn.functional import cross_entropy

from bioncl.errors import UnsupportedError
from bioncl.learning.herding import features, herd
from bioncl.learning.loop import learn_stream
from bioncl.learning.method import Together
from bioncl.methods.icarl import ICaRL
from bioncl.models.mlp import MLP
from bioncl.streams.stream import Batch


def at_second_task(method, stream, learner):
    """Learn task 0, begin task 1; also the network in between, and a batch of both tasks."""
    next(learn_stream(learner, Together([method])))
    before = copy.deepcopy(learner.model).eval()
    task = stream.task(1)
    learner.begin(task)
    method.before_task(learner, task)
    with torch.no_grad():
        for parameter in learner.model.parameters():
            parameter.add_(0.3)
    x, y = learner.data.x[20:30], learner.data.y[20:30]
    return before, Batch(x, y, learner.data_tasks[20:30])


@pytest.mark.parametrize("head", ["single", "growing"])
@pytest.mark.parametrize("distillation", [True, False])
def test_sigmoid_loss_is_the_written_sum(toy_stream, toy_learner, distillation, head):
    """−Σ t log σ(z) + (1 − t) log(1 − σ(z)) over the outputs seen, in plain loops."""
    stream = toy_stream(tasks=3)
    learner = toy_learner(stream, MLP(hidden=(8,), head=head), lr=0.3, epochs=5)
    method = ICaRL(memory=12, distillation=distillation)
    before, batch = at_second_task(method, stream, learner)
    total = 0.0
    for x, y in zip(batch.x, batch.y.tolist(), strict=True):
        z, was = learner.model(x[None])[0].sigmoid().detach(), before(x[None])[0].sigmoid().detach()
        for i in range(4):  # outputs 4 and 5 are of a task to come
            t = float(was[i]) if distillation and i < 2 else float(i == y)
            total -= t * float(z[i].log()) + (1 - t) * float((1 - z[i]).log())
    assert learner.loss(batch).item() == pytest.approx(total / len(batch), rel=1e-5)


@pytest.mark.parametrize("distillation", [True, False])
def test_softmax_loss_softens_the_exemplars_only(toy_stream, toy_learner, distillation):
    """As the mean over single examples, each with its own target."""
    stream = toy_stream(tasks=2)
    learner = toy_learner(stream, lr=0.3, epochs=5)
    method = ICaRL(memory=12, loss="softmax", distillation=distillation)
    before, batch = at_second_task(method, stream, learner)
    parts = []
    for x, y, task in zip(batch.x, batch.y, batch.task.tolist(), strict=True):
        soft = before(x[None]).softmax(1)
        target = soft if distillation and task == 0 else y[None]
        parts.append(cross_entropy(learner.model(x[None]), target))
    assert {0, 1} == set(batch.task.tolist())
    torch.testing.assert_close(learner.loss(batch), torch.stack(parts).mean())


def test_at_the_old_network_the_old_outputs_have_no_gradient(toy_stream, toy_learner):
    """The distillation pulls nowhere before the first step of a task."""
    stream = toy_stream()
    learner = toy_learner(stream, lr=0.3, epochs=5)
    method = ICaRL(memory=12)
    next(learn_stream(learner, Together([method])))
    task = stream.task(1)
    learner.begin(task)
    method.before_task(learner, task)
    learner.model.zero_grad()
    learner.loss(Batch(task.train.x, task.train.y, 1)).backward()
    slope = learner.model.head.weight().grad.abs().sum(1)
    assert slope[:2].max() < 1e-6
    assert slope[2:].min() > 1e-3


def test_exemplars_are_herded_then_cut_short(toy_stream, toy_learner):
    """New classes as `herd` says at that moment; old lists keep their beginnings; total ≤ K."""
    stream, method = toy_stream(tasks=3), ICaRL(memory=13)
    learner = toy_learner(stream, lr=0.1)
    lists = []
    for index, _ in enumerate(learn_stream(learner, Together([method]))):
        share = 13 // (2 * index + 2)
        train = stream.task(index).train
        for label in stream.group(index):
            x = train.x[train.y == label]
            chosen = herd(features(learner.model, x, learner.device), share)
            assert torch.equal(method.exemplars[label].x, x[chosen])
        for old in lists[-1:]:
            for label, images in old.items():
                assert torch.equal(method.exemplars[label].x, images[:share])
        lists.append({label: some.x for label, some in method.exemplars.items()})
        assert len(method.held()) <= 13
    assert len(lists) == 3


def test_random_exemplars_differ_from_herded_ones(toy_stream, toy_learner):
    held = {}
    for selection in ("herding", "random"):
        method = ICaRL(memory=8, selection=selection)
        next(learn_stream(toy_learner(toy_stream(train=60)), Together([method])))
        held[selection] = method.held().x
    assert held["herding"].shape == held["random"].shape
    assert not torch.equal(held["herding"], held["random"])


def test_new_tasks_train_on_data_and_exemplars(toy_stream, toy_learner):
    method, learner = ICaRL(memory=12), toy_learner(toy_stream())
    list(learn_stream(learner, Together([method])))
    assert learner.data_tasks.bincount().tolist() == [12, 24]
    assert learner.data.y.bincount().tolist() == [6, 6, 12, 12]


def test_with_all_data_stored_decisions_are_nearest_class_means(toy_stream, toy_learner):
    """Against scikit-learn's nearest neighbour among the means of the same features."""
    from sklearn.neighbors import KNeighborsClassifier

    stream, method = toy_stream(), ICaRL(memory=1000)
    learner = toy_learner(stream, lr=0.3, epochs=5)
    list(learn_stream(learner, Together([method])))
    train = [stream.task(i).train for i in range(2)]
    x, y = torch.cat([t.x for t in train]), torch.cat([t.y for t in train])
    points = features(learner.model, x, learner.device)
    means = torch.stack([points[y == label].mean(0) for label in range(4)])
    means /= means.norm(dim=1, keepdim=True)  # the means are of length 1 too
    reference = KNeighborsClassifier(1).fit(means.numpy(), range(4))
    asked = torch.cat([stream.test(i).x for i in range(2)])
    wanted = reference.predict(features(learner.model, asked, learner.device).numpy())
    found = learner.read_out(learner.model, asked)
    assert found.tolist() == wanted.tolist()


def test_scores_are_by_nearest_mean_unless_told_otherwise(toy_stream, toy_learner):
    """A head shifted toward one output deceives the largest output only."""
    scores = {}
    for decide_by in ("nearest-mean", "output"):
        learner = toy_learner(toy_stream(), lr=0.5, epochs=20)
        list(learn_stream(learner, Together([ICaRL(memory=24, decide_by=decide_by)])))
        with torch.no_grad():
            learner.model.head.linear.bias[0] += 1000
        learner.changed()
        scores[decide_by] = learner.scores().all
    assert scores["nearest-mean"] > 0.8
    assert scores["output"] == 0.25


def test_before_the_first_task_the_largest_output_decides(toy_stream, toy_learner):
    method, learner = ICaRL(), toy_learner(toy_stream())
    plain = learner.scores()
    method.attach(learner)
    learner.changed()
    assert learner.scores() == plain


def test_squared_error_is_refused(toy_stream, toy_learner):
    learner = toy_learner(toy_stream(), MLP(hidden=(8,), output="relu"))
    with pytest.raises(UnsupportedError, match="iCaRL trains logits"):
        list(learn_stream(learner, Together([ICaRL()])))


def test_task_and_domain_streams_are_refused(toy_stream):
    for scenario in ("task", "domain"):
        with pytest.raises(UnsupportedError, match="does not suit"):
            ICaRL().check(toy_stream(scenario))


@pytest.mark.parametrize("loss", ["sigmoid", "softmax"])
def test_it_remembers(toy_stream, toy_learner, loss):
    learner = toy_learner(toy_stream(tasks=3), lr=0.5, epochs=30)
    outcomes = list(learn_stream(learner, Together([ICaRL(memory=24, loss=loss)])))
    assert min(outcomes[-1].scores.tasks) >= 0.7
