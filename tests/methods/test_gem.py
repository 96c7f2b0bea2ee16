"""GEM: the projection against an independent solver, its optimality, and when it acts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from bioncl.learning.loop import learn_stream
from bioncl.learning.method import Method, Together
from bioncl.methods.gem import GEM, dual, project
from bioncl.models.mlp import MLP
from bioncl.streams.stream import Batch

CASES = [(t, seed) for t in (1, 2, 5, 12) for seed in range(4)]


def violating(tasks, seed, size=30):
    """Random g [size] and G [tasks, size] in double precision, at least one constraint violated."""
    generator = torch.Generator().manual_seed(100 * tasks + seed)
    old = torch.randn(tasks, size, generator=generator, dtype=torch.float64)
    gradient = torch.randn(size, generator=generator, dtype=torch.float64)
    return gradient - 2 * old[0] * (gradient @ old[0]).clamp(min=0.1) / (old[0] @ old[0]), old


def weights(gradient, old, margin, ridge):
    """v, by the function under test."""
    return dual((old @ old.T).numpy(), (old @ gradient).numpy(), margin, ridge)


@pytest.mark.parametrize(("tasks", "seed"), CASES)
def test_it_solves_the_primal_problem(tasks, seed):
    """min ½‖x − g‖² subject to G x ≥ 0, by SLSQP, which goes on until it finds no way down."""
    gradient, old = violating(tasks, seed)
    g, rows = gradient.numpy(), old.numpy()
    found = minimize(
        lambda x: 0.5 * ((x - g) ** 2).sum(),
        g,
        jac=lambda x: x - g,
        constraints={"type": "ineq", "fun": lambda x: rows @ x, "jac": lambda x: rows},
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 1000},
    )
    projected = project(gradient, old, margin=0.0, ridge=0.0).numpy()
    np.testing.assert_allclose(projected, found.x, atol=1e-6)
    assert (rows @ projected).min() >= -1e-8


@pytest.mark.parametrize("margin", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("ridge", [0.0, 1e-3, 1.0])
@pytest.mark.parametrize(("tasks", "seed"), CASES)
def test_conditions_of_optimality_hold(tasks, seed, margin, ridge):
    """v ≥ margin, slope ≥ 0, and one of the two with equality (Karush, Kuhn, Tucker)."""
    gradient, old = violating(tasks, seed)
    v = weights(gradient, old, margin, ridge)
    slope = ((old @ old.T).numpy() + ridge * np.eye(tasks)) @ v + (old @ gradient).numpy()
    assert v.min() >= margin
    assert slope.min() >= -1e-8
    assert np.abs((v - margin) * slope).max() < 1e-8


@pytest.mark.parametrize(("tasks", "seed"), CASES)
def test_nothing_that_obeys_is_nearer(tasks, seed):
    """Compared with the projection's neighbours and far points that obey all constraints."""
    gradient, old = violating(tasks, seed)
    projected = project(gradient, old, margin=0.0, ridge=0.0)
    distance = (projected - gradient).norm()
    generator = torch.Generator().manual_seed(seed)
    compared = 0
    for scale in (1e-3, 1e-1, 1.0, 10.0):
        noise = torch.randn(500, len(gradient), generator=generator, dtype=torch.float64)
        points = projected + scale * noise
        obeying = points[(points @ old.T >= 0).all(1)]
        compared += len(obeying)
        assert ((obeying - gradient).norm(dim=1) >= distance - 1e-9).all()
    assert tasks > 5 or compared > 20


def test_without_violation_the_gradient_is_left_alone():
    gradient, old = violating(3, 0)
    agreeing = old * (old @ gradient).sign()[:, None]
    assert project(gradient, agreeing, margin=0.5, ridge=1e-3) is gradient


def test_one_memory_is_the_formula_of_averaged_gem():
    """g − (gᵀr / rᵀr) r."""
    gradient, old = violating(1, 1)
    r = old[0]
    wanted = gradient - (gradient @ r) / (r @ r) * r
    found = project(gradient, old, margin=0.0, ridge=0.0)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)


def test_a_margin_moves_further_toward_the_old_tasks():
    """One task: v = max(margin, −⟨g, r⟩/⟨r, r⟩), so a margin above that helps the old task."""
    gradient, old = violating(1, 2)
    r, least = old[0], float(-(gradient @ old[0]) / (old[0] @ old[0]))
    for margin in (0.5 * least, 3 * least):
        wanted = gradient + max(margin, least) * r
        found = project(gradient, old, margin=margin, ridge=0.0)
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-10)


