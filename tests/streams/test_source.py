"""Loading by name, once a process, with validation data held out."""

from __future__ import annotations

import os

import numpy
import pytest

from bioncl.errors import DataError
from bioncl.streams.files import DataPlaces
from bioncl.streams.labelled.validation import Validation
from bioncl.streams.source import DataSource

PLACES = DataPlaces(download=False)


def saved(path, first):
    x = numpy.arange(first, first + 20, dtype=numpy.float32).reshape(10, 2)
    y = numpy.arange(10) % 2
    numpy.savez(path, X_train=x, y_train=y, X_test=x, y_test=y)
    return {"name": "features", "path": str(path)}


def test_sets_are_loaded_once_a_process():
    """Two sources with the same settings share the tensors."""
    first = DataSource(PLACES).labelled("digits")
    assert DataSource(DataPlaces(download=False)).labelled({"name": "digits"}) is first


def test_changed_file_is_read_anew(tmp_path):
    """A notebook that writes its features again does not get the old ones."""
    choice = saved(tmp_path / "a.npz", 0)
    assert DataSource(PLACES).labelled(choice).train.x[0, 0] == 0
    saved(tmp_path / "a.npz", 100)
    os.utime(tmp_path / "a.npz", ns=(1, 1))
    assert DataSource(PLACES).labelled(choice).train.x[0, 0] == 100


def test_validation_is_carved_out_of_the_training_data():
    """A search sees training data only; the last run sees the test set and the same training."""
    whole = DataSource(PLACES).labelled("digits")
    search = DataSource(PLACES, Validation(0.25)).labelled("digits")
    final = DataSource(PLACES, Validation(0.25, evaluate_on="test")).labelled("digits")
    assert len(search.train) + len(search.test) == len(whole.train)
    assert len(final.train) == len(search.train)
    assert len(final.test) == len(whole.test)


def test_missing_data_is_an_input_error():
    """No network allowed and no folder: the message names the files' places."""
    with pytest.raises(DataError, match="bioncl data fetch mnist"):
        DataSource(PLACES).labelled("mnist")
