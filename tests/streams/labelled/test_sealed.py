"""Sealed places: the test part of a set stays unread, the training part is what it always is."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile

import numpy
import pytest
import torch

from bioncl.errors import DataError
from bioncl.streams.files import DataPlaces
from bioncl.streams.labelled.cifar10 import read_archive
from bioncl.streams.labelled.embedded import Digits, Mnist5k
from bioncl.streams.labelled.features import Features
from bioncl.streams.labelled.mnist import FashionMnist, Mnist
from bioncl.streams.labelled.validation import Validation
from bioncl.streams.source import DataSource

OPEN, SEALED = DataPlaces(download=False), DataPlaces(download=False, sealed=True)


@pytest.mark.parametrize("loader", [Digits(), Mnist5k()])
def test_embedded_sets_keep_their_training_part_alone(loader):
    whole, sealed = loader.load(OPEN), loader.load(SEALED)
    assert len(whole.test) > 0
    assert len(sealed.test) == 0
    assert torch.equal(sealed.train.x, whole.train.x)
    assert torch.equal(sealed.train.y, whole.train.y)


def test_arrays_of_the_test_part_are_not_even_there(tmp_path):
    """The file lacks them: read, they would be an error."""
    path = tmp_path / "mine.npz"
    x, y = numpy.random.default_rng(0).random((6, 4)), numpy.array([0, 1, 0, 1, 0, 1])
    numpy.savez(path, X_train=x, y_train=y)
    for normalise in ("none", "max"):
        loader = Features(path, normalise=normalise)
        assert len(loader.load(SEALED).train) == 6
        assert loader.load(SEALED).test.x.shape == (0, 4)
        with pytest.raises(DataError, match="X_test"):
            loader.load(OPEN)


@pytest.mark.parametrize("kind", [Mnist, FashionMnist])
@pytest.mark.parametrize(("border", "standardise"), [(0, False), (2, True)])
def test_the_files_of_the_test_part_are_not_opened(
    tmp_path, monkeypatch, kind, border, standardise
):
    """Asking for one of them fails the test."""

    def locate(self, file):
        assert file.name.startswith("train-")
        path = tmp_path / file.name
        content = struct.pack(">4i", 2051, 3, 28, 28) + bytes(range(196)) * 12
        if "labels" in file.name:
            content = struct.pack(">2i", 2049, 3) + bytes([0, 1, 2])
        path.write_bytes(gzip.compress(content))
        return path

    monkeypatch.setattr(DataPlaces, "locate", locate)
    loaded = kind(border, standardise).load(SEALED)
    assert len(loaded.train) == 3
    assert len(loaded.test) == 0


def test_the_test_batch_of_an_archive_is_passed_over(tmp_path):
    """It is not there; unsealed, that is an error."""
    path = tmp_path / "cifar.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for number in range(1, 6):
            member = tarfile.TarInfo(f"data_batch_{number}.bin")
            member.size = 3073
            archive.addfile(member, io.BytesIO(bytes([number]) * 3073))
    assert read_archive(path, sealed=True).train.y.tolist() == [1, 2, 3, 4, 5]
    assert len(read_archive(path, sealed=True).test) == 0
    with pytest.raises(DataError, match="test_batch"):
        read_archive(path)


def test_a_source_holds_out_the_same_examples_sealed_or_not():
    validation = Validation(0.25)
    whole = DataSource(OPEN, validation).labelled("digits")
    sealed = DataSource(SEALED, validation).labelled("digits")
    assert torch.equal(sealed.test.x, whole.test.x)
    assert torch.equal(sealed.train.x, whole.train.x)
