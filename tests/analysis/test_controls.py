"""Shuffles and adjusted p-values against enumeration, SciPy and closed forms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from bioncl.analysis.controls import benjamini_hochberg, reached, shuffled_scores, upper_p
from bioncl.analysis.decoders import centroid_decoder
from bioncl.analysis.replay import replay_scores
from bioncl.errors import InputError

COUNTS = np.array([[0, 3, 1, 7, 2, 2], [1, 0, 0, 5, 9, 1], [4, 4, 0, 0, 1, 2]])
MEANS = np.array([[0.1, 0.9, 0.2, 2.0, 0.5, 0.3], [1.0, 0.0, 0.3, 0.1, 0.2, 0.8]])


def all_permuted_scores():
    """Scores for each of the 720 orders of the 6 neurons: [orders, windows, classes]."""
    orders = itertools.permutations(range(6))
    return np.array([np.corrcoef(COUNTS, MEANS[:, o])[:3, 3:] for o in orders])


def test_z_scores_are_those_of_all_permutations():
    """Mean 0 and variance 1 / (n − 1) hold exactly, so no shuffle is needed for z."""
    every = all_permuted_scores()
    np.testing.assert_allclose(every.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(every.var(axis=0), 1 / 5, atol=1e-12)
    found = replay_scores(COUNTS, MEANS, shuffles=0)
    np.testing.assert_allclose(found.z, found.correlation / every.std(axis=0), atol=1e-12)


def test_p_values_come_near_those_of_all_permutations():
    every = all_permuted_scores()
    observed = np.corrcoef(COUNTS, MEANS)[:3, 3:]
    exact = (every >= observed - 1e-12).mean(axis=0)
    np.testing.assert_allclose(replay_scores(COUNTS, MEANS, 5000).p, exact, atol=0.03)


def test_shuffling_time_keeps_each_neurons_counts():
    """With templates of one neuron each, a score says that neuron's share; totals stay."""
    counts = np.random.default_rng(0).poisson(3.0, (8, 5)) + np.arange(5)
    seen = []

    class Spy:
        weights = np.zeros((1, 5))

        def scores(self, patterns):
            seen.append(patterns)
            return patterns[:, :1]

    list(shuffled_scores(Spy(), counts, 20, "time", 0))
    for patterns in seen:
        for neuron in range(5):
            lags = [np.roll(counts[:, neuron], k).tolist() for k in range(8)]
            assert patterns[:, neuron].tolist() in lags
    assert len({patterns.tobytes() for patterns in seen}) > 10


def test_one_window_has_no_other_time_and_is_never_significant():
    assert (replay_scores(COUNTS[:1], MEANS, 50, "time").p == 1.0).all()


@pytest.mark.parametrize("control", ["neurons", "time"])
def test_shuffles_repeat_with_their_seed(control):
    decoder = centroid_decoder(MEANS)
    runs = [list(shuffled_scores(decoder, COUNTS, 5, control, seed)) for seed in (1, 1, 2)]
    assert np.array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_an_unknown_control_is_refused():
    with pytest.raises(InputError, match="'neurons' or 'time'"):
        list(shuffled_scores(centroid_decoder(MEANS), COUNTS, 5, "rows", 0))


@pytest.mark.parametrize("seed", range(5))
def test_adjusted_p_values_equal_those_of_scipy(seed):
    """Also with equal values; NaN is no test."""
    p = np.random.default_rng(seed).random((6, 5)).round(1 + seed % 3)
    p[1, 2] = p[4, 4] = np.nan
    found = benjamini_hochberg(p)
    defined = ~np.isnan(p)
    np.testing.assert_allclose(found[defined], stats.false_discovery_control(p[defined]))
    assert np.isnan(found[~defined]).all()


@pytest.mark.parametrize("p", [[], [np.nan], [1.0], [0.01]])
def test_none_or_one_p_value_is_left_as_it_is(p):
    np.testing.assert_array_equal(benjamini_hochberg(np.array(p)), p)


def test_p_counts_the_observed_arrangement_and_keeps_nan():
    found = upper_p(np.array([0, 99, 3]), 99, np.array([0.5, 0.1, np.nan]))
    np.testing.assert_allclose(found, [0.01, 1.0, np.nan])
    nothing = np.array([np.nan, 1.0, 1.0 - 1e-15])
    assert reached(nothing, np.array([0.0, np.nan, 1.0])).tolist() == [False, False, True]
