"""OGD: directions against autograd, orthogonality of every step, and the exact linear case."""

from __future__ import annotations

import pytest
import torch

from bioncl.errors import UnsupportedError
from bioncl.learning.fisher import drawn
from bioncl.learning.loop import learn_stream
from bioncl.learning.method import Method, Together
from bioncl.methods.ogd import OGD
from bioncl.models.convnet import ConvNet
from bioncl.models.heads import BLOCKED
from bioncl.models.mlp import MLP
from bioncl.streams.stream import Batch

VARIANTS = pytest.mark.parametrize("variant", ["gtl", "all", "ave"])


class Watch(Method):
    """Notes how far steps are from orthogonal to all that is kept."""

    def __init__(self, ogd):
        self.ogd, self.worst, self.seen = ogd, 0.0, 0

    def place(self, learner):
        parameters = dict(learner.model.named_parameters())
        return torch.cat([parameters[name].detach().flatten() for name in self.ogd.widths])

    def before_task(self, learner, task):
        """Runs after OGD's."""
        self.before = self.place(learner)

    def after_step(self, learner, batch):
        """Lengths of the step along each row of the basis."""
        step = self.place(learner) - self.before
        self.before = self.place(learner)
        if len(self.ogd.basis) and step.any():
            self.worst = max(self.worst, float((self.ogd.basis @ step).abs().max()))
            self.seen += 1


@VARIANTS
@pytest.mark.parametrize("scenario", ["task", "domain", "class"])
def test_every_step_is_orthogonal_to_all_that_is_kept(toy_stream, toy_learner, scenario, variant):
    """Momentum included; the basis is orthonormal."""
    head = "per-task" if scenario == "task" else "single"
    ogd = OGD(samples=6, variant=variant)
    watch = Watch(ogd)
    net = MLP(hidden=(20,), head=head)
    learner = toy_learner(toy_stream(scenario, tasks=3), net, lr=0.2, momentum=0.5, epochs=5)
    list(learn_stream(learner, Together([ogd, watch])))
    assert watch.seen > 0
    assert watch.worst <= 1e-5
    one = torch.eye(len(ogd.basis))
    torch.testing.assert_close(ogd.basis @ ogd.basis.T, one, rtol=0, atol=1e-5)


def by_hand(learner, task, variant, samples):
    """Directions of the definition, one example and output at a time."""
    examples = drawn(task.train, samples, learner.seed, task.index)
    learner.model.use_task(task.index if learner.stream.scenario == "task" else None)
    rows = []
    for x, y in zip(examples.x, examples.y, strict=True):
        outputs = [y]
        if variant != "gtl":
            outputs = [i for i, z in enumerate(learner.model(x[None])[0]) if z > BLOCKED / 2]
        found = []
        for output in outputs:
            learner.model.zero_grad()
            learner.model(x[None])[0, output].backward()
            found.append(learner.gradient())
        rows += [torch.stack(found).mean(0)] if variant == "ave" else found
    return torch.stack(rows)


@VARIANTS
@pytest.mark.parametrize("head", ["single", "growing"])
def test_the_basis_spans_the_gradients_of_the_logits(toy_stream, toy_learner, variant, head):
    """And nothing more: as many directions as the gradients have rank."""
    ogd = OGD(samples=5, variant=variant)
    learner = toy_learner(toy_stream(tasks=1), MLP(hidden=(8,), head=head), epochs=3)
    list(learn_stream(learner, Together([ogd])))
    wanted = by_hand(learner, learner.task, variant, 5)
    singular = torch.linalg.svdvals(wanted.double())
    assert len(ogd.basis) == int((singular > 1e-3 * singular[0]).sum())
    left = wanted - (wanted @ ogd.basis.T) @ ogd.basis
    assert (left.norm(dim=1) <= 2e-3 * wanted.norm(dim=1)).all()


def test_convolutions_and_dropout(toy_stream, toy_learner):
    """Directions are those of evaluation; the network is left in the mode it was in."""
    ogd = OGD(samples=4)
    net = ConvNet(channels=(2,), kernel=3, hidden=(6,), dropout=0.5)
    learner = toy_learner(toy_stream(tasks=1), net)
    list(learn_stream(learner, Together([ogd])))
    wanted = by_hand(learner, learner.task, "gtl", 4)
    left = wanted - (wanted @ ogd.basis.T) @ ogd.basis
    assert (left.norm(dim=1) <= 2e-3 * wanted.norm(dim=1)).all()


def outputs_after(learner, methods, x):
    """Logits for `x` after each task."""
    found = []
    for _ in learn_stream(learner, methods):
        learner.model.use_task(None)
        with torch.no_grad():
            found.append(learner.model(x))
    return found


