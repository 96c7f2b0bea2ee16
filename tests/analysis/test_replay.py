"""Replay scores against NumPy loops that follow the published utilities."""

from __future__ import annotations

import numpy as np
import pytest

from bioncl.analysis.replay import normalised, reactivation_by_example, replay_scores
from bioncl.errors import InputError

RANDOM = np.random.default_rng(0)
ACTIVATIONS = RANDOM.gamma(1.0, size=(30, 8))
LABELS = np.arange(30) % 3
COUNTS = RANDOM.poisson(4.0, (5, 8))


def test_scores_of_windows_are_correlations_and_published_normalisation_divides_them():
    """As compute_reactivation_figure2.m does: corrcoef over the mean of corrcoef of neurons."""
    means = np.array([ACTIVATIONS[c == LABELS].mean(axis=0) for c in range(3)])
    expected = [[np.corrcoef(row, mean)[0, 1] for mean in means] for row in COUNTS]
    found = replay_scores(COUNTS, means, shuffles=10).correlation
    np.testing.assert_allclose(found, expected, atol=1e-13)
    factor = np.corrcoef(ACTIVATIONS.T).mean()
    np.testing.assert_allclose(normalised(found, ACTIVATIONS), np.array(expected) / factor)


def test_reactivation_by_example_is_the_mean_correlation_with_examples_of_a_class():
    """As digit_reactivation.m does, with MATLAB's n − 1."""
    found = reactivation_by_example(COUNTS[0], ACTIVATIONS, LABELS, 3)
    for label in range(3):
        r = [np.corrcoef(a, COUNTS[0])[0, 1] for a in ACTIVATIONS[label == LABELS]]
        assert found.mean[label] == pytest.approx(np.mean(r))
        assert found.deviation[label] == pytest.approx(np.std(r, ddof=1))


def test_what_is_constant_is_undefined_and_nothing_else():
    """A silent window, a window in which all fire alike, a class that activates nothing."""
    counts = COUNTS.copy()
    counts[1], counts[3] = 0, 2
    means = np.array([ACTIVATIONS[0], np.zeros(8), np.full(8, np.nan), ACTIVATIONS[1]])
    found = replay_scores(counts, means, shuffles=20)
    hole = np.zeros((5, 4), bool)
    hole[[1, 3]] = True
    hole[:, [1, 2]] = True
    for values in (found.correlation, found.z, found.p, found.q):
        np.testing.assert_array_equal(np.isnan(values), hole)


@pytest.mark.parametrize("control", ["neurons", "time"])
@pytest.mark.parametrize("shape", [(0, 8), (3, 1), (1, 1)])
def test_no_windows_and_single_neurons_give_nan_of_the_right_shape(shape, control):
    found = replay_scores(np.ones(shape, np.int64), np.ones((2, shape[1])), 5, control)
    assert found.p.shape == (shape[0], 2)
    assert np.isnan(found.correlation).all()
    assert np.isnan(found.q).all()


def test_a_layer_with_other_neurons_is_refused():
    with pytest.raises(InputError, match="same layer"):
        replay_scores(COUNTS, np.ones((2, 9)))
    with pytest.raises(InputError, match="same layer"):
        reactivation_by_example(COUNTS[0], ACTIVATIONS[:, :5], LABELS, 3)
