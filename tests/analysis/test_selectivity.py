"""Selectivity against loops and exact permutation probabilities."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from bioncl.analysis.selectivity import (
    by_class,
    class_means,
    class_specific,
    membership,
    preferred_class,
    top_counts_by_example,
    top_neurons,
    top_reactivation,
)
from bioncl.errors import InputError

RANDOM = np.random.default_rng(0)
ACTIVATIONS = RANDOM.gamma(1.0, size=(30, 8))
LABELS = np.arange(30) % 3


def test_class_means_are_means_of_rows():
    found = class_means(ACTIVATIONS, LABELS, 4)
    for label in range(3):
        np.testing.assert_allclose(found[label], ACTIVATIONS[label == LABELS].mean(axis=0))
    assert np.isnan(found[3]).all()


def test_covariances_with_class_specific_templates_add_up_to_zero():
    means = class_means(ACTIVATIONS, LABELS, 4)
    specific = class_specific(means)
    counts = RANDOM.poisson(3.0, 8)
    assert np.isnan(specific[3]).all()
    np.testing.assert_allclose(specific[:3] - specific[0], means[:3] - means[0])
    total = sum(np.cov(counts, row)[0, 1] for row in specific[:3])
    assert total == pytest.approx(0.0, abs=1e-12)


def test_preferred_class_of_selective_dead_and_indifferent_neurons():
    means = np.array([[1.0, 0.0, 0.3, 2.0], [3.0, 0.0, 0.3, 2.0], [2.0, 0.0, 0.3, 1.0]])
    assert preferred_class(means).tolist() == [1, -1, -1, 0]
    absent = np.concatenate([np.full((1, 4), np.nan), means])
    assert preferred_class(absent).tolist() == [2, -1, -1, 1]
    assert preferred_class(np.full((2, 3), np.nan)).tolist() == [-1] * 3
    assert preferred_class(np.zeros((0, 3))).tolist() == [-1] * 3


def test_membership_leaves_out_minus_one():
    assert membership(np.array([1, -1, 0]), 2).tolist() == [
        [False, False, True],
        [True, False, False],
    ]


def test_top_neurons_come_in_order_and_the_first_of_equals_first():
    assert top_neurons(np.array([[1.0, 3.0, 2.0, 3.0]]), 3).tolist() == [[1, 3, 2]]
    assert top_neurons(np.array([[1.0, 3.0]]), 9).tolist() == [[1, 0]]


def test_top_reactivation_against_all_sets_of_neurons():
    counts, means = np.array([0, 9, 4, 4, 1, 7]), ACTIVATIONS[:3, :6]
    found = top_reactivation(counts, means, top=2, shuffles=5000)
    sums = np.array([counts[list(pair)].sum() for pair in itertools.combinations(range(6), 2)])
    for label in range(3):
        chosen = np.argsort(-means[label])[:2]
        assert found.top[label] == counts[chosen].mean()
        assert found.others[label] == np.delete(counts, chosen).mean()
        assert found.p[label] == pytest.approx((sums >= counts[chosen].sum()).mean(), abs=0.025)


def test_top_reactivation_at_the_edges():
    """Equal counts: p of 1. All neurons are top: no others. No preference: undefined."""
    same = top_reactivation(np.full(8, 3), ACTIVATIONS[:2], top=3)
    assert same.p.tolist() == [1.0, 1.0]
    whole = top_reactivation(np.arange(8), ACTIVATIONS[:2], top=99)
    assert np.isnan(whole.others).all()
    assert whole.p.tolist() == [1.0, 1.0]
    silent = top_reactivation(np.zeros(8, np.int64), ACTIVATIONS[:2], top=2)
    assert silent.top.tolist() == [0.0, 0.0]
    none = top_reactivation(np.arange(8), np.array([np.zeros(8), np.full(8, np.nan)]), top=2)
    single = top_reactivation(np.array([4]), np.array([[2.0]]), top=1)
    for undefined in (none, single):
        assert np.isnan(undefined.top).all()
        assert np.isnan(undefined.p).all()


def test_top_counts_by_example_follow_the_published_loop():
    """As compute_neural_reactivation.m does."""
    counts = RANDOM.poisson(4.0, 8)
    found = top_counts_by_example(counts, ACTIVATIONS, LABELS, 4, top=3)
    for label in range(3):
        means = [counts[np.argsort(-a)[:3]].mean() for a in ACTIVATIONS[label == LABELS]]
        assert found.mean[label] == pytest.approx(np.mean(means))
        assert found.deviation[label] == pytest.approx(np.std(means, ddof=1))
    assert np.isnan(found.mean[3])


def test_by_class_leaves_out_nan_and_needs_two_for_a_deviation():
    found = by_class(np.array([1.0, 3.0, np.nan, 5.0]), np.array([0, 0, 1, 2]), 3)
    np.testing.assert_array_equal(found.mean, [2.0, np.nan, 5.0])
    np.testing.assert_allclose(found.deviation, [np.sqrt(2), np.nan, np.nan])


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="same layer"):
        top_reactivation(np.arange(7), ACTIVATIONS, 2)
    with pytest.raises(InputError, match="at least 1"):
        top_reactivation(np.arange(8), ACTIVATIONS, 0)
    with pytest.raises(InputError, match="label"):
        class_means(ACTIVATIONS, LABELS, 2)
