"""SAM: where it climbs to, which gradient it steps by, and that it comes back to the very bits."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bioncl.learning.loop import learn_stream
from bioncl.learning.method import Method, Together
from bioncl.methods.rehearsal import Rehearsal
from bioncl.methods.sam import SAM, climbed
from bioncl.models.convnet import ConvNet
from bioncl.models.mlp import MLP

VANISHING = 1e-30  # too small to move any weight


class Watch(Method):
    """Notes the weights at every gradient, and weights and gradient before the step."""

    def __init__(self):
        self.visited, self.steps = [], []

    def extra_loss(self, learner, batch):
        self.visited.append(learner.vector())

    def adjust_gradient(self, learner, batch):
        self.steps.append((batch, learner.vector(), learner.gradient(), self.visited))
        self.visited = []


def watched(learner, *methods):
    watch = Watch()
    list(learn_stream(learner, Together([*methods, watch])))
    return watch.steps


@pytest.mark.parametrize("rho", [0.05, 2.0])
def test_it_climbs_by_rho_along_the_gradient_and_comes_back(toy_stream, toy_learner, rho):
    """The gradient at w is taken apart, on a copy of the network."""
    learner, other = toy_learner(toy_stream()), toy_learner(toy_stream())
    for batch, place, _, visited in watched(learner, SAM(rho)):
        assert len(visited) == 2
        assert torch.equal(visited[0], place)  # bit for bit, where rounding would show
        moved = visited[1] - visited[0]
        assert float(moved.norm()) == pytest.approx(rho, rel=1e-3)
        other.set_vector(place)
        slope = other.gradient_of(batch)
        torch.testing.assert_close(moved, rho * slope / slope.norm(), rtol=1e-3, atol=1e-5)


def softmax_gradient(weight, bias, x, y):
    """Gradient of the mean cross-entropy of softmax regression, written out."""
    scores = x @ weight.T + bias
    odds = np.exp(scores - scores.max(1, keepdims=True))
    error = odds / odds.sum(1, keepdims=True) - np.eye(len(bias))[y]
    return error.T @ x / len(x), error.mean(0)


def test_the_step_is_the_one_of_softmax_regression(toy_stream, toy_learner):
    """Closed form in NumPy: e from the gradient at w, then the gradient at w + e."""
    rho = 0.7
    learner = toy_learner(toy_stream("domain"), MLP(hidden=()))
    for batch, place, found, _ in watched(learner, SAM(rho)):
        flat = place.double().numpy()
        weight, bias = flat[:32].reshape(2, 16), flat[32:]
        x, y = batch.x.flatten(1).double().numpy(), batch.y.numpy()
        slopes = softmax_gradient(weight, bias, x, y)
        length = np.sqrt(sum((s**2).sum() for s in slopes))
        e = [rho * s / length for s in slopes]
        wanted = softmax_gradient(weight + e[0], bias + e[1], x, y)
        wanted = np.concatenate([part.ravel() for part in wanted])
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4, atol=1e-6)


def test_on_a_quadratic_it_is_the_hessian_times_the_shifted_place():
    """L = ½ wᵀHw: the gradient is H(w + e), with e = ρ Hw / ‖Hw‖."""
    hessian = torch.tensor([[3.0, 1.0], [1.0, 0.5]], dtype=torch.float64)
    w = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True)

    def find():
        w.grad = None
        loss = 0.5 * w @ hessian @ w
        loss.backward()
        return loss

    learner = SimpleNamespace(
        parameters=lambda: [w],
        model=torch.nn.Identity(),
        generator=torch.Generator(),
        device=torch.device("cpu"),
    )
    place = w.detach().clone()
    loss = SAM(0.3).around_gradient(learner, None, find)
    slope = hessian @ place
    torch.testing.assert_close(w.grad, hessian @ (place + 0.3 * slope / slope.norm()))
    assert torch.equal(w.detach(), place)
    assert loss.item() == pytest.approx(float(0.5 * place @ hessian @ place))


@pytest.mark.parametrize("rho", [0.0, VANISHING])
def test_without_a_distance_it_is_plain_training(toy_stream, toy_learner, rho):
    """Bit for bit, so masks of dropout and stored examples are drawn alike for both gradients."""

    def learnt(*methods):
        learner = toy_learner(toy_stream(), MLP(hidden=(8,), dropout=0.5), epochs=3, momentum=0.9)
        list(learn_stream(learner, Together([*methods, Rehearsal(memory=10, batch=4)])))
        return learner.vector()

    assert torch.equal(learnt(SAM(rho)), learnt())


def test_it_climbs_on_the_loss_of_all_methods(toy_stream, toy_learner):
    """Also of one that comes after it: a strong pull to 0 turns the direction."""

    class Pull(Method):
        def extra_loss(self, learner, batch):
            return 1e4 * sum((p**2).sum() for p in learner.parameters())

    learner = toy_learner(toy_stream(), lr=1e-9)
    for _, _, _, (here, there) in watched(learner, SAM(0.5), Pull()):
        along = torch.nn.functional.cosine_similarity(there - here, here, dim=0)
        assert float(along) == pytest.approx(1, abs=1e-3)


def test_running_statistics_see_the_first_pass_alone(toy_stream, toy_learner):
    """After one step they are those of the batch at w, and one batch has been counted."""
    settings = ConvNet(channels=(3,), kernel=3, hidden=(), batch_norm=True)
    learner = toy_learner(toy_stream(tasks=1), settings, batch_size=24)
    start = copy.deepcopy(learner.model)
    ((batch, *_),) = watched(learner, SAM(5.0))
    norm, conv = (
        next(m for m in model.modules() if isinstance(m, kind))
        for model, kind in ((learner.model, torch.nn.BatchNorm2d), (start, torch.nn.Conv2d))
    )
    maps = torch.nn.functional.conv2d(batch.x, conv.weight, padding=1)
    torch.testing.assert_close(norm.running_mean, 0.1 * maps.mean((0, 2, 3)))
    torch.testing.assert_close(norm.running_var, 0.9 + 0.1 * maps.var((0, 2, 3)))
    assert int(norm.num_batches_tracked) == 1


def test_other_heads_stay_where_they_are(toy_stream, toy_learner):
    """Their gradient is none, not zero, so that weight decay leaves them alone too."""
    learner = toy_learner(
        toy_stream("task", tasks=1), MLP(hidden=(4,), head="per-task"), weight_decay=0.1
    )
    extra = torch.nn.Parameter(torch.ones(3))
    learner.model.register_parameter("unused", extra)
    list(learn_stream(learner, Together([SAM(0.5)])))
    assert torch.equal(extra.detach(), torch.ones(3))


def test_flat_ground_is_not_climbed():
    """A gradient of zero, or none at all, gives e = 0 and no NaN."""
    flat, free = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    flat.grad = torch.zeros(2)
    with climbed([flat, free], 0.5):
        assert torch.equal(flat.detach(), torch.ones(2))
        assert torch.equal(free.detach(), torch.ones(2))
    with climbed([free], 0.5):
        assert torch.equal(free.detach(), torch.ones(2))


def test_a_failure_on_the_way_leaves_the_weights_too():
    w = torch.full((2,), 0.1, requires_grad=True)
    w.grad = torch.tensor([1.0, 1 / 3])
    before = w.detach().clone()
    with pytest.raises(KeyError), climbed([w], 1.0):
        assert not torch.equal(w.detach(), before)
        raise KeyError
    assert torch.equal(w.detach(), before)
