"""Weight changes against loops, NumPy's norms and SciPy's distances."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cosine

from bioncl.analysis.synapse_groups import group_change
from bioncl.analysis.weights import (
    row_cosines,
    stable_rank,
    synapse_sample,
    weight_change,
    weight_histograms,
)
from bioncl.errors import InputError

RANDOM = np.random.default_rng(0)
BEFORE = RANDOM.normal(size=(7, 11)).astype(np.float32)
AFTER = BEFORE + np.where(RANDOM.random((7, 11)) < 0.5, RANDOM.normal(size=(7, 11)), 0)


def test_changes_are_counted_and_measured():
    found = weight_change(BEFORE, AFTER)
    change = [float(b) - float(a) for a, b in zip(BEFORE.flat, AFTER.flat, strict=True)]
    assert found.up == sum(c > 0 for c in change)
    assert found.down == sum(c < 0 for c in change)
    assert found.unchanged == sum(c == 0 for c in change) > 20
    assert found.mean == pytest.approx(sum(change) / 77)
    assert found.mean_absolute == pytest.approx(sum(map(abs, change)) / 77)
    assert found.relative == pytest.approx(np.linalg.norm(change) / np.linalg.norm(BEFORE))


def test_a_night_without_plasticity_changes_nothing():
    found = weight_change(BEFORE, BEFORE)
    assert (found.up, found.down, found.unchanged) == (0, 0, 77)
    assert (found.mean, found.mean_absolute, found.relative) == (0.0, 0.0, 0.0)
    assert np.isnan(weight_change(np.zeros((2, 2)), np.ones((2, 2))).relative)
    histograms = weight_histograms(BEFORE, BEFORE, 5)
    assert histograms.change.tolist() == [0, 0, 77, 0, 0]


def test_histograms_hold_every_synapse_on_common_edges():
    found = weight_histograms(BEFORE, AFTER, 9)
    assert np.array_equal(found.before, np.histogram(BEFORE.astype(float), found.edges)[0])
    assert np.array_equal(found.after, np.histogram(AFTER, found.edges)[0])
    assert found.before.sum() == found.after.sum() == found.change.sum() == 77
    np.testing.assert_allclose(found.change_edges, -found.change_edges[::-1], atol=1e-15)
    assert found.edges[0] == min(BEFORE.min(), AFTER.min())
    assert found.edges[-1] == max(BEFORE.max(), AFTER.max())


def test_histograms_of_silent_weights():
    assert weight_histograms(np.zeros((2, 3)), np.zeros((2, 3)), 3).before.sum() == 6
    assert weight_histograms(np.zeros((0, 3)), np.zeros((0, 3)), 3).before.tolist() == [0, 0, 0]


def test_a_sample_is_of_different_synapses_and_repeats():
    found = synapse_sample(BEFORE, AFTER, 30, seed=2)
    assert np.array_equal(found.before, BEFORE[found.post, found.pre])
    assert np.array_equal(found.after, AFTER[found.post, found.pre])
    places = found.post * 11 + found.pre
    assert len(set(places.tolist())) == 30
    assert (np.diff(places) > 0).all()
    again, other = synapse_sample(BEFORE, AFTER, 30, seed=2), synapse_sample(BEFORE, AFTER, 30)
    assert np.array_equal(found.pre, again.pre)
    assert not np.array_equal(found.pre, other.pre)
    assert np.array_equal(synapse_sample(BEFORE, AFTER, 1000).before, BEFORE.ravel())


def test_group_change_is_that_of_a_loop():
    """Overlapping groups, and one without members."""
    post = RANDOM.random((3, 7)) < 0.5
    post[2] = False
    pre = RANDOM.random((2, 11)) < 0.5
    found = group_change(BEFORE, AFTER, post, pre)
    for row in range(2):
        for column in range(2):
            block = np.ix_(post[row], pre[column])
            old, new = BEFORE[block].astype(float), AFTER[block]
            assert found.synapses[row, column] == old.size
            assert found.before[row, column] == pytest.approx(old.sum())
            assert found.after[row, column] == pytest.approx(new.sum())
            assert found.up[row, column] == (new > old).sum()
            assert found.down[row, column] == (new < old).sum()
            assert found.mean_change[row, column] == pytest.approx((new - old).mean())
    assert np.isnan(found.mean_change[2]).all()


@pytest.mark.parametrize("shape", [(5, 9), (9, 5), (1, 6), (6, 1), (1, 1), (2, 2), (60, 60)])
def test_stable_rank_is_the_ratio_of_numpys_norms(shape):
    weights = np.random.default_rng(1).normal(size=shape)
    expected = np.linalg.norm(weights) ** 2 / np.linalg.norm(weights, 2) ** 2
    for scale in (1.0, 1e-200, 1e200):
        assert stable_rank(weights * scale) == pytest.approx(expected, rel=1e-9)


def test_stable_rank_of_known_matrices():
    """A rotation has full rank, an outer product 1, zeros none."""
    rotation = np.linalg.qr(RANDOM.normal(size=(40, 40)))[0]
    assert stable_rank(rotation) == pytest.approx(40)
    assert stable_rank(np.eye(40)) == pytest.approx(40)
    assert stable_rank(np.outer(np.arange(30), np.ones(20))) == pytest.approx(1)
    assert stable_rank(np.full((3, 4), -2.0)) == pytest.approx(1)
    assert np.isnan(stable_rank(np.zeros((4, 4))))
    assert np.isnan(stable_rank(np.zeros((1, 4))))


def test_row_cosines_are_those_of_scipy_and_undefined_for_empty_rows():
    before = BEFORE.copy()
    before[3] = 0
    found = row_cosines(before, AFTER)
    for row in (0, 1, 2, 4, 5, 6):
        assert found[row] == pytest.approx(1 - cosine(before[row], AFTER[row]), abs=1e-6)
    assert np.isnan(found[3])


@pytest.mark.parametrize(
    "function", [weight_change, weight_histograms, synapse_sample, row_cosines]
)
def test_weights_of_different_shapes_are_refused(function):
    with pytest.raises(InputError, match="shape"):
        function(BEFORE, AFTER[:, :5])


def test_groups_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="groups do not fit"):
        group_change(BEFORE, AFTER, np.ones((2, 7), bool), np.ones((2, 7), bool))
