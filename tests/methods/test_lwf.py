"""Learning without Forgetting: the distillation, its weights, and what it keeps."""

from __future__ import annotations

import copy

import pytest
import torch

from bioncl.errors import UnsupportedError
from bioncl.learning.learner import Learner
from bioncl.learning.loop import learn_stream, train_task
from bioncl.learning.method import Together
from bioncl.learning.objective import distillation
from bioncl.learning.training import Training
from bioncl.methods.lwf import LwF
from bioncl.models.mlp import MLP
from bioncl.streams.stream import Batch, Examples, Stream, Task


def blobs(scenario="task", tasks=3, examples=40):
    """Two clouds a task in four dimensions, anew for each task."""
    outputs = 2 if scenario == "domain" else 2 * tasks

    def build(index):
        generator = torch.Generator().manual_seed(index)
        centres = 2 * torch.randn(2, 4, generator=generator)
        y = torch.arange(examples) % 2
        x = centres[y] + 0.5 * torch.randn(examples, 4, generator=generator)
        first = 0 if scenario == "domain" else 2 * index
        data = Examples(x, y + first)
        return Task(index, (first, first + 1), data, data, f"blobs {index}")

    return Stream("blobs", scenario, outputs, (4,), tasks, build)


def learner_of(stream, head=None, epochs=3, lr=0.1, optimizer="sgd"):
    """A small network, in double precision, ready to learn `stream`."""
    groups = [stream.group(i) for i in range(len(stream))]
    settings = MLP(
        hidden=(8,), head=head or ("per-task" if stream.scenario == "task" else "single")
    )

    def build():
        return settings.build(stream.input_shape, stream.outputs, groups, 0)

    training = Training(epochs=epochs, batch_size=10, lr=lr, optimizer=optimizer)
    return Learner(build, stream, training, seed=0)


def at_second_task(method, stream, head=None):
    """A learner that has learnt task 0 and begun task 1 with `method`."""
    learner = learner_of(stream, head)
    train_task(learner, Together([method]), stream.task(0))
    task = stream.task(1)
    learner.begin(task)
    method.before_task(learner, task)
    return learner, Batch(task.train.x, task.train.y, 1)


def logits(shape=(6, 4), seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_distillation_is_the_written_sum():
    """T² Σ p log(p/q), mean over the batch, in plain loops."""
    z, wanted, t = logits(seed=1), logits(seed=2), 3.0
    total = 0.0
    for row, goal in zip(z, wanted, strict=True):
        q, p = torch.exp(row / t), torch.exp(goal / t)
        q, p = q / q.sum(), p / p.sum()
        total += sum(float(a * torch.log(a / b)) for a, b in zip(p, q, strict=True))
    assert distillation(z, wanted, t).item() == pytest.approx(t**2 * total / 6)


def test_its_gradient_is_t_times_the_difference_of_probabilities():
    """∂/∂z = T (q − p)/n; at equal outputs it is zero."""
    z, wanted, t = logits(seed=1).requires_grad_(), logits(seed=2), 3.0
    distillation(z, wanted, t).backward()
    expected = t * ((z / t).softmax(1) - (wanted / t).softmax(1)) / 6
    assert torch.allclose(z.grad, expected)
    same = wanted.clone().requires_grad_()
    distillation(same, wanted, t).backward()
    assert same.grad.abs().max() < 1e-15


def test_temperature_squared_keeps_the_size_of_the_gradient():
    """As T grows, T² KL tends to half the squared distance of centred logits (Hinton et al.)."""
    z, wanted = logits(seed=1).requires_grad_(), logits(seed=2)
    distillation(z, wanted, 1e4).backward()
    difference = z - wanted
    limit = (difference - difference.mean(1, keepdim=True)) / (4 * 6)
    assert torch.allclose(z.grad, limit, atol=1e-4)
    assert limit.abs().max() > 0.05


@pytest.mark.parametrize(
    ("scenario", "groups"),
    [("task", [[0, 1]]), ("domain", [[0, 1]]), ("class", [[0, 1]])],
)
def test_nothing_pulls_at_the_old_network(scenario, groups):
    """Where the network is still the old one, the term and its gradient are zero."""
    method = LwF()
    learner, batch = at_second_task(method, blobs(scenario))
    assert method.groups == groups
    term = method.extra_loss(learner, batch)
    gradients = torch.autograd.grad(term, learner.parameters(), allow_unused=True)
    assert term.item() == pytest.approx(0, abs=1e-6)
    assert all(g is None or g.abs().max() < 1e-6 for g in gradients)


def test_class_scenario_keeps_all_old_outputs_in_one_group():
    """At the third task the outputs of two old tasks compete among themselves."""
    method, stream = LwF(), blobs("class")
    learner = learner_of(stream)
    for index in range(2):
        train_task(learner, Together([method]), stream.task(index))
    learner.begin(stream.task(2))
    method.before_task(learner, stream.task(2))
    assert method.groups == [[0, 1, 2, 3]]


@pytest.mark.parametrize("scenario", ["task", "domain", "class"])
def test_the_term_is_computed_from_the_old_network(scenario):
    """After a change of weights: the sum over groups of the distillation, head by head."""
    method, stream = LwF(strength=3.0, temperature=2.0), blobs(scenario)
    learner = learner_of(stream)
    for index in range(2):
        train_task(learner, Together([method]), stream.task(index))
    task = stream.task(2)
    learner.begin(task)
    method.before_task(learner, task)
    old = copy.deepcopy(learner.model)
    learner.set_vector(learner.vector() + 0.1)
    batch = Batch(task.train.x, task.train.y, 2)
    groups = {"task": [[0, 1], [2, 3]], "domain": [[0, 1]], "class": [[0, 1, 2, 3]]}[scenario]
    expected = 0.0
    for place, group in enumerate(groups):
        for model in (old, learner.model):
            model.use_task(place if scenario == "task" else None)
        new, wanted = learner.model(batch.x)[:, group], old(batch.x)[:, group]
        expected += 3.0 * distillation(new, wanted, 2.0).item()
    assert method.extra_loss(learner, batch).item() == pytest.approx(expected, rel=1e-5)


def test_new_outputs_may_be_asked_to_stay_silent():
    """T² Σ p log(p/q) with q over old and new outputs, and p over the old ones alone."""
    method, stream = LwF(new_outputs="zero"), blobs("class")
    learner, batch = at_second_task(method, stream)
    old = copy.deepcopy(learner.model)
    learner.set_vector(learner.vector() + 0.1)
    q = (learner.model(batch.x)[:, [0, 1, 2, 3]] / 2).softmax(1)
    p = (old(batch.x)[:, [0, 1]] / 2).softmax(1)
    expected = 4 * (p * (p / q[:, :2]).log()).sum(1).mean().item()
    assert method.extra_loss(learner, batch).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("scenario", "new_outputs", "competing"),
    [("task", "apart", 2), ("domain", "apart", 2), ("class", "apart", 2), ("class", "zero", 4)],
)
def test_mean_over_outputs_divides_by_those_that_compete(scenario, new_outputs, competing):
    """New outputs count where they take part in the softmax."""
    summed, mean = (LwF(new_outputs=new_outputs, over_outputs=over) for over in ("sum", "mean"))
    learner, batch = at_second_task(summed, blobs(scenario))
    mean.before_task(learner, learner.task)
    learner.set_vector(learner.vector() + 0.1)
    whole, shared = (method.extra_loss(learner, batch).item() for method in (summed, mean))
    assert whole > 1e-3
    assert shared == pytest.approx(whole / competing, rel=1e-5)


