"""OWM: projectors against closed forms, steps against a plain loop of the authors' recursion."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from bioncl.errors import UnsupportedError
from bioncl.learning.affine import Call
from bioncl.learning.loop import batches, learn_stream
from bioncl.learning.method import Method, Together
from bioncl.learning.plain_sgd import demand_plain_sgd
from bioncl.methods import owm as module
from bioncl.methods.owm import OWM, explained, product, update
from bioncl.models.convnet import ConvNet
from bioncl.models.mlp import MLP

WIDTH = 12


def rows_of(count, width=WIDTH, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, width, generator=generator, dtype=torch.float64)


def recursion(rows, alpha, projector=None):
    """P ← P − k kᵀ / (α + rᵀk) for one row after another, in double precision."""
    projector = torch.eye(rows.shape[1]).double() if projector is None else projector.clone()
    for r in rows:
        k = projector @ r
        projector -= torch.outer(k, k) / (alpha + r @ k)
    return projector


@pytest.mark.parametrize("alpha", [1e-3, 0.6, 10.0])
def test_one_row_after_another_is_the_closed_form(alpha):
    """P = I − A (AᵀA + αI)⁻¹ Aᵀ (Woodbury), with the rows as columns of A."""
    rows = rows_of(30)
    projector = torch.eye(WIDTH).double()
    for row in rows:
        update(projector, row[None], alpha)
    a = rows.T
    inverse = torch.linalg.inv(a.T @ a + alpha * torch.eye(30))
    torch.testing.assert_close(projector, torch.eye(WIDTH) - a @ inverse @ a.T, rtol=0, atol=1e-7)


@pytest.mark.parametrize("count", [1, 5, WIDTH, 40])
def test_many_rows_at_once_are_the_same_as_one_by_one(count):
    """As convolutions need it: one row for each place of the kernel."""
    start, rows = recursion(rows_of(4, seed=1), 0.5), rows_of(count)
    found = start.clone()
    update(found, rows, 0.3)
    torch.testing.assert_close(found, recursion(rows, 0.3, start), rtol=0, atol=1e-10)


def test_projectors_stay_symmetric_with_eigenvalues_between_0_and_1():
    """In single precision too, after thousands of steps."""
    projector = torch.eye(WIDTH)
    for row in rows_of(3000).float():
        update(projector, row[None], 0.5)
    assert torch.equal(projector, projector.T)
    values = torch.linalg.eigvalsh(projector)
    assert values.min() > -1e-5
    assert values.max() < 1 + 1e-5


def test_small_alpha_projects_and_large_alpha_does_nothing():
    """α → 0 takes the rows out of every vector; α → ∞ leaves plain SGD."""
    rows = rows_of(5)
    hard, soft = torch.eye(WIDTH).double(), torch.eye(WIDTH).double()
    for row in rows:
        update(hard, row[None], 1e-12)
        update(soft, row[None], 1e12)
    assert (hard @ rows.T).abs().max() < 1e-9
    torch.testing.assert_close(hard @ hard, hard, rtol=0, atol=1e-9)
    torch.testing.assert_close(soft, torch.eye(WIDTH).double(), rtol=0, atol=1e-9)


def factors(post=40, pre=30, examples=6):
    """A layer, a call of it, its gradient, and a projector."""
    torch.manual_seed(0)
    layer = torch.nn.Linear(pre, post, bias=False)
    call = Call(layer, torch.randn(examples, pre), torch.randn(examples, post))
    projector = recursion(rows_of(9, pre, 2), 0.1).float()
    return call, call.delta.T @ call.x, projector


def test_factors_give_the_same_product(monkeypatch):
    """By way of X P, which the number of operations chooses here."""
    call, found, projector = factors()
    monkeypatch.setattr(module, "explained", lambda *rest: True)
    by_factors = product(torch.zeros_like(found), projector, [call])  # the factors alone count
    torch.testing.assert_close(by_factors, found @ projector, rtol=1e-4, atol=1e-5)


def test_a_gradient_that_is_more_than_its_factors_is_multiplied_itself():
    """A penalty of a thousandth is not lost."""
    call, found, projector = factors()
    assert explained(found, call.delta, call.x)
    more = found + 1e-3 * torch.randn_like(found)
    assert not explained(more, call.delta, call.x)
    torch.testing.assert_close(product(more, projector, [call]), more @ projector)


def test_many_examples_are_multiplied_the_plain_way(monkeypatch):
    call, found, projector = factors(post=4, examples=20)
    monkeypatch.setattr(module, "explained", lambda *rest: pytest.fail("asked"))
    torch.testing.assert_close(product(found, projector, [call]), found @ projector)


def reference(learner, alphas, decays, clip):
    """Weights [in, out], bias last, after all tasks by the published loop in double precision."""
    layers = learner.model.stack()
    weights = [torch.cat([m.weight.T, m.bias[None]]).detach().double() for m in layers]
    projectors = [torch.eye(len(w)).double() for w in weights]
    for task in learner.stream.tasks():
        learner.begin(task)
        speed, step = [torch.zeros_like(w) for w in weights], 0
        total = learner.training.epochs * -(-len(task.train) // learner.training.batch_size)
        for _ in range(learner.training.epochs):
            for batch in batches(learner):
                free = [w.clone().requires_grad_() for w in weights]
                h, inputs = batch.x.flatten(1).double(), []
                for i, w in enumerate(free):
                    inputs.append(torch.cat([h, torch.ones(len(h), 1).double()], 1))
                    z = inputs[-1] @ w
                    h = z.relu() if i < len(free) - 1 else z
                functional.cross_entropy(h, batch.y).backward()
                for i, w in enumerate(free):
                    alpha = alphas[i] * decays[i] ** (step / total)
                    r = inputs[i].detach().mean(0, keepdim=True)
                    projectors[i] = recursion(r, alpha, projectors[i])
                    g = w.grad * min(1, clip / float(w.grad.norm()))
                    speed[i] = learner.training.momentum * speed[i] + projectors[i] @ g
                    weights[i] = weights[i] - learner.training.lr * speed[i]
                step += 1
    return weights, projectors


def test_steps_are_those_of_the_published_loop(toy_stream, toy_learner):
    """α that falls within each task, clipping and momentum, over three tasks."""
    options = {"lr": 0.3, "momentum": 0.5, "epochs": 3}
    stream, net = toy_stream(tasks=3), MLP(hidden=(9, 7))
    method = OWM(alpha=(0.9, 0.6), alpha_decay=(0.01, 1.0), clip=0.2)
    learner = toy_learner(stream, net, **options)
    list(learn_stream(learner, Together([method])))
    weights, projectors = reference(
        toy_learner(stream, net, **options), (0.9, 0.6, 0.6), (0.01, 1.0, 1.0), 0.2
    )
    for layer, wanted in zip(learner.model.stack(), weights, strict=True):
        found = torch.cat([layer.weight.T, layer.bias[None]]).double()
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)
    for found, wanted in zip(method.projectors.values(), projectors, strict=True):
        torch.testing.assert_close(found.double(), wanted, rtol=1e-3, atol=1e-4)


def test_convolutions_meet_the_patches_of_the_mean_image(toy_stream, toy_learner):
    """One batch: P of the first layer is the closed form for all patches, with 1 for the bias."""
    learner = toy_learner(toy_stream(tasks=1), ConvNet(channels=(2,), kernel=3), batch_size=24)
    method = OWM(alpha=(0.7,))
    list(learn_stream(learner, Together([method])))
    image = learner.task.train.x.mean(0, keepdim=True)
    patches = functional.unfold(image, 3, padding=1)[0].T.double()
    rows = torch.cat([patches, torch.ones(16, 1)], 1)
    wanted = torch.linalg.inv(torch.eye(10) + rows.T @ rows / 0.7)
    found = method.projectors["parts.0.unit"].double()
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)


class Watch(Method):
    """Notes how far each step moves the output for an input that the projector has taken in."""

    def __init__(self, owm):
        self.owm, self.moved, self.plain = owm, [], []

    def adjust_gradient(self, learner, batch):
        """Runs after OWM's."""
        layer = learner.model.trunk[0]
        r = torch.cat([batch.x.flatten(1).mean(0), torch.ones(1)])
        step = torch.cat([layer.weight.grad, layer.bias.grad[:, None]], 1)
        plain = learner.gradient_of(batch)[: layer.weight.numel()].view_as(layer.weight)
        self.moved.append(float((step @ r).norm()))
        self.plain.append(float((plain @ r[:-1]).norm()))


