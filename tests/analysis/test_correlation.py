"""Correlations against NumPy, SciPy, elephant and block means of the full matrix."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bioncl.analysis.correlation import (
    class_correlations,
    correlate,
    correlation_change,
    mean_neuron_correlation,
    standardise,
)
from bioncl.analysis.windows import regular_windows, window_counts
from bioncl.errors import InputError

EXAMPLES = np.random.default_rng(0).gamma(1.0, size=(40, 12))
LABELS = np.repeat(np.arange(4), 10)


def test_correlate_equals_numpy_and_scipy():
    stats = pytest.importorskip("scipy.stats")
    left, right = EXAMPLES[:5], EXAMPLES[5:9] * 1e-3 + 7
    found = correlate(left, right)
    np.testing.assert_allclose(found, np.corrcoef(left, right)[:5, 5:], atol=1e-13)
    assert found[2, 3] == pytest.approx(stats.pearsonr(left[2], right[3])[0], abs=1e-13)


# Elephant 1.2.1 gives quantities an argument that means nothing since quantities 0.16.
@pytest.mark.filterwarnings("ignore:The 'copy' argument in Quantity is deprecated")
def test_correlations_of_binned_spikes_equal_those_of_elephant():
    """Neurons' counts in windows of 10 ms, correlated over windows."""
    module = pytest.importorskip("elephant.spike_train_correlation", reason="needs elephant")
    neo, units = pytest.importorskip("neo"), pytest.importorskip("quantities")
    from elephant.conversion import BinnedSpikeTrain

    events = np.argwhere(np.random.default_rng(1).random((500, 6)) < 0.1)
    trains = [
        neo.SpikeTrain(events[events[:, 1] == n, 0] + 0.5, units="ms", t_stop=500) for n in range(6)
    ]
    theirs = module.correlation_coefficient(BinnedSpikeTrain(trains, bin_size=10 * units.ms))
    counts = window_counts(events, 6, regular_windows(500, 10)).T
    np.testing.assert_allclose(correlate(counts, counts), theirs, atol=1e-12)


@given(
    arrays(np.float64, (3, 6), elements=st.floats(-1e6, 1e6, allow_subnormal=False)),
    st.floats(-1e6, 1e6),
)
def test_rows_are_unit_vectors_or_undefined_and_results_stay_in_range(rows, constant):
    """Constant rows give NaN whatever their value; nothing leaves −1..1."""
    rows[0] = constant
    unit = standardise(rows)
    assert np.isnan(unit[0]).all()
    lengths = np.linalg.norm(unit[1:], axis=1)
    assert all(np.isnan(length) or abs(length - 1) < 1e-12 for length in lengths)
    found = correlate(rows, rows)
    assert np.isnan(found[0]).all()
    assert np.nanmax(np.abs(np.append(found, 0.0))) <= 1.0


def test_extreme_scales_do_not_spoil_a_correlation():
    rows = np.array([[1.0, 2.0, 4.0]])
    for scale in (1e-300, 1e-160, 1e160, 1e300):
        assert correlate(rows * scale, rows)[0, 0] == pytest.approx(1.0)


@pytest.mark.parametrize("rows", [np.zeros((2, 5)), np.full((2, 5), 0.1), np.ones((2, 1))])
def test_silent_constant_and_single_neurons_have_no_correlation(rows):
    assert np.isnan(correlate(rows, EXAMPLES[:3, : rows.shape[1]])).all()


def test_layers_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="same layer"):
        correlate(EXAMPLES, EXAMPLES[:, :5])


def test_mean_neuron_correlation_equals_that_of_the_full_matrix():
    expected = np.corrcoef(EXAMPLES.T).mean()
    assert mean_neuron_correlation(EXAMPLES) == pytest.approx(expected, abs=1e-13)
    dead = np.concatenate([EXAMPLES, np.zeros((40, 3))], axis=1)
    assert mean_neuron_correlation(dead) == pytest.approx(expected, abs=1e-13)
    assert np.isnan(mean_neuron_correlation(np.zeros((40, 3))))


@pytest.mark.parametrize("self_pairs", [True, False])
def test_class_correlations_are_block_means_of_all_pairs(self_pairs):
    """With two silent examples, which count nowhere."""
    activations = EXAMPLES.copy()
    activations[[3, 27]] = 0.0
    kept = np.setdiff1d(np.arange(40), [3, 27])
    matrix, labels = np.corrcoef(activations[kept]), LABELS[kept]
    if not self_pairs:
        np.fill_diagonal(matrix, np.nan)
    expected = [
        [np.nanmean(matrix[np.ix_(labels == i, labels == j)]) for j in range(4)] for i in range(4)
    ]
    found = class_correlations(activations, LABELS, 4, self_pairs=self_pairs)
    np.testing.assert_allclose(found.matrix, expected, atol=1e-13)
    assert found.used.tolist() == [9, 10, 9, 10]
    assert found.within == pytest.approx(np.mean(np.diag(expected)))
    off = [expected[i][j] for i in range(4) for j in range(4) if i != j]
    assert found.between == pytest.approx(np.mean(off))


def test_classes_without_pairs_are_undefined():
    """Class 1 has one example, class 2 none, class 3 only silent ones."""
    activations = np.concatenate([EXAMPLES[:3], np.zeros((2, 12))])
    found = class_correlations(activations, np.array([0, 0, 1, 3, 3]), 4)
    assert np.isnan(found.matrix[1, 1])
    assert np.isnan(found.matrix[2:]).all()
    assert np.isfinite(found.matrix[0, :2]).all()
    assert found.used.tolist() == [2, 1, 0, 0]
    single = class_correlations(EXAMPLES, np.zeros(40, np.int64), 1)
    assert np.isnan(single.between)


def test_change_is_after_less_before():
    """Orthogonal classes after the night: between falls from 1 to the correlation of blocks."""
    alike = np.tile([1.0, 0.0, 0.0, 0.0], (4, 1))
    apart = np.array([[1.0, 0, 0, 0], [1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 1.0, 0, 0]])
    labels = np.array([0, 0, 1, 1])
    found = correlation_change(
        class_correlations(alike, labels, 2), class_correlations(apart, labels, 2)
    )
    assert found.within == pytest.approx(0.0)
    assert found.between == pytest.approx(-1 / 3 - 1)
    np.testing.assert_allclose(found.matrix, [[0, -4 / 3], [-4 / 3, 0]], atol=1e-14)


@pytest.mark.parametrize("labels", [np.zeros(3, np.int64), np.full(40, 4), np.full(40, -1)])
def test_labels_that_do_not_fit_are_refused(labels):
    with pytest.raises(InputError, match="label"):
        class_correlations(EXAMPLES, labels, 4)
