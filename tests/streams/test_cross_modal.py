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


def test_other_scenarios_are_refused(numbered, source_of):
    """The outputs are shared by definition."""
    with pytest.raises(DataError, match="expected domain, got 'class'"):
        CrossModal("a", "a", scenario="class").build(source_of(numbered(name="a")), 0)
