"""Fisher information: closed forms, the three kinds, and which examples are taken."""

from __future__ import annotations

import pytest
import torch

from bioncl.learning.fisher import drawn, fisher_of, rate_of
from bioncl.learning.importance import importance
from bioncl.learning.learner import Learner
from bioncl.learning.objective import loss
from bioncl.learning.training import Training
from bioncl.models.mlp import MLP
from bioncl.streams.stream import Examples, Stream, Task

CPU = torch.device("cpu")


def logistic(output="softmax", count=200, classes=2):
    """One linear layer in double precision, and examples."""
    settings = MLP(hidden=(), output=output, initial="xavier")
    model = settings.build((3,), classes, [range(classes)], 0).double()
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    return model, Examples(x, torch.randint(classes, (count,), generator=generator))


def of(kind, model, examples):
    found = importance(model, examples, rate_of(kind, model.output), power=2, device=CPU)
    return found["head.linear.weight"], found["head.linear.bias"]


def test_logistic_regression_has_its_closed_form():
    """F = E[p (1 − p) x²] for either row of a softmax over two classes."""
    model, examples = logistic()
    p = model(examples.x).softmax(1)[:, 1].detach()
    expected = (p * (1 - p))[:, None] * examples.x.square()
    weight, bias = of("true", model, examples)
    assert torch.allclose(weight, expected.mean(0).expand(2, 3))
    assert torch.allclose(bias, (p * (1 - p)).mean().expand(2))


def test_many_classes_have_their_closed_form():
    """Row c of softmax regression: F = E[p_c (1 − p_c) x²]."""
    model, examples = logistic(classes=5)
    p = model(examples.x).softmax(1).detach()
    expected = (p * (1 - p)).T @ examples.x.square() / len(examples)
    assert torch.allclose(of("true", model, examples)[0], expected)


@pytest.mark.parametrize("kind", ["empirical", "predicted"])
def test_one_class_alone_has_its_closed_form(kind):
    """F = E[(1{y = c} − p_c)² x²] with y the label, or the likeliest class."""
    model, examples = logistic(classes=4)
    logits = model(examples.x).detach()
    y = examples.y if kind == "empirical" else logits.argmax(1)
    error = torch.eye(4, dtype=torch.float64)[y] - logits.softmax(1)
    expected = error.square().T @ examples.x.square() / len(examples)
    assert torch.allclose(of(kind, model, examples)[0], expected)


def test_labels_drawn_from_the_model_give_the_true_information():
    """Empirical equals true in the mean over labels that the model itself draws."""
    model, examples = logistic(count=20)
    true = of("true", model, examples)[0]
    p = model(examples.x).softmax(1)[:, 1].detach()
    generator = torch.Generator().manual_seed(3)
    y = (torch.rand(3000, 20, generator=generator) < p).long()
    many = Examples(examples.x.repeat(3000, 1), y.flatten())
    assert torch.allclose(of("empirical", model, many)[0], true, rtol=0.05)
    others = Examples(examples.x, 1 - model(examples.x).argmax(1))
    assert not torch.allclose(of("empirical", model, others)[0], true, rtol=0.5)


def test_it_is_not_the_square_of_a_batch_gradient():
    """Squaring the mean gradient loses what cancels: here most of it."""
    model, examples = logistic()
    batch = torch.autograd.grad(loss("softmax", model(examples.x), examples.y), model.head.weight())
    assert of("empirical", model, examples)[0].sum() > 10 * batch[0].square().sum()


def test_squared_error_stands_for_a_normal_distribution():
    """True: E[x²] for each output, whatever the weights; empirical: the squared gradient of
    training."""
    model, examples = logistic("relu", classes=3)
    expected = examples.x.square().mean(0).expand(3, 3)
    assert torch.allclose(of("true", model, examples)[0], expected)
    squares = 0
    for x, y in zip(examples.x, examples.y, strict=True):
        one = loss("relu", model(x[None]), y[None])
        squares = squares + torch.autograd.grad(one, model.head.weight())[0].square()
    assert torch.allclose(of("empirical", model, examples)[0], squares / len(examples))


def test_drawn_examples_are_different_ones_and_the_same_each_time():
    examples = Examples(torch.arange(50.0)[:, None], torch.arange(50))
    first = drawn(examples, 20, seed=1, task=0)
    assert len(set(first.y.tolist())) == len(first) == 20
    assert torch.equal(first.x[:, 0].long(), first.y)
    assert torch.equal(first.y, drawn(examples, 20, seed=1, task=0).y)
    assert not torch.equal(first.y, drawn(examples, 20, seed=1, task=1).y)
    assert drawn(examples, 0, 1, 0) is examples
    assert drawn(examples, 50, 1, 0) is examples


@pytest.mark.parametrize(("scenario", "untouched"), [("task", True), ("class", False)])
def test_a_told_task_leaves_other_heads_without_information(scenario, untouched):
    x = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    data = Examples(x, 2 + torch.arange(30) % 2)
    task = Task(1, (2, 3), data, data, "one")
    stream = Stream("one", scenario, 4, (4,), 2, lambda index: task)
    settings = MLP(hidden=(6,), head="per-task")

    def build():
        return settings.build((4,), 4, [(0, 1), (2, 3)], 0)

    learner = Learner(build, stream, Training(), seed=0)
    found = fisher_of(learner, task, "true", samples=10)
    assert (found["head.blocks.0.weight"].abs().max() == 0) == untouched
    assert found["head.blocks.1.weight"].min() >= 0
    assert found["head.blocks.1.weight"].max() > 0
    assert found["trunk.0.weight"].max() > 0
