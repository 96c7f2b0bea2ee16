"""MC-SGD: gradients along the lines against autograd, the whole descent against a slow twin."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from bioncl.analysis.landscape import along_line, barrier
from bioncl.errors import DivergedError, UnsupportedError
from bioncl.experiments.settings import load
from bioncl.experiments.setup import make_learner, make_stream
from bioncl.learning.loop import learn_stream
from bioncl.learning.method import Method, Together
from bioncl.methods.mc_sgd import MCSGD, line_gradient
from bioncl.models.convnet import ConvNet
from bioncl.models.mlp import MLP
from bioncl.progress import Silent
from bioncl.streams.stream import Batch, joined


class Ends(Method):
    """Notes the network as each task begins and as its training ends (before MC-SGD's turn)."""

    def __init__(self):
        self.begun, self.ended = [], []

    def before_task(self, learner, task):
        self.begun.append(learner.vector())

    def after_task(self, learner, task):
        self.ended.append(learner.vector())


def explicit(model, batch, vector):
    """Loss of `batch` at the parameters `vector`, in double precision and differentiable."""
    names, shapes = zip(*[(n, p.shape) for n, p in model.named_parameters()], strict=True)
    parts = vector.split([shape.numel() for shape in shapes])
    named = {n: p.view(s) for n, p, s in zip(names, parts, shapes, strict=True)}
    logits = functional_call(model, named, (batch.x.double(),))
    return cross_entropy(logits, batch.y)


def sum_along(model, batch, fixed, moving, points):
    """Σ_a L(fixed + a (moving − fixed)) with all points, a = 0 too."""
    shares = [i / points for i in range(points + 1)]
    return sum(explicit(model, batch, fixed + a * (moving - fixed)) for a in shares)


@pytest.mark.parametrize("points", [1, 4, 10])
def test_the_gradient_along_a_line_is_that_of_the_sum(toy_stream, toy_learner, points):
    """Autograd through the sum itself, so the factor a comes from the chain rule."""
    learner = toy_learner(toy_stream(tasks=1))
    learner.begin(learner.stream.task(0))
    train = learner.stream.task(0).train
    batch = Batch(train.x, train.y, 0)
    generator = torch.Generator().manual_seed(0)
    fixed, moving = (
        learner.vector() + 0.3 * torch.randn(len(learner.vector()), generator=generator)
        for _ in range(2)
    )
    found = line_gradient(learner, fixed, moving, points, batch)
    free = moving.double().requires_grad_()
    model = copy.deepcopy(learner.model).double()
    sum_along(model, batch, fixed.double(), free, points).backward()
    torch.testing.assert_close(found.double(), free.grad, rtol=1e-4, atol=1e-5)
    assert torch.equal(learner.vector(), moving)


def twin(model, method, ends, past, new):
    """The descent, written out with full batches: autograd on the explicit sum."""
    begun, ended = (end.double() for end in ends)
    w = begun + method.start * (ended - begun)
    velocity = torch.zeros_like(w)
    for _ in range(method.steps):
        free = w.clone().requires_grad_()
        objective = sum_along(model, past, begun, free, method.points)
        objective = objective + sum_along(model, new, ended, free, method.points)
        objective.backward()
        velocity = method.momentum * velocity + free.grad
        w = w - method.lr * velocity
    return w


def test_the_solution_is_that_of_the_slow_twin(toy_stream, toy_learner):
    """One past task, all examples in each step; the ends stay where they are."""
    stream = toy_stream("domain", tasks=2)
    method = MCSGD(per_class=5, points=4, steps=6, batch_size=24, lr=0.02)
    ends, learner = Ends(), toy_learner(stream, epochs=5)
    list(learn_stream(learner, Together([ends, method])))
    model = copy.deepcopy(learner.model).double()
    held, tasks = method.store.examples(), method.store.tasks()
    past = Batch(held.x[tasks == 0], held.y[tasks == 0], 0)
    train = stream.task(1).train
    pair = ends.begun[1], ends.ended[1]
    wanted = twin(model, method, pair, past, Batch(train.x, train.y, 1))
    torch.testing.assert_close(learner.vector().double(), wanted, rtol=1e-4, atol=1e-5)
    assert float((wanted - pair[0]).norm()) > 0.1


def test_fixed_ends_are_not_moved(toy_stream, toy_learner):
    """The tensors that the descent is given keep their bits."""
    kept = {}

    class Checked(MCSGD):
        def connected(self, learner, ends, past):
            before = [end.clone() for end in ends]
            found = super().connected(learner, ends, past)
            kept[learner.task.index] = [torch.equal(*p) for p in zip(before, ends, strict=True)]
            return found

    checked = Checked(steps=9, lr=0.05)
    list(learn_stream(toy_learner(toy_stream(tasks=3)), Together([checked])))
    assert kept == {1: [True, True], 2: [True, True]}


def test_the_first_task_is_left_alone(toy_stream, toy_learner):
    ends = Ends()
    learner = toy_learner(toy_stream(tasks=1))
    list(learn_stream(learner, Together([ends, MCSGD()])))
    assert torch.equal(learner.vector(), ends.ended[0])


@pytest.mark.parametrize("start", [0.0, 0.25, 1.0])
def test_it_starts_on_the_way(toy_stream, toy_learner, start):
    """Without steps the solution is the start; 0 and 1 are the ends, bit for bit."""
    ends = Ends()
    learner = toy_learner(toy_stream())
    list(learn_stream(learner, Together([ends, MCSGD(steps=0, start=start)])))
    begun, ended = ends.begun[1], ends.ended[1]
    if start in {0.0, 1.0}:
        assert torch.equal(learner.vector(), ended if start else begun)
    torch.testing.assert_close(learner.vector(), begun + start * (ended - begun))


@pytest.mark.parametrize("scenario", ["task", "domain", "class"])
def test_memory_reported_is_memory_held(toy_stream, toy_learner, scenario):
    """Between tasks it keeps the stored examples and no network besides the learner's."""
    head = "masked" if scenario == "task" else "single"
    method = MCSGD(per_class=3)
    methods = Together([method])
    learner = toy_learner(toy_stream(scenario, tasks=3), MLP(hidden=(8,), head=head))
    for outcome in learn_stream(learner, methods):
        stored = 3 * 2 * (outcome.index + 1)
        each = 16 * 4 + 8 + 8  # pixels, label, task
        assert methods.memory_bytes() == {"stored_examples": stored * each, "method_state": 8}
        held = [v for v in vars(method).values() if isinstance(v, torch.Tensor)]
        assert held == []


def test_each_step_sees_the_new_and_at_most_as_many_of_the_old(toy_stream, toy_learner):
    """All new examples once in three steps; old ones of all earlier tasks, told apart by task."""
    seen = []

    class Note(MCSGD):
        def pairs(self, learner, past, count):
            for pair in super().pairs(learner, past, count):
                seen.append((learner.task.index, *pair))
                yield pair

    method = Note(per_class=4, steps=5, batch_size=10, points=1)
    stream = toy_stream(tasks=3)
    list(learn_stream(toy_learner(stream), Together([method])))
    for index in (1, 2):
        mine = [pair for task, *pair in seen if task == index]
        assert [len(new) for _, new in mine] == [10, 10, 4, 10, 10]
        rows = torch.cat([new.x for _, new in mine[:3]]).flatten(1)
        train = stream.task(index).train.x.flatten(1)
        assert sorted(rows.tolist()) == sorted(train.tolist())
        for old, new in mine:
            assert new.task == index
            assert len(old) == min(8 * index, 10)
            assert set(old.task.tolist()) <= set(range(index))
            for x, y, task in zip(old.x, old.y, old.task, strict=True):
                source = stream.task(int(task)).train
                place = (source.x == x).flatten(1).all(1)
                assert source.y[place].tolist() == [int(y)]


def along(learner, start, end):
    """Loss and accuracy on the training data of task 1 on the line from `start` to `end`."""
    train, stays = learner.stream.task(0).train, learner.vector()

    def evaluate(weights):
        learner.set_vector(torch.from_numpy(weights[0]))
        with torch.no_grad():
            logits = learner.model(train.x)
        right = float((logits.argmax(1) == train.y).float().mean())
        return float(cross_entropy(logits, train.y)), right

    line = along_line(evaluate, [start.numpy()], [end.numpy()], np.linspace(0, 1, 11))
    learner.set_vector(stays)
    return line


def test_the_way_from_the_old_solution_is_lower(settings):
    """Two tasks of permuted digits, ten stored examples: the new solution against plain SGD's."""
    stream = {"name": "permuted", "data": "digits", "scenario": "domain", "tasks": 2}
    training = {"epochs": 15, "batch_size": 16, "lr": 0.1}
    config = load(
        settings(model={"name": "mlp", "hidden": [24]}) | {"stream": stream, "train": training}
    )
    learner = make_learner(config, make_stream(config, Silent()), Silent())
    ends = Ends()
    method = MCSGD(points=5, steps=130, batch_size=32, lr=0.01)
    *_, outcome = learn_stream(learner, Together([ends, method]))
    plain = along(learner, ends.begun[1], ends.ended[1])
    found = along(learner, ends.begun[1], learner.vector())
    assert plain.loss.max() - plain.loss[0] > 1  # there is something to gain
    assert found.loss.max() - found.loss[0] < 0.5 * (plain.loss.max() - plain.loss[0])
    assert barrier(found) <= barrier(plain)
    assert found.accuracy[-1] > plain.accuracy[-1] + 0.2
    assert outcome.scores.tasks[1] > 0.85


def test_running_statistics_are_those_of_the_solution(toy_stream, toy_learner):
    """Means over batches of the new and the stored examples; the descent itself leaves them."""
    settings = ConvNet(channels=(3,), kernel=3, hidden=(), batch_norm=True)
    method = MCSGD(per_class=4, steps=2, batch_size=24, lr=0.05)
    stream = toy_stream("domain", tasks=2)
    learner = toy_learner(stream, settings)
    list(learn_stream(learner, Together([method])))
    norm = next(m for m in learner.model.modules() if isinstance(m, torch.nn.BatchNorm2d))
    conv = next(m for m in learner.model.modules() if isinstance(m, torch.nn.Conv2d))
    held, tasks = method.store.examples(), method.store.tasks()
    with torch.no_grad():
        parts = [held.x[tasks == 0], stream.task(1).train.x]
        maps = [torch.nn.functional.conv2d(x, conv.weight, padding=1) for x in parts]
    mean = (maps[0].mean((0, 2, 3)) + maps[1].mean((0, 2, 3))) / 2
    torch.testing.assert_close(norm.running_mean, mean)
    assert not learner.model.training


def test_too_large_a_step_is_told(toy_stream, toy_learner):
    method = MCSGD(lr=1e30, steps=20)
    with pytest.raises(DivergedError, match="mc-sgd"):
        list(learn_stream(toy_learner(toy_stream()), Together([method])))


def test_a_network_that_grows_while_it_learns_is_refused(toy_stream, toy_learner):
    class Grow(Method):
        def before_task(self, learner, task):
            new = torch.nn.Parameter(torch.zeros(2))
            learner.model.register_parameter(f"new{task.index}", new)

    methods = Together([MCSGD(), Grow()])
    with pytest.raises(UnsupportedError, match="shape"):
        list(learn_stream(toy_learner(toy_stream()), methods))


@pytest.mark.parametrize("first", [True, False])
def test_a_network_that_is_replaced_is_refused(toy_stream, toy_learner, first):
    """In either order; there is no old solution to join."""

    class Renew(Method):
        def before_task(self, learner, task):
            if task.index == 1:
                learner.replace_model()

    methods = [MCSGD(), Renew()] if first else [Renew(), MCSGD()]
    with pytest.raises(UnsupportedError, match="replaced"):
        list(learn_stream(toy_learner(toy_stream()), Together(methods)))


def test_a_head_that_grows_between_tasks_is_fine(toy_stream, toy_learner):
    """The line begins at the new outputs as they start."""
    stream = toy_stream("class", tasks=3)
    learner = toy_learner(stream, MLP(hidden=(8,), head="growing"), epochs=20, lr=0.2)
    outcomes = list(learn_stream(learner, Together([MCSGD(per_class=6, steps=20, lr=0.02)])))
    everything = joined([stream.test(i) for i in range(3)])
    assert len(everything) == 30
    assert outcomes[-1].scores.all > 0.5
