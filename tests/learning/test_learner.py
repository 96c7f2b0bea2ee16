"""The learner: published momentum, gradients as vectors, mixed batches, state."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from bioncl.errors import UnsupportedError
from bioncl.learning.loop import batches, learn_stream
from bioncl.learning.method import Together
from bioncl.methods.naive import Naive
from bioncl.models.mlp import MLP
from bioncl.streams.stream import Batch

PUBLISHED = MLP(hidden=(8,), bias=False, output="relu", initial="uniform", initial_scale=0.3)


def begun(toy_learner, stream, index=0, **settings):
    learner = toy_learner(stream, **settings)
    learner.begin(stream.task(index))
    return learner


def first_batch(stream, index=0):
    train = stream.task(index).train
    return Batch(train.x[:6], train.y[:6], index)


def published_training(learner, epochs, lr):
    """Weights after all tasks by v ← 0.5 v + η ∇, W ← W − v in NumPy; v lives on over tasks."""
    weights = [layer.weight.detach().numpy().astype(np.float64) for layer in learner.model.stack()]
    velocity = [np.zeros_like(w) for w in weights]
    for task in learner.stream.tasks():
        learner.begin(task)
        for _ in range(epochs):
            for batch in batches(learner):
                x = batch.x.flatten(1).numpy().astype(np.float64)
                h = np.maximum(x @ weights[0].T, 0)
                a = np.maximum(h @ weights[1].T, 0)
                delta = (a - np.eye(len(weights[1]))[batch.y]) / len(x)
                below = (delta @ weights[1]) * (h > 0)
                for i, gradient in enumerate((below.T @ x, delta.T @ h)):
                    velocity[i] = 0.5 * velocity[i] + lr * gradient
                    weights[i] = weights[i] - velocity[i]
    return weights


def test_published_momentum_with_velocity_that_outlives_tasks(toy_stream, toy_learner):
    """torch's SGD (v ← 0.5 v + ∇, W ← W − η v) is the published rule while η stands still."""
    stream = toy_stream()
    options = {"model": PUBLISHED, "lr": 0.1, "momentum": 0.5, "epochs": 3}
    wanted = published_training(toy_learner(stream, **options), 3, 0.1)
    learner = toy_learner(stream, keep_optimizer=True, **options)
    list(learn_stream(learner, Together([Naive()])))
    for layer, weight in zip(learner.model.stack(), wanted, strict=True):
        np.testing.assert_allclose(layer.weight.detach().numpy(), weight, rtol=2e-4, atol=2e-6)
    forgetful = toy_learner(stream, keep_optimizer=False, **options)
    list(learn_stream(forgetful, Together([Naive()])))
    assert np.abs(forgetful.model.stack()[1].weight.detach().numpy() - wanted[1]).max() > 1e-3


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("head", ["single", "growing"])
def test_state_carries_everything_to_another_learner(
    toy_stream, toy_learner, keep, optimizer, head
):
    """Task 1, a trip through the state, task 2: bit for bit the run without the trip."""
    stream = toy_stream()
    options = {"model": MLP(hidden=(8,), head=head), "lr": 0.05, "momentum": 0.5, "epochs": 2}
    options |= {"optimizer": optimizer, "keep_optimizer": keep}
    straight = toy_learner(stream, **options)
    whole = [outcome.scores for outcome in learn_stream(straight, Together([Naive()]))]
    first, second = toy_learner(stream, **options), toy_learner(stream, **options)
    next(learn_stream(first, Together([Naive()])))
    state = {name: value.clone() for name, value in first.state().items()}
    second.load_state(state, 1)
    assert second.scores() == whole[0]
    rest = [outcome.scores for outcome in learn_stream(second, Together([Naive()]), 1)]
    assert rest == whole[1:]
    for name, value in straight.model.state_dict().items():
        assert torch.equal(second.model.state_dict()[name], value)
    assert any(name.startswith("optimizer.") for name in state) == keep


def test_gradient_is_that_of_autograd_in_the_order_of_parameters(toy_stream, toy_learner):
    stream = toy_stream()
    learner, batch = begun(toy_learner, stream), first_batch(stream)
    wanted = torch.autograd.grad(
        cross_entropy(learner.model(batch.x), batch.y), list(learner.model.parameters())
    )
    flat = torch.cat([g.flatten() for g in wanted])
    assert torch.equal(learner.gradient(), torch.zeros_like(flat))
    torch.testing.assert_close(learner.gradient_of(batch), flat, rtol=0, atol=0)
    assert not learner.gradient().any()  # gradient_of leaves the model's own alone
    learner.loss(batch).backward()
    torch.testing.assert_close(learner.gradient(), flat, rtol=0, atol=0)


def test_gradients_of_several_batches_are_those_of_each(toy_stream, toy_learner):
    """Rows in the order of the batches, to the bit what autograd gives one batch by itself."""
    learner = toy_learner(toy_stream("class"))
    learner.begin(learner.stream.task(0))
    parts = [learner.data.first(5), learner.data.first(9)]
    batches = [Batch(part.x, part.y, 0) for part in parts]
    rows = learner.gradients_of(batches)
    for row, batch in zip(rows, batches, strict=True):
        learner.model.zero_grad()
        learner.loss(batch).backward()
        assert torch.equal(row, learner.gradient())
    assert not torch.equal(*rows)


