"""PackNet: what old tasks answer does not change by a bit; who owns what adds up."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from bioncl.errors import CheckpointError, UnsupportedError
from bioncl.learning.learner import Learner
from bioncl.learning.loop import learn_stream
from bioncl.learning.method import Together
from bioncl.methods.packnet import PackNet
from bioncl.methods.sam import SAM
from bioncl.methods.src import SRC
from bioncl.models.checkpoint import Checkpoint, save
from bioncl.models.convnet import ConvNet
from bioncl.models.mlp import MLP
from bioncl.models.resnet import ResNet
from bioncl.streams.stream import Examples, Stream, Task

NETS = {
    "mlp": MLP(hidden=(24, 16), head="per-task"),
    "convnet": ConvNet(
        channels=(6,), kernel=3, hidden=(12,), batch_norm=True, head="per-task", dropout=0.2
    ),
    "resnet": ResNet(blocks=1, width=4, head="per-task"),
}
HARD = {"momentum": 0.9, "weight_decay": 0.01, "keep_optimizer": True}
TRAINING = {
    "sgd": HARD | {"lr": 0.05},
    "adam": HARD | {"optimizer": "adam", "lr": 0.01},
}


def answers(method, learner, tasks):
    """Logits of each task's test inputs under the task."""
    learner.model.eval()
    found = []
    for index in range(tasks):
        learner.model.use_task(index)
        with torch.no_grad():
            found.append(method.logits(learner.model, learner.stream.test(index).x))
    learner.model.use_task(None)
    return found


@pytest.mark.parametrize("biases", ["frozen", "per-task"])
@pytest.mark.parametrize("kind", TRAINING)
@pytest.mark.parametrize("net", NETS)
def test_old_answers_are_bit_identical_after_every_later_task(
    net, kind, biases, toy_stream, toy_learner
):
    """With momentum, weight decay and BatchNorm, and although each task trains its weights."""
    stream = toy_stream("task", tasks=4)
    learner = toy_learner(stream, NETS[net], epochs=6, **TRAINING[kind])
    method, kept = PackNet(biases=biases), []
    for outcome in learn_stream(learner, Together([method])):
        now = answers(method, learner, outcome.index + 1)
        for old, new in zip(kept, now, strict=False):
            assert torch.equal(old, new)
        kept = now
        for name, owner in method.owners.items():
            assert learner.model.get_parameter(name)[owner == outcome.index + 1].any()


def test_the_network_at_hand_is_that_of_the_latest_task(toy_stream, toy_learner):
    """What is free is 0, so the whole network and that of the task are one."""
    learner, method = toy_learner(toy_stream("task", tasks=3), NETS["mlp"], epochs=2), PackNet()
    for outcome in learn_stream(learner, Together([method])):
        learner.model.use_task(outcome.index)
        x = learner.stream.test(outcome.index).x
        assert torch.equal(learner.model(x), method.logits(learner.model, x))


def test_owners_add_up_and_shares_are_exact(toy_stream, toy_learner):
    """Free and owned are all; each layer loses the rounded share; free weights are 0."""
    learner = toy_learner(toy_stream("task", tasks=3), NETS["mlp"], epochs=2, **TRAINING["sgd"])
    method = PackNet(prune_first=0.4, prune=0.7)
    before = {}
    for outcome in learn_stream(learner, Together([method])):
        last = outcome.index == 2
        assert method.owners.keys() == {"trunk.0.weight", "trunk.1.weight"}
        for name, owner in method.owners.items():
            weight = learner.model.get_parameter(name)
            counts = [int((owner == k).sum()) for k in range(4)]
            assert sum(counts) == weight.numel()
            assert not weight[owner == 0].any()
            old = before.get(name, torch.zeros_like(owner))
            assert torch.equal(owner[old > 0], old[old > 0])
            given = int((old == 0).sum())
            lost = 0 if last else round((0.7 if outcome.index else 0.4) * given)
            assert counts[0] == lost
            assert counts[outcome.index + 1] == given - lost
        before = {name: owner.clone() for name, owner in method.owners.items()}


