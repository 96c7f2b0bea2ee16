"""Residual Continual Learning: what each phase does, and what it leaves alone."""

from __future__ import annotations

import copy

import pytest
import torch

from bioncl.errors import DivergedError, UnsupportedError
from bioncl.learning.learner import Learner
from bioncl.learning.loop import learn_stream, train_task
from bioncl.learning.method import Together
from bioncl.learning.training import Training
from bioncl.methods.rescl import ResCL, shrink
from bioncl.models.combine import Combination, alphas, combined
from bioncl.models.convnet import ConvNet
from bioncl.models.mlp import MLP
from bioncl.models.resnet import ResNet
from bioncl.streams.stream import Examples, Stream, Task

MODELS = {
    "mlp": MLP(hidden=(12,), head="per-task"),
    "convnet": ConvNet(channels=(4,), kernel=3, hidden=(8,), batch_norm=True, head="masked"),
    "resnet": ResNet(blocks=1, width=3, head="per-task"),
}


def pictures(tasks=2, examples=60, scenario="task"):
    """Two noisy pictures of 4×4 pixels a task; built tasks are noted in `stream.asked`."""
    asked = []

    def build(index):
        asked.append(index)
        generator = torch.Generator().manual_seed(index)
        patterns = torch.rand(2, 1, 4, 4, generator=generator)
        y = torch.arange(examples) % 2
        x = patterns[y] + 0.2 * torch.randn(examples, 1, 4, 4, generator=generator)
        data = Examples(x, y + 2 * index)
        return Task(index, (2 * index, 2 * index + 1), data, data, f"pictures {index}")

    stream = Stream("pictures", scenario, 2 * tasks, (1, 4, 4), tasks, build)
    return stream, asked


def learner_of(stream, model="mlp", epochs=5, dtype=torch.float32):
    groups = [stream.group(i) for i in range(len(stream))]

    def build():
        settings = MODELS[model]
        return settings.build(stream.input_shape, stream.outputs, groups, 0).to(dtype)

    return Learner(build, stream, Training(epochs=epochs, batch_size=20, lr=0.1), seed=0)


def outputs_of(model, x, task):
    model.eval()
    model.use_task(task)
    with torch.no_grad():
        return model(x)


@pytest.mark.parametrize("model", MODELS)
def test_infinite_decay_recovers_the_source(model):
    """λ → ∞ makes every α zero: old outputs are those of the network before the task."""
    stream, _ = pictures()
    learner = learner_of(stream, model)
    method = ResCL(strength=1e6, train_heads=False)
    train_task(learner, Together([method]), stream.task(0))
    x = stream.task(1).train.x
    before = outputs_of(learner.model, x, 0)
    train_task(learner, Together([method]), stream.task(1))
    assert torch.allclose(outputs_of(learner.model, x, 0), before, atol=1e-4)


@pytest.mark.parametrize("model", MODELS)
def test_both_tasks_are_known_after_the_merge(model):
    """On the new task's data old and new heads come nearer to their targets than the start was."""
    stream, _ = pictures()
    learner = learner_of(stream, model)
    method = ResCL(epochs=20, lr=0.02, strength=0.0)
    train_task(learner, Together([method]), stream.task(0))
    x = stream.task(1).train.x
    source = outputs_of(learner.model, x, 0).softmax(1)
    plain = copy.deepcopy(learner)
    train_task(plain, Together([]), stream.task(1))
    train_task(learner, Together([method]), stream.task(1))
    moved = (outputs_of(plain.model, x, 0).softmax(1) - source).abs().mean()
    kept = (outputs_of(learner.model, x, 0).softmax(1) - source).abs().mean()
    assert kept < moved
    assert learner.scores().tasks[1] > 0.9


def test_source_data_is_never_asked_for():
    """While task 2 is learnt no earlier task is built, and `past` is forbidden."""
    stream, asked = pictures(tasks=3)
    learner, method = learner_of(stream), ResCL()
    for index in range(2):
        train_task(learner, Together([method]), stream.task(index))
    task = stream.task(2)
    asked.clear()
    train_task(learner, Together([method]), task)
    assert asked == []
    assert not method.reads_past
    assert method.state() == {}


@pytest.mark.parametrize("model", MODELS)
def test_size_and_names_stay_over_many_tasks(model):
    """Three tasks end in a network that fits the checkpoint of a fresh one."""
    stream, _ = pictures(tasks=3)
    learner = learner_of(stream, model, epochs=2)
    fresh = {name: value.shape for name, value in learner.model.state_dict().items()}
    outcomes = list(learn_stream(learner, Together([ResCL()])))
    assert {n: v.shape for n, v in learner.model.state_dict().items()} == fresh
    assert all(p.requires_grad for p in learner.model.parameters())
    assert len(outcomes) == 3


