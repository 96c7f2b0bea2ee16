"""Permuted streams: bijections, one a task, from the seed alone."""

from __future__ import annotations

import itertools

import pytest
import torch

from bioncl.errors import DataError
from bioncl.streams.permuted import Permuted, permutation


@pytest.mark.parametrize("size", [1, 6, 784])
def test_permutation_is_a_bijection(size):
    """Every place is used once."""
    assert permutation(size, 0, 1).sort().values.tolist() == list(range(size))


def test_permutations_differ_by_task_and_seed_and_repeat_for_the_same():
    """Nine (seed, task) pairs give nine permutations, the same ones again."""
    pairs = list(itertools.product(range(3), range(3)))
    drawn = [tuple(permutation(784, *pair).tolist()) for pair in pairs]
    assert len(set(drawn)) == 9
    assert drawn == [tuple(permutation(784, *pair).tolist()) for pair in pairs]


def test_each_task_moves_the_pixels_of_all_its_images_alike(numbered, source_of):
    """Against a loop over images and pixels; training and test share the permutation."""
    whole = numbered(train=7, test=5)
    stream = Permuted("numbered", tasks=3).build(source_of(whole), seed=2)
    assert (stream.length, stream.outputs, stream.name) == (3, 4, "permuted-numbered")
    for index in range(3):
        order = permutation(6, 2, index).tolist() if index else range(6)
        task = stream.task(index)
        for part, original in ((task.train, whole.train), (task.test, whole.test)):
            for moved, image in zip(part.x, original.x, strict=True):
                pixels = image.flatten().tolist()
                assert moved.flatten().tolist() == [pixels[place] for place in order]
            assert torch.equal(part.y, original.y)


def test_first_task_is_permuted_when_asked(numbered, source_of):
    """As in GEM's code."""
    whole = numbered()
    first = Permuted("numbered", first_permuted=True).build(source_of(whole), 0).task(0)
    assert not torch.equal(first.train.x, whole.train.x)
    assert torch.equal(first.train.x.sum((1, 2, 3)), whole.train.x.sum((1, 2, 3)))


@pytest.mark.parametrize("scenario", ["task", "class"])
def test_tasks_have_outputs_of_their_own_outside_the_domain_scenario(numbered, source_of, scenario):
    """Labels of task k are moved up by k times the classes."""
    whole = numbered()
    stream = Permuted("numbered", scenario, tasks=3).build(source_of(whole), 0)
    assert stream.outputs == 12
    assert stream.task(2).outputs == (8, 9, 10, 11)
    assert torch.equal(stream.task(2).train.y, whole.train.y + 8)
    assert torch.equal(stream.test(1).y, whole.test.y + 4)


def test_first_examples_and_refusals(numbered, source_of):
    """train_per_task cuts in order; sorted data and unknown scenarios are refused."""
    whole = numbered()
    cut = Permuted("numbered", train_per_task=3, test_per_task=2).build(source_of(whole), 0).task(0)
    assert torch.equal(cut.train.x, whole.train.x[:3])
    assert len(cut.test) == 2
    in_order = numbered(classes=2, labels=[0] * 30 + [1] * 30)
    with pytest.raises(DataError, match="sorted by class"):
        Permuted("numbered", train_per_task=20).build(source_of(in_order), 0).task(1)
    with pytest.raises(DataError, match="got 'tasks'"):
        Permuted("numbered", "tasks").build(source_of(whole), 0)


def test_training_examples_can_be_drawn_anew_for_each_task(numbered, source_of):
    """Without replacement, another draw for each task and seed, the same again; tests stay."""
    whole = numbered(train=40, test=6)

    def drawn(seed: int, index: int) -> list[int]:
        settings = Permuted("numbered", tasks=3, train_per_task=12, train_draw="random")
        task = settings.build(source_of(whole), seed).task(index)
        assert torch.equal(task.test.y, whole.test.y)
        order = permutation(6, seed, index) if index else torch.arange(6)
        images = whole.train.x.flatten(1)[:, order].tolist()
        found = [images.index(image) for image in task.train.x.flatten(1).tolist()]
        assert task.train.y.tolist() == whole.train.y[found].tolist()
        return found

    draws = [drawn(seed, index) for seed in (0, 1) for index in (0, 1, 2)]
    assert all(len(set(draw)) == 12 for draw in draws)
    assert len({tuple(sorted(draw)) for draw in draws}) == 6
    assert draws[1] == drawn(0, 1)
