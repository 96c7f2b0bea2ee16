"""What is noted around a night, against an obvious sampling and the model's own activations."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bioncl.learning import observe
from bioncl.learning.evaluation import Scores
from bioncl.learning.observe import Observation, first_of_each, sample
from bioncl.streams.stream import Examples

GROUPS = ([3, 1], [1, 0], [2])


def examples(index: int, count: int = 30) -> Examples:
    """Examples of one task; the first input tells which they are."""
    random = np.random.default_rng(index)
    y = torch.from_numpy(random.choice(GROUPS[index], count))
    x = torch.rand(count, 6, generator=torch.Generator().manual_seed(index))
    x[:, 0] = index * 100 + torch.arange(count)
    return Examples(x, y)


@pytest.fixture
def learner():
    """At the last of three tasks; the second shares a class with the first."""
    tasks = [SimpleNamespace(index=i, train=examples(i)) for i in range(3)]
    torch.manual_seed(0)
    model = torch.nn.Linear(6, 4)
    model.layers = ["output"]
    model.activations = lambda x: [model(x)]
    return SimpleNamespace(
        task=tasks[2], stream=SimpleNamespace(task=tasks.__getitem__), model=model, observed=2
    )


def by_hand(count: int) -> list[float]:
    """Which examples the first `count` of each class are, class by class."""
    everything = [(float(x[0]), int(y)) for i in range(3) for x, y in zip(*pair(i), strict=True)]
    classes = sorted({y for _, y in everything})
    return [x for c in classes for x in [x for x, y in everything if y == c][:count]]


def pair(index: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and labels of a task."""
    found = examples(index)
    return found.x, found.y


@pytest.mark.parametrize("count", [1, 7, 1000])
def test_the_first_of_each_class_over_all_tasks(learner, count):
    assert sample(learner, count).x[:, 0].tolist() == by_hand(count)
    again = first_of_each(sample(learner, 1000), count)
    assert again.x[:, 0].tolist() == by_hand(count)


def test_before_and_after_note_the_same_examples(learner, monkeypatch):
    """Means over more examples than are kept one by one; the model changes in between."""
    monkeypatch.setattr(observe, "MEAN_EXAMPLES", 5)
    scores = Scores(tasks=(1.0,), all=1.0, confusion=((3, 0), (1, 2)))
    noting = Observation(learner)
    before = noting.before(scores)
    few = sample(learner, 2)
    awake = learner.model(few.x).detach().numpy()
    with torch.no_grad():
        learner.model.weight.mul_(-1)
    after = noting.after(scores)
    asleep = learner.model(few.x).detach().numpy()
    assert before["awake/labels"].tolist() == few.y.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert before["awake/classes"].tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(before["awake/before/output"], awake.astype(np.float16))
    np.testing.assert_array_equal(after["awake/after/output"], asleep.astype(np.float16))
    assert not np.array_equal(awake, asleep)
    np.testing.assert_array_equal(before["confusion/before"], [[3, 0], [1, 2]])
    five = sample(learner, 5)
    for place, c in enumerate(range(4)):
        mean = five.x[five.y == c].numpy().mean(axis=0)
        np.testing.assert_allclose(before["awake/means/input"][place], mean, rtol=1e-6)
