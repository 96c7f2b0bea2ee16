"""GPM: bases against singular values in NumPy, and gradients orthogonal to them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from bioncl.errors import UnsupportedError
from bioncl.learning.fisher import drawn
from bioncl.learning.loop import learn_stream
from bioncl.learning.method import Method, Together
from bioncl.methods.gpm import GPM, needed
from bioncl.models.convnet import ConvNet
from bioncl.models.mlp import MLP

NETS = {
    "mlp": MLP(hidden=(10, 8)),
    "mlp without biases": MLP(hidden=(10, 8), bias=False),
    "convnet": ConvNet(channels=(3, 4), kernel=3, hidden=(8,)),
}


def matrix_of(seed, rank=6, width=12, count=30):
    """R [in, n] with falling singular values."""
    generator = torch.Generator().manual_seed(seed)
    factors = [torch.randn(n, rank, generator=generator).double() for n in (width, count)]
    return factors[0] @ torch.diag(0.6 ** torch.arange(rank).double()) @ factors[1].T


def by_paper(r, basis, epsilon):
    """Equations 5, 8 and 9 of the paper in NumPy: columns that join `basis` [in, k]."""
    total = np.linalg.norm(r) ** 2
    hat = r - basis @ (basis.T @ r)
    u, s, _ = np.linalg.svd(hat, full_matrices=False)
    kept = total - np.linalg.norm(hat) ** 2
    count = 0
    while kept < epsilon * total:
        kept += s[count] ** 2
        count += 1
    return u[:, :count]


@pytest.mark.parametrize("epsilon", [0.5, 0.9, 0.97, 0.999])
def test_first_and_later_bases_are_those_of_the_paper(epsilon):
    """The same spaces, as small, from R Rᵀ alone."""
    basis, wanted = torch.empty(0, 12).double(), np.empty((12, 0))
    for seed in range(3):
        r = matrix_of(seed)
        more = by_paper(r.numpy(), wanted, epsilon)
        found = needed(r @ r.T, basis, epsilon)
        assert len(found) == more.shape[1]
        np.testing.assert_allclose(found.T @ found, more @ more.T, atol=1e-8)
        basis, wanted = torch.cat([basis, found]), np.hstack([wanted, more])
        share = np.linalg.norm(wanted.T @ r.numpy()) ** 2 / np.linalg.norm(r.numpy()) ** 2
        assert share >= epsilon


def test_one_vector_less_would_be_too_few():
    r = matrix_of(0)
    found = needed(r @ r.T, torch.empty(0, 12).double(), 0.9)
    energy = (found[:-1] @ r).square().sum() / r.square().sum()
    assert energy < 0.9 <= (found @ r).square().sum() / r.square().sum()


def test_what_the_basis_has_already_adds_nothing():
    r = matrix_of(0)
    basis = needed(r @ r.T, torch.empty(0, 12).double(), 0.95)
    assert len(needed(r @ r.T, basis, 0.95)) == 0


def test_a_threshold_of_one_stops_at_the_rank():
    r = matrix_of(0)
    assert len(needed(r @ r.T, torch.empty(0, 12).double(), 1.0)) == 6


def inputs_by_hand(name, model, x):
    """Vectors of each layer [n, in] in order, written out for these networks."""
    rows = []
    if name == "convnet":
        for part in model.parts[:2]:
            rows.append(functional.unfold(x, 3, padding=1).transpose(1, 2).flatten(0, 1))
            x = part(x)
        rows.append(x.flatten(1))
        rows.append(model.parts[2](x))
    else:
        x = x.flatten(1)
        for layer in model.trunk:
            rows.append(x)
            x = layer(x).relu()
        rows.append(x)
    if name != "mlp without biases":
        rows = [torch.cat([r, torch.ones(len(r), 1)], 1) for r in rows]
    return [r.detach() for r in rows]


@pytest.mark.parametrize("name", NETS)
def test_bases_keep_the_energy_of_each_layers_inputs(toy_stream, toy_learner, name):
    """Orthonormal; of the vectors that each layer meets they keep the share asked for."""
    gpm = GPM(threshold=(0.8, 0.9), threshold_step=0.05, samples=10)
    learner = toy_learner(toy_stream(tasks=2), NETS[name], epochs=3)
    for outcome in learn_stream(learner, Together([gpm])):
        examples = drawn(learner.task.train, 10, learner.seed, outcome.index)
        met = inputs_by_hand(name, learner.model, examples.x)
        for place, (rows, basis) in enumerate(zip(met, gpm.bases.values(), strict=True)):
            epsilon = (0.8 if place == 0 else 0.9) + 0.05 * outcome.index
            energy = (rows @ basis.T).square().sum() / rows.square().sum()
            assert energy >= epsilon - 1e-5
            assert len(basis) < basis.shape[1]
            one = torch.eye(len(basis))
            torch.testing.assert_close(basis @ basis.T, one, rtol=0, atol=1e-5)


class Watch(Method):
    """Notes, after each step, the largest cosine of what a layer moved by with its basis."""

    def __init__(self, gpm):
        self.gpm, self.worst, self.seen = gpm, 0.0, 0

    def matrices(self):
        found = {}
        for name, layers in self.gpm.layers.items():
            for layer in layers:
                matrix = layer.weight.detach().flatten(1)
                bias = [] if layer.bias is None else [layer.bias.detach()[:, None]]
                found[name] = torch.cat([matrix, *bias], 1).clone()
        return found

    def before_task(self, learner, task):
        self.before = self.matrices()

    def after_step(self, learner, batch):
        now = self.matrices()
        for name, basis in self.gpm.bases.items():
            step = now[name] - self.before[name]
            self.worst = max(self.worst, float((step @ basis.T).abs().max()))
            self.seen += bool(step.any())
        self.before = now


@pytest.mark.parametrize("name", NETS)
def test_every_step_is_orthogonal_to_the_bases(toy_stream, toy_learner, name):
    gpm = GPM(threshold=(0.9,), samples=10)
    watch = Watch(gpm)
    learner = toy_learner(toy_stream(tasks=3), NETS[name], lr=0.1, momentum=0.5, epochs=4)
    list(learn_stream(learner, Together([gpm, watch])))
    assert watch.seen > 0
    assert watch.worst <= 1e-5


def test_kept_inputs_give_the_same_outputs(toy_stream, toy_learner):
    """With all energy kept, the network does on the samples what it did, whatever it learns."""
    stream = toy_stream("domain", tasks=2)
    gpm = GPM(threshold=(1.0,), samples=5)
    learner = toy_learner(stream, MLP(hidden=(10,)), lr=0.3, epochs=20)
    run = learn_stream(learner, Together([gpm]))
    next(run)
    x = drawn(stream.task(0).train, 5, learner.seed, 0).x
    before, weight = learner.model(x).detach(), learner.model.trunk[0].weight.clone()
    next(run)
    assert (learner.model.trunk[0].weight - weight).abs().max() > 1e-3
    torch.testing.assert_close(learner.model(x).detach(), before, rtol=1e-3, atol=1e-3)


def test_the_first_task_is_learnt_freely(toy_stream, toy_learner):
    options = {"lr": 0.1, "epochs": 3}
    plain = toy_learner(toy_stream(tasks=1), **options)
    list(learn_stream(plain, Together([Method()])))
    held = toy_learner(toy_stream(tasks=1), **options)
    list(learn_stream(held, Together([GPM()])))
    assert torch.equal(held.vector(), plain.vector())


def test_heads_of_single_tasks_are_free(toy_stream, toy_learner):
    gpm = GPM()
    net = MLP(hidden=(8,), head="masked")
    list(learn_stream(toy_learner(toy_stream("task"), net), Together([gpm])))
    assert list(gpm.bases) == ["trunk.0"]


def test_it_forgets_less_than_nothing_at_all(toy_stream, toy_learner):
    options = {"model": MLP(hidden=(20,)), "lr": 0.1, "epochs": 40}
    plain = list(learn_stream(toy_learner(toy_stream(), **options), Together([Method()])))
    gpm = GPM(threshold=(0.999,), samples=24)
    held = list(learn_stream(toy_learner(toy_stream(), **options), Together([gpm])))
    assert held[-1].scores.tasks[0] > plain[-1].scores.tasks[0] + 0.2


def test_batch_norm_is_refused_before_training(toy_stream, toy_learner):
    net = ConvNet(channels=(2,), kernel=3, batch_norm=True)
    with pytest.raises(UnsupportedError, match="gpm.*BatchNorm"):
        list(learn_stream(toy_learner(toy_stream(), net), Together([GPM()])))
