"""The two fair measures of Lee et al. 2020, by hand."""

from __future__ import annotations

import pytest

from bioncl.metrics import best_average_accuracy, source_accuracy_at

# Setting by setting: (source, target). The third is worse at both than the second.
POINTS = [(0.9, 0.5), (0.8, 0.7), (0.75, 0.6), (0.4, 0.9)]


def test_best_average_is_over_settings():
    """Means are .70, .75, .675, .65."""
    assert best_average_accuracy(POINTS) == pytest.approx(0.75)


def test_best_average_of_longer_sequences():
    """Each row is averaged over its tasks, however many."""
    assert best_average_accuracy([(0.3, 0.6, 0.9), (0.7, 0.7, 0.1)]) == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("target", "source"),
    [
        (0.3, 0.9),  # every setting gets there
        (0.5, 0.9),  # just
        (0.6, 0.85),  # half-way between (.9, .5) and (.8, .7), not the worse (.75, .6)
        (0.7, 0.8),
        (0.75, 0.7),  # a quarter of the way from (.8, .7) to (.4, .9)
        (0.9, 0.4),
    ],
)
def test_source_accuracy_is_read_off_the_front(target, source):
    """Straight lines between the points that nothing beats."""
    assert source_accuracy_at(POINTS, target) == pytest.approx(source)
    assert source_accuracy_at(POINTS[::-1], target) == pytest.approx(source)


def test_a_target_out_of_reach_has_no_source_accuracy():
    """Nothing is extrapolated."""
    assert source_accuracy_at(POINTS, 0.91) is None
    assert source_accuracy_at([], 0.5) is None