def test_the_smallest_weights_are_cut(toy_stream, toy_learner):
    """Without retraining, those kept are just the ones that were largest in the layer."""
    stream = toy_stream("task")
    cut = toy_learner(stream, NETS["mlp"], epochs=3)
    method = PackNet(prune_first=0.5, retrain_epochs=0)
    next(learn_stream(cut, Together([method])))
    plain = toy_learner(stream, NETS["mlp"], epochs=3)
    next(learn_stream(plain, Together([])))
    for name in method.owners:
        whole = plain.model.get_parameter(name).detach()
        ranked = whole.abs().flatten().sort().values
        wanted = torch.where(whole.abs() > ranked[whole.numel() // 2 - 1], whole, 0.0)
        assert torch.equal(cut.model.get_parameter(name), wanted)


def test_retraining_moves_what_was_kept_and_nothing_else(toy_stream, toy_learner):
    stream = toy_stream("task")

    def after_one(epochs):
        learner = toy_learner(stream, NETS["mlp"], epochs=3, **TRAINING["adam"])
        method = PackNet(retrain_epochs=epochs)
        next(learn_stream(learner, Together([method])))
        return learner, method

    (before, method), (after, retrained) = after_one(0), after_one(2)
    for name, owner in method.owners.items():
        assert torch.equal(owner, retrained.owners[name])
        old, new = before.model.get_parameter(name), after.model.get_parameter(name)
        assert torch.equal(new[owner == 0], old[owner == 0])
        assert (new != old).any()


def test_half_the_epochs_retrain_by_default(toy_stream, toy_learner):
    stream = toy_stream("task")

    def end(epochs):
        learner = toy_learner(stream, NETS["mlp"], epochs=(3, 1))
        next(learn_stream(learner, Together([PackNet(retrain_epochs=epochs)])))
        return learner.vector()

    assert torch.equal(end(None), end(2))
    assert not torch.equal(end(None), end(1))


@pytest.mark.parametrize("net", ["convnet", "resnet"])
def test_frozen_batch_norm_stands_still_and_gets_its_statistics_from_the_first_task(
    net, toy_stream, toy_learner
):
    learner = toy_learner(toy_stream("task", tasks=3), NETS[net], epochs=2, **TRAINING["sgd"])
    method, kept = PackNet(), None
    for _ in learn_stream(learner, Together([method])):
        now = {n: t.clone() for n, t in method.unowned(learner.model).items()}
        assert any("running_mean" in n and t.any() for n, t in now.items())
        assert kept is None or all(torch.equal(t, kept[n]) for n, t in now.items())
        kept = now
    assert not any(m._forward_pre_hooks for m in learner.model.modules())


def test_biases_of_each_task_are_kept(toy_stream, toy_learner):
    learner = toy_learner(toy_stream("task", tasks=3), NETS["convnet"], epochs=2)
    method = PackNet(biases="per-task")
    list(learn_stream(learner, Together([method])))
    sets = [*method.others, method.unowned(learner.model)]
    assert len(sets) == 3
    for name in sets[0]:
        if "batches" not in name:
            assert not torch.equal(sets[0][name], sets[1][name]), name
            assert not torch.equal(sets[1][name], sets[2][name]), name


@pytest.mark.parametrize("biases", ["frozen", "per-task"])
def test_going_on_after_a_task_changes_nothing(biases, toy_stream, toy_learner, learnt):
    def make():
        stream = toy_stream("task", tasks=4)
        return toy_learner(stream, NETS["convnet"], epochs=2, **TRAINING["sgd"])

    whole, methods, scores = learnt(make, PackNet(biases=biases))
    for stop in (1, 2, 3):
        learner, again, resumed = learnt(make, PackNet(biases=biases), stops=(stop,))
        assert torch.equal(learner.vector(), whole.vector())
        assert resumed == scores
        state = again.state()
        assert all(torch.equal(state[n], t) for n, t in methods.state().items())


def test_memory_is_a_byte_a_weight_and_what_tasks_have_of_their_own(toy_stream, toy_learner):
    model = NETS["mlp"]
    weights, biases = 16 * 24 + 24 * 16, 24 + 16
    for kind, more in (("frozen", 0), ("per-task", 2 * 4 * biases)):
        learner, methods = (
            toy_learner(toy_stream("task", tasks=3), model),
            Together([PackNet(biases=kind)]),
        )
        list(learn_stream(learner, methods))
        assert methods.memory_bytes() == {"stored_examples": 0, "method_state": weights + more}


def pretrained(path, stream, model):
    groups = [stream.group(i) for i in range(len(stream))]
    net = model.build(stream.input_shape, stream.outputs, groups, seed=99)
    for name, tensor in net.named_buffers():
        if name.endswith("running_mean"):
            tensor.fill_(0.1)
    save(path, Checkpoint({f"model.{n}": t for n, t in net.state_dict().items()}, {}))
    return net


@pytest.mark.parametrize("biases", ["frozen", "per-task"])
def test_a_pre_trained_start_keeps_half_of_it_for_ever(biases, toy_stream, toy_learner, tmp_path):
    """The larger half of each layer, and frozen biases and BatchNorm, stay those of the file."""
    stream, path = toy_stream("task", tasks=3), tmp_path / "start.safetensors"
    source = pretrained(path, stream, NETS["convnet"])
    learner = toy_learner(stream, NETS["convnet"], epochs=4, **TRAINING["sgd"])
    method, kept = PackNet(pretrained=str(path), biases=biases), []
    for outcome in learn_stream(learner, Together([method])):
        for name, owner in method.owners.items():
            first, weight = source.get_parameter(name), learner.model.get_parameter(name)
            own = owner == 1
            assert int(own.sum()) == first.numel() - round(0.5 * first.numel())
            assert torch.equal(weight[own], first[own])
            assert first[own].abs().min() >= first[~own].abs().max()
        others, start = method.unowned(learner.model), source.state_dict()
        same = [torch.equal(tensor, start[name]) for name, tensor in others.items()]
        assert all(same) == (biases == "frozen")
        now = answers(method, learner, outcome.index + 1)
        assert all(torch.equal(a, b) for a, b in zip(kept, now, strict=False))
        kept = now


def test_a_pre_trained_start_of_another_shape_is_refused(toy_stream, toy_learner, tmp_path):
    stream, path = toy_stream("task"), tmp_path / "start.safetensors"
    pretrained(path, stream, dataclasses.replace(NETS["mlp"], hidden=(24, 17)))
    for model in (NETS["mlp"], NETS["convnet"]):
        learner = toy_learner(stream, model)
        with pytest.raises(CheckpointError, match="Pre-trained start"):
            next(learn_stream(learner, Together([PackNet(pretrained=str(path))])))
    learner = toy_learner(stream, NETS["mlp"])
    with pytest.raises(CheckpointError, match="No checkpoint"):
        next(learn_stream(learner, Together([PackNet(pretrained=str(tmp_path / "no"))])))


@pytest.mark.parametrize("scenario", ["domain", "class"])
def test_without_task_identity_it_is_refused(scenario, toy_stream):
    with pytest.raises(UnsupportedError, match="expected task"):
        PackNet().check(toy_stream(scenario))


@pytest.mark.parametrize("head", ["single", "masked", "growing"])
def test_heads_that_tasks_share_are_refused(head, toy_stream, toy_learner):
    learner = toy_learner(toy_stream("task"), MLP(hidden=(8,), head=head))
    with pytest.raises(UnsupportedError, match="per-task"):
        next(learn_stream(learner, Together([PackNet()])))


def test_too_many_tasks_are_refused():
    one = Examples(torch.zeros(1, 4), torch.zeros(1, dtype=torch.long))
    stream = Stream("long", "task", 1, (4,), 255, lambda i: Task(i, (0,), one, one, ""))
    with pytest.raises(UnsupportedError, match="254"):
        PackNet().check(stream)


@pytest.mark.parametrize("other", [SRC, SAM])
def test_other_methods_beside_it_are_refused(other, toy_stream, toy_learner):
    learner = toy_learner(toy_stream("task"), NETS["mlp"])
    assert isinstance(learner, Learner)
    with pytest.raises(UnsupportedError, match=other.__name__):
        next(learn_stream(learner, Together([other(), PackNet()])))