@pytest.mark.parametrize("scenario", ["task", "domain"])
def test_equal_shares_of_all_tasks(scenario):
    """With "1/t", at t = 3: a third of the loss, two thirds of the mean distillation."""
    fixed, shared, stream = LwF(), LwF(weighting="1/t"), blobs(scenario)
    learner = learner_of(stream)
    for index in range(2):
        train_task(learner, Together([fixed]), stream.task(index))
    task = stream.task(2)
    learner.begin(task)
    for method in (fixed, shared):
        method.before_task(learner, task)
    learner.set_vector(learner.vector() + 0.1)
    batch = Batch(task.train.x, task.train.y, 2)
    ce = learner.loss(batch).item()
    kept = fixed.extra_loss(learner, batch).item() / (2 if scenario == "task" else 1)
    total = ce + shared.extra_loss(learner, batch).item()
    assert total == pytest.approx(ce / 3 + 2 / 3 * kept, rel=1e-5)


def old_outputs_moved(strength):
    """How far old outputs on current data are from what they were, after learning task 1."""
    method, stream = LwF(strength=strength), blobs("task")
    learner = learner_of(stream, epochs=10, lr=1e-3, optimizer="adam")
    learner.training = Training(epochs=60, batch_size=10, lr=0.003, optimizer="adam")
    train_task(learner, Together([method]), stream.task(0))
    x = stream.task(1).train.x
    learner.model.use_task(0)
    before = learner.model(x).softmax(1)
    train_task(learner, Together([method]), stream.task(1))
    learner.model.use_task(0)
    return (learner.model(x).softmax(1) - before).abs().max().item()


def test_strong_distillation_holds_old_outputs():
    """As the strength grows, old outputs on the new task's data stop changing."""
    free, weak, strong = (old_outputs_moved(s) for s in (0.0, 1.0, 1e4))
    assert free > 10 * strong
    assert strong < 0.02
    assert weak < free


def test_warm_up_leaves_all_but_the_head_alone():
    """In the first epochs of a later task only the new head moves; then everything does."""
    method, stream = LwF(warm_up=3), blobs("task")
    learner = learner_of(stream, epochs=3)
    train_task(learner, Together([method]), stream.task(0))
    before = copy.deepcopy(learner.model.state_dict())
    train_task(learner, Together([method]), stream.task(1))
    after = copy.deepcopy(learner.model.state_dict())
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"head.blocks.1.weight", "head.blocks.1.bias"}
    method.warm_up = 1
    train_task(learner, Together([method]), stream.task(2))
    assert not torch.equal(learner.model.state_dict()["trunk.0.weight"], after["trunk.0.weight"])


@pytest.mark.parametrize(("scenario", "head"), [("task", "masked"), ("class", "growing")])
def test_it_learns_with_every_head_and_carries_nothing(scenario, head):
    """The old network is the model itself, so nothing counts as memory."""
    method, stream = LwF(), blobs(scenario)
    learner = learner_of(stream, head=head)
    outcomes = list(learn_stream(learner, Together([method])))
    assert len(outcomes) == 3
    assert outcomes[-1].scores.tasks[-1] > 0.9
    assert method.state() == {}
    assert method.old is None


def test_squared_error_is_refused():
    """Distillation needs probabilities."""
    stream = blobs("class")
    learner = learner_of(stream)
    learner.model.output = "relu"
    learner.begin(stream.task(0))
    with pytest.raises(UnsupportedError, match='Set model.output = "softmax"'):
        LwF().before_task(learner, stream.task(0))
