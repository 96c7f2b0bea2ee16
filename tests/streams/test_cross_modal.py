"""Cross-modal streams: two sets, one after the other, on shared outputs."""

from __future__ import annotations

import pytest
import torch

from bioncl.errors import DataError
from bioncl.streams.cross_modal import CrossModal


def test_tasks_are_the_two_sets_on_the_same_outputs(numbered, source_of):
    """Data and labels of each set as they are; both tasks use all outputs."""
    first, second = numbered(name="a", train=20), numbered(name="b", train=32, test=8)
    stream = CrossModal("a", "b").build(source_of(first, second), 0)
    assert (stream.name, stream.scenario, stream.outputs, len(stream)) == (
        "cross-modal-a-b",
        "domain",
        4,
        2,
    )
    for task, whole in zip(stream.tasks(), (first, second), strict=True):
        assert torch.equal(task.train.x, whole.train.x)
        assert torch.equal(task.train.y, whole.train.y)
        assert torch.equal(task.test.x, whole.test.x)
        assert task.outputs == (0, 1, 2, 3)
        assert task.name == whole.name


def test_first_examples(numbered, source_of):
    """Each task is cut by itself."""
    source = source_of(numbered(name="a"), numbered(name="b", train=6))
    stream = CrossModal("a", "b", train_per_task=8, test_per_task=3).build(source, 0)
    assert [len(task.train) for task in stream.tasks()] == [8, 6]
    assert len(stream.test(1)) == 3


def test_sets_must_fit_together(numbered, source_of):
    """As many classes, and inputs of one shape."""
    source = source_of(numbered(name="a"), numbered(name="b", classes=3))
    with pytest.raises(DataError, match=r"Classes and input shape of b.*\(4, .*\(3, "):
        CrossModal("a", "b").build(source, 0)


def test_told_tasks_have_outputs_of_their_own(numbered, source_of):
    """With four classes each, the second set's labels 0..3 become 4..7."""
    first, second = numbered(name="a", train=20), numbered(name="b", train=32, test=8)
    stream = CrossModal("a", "b", scenario="task").build(source_of(first, second), 0)
    assert (stream.scenario, stream.outputs) == ("task", 8)
    assert [stream.group(0), stream.group(1)] == [(0, 1, 2, 3), (4, 5, 6, 7)]
    assert torch.equal(stream.task(0).train.y, first.train.y)
    assert torch.equal(stream.task(1).train.y, second.train.y + 4)
    assert torch.equal(stream.task(1).test.y, second.test.y + 4)
    assert torch.equal(stream.task(1).test.x, second.test.x)


def test_other_scenarios_are_refused(numbered, source_of):
    """Untold tasks with outputs of their own are not offered."""
    with pytest.raises(DataError, match="expected domain or task, got 'class'"):
        CrossModal("a", "a", scenario="class").build(source_of(numbered(name="a")), 0)
