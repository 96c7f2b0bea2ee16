"""Split streams: partitions of the data, labels of each scenario, and every refusal."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from bioncl.errors import DataError
from bioncl.streams.source import DataSource
from bioncl.streams.split import Split


@st.composite
def grouped(draw):
    """Classes 0..C-1 dealt out over groups, some left out, in any order."""
    classes = draw(st.integers(1, 6))
    dealt = draw(st.permutations(range(classes)))[: draw(st.integers(1, classes))]
    cuts = sorted(draw(st.sets(st.integers(1, len(dealt) - 1)))) if len(dealt) > 1 else []
    edges = [0, *cuts, len(dealt)]
    return classes, tuple(tuple(dealt[a:b]) for a, b in pairwise(edges))


def firsts(examples):
    """What tells an example of the numbered set from all others."""
    return examples.x[:, 0, 0, 0].tolist()


@settings(max_examples=60, deadline=None)
@given(case=grouped(), scenario=st.sampled_from(["class", "task"]), order=st.booleans())
def test_each_example_is_in_the_one_task_of_its_class(numbered, source_of, case, scenario, order):
    """Training and test data are partitioned in original order, and labels are the classes."""
    classes, groups = case
    whole = numbered(classes=classes, train=37, test=13)
    split = Split("numbered", scenario, groups, order="random" if order else "fixed")
    stream = split.build(source_of(whole), 3)
    assert stream.outputs == classes
    assert [len(task.outputs) for task in stream.tasks()] == [len(group) for group in groups]
    used = [label for task in stream.tasks() for label in task.outputs]
    assert len(used) == len(set(used))
    for task in stream.tasks():
        for part, original in ((task.train, whole.train), (task.test, whole.test)):
            expected = [
                (x, y)
                for x, y in zip(firsts(original), original.y.tolist(), strict=True)
                if y in task.outputs
            ]
            assert list(zip(firsts(part), part.y.tolist(), strict=True)) == expected


def test_domain_labels_are_places_in_the_group(numbered, source_of):
    """The order within a group counts: class 3 is output 0 of its task."""
    whole = numbered()
    stream = Split("numbered", "domain", ((3, 0), (1, 2))).build(source_of(whole), 0)
    assert stream.outputs == 2
    place = {3: 0, 0: 1, 1: 0, 2: 1}
    by_input = dict(zip(firsts(whole.train), whole.train.y.tolist(), strict=True))
    for task in stream.tasks():
        assert task.outputs == (0, 1)
        assert task.train.y.tolist() == [place[by_input[x]] for x in firsts(task.train)]


def test_equal_groups_are_consecutive_classes(numbered, source_of):
    """Two classes a task unless told otherwise."""
    source = source_of(numbered(classes=6))
    for tasks, expected in ((None, [(0, 1), (2, 3), (4, 5)]), (2, [(0, 1, 2), (3, 4, 5)])):
        stream = Split("numbered", tasks=tasks).build(source, 0)
        assert [task.outputs for task in stream.tasks()] == expected
    assert stream.name == "split-numbered"
    assert stream.task(0).name == "classes 0, 1, 2"


def test_random_order_comes_from_the_seed(numbered, source_of):
    """Same seed, same order; among ten seeds several orders; fixed order ignores the seed."""
    source = source_of(numbered(classes=6))

    def order(kind, seed):
        stream = Split("numbered", order=kind).build(source, seed)
        return tuple(task.outputs for task in stream.tasks())

    assert order("random", 4) == order("random", 4)
    assert len({order("random", seed) for seed in range(10)}) > 5
    assert len({order("fixed", seed) for seed in range(10)}) == 1


def test_first_examples_of_a_task_keep_their_order(numbered, source_of):
    """The first n of each task's own data, or all where there are fewer."""
    source = source_of(numbered(classes=4, train=40, test=12))
    whole = Split("numbered").build(source, 0)
    cut = Split("numbered", train_per_task=5, test_per_task=2).build(source, 0)
    for index in range(2):
        assert firsts(cut.task(index).train) == firsts(whole.task(index).train)[:5]
        assert firsts(cut.test(index)) == firsts(whole.test(index))[:2]
    plenty = Split("numbered", train_per_task=5000).build(source, 0)
    assert firsts(plenty.task(0).train) == firsts(whole.task(0).train)


