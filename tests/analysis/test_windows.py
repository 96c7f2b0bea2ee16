"""Counts in windows against slicing the raster."""

from __future__ import annotations

import numpy as np
import pytest

from bioncl.analysis.windows import (
    counts_by_class,
    random_windows,
    regular_windows,
    window_counts,
)
from bioncl.errors import InputError

RASTER = np.random.default_rng(0).random((103, 7)) < 0.2


@pytest.mark.parametrize(
    "windows",
    [
        regular_windows(103, 10),
        regular_windows(103, 10, 3),
        regular_windows(103, 1),
        regular_windows(103, 103),
        random_windows(103, 17, 40),
        np.array([[90, 95], [0, 103], [5, 5]]),
    ],
    ids=["apart", "overlapping", "single steps", "the night", "random", "by hand"],
)
def test_window_counts_are_sums_of_slices_of_the_raster(windows):
    """Of events in any order."""
    events = np.random.default_rng(1).permutation(np.argwhere(RASTER))
    expected = [RASTER[start:stop].sum(axis=0) for start, stop in windows]
    assert np.array_equal(window_counts(events, 7, windows), expected)


def test_regular_windows_fit_in_the_night():
    assert regular_windows(10, 4).tolist() == [[0, 4], [4, 8]]
    assert regular_windows(10, 4, 3).tolist() == [[0, 4], [3, 7], [6, 10]]
    assert regular_windows(3, 4).shape == (0, 2)
    assert regular_windows(0, 4).shape == (0, 2)


def test_random_windows_reach_every_place_and_repeat_with_their_seed():
    found = random_windows(12, 10, 200, seed=3)
    assert set(found[:, 0].tolist()) == {0, 1, 2}
    assert (found[:, 1] - found[:, 0] == 10).all()
    assert np.array_equal(found, random_windows(12, 10, 200, seed=3))
    assert not np.array_equal(found, random_windows(12, 10, 200, seed=4))
    assert random_windows(9, 10, 200).shape == (0, 2)


def test_no_windows_and_no_spikes_give_empty_counts_and_zeros():
    none = np.zeros((0, 2), np.int64)
    assert window_counts(np.argwhere(RASTER), 7, none).shape == (0, 7)
    assert window_counts(none, 7, regular_windows(50, 10)).tolist() == [[0] * 7] * 5


@pytest.mark.parametrize(("width", "stride"), [(0, None), (-1, None), (5, 0)])
def test_a_width_or_stride_below_one_is_refused(width, stride):
    with pytest.raises(InputError, match="at least 1"):
        regular_windows(100, width, stride)


def test_output_spikes_of_two_heads_add_up_by_class():
    """Outputs 0 and 3 stand for class 1, output 1 for none, output 2 for class 0."""
    counts = np.array([[1, 10, 100, 1000], [2, 0, 0, 5]])
    found = counts_by_class(counts, np.array([1, -1, 0, 1]), 3)
    assert found.tolist() == [[100, 1001, 0], [0, 7, 0]]
    with pytest.raises(InputError, match="neurons"):
        counts_by_class(counts, np.array([1, 0]), 3)
