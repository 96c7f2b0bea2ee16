"""The toy patches: how many pixels are shared, and how many are an image's own."""

from __future__ import annotations

import itertools

import pytest
import torch

from bioncl.errors import DataError
from bioncl.streams.patches import Patches, patches


@pytest.mark.parametrize(
    ("width", "overlap", "own"),
    # floor(121/6) = 20 and floor(100/6) = 16
    [(11, 12, 8), (11, 0, 20), (11, 19, 1), (10, 1, 15), (10, 12, 4), (10, 15, 1), (3, 0, 1)],
)
def test_pixels_are_shared_by_all_or_by_none(width, overlap, own):
    """`overlap` pixels in all four, `own` in exactly one each, the rest dark."""
    images = patches(width, overlap).flatten(1)
    assert set(images.unique().tolist()) <= {0.0, 1.0}
    times_lit = images.sum(0).int().tolist()
    assert times_lit.count(4) == overlap
    assert times_lit.count(1) == 4 * own
    assert times_lit.count(0) == width * width - overlap - 4 * own
    assert images.sum(1).tolist() == [overlap + own] * 4
    for one, other in itertools.combinations(images, 2):
        assert (one * other).sum() == overlap


def test_stream_shows_two_images_a_task_and_tests_on_them():
    """Images 0, 1 then 2, 3, each its own class; test data is training data."""
    stream = Patches(10, 12).build(source=None, seed=0)
    assert (stream.scenario, stream.outputs, stream.input_shape) == ("class", 4, (1, 10, 10))
    assert [task.outputs for task in stream.tasks()] == [(0, 1), (2, 3)]
    for task in stream.tasks():
        assert task.train.y.tolist() == list(task.outputs)
        assert torch.equal(task.train.x, patches(10, 12)[list(task.outputs)])
        assert torch.equal(task.test.x, task.train.x)
        assert torch.equal(task.test.y, task.train.y)


@pytest.mark.parametrize(("width", "overlap"), [(10, 16), (11, 20), (11, -1), (2, 0)])
def test_overlap_that_leaves_nothing_is_refused(width, overlap):
    """Each image needs a pixel of its own."""
    with pytest.raises(DataError, match="Overlap"):
        Patches(width, overlap).build(None, 0)


def test_other_scenarios_are_refused():
    """The four images are four classes."""
    with pytest.raises(DataError, match="expected class, got 'domain'"):
        Patches(scenario="domain").build(None, 0)
