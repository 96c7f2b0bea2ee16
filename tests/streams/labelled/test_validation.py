"""Held-out training data: nothing lost, nothing twice, the real test set out of reach."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bioncl.errors import DataError
from bioncl.streams.labelled.validation import carve_validation, stratified_split

LABELS = st.lists(st.integers(0, 3), min_size=2, max_size=60).filter(
    lambda labels: all(labels.count(label) > 1 for label in set(labels))
)


@settings(max_examples=60, deadline=None)
@given(labels=LABELS, fraction=st.floats(0.01, 0.99), seed=st.integers(0, 5))
def test_split_is_a_stratified_partition_in_order(labels, fraction, seed):
    """Each index falls on one side, in order; every class gives its rounded share."""
    y = torch.tensor(labels)
    kept, held = (part.tolist() for part in stratified_split(y, fraction, seed))
    assert sorted(kept + held) == list(range(len(labels)))
    assert kept == sorted(kept)
    assert held == sorted(held)
    for label in set(labels):
        count = labels.count(label)
        expected = min(max(round(fraction * count), 1), count - 1)
        assert sum(labels[index] == label for index in held) == expected


def contents(examples):
    return {tuple(x.flatten().tolist()) for x in examples.x}


def test_validation_takes_the_place_of_the_test_set(numbered):
    """Training loses what validation gains; of the test set nothing is left."""
    whole = numbered(classes=4, train=40)
    carved = carve_validation(whole, 0.3, 0, "validation")
    assert (len(carved.train), len(carved.test)) == (28, 12)
    assert contents(carved.train) | contents(carved.test) == contents(whole.train)
    assert not contents(carved.train) & contents(carved.test)
    assert not contents(carved.test) & contents(whole.test)
    assert carved.test.y.bincount().tolist() == [3] * 4
    order = carved.train.x[:, 0, 0, 0]
    assert torch.equal(order, order.sort().values)


def test_test_set_stays_for_the_final_judgement(numbered):
    """With evaluate_on="test" the same examples are held out and the test set is untouched."""
    whole = numbered()
    final = carve_validation(whole, 0.3, 0, "test")
    assert final.test is whole.test
    assert contents(final.train) == contents(carve_validation(whole, 0.3, 0, "validation").train)


def test_seed_decides_which_examples(numbered):
    """Same seed, same part; another seed, another part."""
    whole = numbered(train=200)
    parts = [contents(carve_validation(whole, 0.3, s, "validation").test) for s in (0, 0, 1)]
    assert parts[0] == parts[1] != parts[2]


@pytest.mark.parametrize("fraction", [0, 1, -0.1, float("nan")])
def test_fraction_outside_0_to_1_is_refused(numbered, fraction):
    """Nothing or all cannot be held out."""
    with pytest.raises(DataError, match="more than 0"):
        carve_validation(numbered(), fraction, 0, "validation")


def test_single_example_of_a_class_cannot_be_split(numbered):
    """One side would lack the class."""
    with pytest.raises(DataError, match="Class 1"):
        carve_validation(numbered(classes=2, labels=[0, 0, 1]), 0.5, 0, "test")


def test_unknown_evaluation_is_refused(numbered):
    """A typing error must not fall back to the test set."""
    with pytest.raises(DataError, match="test or validation"):
        carve_validation(numbered(), 0.5, 0, "valid")