def test_a_linear_network_forgets_nothing_of_what_is_kept(toy_stream, toy_learner):
    """All logits of some examples kept: they stay as they are, however large the steps are."""
    stream = toy_stream("domain", tasks=2)
    options = {"model": MLP(hidden=()), "lr": 1.0, "epochs": 40}
    learner = toy_learner(stream, **options)
    first = stream.task(0).train
    kept = drawn(first, 6, learner.seed, 0).x
    old, new = outputs_after(learner, Together([OGD(samples=6, variant="all")]), kept)
    torch.testing.assert_close(new, old, rtol=1e-4, atol=1e-4)
    plain_old, plain_new = outputs_after(toy_learner(stream, **options), Together([Method()]), kept)
    assert (plain_new - plain_old).abs().max() > 0.5


def test_to_first_order_nothing_is_forgotten(toy_stream, toy_learner):
    """A step ten times smaller moves kept logits a hundred times less, without OGD ten times."""

    def moved(lr, method):
        stream = toy_stream(tasks=2)
        learner = toy_learner(stream, MLP(hidden=(20,)), batch_size=24, epochs=30)
        methods = Together([method])
        run = learn_stream(learner, methods)
        next(run)
        kept = drawn(stream.task(0).train, 5, learner.seed, 0)
        with torch.no_grad():
            before = learner.model(kept.x).gather(1, kept.y[:, None])
        object.__setattr__(learner.training, "lr", lr)
        object.__setattr__(learner.training, "epochs", 1)
        next(run)
        with torch.no_grad():
            return float((learner.model(kept.x).gather(1, kept.y[:, None]) - before).norm())

    assert moved(0.1, OGD(samples=5)) > 30 * moved(0.01, OGD(samples=5))
    assert 5 * moved(0.01, Method()) < moved(0.1, Method()) < 20 * moved(0.01, Method())


def test_heads_of_single_tasks_are_left_out(toy_stream, toy_learner):
    """Those of other tasks stay bit-identical, and have no part in directions."""
    ogd = OGD(samples=4)
    learner = toy_learner(toy_stream("task"), MLP(hidden=(8,), head="per-task"), momentum=0.9)
    run = learn_stream(learner, Together([ogd]))
    next(run)
    old = [p.clone() for p in learner.model.head.blocks[0].parameters()]
    next(run)
    assert list(ogd.widths) == ["trunk.0.weight", "trunk.0.bias"]
    for now, before in zip(learner.model.head.blocks[0].parameters(), old, strict=True):
        assert torch.equal(now, before)


def test_new_outputs_of_a_growing_head_are_free(toy_stream, toy_learner):
    """Old directions have zeros there; memory is what the basis takes."""
    ogd = OGD(samples=4)
    learner = toy_learner(toy_stream(), MLP(hidden=(8,), head="growing"))
    list(learn_stream(learner, Together([ogd])))
    numbers = sum(p.numel() for p in learner.model.parameters())
    assert ogd.basis.shape[1] == numbers
    parts = ogd.parts()
    assert not parts["head.blocks.1.weight"][:4].any()
    assert parts["head.blocks.1.weight"][4:].any()
    assert sum(v.nbytes for v in ogd.state().values()) == 4 * len(ogd.basis) * numbers


def test_samples_bound_the_directions(toy_stream, toy_learner):
    found = {}
    for variant in ("gtl", "all", "ave"):
        ogd = OGD(samples=3, variant=variant)
        list(learn_stream(toy_learner(toy_stream(), MLP(hidden=(20,))), Together([ogd])))
        found[variant] = len(ogd.basis)
    assert found["gtl"] == found["ave"] == 2 * 3
    assert found["gtl"] < found["all"] <= 2 * 3 * 4


def test_it_forgets_less_than_nothing_at_all(toy_stream, toy_learner):
    """Loss of the first task's examples after the second."""

    def loss_after(method):
        learner = toy_learner(toy_stream(), MLP(hidden=(20,)), lr=0.1, epochs=20)
        list(learn_stream(learner, Together([method])))
        first = learner.stream.task(0).train
        return float(learner.loss(Batch(first.x, first.y, 0)).detach())

    assert loss_after(OGD(samples=24, variant="all")) < 0.6 * loss_after(Method())


def test_weight_decay_is_refused_before_training(toy_stream, toy_learner):
    learner = toy_learner(toy_stream(), weight_decay=0.1)
    with pytest.raises(UnsupportedError, match="weight_decay"):
        list(learn_stream(learner, Together([OGD()])))