def test_set_gradient_is_the_inverse_of_gradient(toy_stream, toy_learner):
    stream = toy_stream()
    learner = begun(toy_learner, stream)
    learner.loss(first_batch(stream)).backward()
    vector = torch.arange(1.0, len(learner.gradient()) + 1)
    learner.set_gradient(vector)
    assert torch.equal(learner.gradient(), vector)
    vector.zero_()
    assert learner.gradient().all()  # a copy
    learner.set_gradient(vector)
    assert not learner.gradient().any()


def test_set_gradient_gives_other_heads_none(toy_stream, toy_learner):
    """Where there is none and the vector is zero; so weight decay does not touch them."""
    stream = toy_stream("task", tasks=3)
    learner = begun(toy_learner, stream, model=MLP(hidden=(8,), head="per-task"))
    batch = first_batch(stream)
    vector = learner.gradient_of(batch)
    learner.loss(batch).backward()
    learner.set_gradient(2 * vector)
    blocks = learner.model.head.blocks
    assert [block.weight.grad is None for block in blocks] == [False, True, True]
    assert torch.equal(learner.gradient(), 2 * vector)
    vector[-1] = 1.0  # the last head's bias
    learner.set_gradient(vector)
    assert [block.bias.grad is None for block in blocks] == [False, True, False]
    assert torch.equal(learner.gradient(), vector)


def test_vector_round_trip_is_a_copy(toy_stream, toy_learner):
    learner = begun(toy_learner, toy_stream())
    before = learner.vector()
    learner.set_vector(before + 1)
    torch.testing.assert_close(learner.vector(), before + 1)
    assert torch.equal(
        learner.vector(), torch.cat([p.detach().flatten() for p in learner.parameters()])
    )


@pytest.mark.parametrize("head", ["single", "masked", "per-task"])
def test_mixed_batches_let_each_example_compete_within_its_task(toy_stream, toy_learner, head):
    """The loss of a mixed batch is the mean over examples of each one's own loss."""
    stream = toy_stream("task", tasks=3)
    learner = begun(toy_learner, stream, 2, model=MLP(hidden=(8,), head=head))
    parts = [stream.task(k).train.first(count) for k, count in enumerate((5, 2, 4))]
    tasks = torch.tensor([0] * 5 + [1] * 2 + [2] * 4)
    order = torch.randperm(11, generator=torch.Generator().manual_seed(0))
    x, y = torch.cat([p.x for p in parts])[order], torch.cat([p.y for p in parts])[order]
    mixed = Batch(x, y, tasks[order])
    singles = [
        learner.loss(Batch(x[i : i + 1], y[i : i + 1], int(tasks[order][i]))) for i in range(11)
    ]
    torch.testing.assert_close(learner.loss(mixed), torch.stack(singles).mean())


@pytest.mark.parametrize("scenario", ["class", "domain"])
def test_the_task_is_not_told_where_it_is_unknown(toy_stream, toy_learner, scenario):
    """All outputs compete, whatever task a batch says it is from."""
    stream = toy_stream(scenario)
    learner = begun(toy_learner, stream, model=MLP(hidden=(8,), head="masked"))
    batch = first_batch(stream)
    wanted = cross_entropy(learner.model(batch.x), batch.y)
    assert torch.equal(learner.loss(batch), wanted)
    assert torch.equal(learner.loss(Batch(batch.x, batch.y, torch.zeros(6).long())), wanted)


def test_loss_leaves_the_batch_alone(toy_stream, toy_learner):
    stream = toy_stream("task")
    learner = begun(toy_learner, stream, model=MLP(hidden=(8,), head="masked", dropout=0.5))
    batch = first_batch(stream)
    before = (batch.x.clone(), batch.y.clone())
    learner.loss(batch).backward()
    assert torch.equal(batch.x, before[0])
    assert torch.equal(batch.y, before[1])
    assert batch.x.grad is None


def test_old_data_is_out_of_reach_unless_declared(toy_stream, toy_learner):
    stream = toy_stream(tasks=3)
    learner = begun(toy_learner, stream, 2)
    with pytest.raises(UnsupportedError, match="reads_past"):
        learner.past()
    learner.may_read_past = True
    past = learner.past()
    assert [part.y.unique().tolist() for part in past] == [[0, 1], [2, 3]]


def test_scores_are_measured_once_until_the_model_changes(toy_stream, toy_learner):
    learner = begun(toy_learner, toy_stream())
    first = learner.scores()
    with torch.no_grad():
        learner.model.head.linear.bias[0] += 1e6  # now everything is class 0
    assert learner.scores() is first
    learner.changed()
    assert learner.scores().tasks == (0.5, 0.0)


def test_new_model_starts_as_the_first_one_and_drops_velocity(toy_stream, toy_learner):
    stream = toy_stream()
    options = {"model": MLP(hidden=(8,), head="growing"), "momentum": 0.5, "keep_optimizer": True}
    learner = toy_learner(stream, **options)
    fresh = toy_learner(stream, **options)
    list(learn_stream(learner, Together([Naive()])))
    assert any(name.startswith("optimizer.") for name in learner.state())
    learner.replace_model()
    for index in range(2):
        fresh.model.start_task(index)
    assert learner.state().keys() == fresh.state().keys()
    assert all(torch.equal(fresh.state()[k], v) for k, v in learner.state().items())
