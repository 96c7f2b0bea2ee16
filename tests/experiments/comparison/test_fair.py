"""The two fair measures over several settings, seed by seed."""

import pytest

from bioncl.experiments.comparison.fair import fair_measures, source_and_target

ROWS = [[[0.5, 0.9], [0.75, 0.75]], [[0.8, 0.8], [0.2, 0.7]], [[0.9, 0.4], [0.1, 0.1]]]


def test_measures_are_taken_for_each_seed_over_all_values():
    """By hand: seed 0 does best at the second value, seed 1 at the first and misses the target."""
    found = fair_measures(ROWS, target=0.85)
    assert found.best_average == pytest.approx([0.8, 0.75])
    assert found.source_at_target == [pytest.approx(0.65), None]


def test_without_a_target_only_the_first_measure_is_there():
    found = fair_measures(ROWS)
    assert found.best_average == pytest.approx([0.8, 0.75])
    assert found.source_at_target == [None, None]


def test_old_tasks_are_all_but_the_last():
    assert source_and_target([0.2, 0.4, 0.9]) == pytest.approx((0.3, 0.9))
