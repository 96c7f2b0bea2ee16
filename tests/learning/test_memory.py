"""Memories against plain lists, and the reservoir's odds against their law."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bioncl.learning.memory import ReservoirMemory, RingMemory
from bioncl.streams.stream import Batch

SIZES = st.lists(st.integers(1, 9), max_size=8)


def numbered(start, count, classes=3, task=None):
    """Examples whose input is their number; label and task follow from it."""
    numbers = torch.arange(start, start + count)
    where = numbers // 10 if task is None else task
    return Batch(numbers.float().view(-1, 1, 1), numbers % classes, where)


def fed(memory, sizes, seed=0):
    generator, start = torch.Generator().manual_seed(seed), 0
    for size in sizes:
        memory.add(numbered(start, size), generator)
        start += size
    return memory


def numbers(memory):
    return memory.examples().x.flatten().long().tolist()


@given(sizes=SIZES, capacity=st.integers(0, 12), seed=st.integers(0, 5))
def test_reservoir_is_algorithm_r(sizes, capacity, seed):
    """One example after another, with the same draws: slot n while there is room, else r < M."""
    memory = fed(ReservoirMemory(capacity), sizes, seed)
    generator, slots, n = torch.Generator().manual_seed(seed), [], 0
    for size in sizes:
        draws = torch.rand(size, generator=generator, dtype=torch.float64).tolist()
        for u in draws:
            r = int(u * (n + 1))
            if len(slots) < capacity:
                slots.append(n)
            elif r < capacity:
                slots[r] = n
            n += 1
    assert numbers(memory) == slots
    assert len(memory) == len(slots)


def test_reservoir_keeps_early_and_late_examples_alike():
    """χ² of how often each of 40 examples is among the 10 kept, over 2,000 runs, batches of 7."""
    runs, kept = 2000, np.zeros(40)
    for seed in range(runs):
        kept[numbers(fed(ReservoirMemory(10), [7] * 5 + [5], seed))] += 1
    expected = runs * 10 / 40
    # Places of one run exclude each other, which shrinks the variance by (1 − 10/40)·40/39.
    chi2 = ((kept - expected) ** 2 / (expected * (1 - 10 / 40))).sum() * 39 / 40
    assert chi2 < 72.1  # 0.1 % point of χ² with 39 degrees of freedom
    assert chi2 > 15.5  # and not too even to be chance


@given(sizes=SIZES, per_class=st.integers(0, 4))
def test_ring_holds_the_last_of_each_class(sizes, per_class):
    memory, total = fed(RingMemory(per_class), sizes), sum(sizes)
    wanted = []
    for label in range(3):
        mine = [n for n in range(total) if n % 3 == label]
        wanted += mine[max(0, len(mine) - per_class) :]
    assert numbers(memory) == wanted
    assert len(memory) == len(wanted)


@pytest.mark.parametrize("make", [lambda: ReservoirMemory(8), lambda: RingMemory(3)])
def test_labels_and_tasks_stay_with_their_inputs(make):
    memory = fed(make(), [7] * 6)
    held = numbers(memory)
    assert memory.examples().y.tolist() == [n % 3 for n in held]
    assert memory.tasks().tolist() == [n // 10 for n in held]
    drawn = memory.draw(5, torch.Generator().manual_seed(0))
    values = drawn.x.flatten().long().tolist()
    assert len(set(values)) == 5
    assert set(values) <= set(held)
    assert drawn.y.tolist() == [n % 3 for n in values]
    assert drawn.task.tolist() == [n // 10 for n in values]


@pytest.mark.parametrize("make", [lambda: ReservoirMemory(8), lambda: RingMemory(3)])
def test_draw_takes_all_alike_and_at_most_what_is_held(make):
    memory = fed(make(), [20])
    generator = torch.Generator().manual_seed(1)
    assert sorted(memory.draw(99, generator).x.flatten().tolist()) == sorted(numbers(memory))
    counts = dict.fromkeys(numbers(memory), 0)
    for _ in range(4000):
        for n in memory.draw(2, generator).x.flatten().long().tolist():
            counts[n] += 1
    share = 2 / len(counts)
    error = (4000 * share * (1 - share)) ** 0.5
    assert all(abs(count - 4000 * share) < 4.5 * error for count in counts.values())


def test_batches_of_one_task_are_noted_as_such():
    memory = ReservoirMemory(4)
    memory.add(numbered(0, 3, task=6), torch.Generator())
    assert memory.tasks().tolist() == [6, 6, 6]


@pytest.mark.parametrize(
    ("make", "sizes"),
    [
        (lambda: ReservoirMemory(8), []),
        (lambda: ReservoirMemory(8), [5]),
        (lambda: ReservoirMemory(8), [7] * 4),
        (lambda: RingMemory(3), []),
        (lambda: RingMemory(3), [2]),
        (lambda: RingMemory(3), [7] * 4),
    ],
)
def test_state_round_trip_goes_on_as_if_nothing_had_been(make, sizes):
    """The restored memory holds the same, and takes in the same afterwards."""
    memory, twin = fed(make(), sizes), make()
    state = {name: value.clone() for name, value in memory.state().items()}
    twin.load_state(state)
    for other in (memory, twin):
        other.add(numbered(28, 9), torch.Generator().manual_seed(3))
    assert numbers(twin) == numbers(memory)
    assert twin.tasks().tolist() == memory.tasks().tolist()


def test_state_has_just_the_bytes_of_what_is_held():
    """Not those of the room that is still empty: 5 inputs of 4 bytes, 5 labels and tasks of 8."""
    state = fed(ReservoirMemory(1000), [5]).state()
    held = sum(v.nbytes for name, v in state.items() if name.startswith("examples."))
    assert held == 5 * (4 + 8 + 8)
    state = fed(RingMemory(2), [30]).state()
    assert sum(v.nbytes for n, v in state.items() if n.startswith("examples.")) == 6 * (4 + 8 + 8)


def test_memory_owns_what_it_holds():
    """Changing a batch after it was offered changes nothing that is kept."""
    for memory in (ReservoirMemory(4), RingMemory(4)):
        batch = numbered(0, 4, classes=1)
        memory.add(batch, torch.Generator())
        batch.x.fill_(99)
        batch.y.fill_(99)
        assert numbers(memory) == [0, 1, 2, 3]
        assert memory.examples().y.tolist() == [0] * 4


def test_nothing_is_kept_without_room():
    for memory in (ReservoirMemory(0), RingMemory(0)):
        assert len(fed(memory, [5, 5])) == 0
        assert len(memory.examples()) == 0