def test_soft_targets_are_of_the_right_networks():
    """Old outputs come from the network before the task, new ones from the fine-tuned one."""
    stream, _ = pictures()
    learner, method = learner_of(stream), ResCL()
    train_task(learner, Together([method]), stream.task(0))
    source = copy.deepcopy(learner.model)
    learner.begin(stream.task(1))
    learner.set_vector(learner.vector() + 0.1)
    wanted = method.soft_targets(learner, source)
    x = stream.task(1).train.x
    assert torch.allclose(wanted[:, :2], outputs_of(source, x, 0)[:, :2])
    assert torch.allclose(wanted[:, 2:], outputs_of(learner.model, x, 1)[:, 2:])


def test_shrinking_is_the_gradient_of_the_l1_norm_until_zero():
    """A step of η moves α by η λ sign(α), as the subgradient says, and stops at zero."""
    alpha = torch.nn.Parameter(torch.tensor([0.5, -0.5, 0.01, 0.0]))
    (0.3 * alpha.abs().sum()).backward()
    subgradient_step = alpha.detach() - 0.1 * alpha.grad
    shrink([alpha], 0.1 * 0.3)
    assert torch.allclose(alpha[:2], subgradient_step[:2])
    assert torch.equal(alpha[2:], torch.zeros(2))


def test_proximal_steps_end_where_the_objective_is_least():
    """½ (α − a)² + λ|α| has its minimum at sign(a)·max(|a| − λ, 0), momentum or not."""
    wanted = torch.tensor([0.9, -0.7, 0.2])
    for momentum in (0.0, 0.9):
        alpha = torch.nn.Parameter(torch.full((3,), 0.5))
        sgd = torch.optim.SGD([alpha], lr=0.01, momentum=momentum)
        for _ in range(4000):
            sgd.zero_grad()
            (0.5 * (alpha - wanted).square().sum()).backward()
            sgd.step()
            shrink([alpha], 0.01 * 0.3 / (1 - momentum))
        assert torch.allclose(alpha, torch.tensor([0.6, -0.4, 0.0]), atol=1e-3)


def test_decay_draws_to_the_source():
    """More λ, smaller α; with none it is distillation alone."""
    stream, _ = pictures()
    sizes = []
    for strength in (0.0, 0.03, 0.3):
        learner, method = learner_of(stream), ResCL(strength=strength, epochs=5)
        train_task(learner, Together([method]), stream.task(0))
        source = copy.deepcopy(learner.model)
        train_task(learner, Together([]), stream.task(1))
        network = combined(source, learner.model)
        method.combine(learner, network, method.soft_targets(learner, source))
        sizes.append(sum(a.abs().sum().item() for a in alphas(network)))
        for pair in (m for m in network.modules() if isinstance(m, Combination)):
            original = dict(source.named_parameters())
            assert any(torch.equal(pair.source.weight, p) for p in original.values())
    assert sizes[0] > sizes[1] > sizes[2]


@pytest.mark.parametrize("train_heads", [True, False])
def test_heads_learn_if_they_are_told_to(train_heads):
    """Old heads move in the combination phase, or stay."""
    stream, _ = pictures()
    learner, method = learner_of(stream), ResCL(train_heads=train_heads, strength=0.0)
    train_task(learner, Together([method]), stream.task(0))
    before = learner.model.head.blocks[0].weight.detach().clone()
    train_task(learner, Together([method]), stream.task(1))
    assert torch.equal(learner.model.head.blocks[0].weight, before) != train_heads


def test_a_run_cut_between_tasks_goes_on_bit_for_bit():
    """Everything random comes from the task's own generator."""
    stream, _ = pictures(tasks=3)
    whole = learner_of(stream, "convnet", epochs=2)
    list(learn_stream(whole, Together([ResCL()])))
    first = learner_of(stream, "convnet", epochs=2)
    outcomes = learn_stream(first, Together([ResCL()]))
    next(outcomes), next(outcomes)
    saved = {k: v.clone() for k, v in first.state().items()}
    second = learner_of(stream, "convnet", epochs=2)
    second.load_state(saved, 2)
    list(learn_stream(second, Together([ResCL()]), first=2))
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name]), name


def test_what_does_not_suit_is_refused():
    """Only told tasks, only heads that tell them apart; blow-ups are named."""
    with pytest.raises(UnsupportedError, match="does not suit the class-incremental scenario"):
        ResCL().check(pictures(scenario="class")[0])
    stream, _ = pictures()
    learner = learner_of(stream)
    learner.begin(stream.task(0))
    learner.model = MLP(hidden=(4,)).build((1, 4, 4), 4, [(0, 1), (2, 3)], 0)
    with pytest.raises(UnsupportedError, match='model.head = "per-task"'):
        ResCL().before_task(learner, stream.task(0))
    learner = learner_of(stream)
    with pytest.raises(DivergedError, match="Lower the method's lr"):
        list(learn_stream(learner, Together([ResCL(lr=1e6, epochs=20)])))
