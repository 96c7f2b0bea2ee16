"""What all methods with a memory of examples have in common."""

from __future__ import annotations

import copy

import pytest
import torch

from bioncl.learning.loop import learn_stream
from bioncl.learning.method import Method, Together
from bioncl.methods.agem import AGEM
from bioncl.methods.der import DER
from bioncl.methods.gdumb import GDumb
from bioncl.methods.gem import GEM
from bioncl.methods.icarl import ICaRL
from bioncl.methods.rehearsal import Rehearsal
from bioncl.models.mlp import MLP

METHODS = {
    "gem": GEM(memory=10),
    "gem mixed": GEM(memory=10, mix_memory=True),
    "agem": AGEM(per_class=4, reference_batch=5),
    "der++": DER(memory=20),
    "gdumb": GDumb(memory=14),
    "icarl": ICaRL(memory=14),
    "icarl random": ICaRL(memory=14, selection="random", loss="softmax"),
    "balanced": Rehearsal(memory=14, policy="class-balanced"),
    "appended": Rehearsal(memory=14, policy="class-balanced", mix="append", repeat=True),
    "fraction": Rehearsal(mix="append", fraction=0.3),
}


@pytest.fixture(params=METHODS)
def method(request):
    return copy.deepcopy(METHODS[request.param])


class Guard(Method):
    """Notes batches as they come, to compare them after all methods have seen them."""

    def __init__(self):
        self.batches = []

    def extra_loss(self, learner, batch):
        self.batches.append((batch, batch.x.clone(), batch.y.clone()))


@pytest.mark.parametrize("head", ["single", "growing"])
def test_going_on_from_a_state_is_going_on(toy_stream, toy_learner, method, head):
    """Bit for bit, after each task, with an optimiser that remembers."""
    stream, model = toy_stream(tasks=4), MLP(hidden=(8,), head=head, dropout=0.2)
    options = {"lr": 0.1, "epochs": 2, "momentum": 0.5, "keep_optimizer": True}
    fresh = copy.deepcopy(method)
    straight = toy_learner(stream, model, **options)
    kept = []
    for _ in learn_stream(straight, Together([method])):
        parts = (method.state(), straight.state())
        kept.append([{name: v.clone() for name, v in part.items()} for part in parts])
    for done in range(1, 4):
        again, other = toy_learner(stream, model, **options), copy.deepcopy(fresh)
        again.load_state(kept[done - 1][1], done)
        other.load_state(kept[done - 1][0])
        list(learn_stream(again, Together([other]), done))
        assert torch.equal(again.vector(), straight.vector())
        assert again.scores() == straight.scores()
        assert other.state().keys() == method.state().keys()
        for name, value in method.state().items():
            assert torch.equal(other.state()[name], value), name


def test_batches_are_left_alone(toy_stream, toy_learner, method):
    guard = Guard()
    list(learn_stream(toy_learner(toy_stream()), Together([guard, method])))
    assert guard.batches
    for batch, x, y in guard.batches:
        assert torch.equal(batch.x, x)
        assert torch.equal(batch.y, y)


def test_a_copy_made_before_the_run_is_independent(toy_stream, toy_learner, method):
    """And what is carried is just what the state says: nothing before the first task."""
    other = copy.deepcopy(method)
    list(learn_stream(toy_learner(toy_stream()), Together([other])))
    assert sum(len(v) for v in method.state().values() if v.dim()) == 0
    assert method.reads_past or sum(len(v) for v in other.state().values() if v.dim()) > 0


@pytest.mark.gpu
def test_the_same_on_a_gpu(toy_stream, method):
    from bioncl.learning.learner import Learner
    from bioncl.learning.training import Training

    stream = toy_stream(tasks=3)
    groups = [stream.group(i) for i in range(3)]

    def build():
        return MLP(hidden=(8,)).build(stream.input_shape, stream.outputs, groups, 0)

    ends = []
    for device in ("cpu", "cuda"):
        training = Training(batch_size=8, epochs=3, lr=0.1)
        learner = Learner(build, stream, training, seed=0, device=device)
        list(learn_stream(learner, Together([copy.deepcopy(method)])))
        ends.append(learner.vector().cpu())
    torch.testing.assert_close(ends[0], ends[1], rtol=1e-3, atol=1e-3)
