"""The balanced memory: equal shares, and uniform ones within a class."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bioncl.learning.balanced import BalancedMemory
from bioncl.streams.stream import Batch

LABELS = st.lists(st.integers(0, 3), max_size=60)


def offered(labels, capacity, within="reservoir", seed=0, size=7, task=0):
    """A memory that was offered one example a label; inputs are the examples' numbers."""
    memory, generator = BalancedMemory(capacity, within), torch.Generator().manual_seed(seed)
    numbers, labels = torch.arange(len(labels)), torch.tensor(labels, dtype=torch.long)
    for part in numbers.split(size):
        batch = Batch(part.float().view(-1, 1), labels[part], task)
        if len(batch):
            memory.add(batch, generator)
    return memory


def numbers(memory):
    return memory.examples().x.flatten().long().tolist()


@given(labels=LABELS, capacity=st.integers(0, 20), seed=st.integers(0, 3))
def test_every_class_gets_its_fair_share(labels, capacity, seed):
    """Most that can be: a class has all it was offered, or at most one less than any other."""
    memory = offered(labels, capacity, seed=seed)
    there, held = Counter(labels), Counter(memory.examples().y.tolist())
    assert len(memory) == min(capacity, len(labels))
    for label, count in there.items():
        assert held[label] == count or held[label] >= max(held.values(), default=1) - 1
    found = numbers(memory)
    assert len(set(found)) == len(found)
    assert memory.examples().y.tolist() == [labels[n] for n in found]


@given(labels=LABELS, capacity=st.integers(1, 20), seed=st.integers(0, 3))
def test_greedy_sampler_keeps_to_capacity_over_classes(labels, capacity, seed):
    """Never more than the capacity; a class grows only while it has less than its share."""
    memory = offered(labels, capacity, "first", seed)
    held, most = Counter(memory.examples().y.tolist()), {}
    for n, label in enumerate(labels):
        share = capacity / len(set(labels[: n + 1]))
        most[label] = max(most.get(label, 0), int(np.ceil(share)))
    assert len(memory) <= capacity
    assert all(held[label] <= most[label] for label in held)


def test_greedy_sampler_is_balanced_and_keeps_the_first():
    """One class after another, 100 of each, 20 places: 5 of each; the last class's first five."""
    memory = offered([0] * 100 + [1] * 100 + [2] * 100 + [3] * 100, 20, "first")
    held = memory.examples()
    assert held.y.bincount().tolist() == [5, 5, 5, 5]
    assert sorted(held.x[held.y == 3].flatten().tolist()) == [300, 301, 302, 303, 304]


def test_examples_of_a_class_are_a_uniform_sample():
    """χ² of how often each of 30 + 60 examples stays; the bigger class comes mixed and late."""
    order = np.random.default_rng(0).permutation([0] * 30 + [1] * 30).tolist() + [1] * 30
    runs, kept = 2000, np.zeros(90)
    for seed in range(runs):
        kept[numbers(offered(order, 20, seed=seed))] += 1
    for label, count in ((0, 30), (1, 60)):
        mine = kept[np.array(order) == label]
        assert mine.sum() == runs * 10
        share = 10 / count
        variance = runs * share * (1 - share) * count / (count - 1)
        chi2 = ((mine - runs * share) ** 2 / variance).sum()
        low, high = {30: (10.0, 58.3), 60: (30.3, 98.3)}[count]
        assert low < chi2 < high  # between the 0.01 % and the 99.9 % point, or wider


def test_tasks_that_share_labels_share_the_memory():
    """Classes are counted within their task."""
    memory, generator = BalancedMemory(24), torch.Generator().manual_seed(0)
    for task in range(3):
        y = torch.arange(40) % 2
        memory.add(Batch(torch.full((40, 1), float(task)), y, task), generator)
    held = memory.examples()
    assert Counter(zip(memory.tasks().tolist(), held.y.tolist(), strict=True)) == {
        (task, label): 4 for task in range(3) for label in range(2)
    }
    assert held.x.flatten().tolist() == memory.tasks().tolist()


@pytest.mark.parametrize("within", ["reservoir", "first"])
@pytest.mark.parametrize("count", [0, 5, 60])
def test_state_round_trip_goes_on_as_if_nothing_had_been(within, count):
    labels = [n % 3 for n in range(count)]
    memory, twin = offered(labels, 12, within), BalancedMemory(12, within)
    twin.load_state({name: value.clone() for name, value in memory.state().items()})
    for other in (memory, twin):
        more = Batch(torch.arange(100.0, 130.0).view(-1, 1), torch.arange(30) % 5, 1)
        other.add(more, torch.Generator().manual_seed(3))
    for name, value in memory.state().items():
        assert torch.equal(twin.state()[name], value)
    draws = [m.draw(5, torch.Generator().manual_seed(1)).x for m in (memory, twin)]
    assert torch.equal(*draws)


def test_nothing_is_kept_without_room():
    assert len(offered([0, 1, 2], 0)) == 0