def test_steps_leave_mean_inputs_alone(toy_stream, toy_learner):
    """‖G P r‖ is small at once: r itself has just been taken in."""
    owm = OWM(alpha=(1e-4,))
    watch = Watch(owm)
    list(learn_stream(toy_learner(toy_stream(), epochs=2), Together([owm, watch])))
    assert max(watch.plain) > 0.01
    assert max(watch.moved) < 1e-3 * max(watch.plain)


def test_other_heads_are_free(toy_stream, toy_learner):
    """Each task's own outputs need no projector; one head for all does."""
    own, shared = OWM(), OWM()
    net = MLP(hidden=(8,), head="per-task")
    list(learn_stream(toy_learner(toy_stream("task"), net), Together([own])))
    list(learn_stream(toy_learner(toy_stream("class")), Together([shared])))
    assert list(own.projectors) == ["trunk.0"]
    assert list(shared.projectors) == ["trunk.0", "head"]


def test_a_head_that_grows_has_one_projector(toy_stream, toy_learner):
    net = MLP(hidden=(8,), head="growing")
    method = OWM()
    list(learn_stream(toy_learner(toy_stream(), net), Together([method])))
    assert {name: len(p) for name, p in method.projectors.items()} == {"trunk.0": 17, "head": 9}


def test_it_forgets_less_than_nothing_at_all(toy_stream, toy_learner):
    options = {"lr": 0.1, "epochs": 60}
    plain = list(learn_stream(toy_learner(toy_stream(), **options), Together([Method()])))
    held = list(learn_stream(toy_learner(toy_stream(), **options), Together([OWM()])))
    assert held[-1].scores.tasks[0] > plain[-1].scores.tasks[0] + 0.3


def test_batch_norm_is_refused_before_training(toy_stream, toy_learner):
    net = ConvNet(channels=(2,), kernel=3, batch_norm=True)
    with pytest.raises(UnsupportedError, match="owm.*BatchNorm"):
        list(learn_stream(toy_learner(toy_stream(), net), Together([OWM()])))


def test_adam_is_refused_before_training(toy_stream, toy_learner):
    learner = toy_learner(toy_stream(), optimizer="adam")
    with pytest.raises(UnsupportedError, match="adam"):
        list(learn_stream(learner, Together([OWM()])))
    with pytest.raises(UnsupportedError):
        demand_plain_sgd(learner.training, "owm")
