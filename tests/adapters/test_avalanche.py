"""The plugin inside real Avalanche strategies."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
from torch import nn

import bioncl
from bioncl.adapters.night import night_seed
from bioncl.errors import InputError

try:
    import avalanche.training.supervised as strategies
    from avalanche.benchmarks import benchmark_from_datasets
    from avalanche.benchmarks.utils import _make_taskaware_tensor_classification_dataset as made
    from avalanche.training.plugins import EvaluationPlugin
except (ImportError, RuntimeError) as error:  # a torchvision of another torch raises the latter
    pytest.skip(f"Avalanche cannot be imported ({error})", allow_module_level=True)

from bioncl.adapters.avalanche import SleepPlugin

pytestmark = pytest.mark.filterwarnings("ignore")  # Avalanche's own


class Noted:
    """A night that notes what it is given, and does not sleep."""

    def __init__(self):
        self.calls = []

    def __call__(self, model, inputs, *, labels, seed):
        self.calls.append((copy.deepcopy(model.state_dict()), inputs, labels, seed))
        return len(self.calls)


def benchmark():
    """Two experiences with two classes each: x [40, 12], bright where the class is."""
    parts = []
    for task in range(2):
        y = torch.arange(40) % 2 + 2 * task
        x = torch.rand(40, 12, generator=torch.Generator().manual_seed(task)) / 2
        for place in range(3):
            x[torch.arange(40), y * 3 + place] += 0.5
        parts.append(made(x, y))
    return benchmark_from_datasets(train=parts, test=parts)


def learner(plugin, kind="Naive", evaluator=None, **more):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 4, bias=False))
    return getattr(strategies, kind)(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        criterion=nn.CrossEntropyLoss(),
        train_mb_size=10,
        train_epochs=1,
        device="cpu",
        plugins=[plugin],
        evaluator=evaluator or EvaluationPlugin(),
        **more,
    )


def test_a_night_follows_each_experience():
    """With its inputs and labels alone, after its training, and a seed of its own."""
    night = Noted()
    strategy, tasks = learner(SleepPlugin(night, examples=25)), benchmark()
    for task, experience in enumerate(tasks.train_stream):
        strategy.train(experience)
        assert len(night.calls) == task + 1
        state, inputs, labels, seed = night.calls[task]
        assert inputs.shape == (25, 12)
        assert set(labels.tolist()) == {2 * task, 2 * task + 1}
        assert torch.equal(inputs[:, 3 * labels.min() :][:, :6].reshape(25, 2, 3).mean(2).argmax(1),
                           labels - labels.min())  # fmt: skip
        assert seed == night_seed(0, task)
        assert all(torch.equal(v, strategy.model.state_dict()[k]) for k, v in state.items())
    assert night.calls[0][3] != night.calls[1][3]


@pytest.mark.parametrize("kind", ["Naive", "Replay", "EWC"])
def test_the_network_of_a_strategy_sleeps(kind):
    """As it does outside: the weights are those of `bioncl.sleep` with the same inputs and seed."""
    options = {"Replay": {"mem_size": 10}, "EWC": {"ewc_lambda": 1.0}}.get(kind, {})
    noted = Noted()
    awake = learner(SleepPlugin(noted), kind, **options)
    night = partial(bioncl.sleep, steps=60, thresholds=0.1, rule="constant")
    plugin = SleepPlugin(night)
    asleep = learner(plugin, kind, **options)
    first = next(iter(benchmark().train_stream))
    torch.manual_seed(1)
    awake.train(first)
    torch.manual_seed(1)
    asleep.train(first)
    assert sum(plugin.reports[0].changed.values()) > 0
    _, inputs, labels, seed = noted.calls[0]
    night(awake.model, inputs, labels=labels, seed=seed)
    for key, weights in awake.model.state_dict().items():
        assert torch.equal(weights, asleep.model.state_dict()[key])


def test_training_goes_on_after_a_night():
    """Two experiences with nights, then Avalanche's own evaluation."""
    from avalanche.evaluation.metrics import accuracy_metrics

    plugin = SleepPlugin(partial(bioncl.sleep, steps=20))
    judge = EvaluationPlugin(accuracy_metrics(stream=True))
    strategy, tasks = learner(plugin, evaluator=judge), benchmark()
    for experience in tasks.train_stream:
        strategy.train(experience)
    found = strategy.eval(tasks.test_stream)
    assert len(plugin.reports) == 2
    x, y = (torch.cat([torch.stack([torch.as_tensor(example[i]) for example in task.dataset])
                       for task in tasks.test_stream]) for i in (0, 1))  # fmt: skip
    right = (strategy.model(x).argmax(1) == y).float().mean().item()
    (told,) = (value for key, value in found.items() if key.startswith("Top1_Acc_Stream/eval"))
    assert told == pytest.approx(right)


def test_a_night_without_examples_is_refused():
    with pytest.raises(InputError, match="≥ 1"):
        SleepPlugin(examples=0)