def test_the_ridge_of_the_authors_leaves_small_violations():
    """G g̃ ≥ −ridge·v: why the published ridge is a setting and not a detail."""
    gradient, old = violating(5, 1)
    v = weights(gradient, old, 0.0, 1e-3)
    products = (old @ project(gradient, old, margin=0.0, ridge=1e-3)).numpy()
    assert (products >= -1e-3 * v - 1e-12).all()
    assert products.min() < -1e-6


@pytest.mark.parametrize("ridge", [0.0, 1e-10])
def test_gradients_that_depend_on_each_other_do_no_harm(ridge):
    """Two equal rows, and one that is zero."""
    gradient, old = violating(2, 3)
    doubled = torch.cat([old, old[:1], 0 * old[:1]])
    wanted = project(gradient, old, margin=0.0, ridge=ridge)
    found = project(gradient, doubled, margin=0.0, ridge=ridge)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-7)


def test_single_precision_follows_double():
    gradient, old = violating(5, 2)
    found = project(gradient.float(), old.float(), margin=0.5, ridge=1e-3)
    wanted = project(gradient, old, margin=0.5, ridge=1e-3)
    torch.testing.assert_close(found.double(), wanted, rtol=1e-4, atol=1e-4)


def test_what_is_not_finite_is_left_to_the_loop():
    old = torch.tensor([[float("nan"), 1.0], [0.0, -1.0]])
    gradient = torch.ones(2)
    assert project(gradient, old, margin=0.5, ridge=1e-3) is gradient


class Watch(Method):
    """Notes, at each step, gradients before and after GEM and what they should have been."""

    def __init__(self, gem):
        self.gem, self.found, self.violated = gem, [], 0

    def extra_loss(self, learner, batch):
        return None

    def adjust_gradient(self, learner, batch):
        """Runs after GEM's; the parameters are still those of the step."""
        plain = learner.gradient_of(batch)
        index = learner.task.index
        held, tasks = self.gem.store.examples(), self.gem.store.tasks()
        old = [
            learner.gradient_of(Batch(held.x[tasks == k], held.y[tasks == k], k))
            for k in range(index)
        ]
        if old and min(float(plain @ o) for o in old) < 0:
            self.violated += 1
            plain = project(plain, torch.stack(old), self.gem.margin, self.gem.ridge)
        self.found.append((learner.gradient(), plain))


@pytest.mark.parametrize("scenario", ["task", "domain", "class"])
def test_each_step_uses_memories_at_the_present_weights(toy_stream, toy_learner, scenario):
    """Gradients recomputed from the store, each with its own task's outputs, give the same step."""
    head = "masked" if scenario == "task" else "single"
    gem = GEM(memory=10)
    watch = Watch(gem)
    learner = toy_learner(toy_stream(scenario, tasks=3), MLP(hidden=(8,), head=head), epochs=4)
    list(learn_stream(learner, Together([gem, watch])))
    assert watch.violated > 0
    for found, wanted in watch.found:
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


def test_ring_holds_the_last_examples_of_each_task(toy_stream, toy_learner):
    """In the order in which they were shown in the first epoch, not again in later ones."""
    shown = {0: [], 1: []}

    class Note(Method):
        def after_step(self, learner, batch):
            if learner.epoch == 0:
                shown[learner.task.index].append(batch.x)

    gem = GEM(memory=7)
    list(learn_stream(toy_learner(toy_stream(), epochs=3), Together([gem, Note()])))
    for index, batches in shown.items():
        held = gem.store.examples().x[gem.store.tasks() == index]
        assert torch.equal(held, torch.cat(batches)[-7:])


@pytest.mark.parametrize("margin", [0.0, 0.5])
def test_it_forgets_less_than_nothing_at_all(toy_stream, toy_learner, margin):
    options = {"lr": 0.1, "epochs": 60}
    plain = list(learn_stream(toy_learner(toy_stream(), **options), Together([Method()])))
    gem = GEM(memory=24, margin=margin)
    held = list(learn_stream(toy_learner(toy_stream(), **options), Together([gem])))
    assert held[-1].scores.tasks[0] > plain[-1].scores.tasks[0] + 0.3


def test_mixing_trains_on_the_memories_too(toy_stream, toy_learner):
    """10 stored examples go twice into 24 new ones; only new ones are stored again."""
    gem = GEM(memory=10, mix_memory=True)
    learner = toy_learner(toy_stream())
    list(learn_stream(learner, Together([gem])))
    assert learner.data_tasks.bincount().tolist() == [20, 24]
    assert gem.store.tasks().bincount().tolist() == [10, 10]
    fresh = gem.store.examples().x[gem.store.tasks() == 1]
    new = {tuple(row) for row in toy_stream().task(1).train.x.flatten(1).tolist()}
    assert all(tuple(row) in new for row in fresh.flatten(1).tolist())
