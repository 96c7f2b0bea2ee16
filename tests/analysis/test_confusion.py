"""Confusion matrices against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from bioncl.analysis.confusion import class_accuracies, confusion_matrix, flips
from bioncl.errors import InputError

RANDOM = np.random.default_rng(0)
LABELS, BEFORE, AFTER = RANDOM.integers(0, 4, (3, 200))


def test_the_matrix_and_recalls_are_those_of_scikit_learn():
    found = confusion_matrix(LABELS, BEFORE, 4)
    assert np.array_equal(found, metrics.confusion_matrix(LABELS, BEFORE))
    recalls = metrics.recall_score(LABELS, BEFORE, average=None)
    np.testing.assert_allclose(class_accuracies(found), recalls)


def test_classes_without_examples_have_no_accuracy():
    found = confusion_matrix(np.array([2, 2]), np.array([0, 2]), 3)
    assert found.tolist() == [[0, 0, 0], [0, 0, 0], [1, 0, 1]]
    np.testing.assert_array_equal(class_accuracies(found), [np.nan, np.nan, 0.5])
    none = np.zeros(0, np.int64)
    assert confusion_matrix(none, none, 2).tolist() == [[0, 0], [0, 0]]


def test_flips_explain_the_change_of_each_class():
    found = flips(LABELS, BEFORE, AFTER, 4)
    for label in range(4):
        mine = label == LABELS
        assert found.recovered[label] == (mine & (label != BEFORE) & (label == AFTER)).sum()
        assert found.lost[label] == (mine & (label == BEFORE) & (label != AFTER)).sum()
    right = [np.diagonal(confusion_matrix(LABELS, p, 4)) for p in (BEFORE, AFTER)]
    assert np.array_equal(found.recovered - found.lost, right[1] - right[0])


@pytest.mark.parametrize("predictions", [np.zeros(3, np.int64), np.full(200, 4)])
def test_predictions_that_do_not_fit_are_refused(predictions):
    with pytest.raises(InputError, match="label"):
        confusion_matrix(LABELS, predictions, 4)
    with pytest.raises(InputError, match="label"):
        flips(LABELS, BEFORE, predictions, 4)