def test_first_examples_of_sorted_data_are_refused(numbered, source_of):
    """Twenty examples of one class alone cannot be meant; a handful may be chance."""
    source = source_of(numbered(classes=2, labels=[0] * 30 + [1] * 30))
    with pytest.raises(DataError, match="sorted by class"):
        Split("numbered", train_per_task=20).build(source, 0).task(0)
    assert len(Split("numbered", train_per_task=19).build(source, 0).task(0).train) == 19
    assert len(Split("numbered").build(source, 0).task(0).train) == 60


def test_building_leaves_the_data_alone(numbered, source_of):
    """Tasks are copies: changing one does not change the set they came from."""
    whole = numbered()
    before = whole.train.x.clone()
    task = Split("numbered", "domain").build(source_of(whole), 0).task(1)
    task.train.x.zero_()
    assert torch.equal(whole.train.x, before)
    assert whole.train.y.max() == 3


@pytest.mark.parametrize(
    ("split", "told"),
    [
        (Split("numbered", classes=((0, 1), (1, 2))), r"overlap.*\[1\] more than once"),
        (Split("numbered", classes=((0, 0),)), "overlap"),
        (Split("numbered", classes=((0, 4),)), r"0 to 3, got \[4\]"),
        (Split("numbered", classes=((-1, 0),)), r"got \[-1\]"),
        (Split("numbered", classes=((0,), ())), "none empty"),
        (Split("numbered", classes=()), "none empty"),
        (Split("numbered", tasks=3), "divisor of the number of classes, 4, got 3"),
        (Split("numbered", tasks=0), "divisor"),
        (Split("numbered", tasks=8), "divisor"),
        (Split("numbered", classes=((0,), (1,)), tasks=3), "expected 2, got 3"),
        (Split("numbered", "domain", ((0, 1), (2,))), r"one size, got \[2, 1\]"),
        (Split("numbered", "clas"), "task or domain or class, got 'clas'"),
    ],
)
def test_wrong_groups_are_refused(numbered, source_of, split, told):
    """Each message says what was expected and what was found."""
    with pytest.raises(DataError, match=told):
        split.build(source_of(numbered()), 0)


@pytest.mark.parametrize(
    "table",
    [
        {"tasks": 0},
        {"train_per_task": 0},
        {"test_per_task": -1},
        {"classes": []},
        {"scenario": "online"},
        {"order": "shuffled"},
        {"classes": [["zero"]]},
    ],
)
def test_limits_are_part_of_the_types(table):
    """A settings reader finds the limits in the annotations."""
    with pytest.raises(ValidationError):
        TypeAdapter(Split).validate_python(table)


def test_settings_from_a_file_make_a_split():
    """Lists, as TOML has them, become tuples; the data set may be a table."""
    table = {"data": {"name": "features", "path": "a.npz"}, "classes": [[1, 0], [2]]}
    made = TypeAdapter(Split).validate_python(table)
    assert made == Split({"name": "features", "path": "a.npz"}, classes=((1, 0), (2,)))


def test_what_a_task_leaves_out_completes_its_training_data() -> None:
    """`train` and `left_out` together are the training data of an uncut task, in its order."""
    source = DataSource()
    cut = Split(data="digits", train_per_task=100).build(source, 0).task(0)
    whole = Split(data="digits").build(source, 0).task(0)
    assert whole.left_out is None
    assert torch.equal(cut.everything.x, whole.train.x)
    assert torch.equal(cut.everything.y, whole.train.y)
    assert len(cut.train) == 100
