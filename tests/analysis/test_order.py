"""Order of replay against loops, SciPy, scikit-learn and closed forms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import mutual_info_score

from bioncl.analysis.order import (
    episodes,
    mean_dwell,
    order_test,
    successive_information,
    transitions,
    trend,
)
from bioncl.errors import InputError


@pytest.mark.parametrize("seed", range(4))
def test_episodes_are_the_groups_of_itertools(seed):
    labels = np.random.default_rng(seed).integers(-1, 2, 60)
    place, expected = 0, []
    for label, run in itertools.groupby(labels.tolist()):
        length = len(list(run))
        if label >= 0:
            expected.append((label, place, length))
        place += length
    found = episodes(labels)
    got = zip(found.classes.tolist(), found.first.tolist(), found.length.tolist(), strict=True)
    assert list(got) == expected


def test_mean_dwell_by_class():
    found = mean_dwell(episodes(np.array([0, 0, -1, 0, 2, 2, 2, 2])), 4)
    np.testing.assert_array_equal(found, [1.5, np.nan, 4.0, np.nan])


@pytest.mark.parametrize("labels", [[], [-1, -1], [1], [-1, 1, -1]])
def test_nights_without_order_have_no_transitions(labels):
    """No window, none decoded, only one decoded."""
    labels = np.array(labels, np.int64)
    found = order_test(labels, 2, shuffles=5)
    assert len(episodes(labels).classes) == (labels >= 0).sum()
    assert found.transitions.tolist() == [[0, 0], [0, 0]]
    assert np.isnan(found.information)
    assert np.isnan(found.information_p)
    assert (found.p == 1).all()


def test_transitions_pass_over_windows_without_a_class():
    found = transitions(np.array([0, -1, 1, 1, -1, -1, 0, 1]), 2)
    assert found.tolist() == [[0, 2], [1, 1]]


def test_expected_transitions_are_the_mean_over_all_orders():
    labels = [0, 0, 1, 2, 1, 0]
    every = [transitions(np.array(order), 3) for order in itertools.permutations(labels)]
    found = order_test(np.array(labels), 3, shuffles=3)
    np.testing.assert_allclose(found.expected, np.mean(every, axis=0), atol=1e-12)
    assert found.transitions.tolist() == [[1, 1, 0], [1, 0, 1], [0, 1, 0]]


def test_information_equals_that_of_scikit_learn():
    labels = np.random.default_rng(0).integers(0, 4, 200)
    expected = mutual_info_score(labels[:-1], labels[1:]) / np.log(2)
    assert successive_information(transitions(labels, 4)) == pytest.approx(expected)


def test_a_cycle_has_all_information_and_random_labels_are_not_significant():
    cycle = order_test(np.tile(np.arange(4), 25), 4, shuffles=99)
    assert cycle.information == pytest.approx(2.0, abs=0.01)
    assert cycle.information_p == 0.01
    assert cycle.p[0, 1] == 0.01
    small = [
        order_test(np.random.default_rng(k).integers(0, 4, 60), 4, 99, k).information_p <= 0.05
        for k in range(60)
    ]
    assert sum(small) <= 7  # 99 % of a binomial with 5 %


def test_a_label_that_is_no_class_is_refused():
    with pytest.raises(InputError, match="out of range"):
        transitions(np.array([0, 3]), 3)


@pytest.mark.parametrize("seed", range(4))
def test_trend_equals_spearmans_of_scipy(seed):
    """With equal values, and NaN left out."""
    random = np.random.default_rng(seed)
    values = (random.normal(size=40) + 0.03 * np.arange(40) * seed).round(1)
    values[[3, 17]] = np.nan
    kept = values[~np.isnan(values)]
    expected = stats.spearmanr(np.arange(len(kept)), kept)
    found = trend(values, shuffles=4000)
    assert found.rho == pytest.approx(expected.statistic, abs=1e-12)
    assert found.p == pytest.approx(expected.pvalue, abs=0.03)


def test_a_steady_rise_is_one_and_a_fall_minus_one():
    assert trend(np.arange(30) ** 3).rho == pytest.approx(1.0)
    found = trend(-np.arange(30), shuffles=99)
    assert found.rho == pytest.approx(-1.0)
    assert found.p == 0.01


@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0, 2.0], [np.nan, np.nan, 1.0]])
def test_no_trend_without_two_different_values(values):
    found = trend(np.array(values))
    assert np.isnan(found.rho)
    assert np.isnan(found.p)
