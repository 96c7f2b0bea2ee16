"""Decoders against scikit-learn and softmax written out; decoded windows at the edges."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from bioncl.analysis.decoders import (
    Decoder,
    centroid_decoder,
    held_out_accuracy,
    logistic_decoder,
)
from bioncl.analysis.decoding import decode
from bioncl.errors import InputError

RANDOM = np.random.default_rng(0)
ACTIVATIONS = RANDOM.gamma(1.0, size=(60, 9)) + np.eye(3).repeat(3, axis=1)[np.arange(60) % 3]
LABELS = np.arange(60) % 3
MEANS = np.array([ACTIVATIONS[c == LABELS].mean(axis=0) for c in range(3)])
PATTERNS = RANDOM.poisson(3.0, (7, 9))


def z_scored(rows):
    return (rows - rows.mean(axis=1, keepdims=True)) / rows.std(axis=1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 3])
def test_logistic_decoder_is_scikit_learns_on_z_scored_patterns(classes):
    """Two classes are a special case of theirs."""
    chosen = classes > LABELS
    model = LogisticRegression(C=2.0, max_iter=1000)
    model.fit(z_scored(ACTIVATIONS[chosen]), LABELS[chosen])
    decoder = logistic_decoder(ACTIVATIONS[chosen], LABELS[chosen], classes, penalty=0.5)
    found = decoder.probabilities(decoder.scores(PATTERNS))
    np.testing.assert_allclose(found, model.predict_proba(z_scored(PATTERNS)), atol=1e-6)


@pytest.mark.parametrize("folds", [2, 5])
def test_held_out_accuracy_is_that_of_a_loop_over_folds(folds):
    """Every example is decoded once, by a decoder that has not seen it."""
    right = []
    for fold in range(folds):
        held = np.arange(60) // 3 % folds == fold
        means = np.array([ACTIVATIONS[~held & (c == LABELS)].mean(axis=0) for c in range(3)])
        for row, label in zip(ACTIVATIONS[held], LABELS[held], strict=True):
            right.append(np.argmax([np.corrcoef(row, m)[0, 1] for m in means]) == label)

    def train(activations, labels):
        return centroid_decoder(np.array([activations[labels == c].mean(0) for c in range(3)]))

    assert len(right) == 60
    assert held_out_accuracy(train, ACTIVATIONS, LABELS, folds) == np.mean(right)


def test_held_out_accuracy_without_enough_examples():
    """One example of a class cannot be held out; a silent one counts as wrong."""

    def train(activations, labels):
        return centroid_decoder(np.array([activations[labels == c].mean(0) for c in range(2)]))

    apart = np.array([[2.0, 0, 0], [0, 2, 1], [3, 0, 0], [0, 4, 1]])
    labels = np.array([0, 1, 0, 1])
    assert np.isnan(held_out_accuracy(train, apart[:3], labels[:3]))
    assert np.isnan(held_out_accuracy(train, apart[:0], labels[:0]))
    assert held_out_accuracy(train, apart, labels) == 1.0
    with_silent, more = np.append(apart, [[0.0, 0, 0]], axis=0), np.append(labels, 0)
    assert held_out_accuracy(train, with_silent, more) == 0.8


def test_logistic_decoder_leaves_out_silent_examples_and_classes_without_any():
    activations = np.concatenate([ACTIVATIONS, np.zeros((4, 9))])
    labels = np.concatenate([LABELS * 2, [1, 1, 1, 1]])
    decoder = logistic_decoder(activations, labels, 6)
    scores = decoder.scores(PATTERNS)
    assert np.isnan(scores[:, [1, 3, 5]]).all()
    known = logistic_decoder(ACTIVATIONS, LABELS, 3).scores(PATTERNS)
    np.testing.assert_allclose(scores[:, [0, 2, 4]], known, atol=1e-6)
    assert (decoder.probabilities(scores)[:, [1, 3, 5]] == 0).all()


def test_a_decoder_of_one_class_is_refused():
    with pytest.raises(InputError, match="two classes"):
        logistic_decoder(ACTIVATIONS, np.zeros(60, np.int64), 3)


def test_centroid_probabilities_are_a_softmax_of_z_scores():
    decoder = centroid_decoder(MEANS)
    r = np.corrcoef(PATTERNS, MEANS)[:7, 7:]
    expected = softmax(np.sqrt(8) * r, axis=1)
    found = decode(decoder, PATTERNS, shuffles=10)
    np.testing.assert_allclose(found.scores, r, atol=1e-13)
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-13)
    np.testing.assert_allclose(found.confidence, expected.max(axis=1), atol=1e-13)
    assert found.labels.tolist() == r.argmax(axis=1).tolist()


def test_neither_scale_nor_offset_of_a_pattern_matters():
    decoder = logistic_decoder(ACTIVATIONS, LABELS, 3)
    np.testing.assert_allclose(decoder.scores(PATTERNS), decoder.scores(PATTERNS * 5 + 3))


def test_awake_examples_are_decoded_as_their_own_class():
    """Better than chance by far, by both decoders."""
    for decoder in (centroid_decoder(MEANS), logistic_decoder(ACTIVATIONS, LABELS, 3)):
        assert (decoder.scores(ACTIVATIONS).argmax(axis=1) == LABELS).mean() > 0.6


def test_p_and_chance_follow_from_the_best_scores():
    found = decode(centroid_decoder(MEANS), PATTERNS, shuffles=99)
    best = found.scores.max(axis=1)
    assert found.chance.shape == (99, 7)
    expected = (1 + (found.chance >= best - 1e-12).sum(axis=0)) / 100
    np.testing.assert_allclose(found.p, expected)
    assert (found.q >= found.p).all()


@pytest.mark.parametrize("control", ["neurons", "time"])
def test_windows_without_a_pattern_have_no_class(control):
    """Silent, and all alike; the other windows keep theirs."""
    counts = PATTERNS.copy()
    counts[2], counts[5] = 0, 4
    found = decode(centroid_decoder(MEANS), counts, 20, control)
    assert np.flatnonzero(found.labels == -1).tolist() == [2, 5]
    for values in (found.confidence, found.p, found.q):
        assert np.flatnonzero(np.isnan(values)).tolist() == [2, 5]
    assert np.isnan(found.probabilities[[2, 5]]).all()
    assert (found.significant(1.0)[[2, 5]] == -1).all()


@pytest.mark.parametrize(("windows", "neurons"), [(0, 9), (4, 1)])
def test_no_windows_and_one_neuron_decode_as_nothing(windows, neurons):
    found = decode(centroid_decoder(np.ones((3, neurons))), np.ones((windows, neurons), int), 5)
    assert found.labels.tolist() == [-1] * windows
    assert found.probabilities.shape == (windows, 3)
    assert np.isnan(found.confidence).all()


def test_a_decoder_of_another_layer_is_refused():
    decoder = Decoder(np.ones((2, 3)), np.zeros(2), 1.0)
    with pytest.raises(InputError, match="same layer"):
        decode(decoder, PATTERNS)
