"""The IDX reader against bytes written by hand, and the published files."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy
import pytest
import torch

from bioncl.errors import DataError
from bioncl.streams.labelled.idx import read_examples, read_idx
from bioncl.streams.labelled.mnist import FashionMnist, Mnist

IMAGES = bytes.fromhex("00000803 00000002 00000002 00000003") + bytes(
    [0, 1, 2, 3, 4, 5, 51, 102, 153, 204, 255, 0]
)
LABELS = bytes.fromhex("00000801 00000002") + bytes([7, 0])


def zipped(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(content))
    return path


def test_images_and_labels_written_by_hand_are_read_back(tmp_path):
    """Row-major pixels over 255, one channel, labels as they stand."""
    images, labels = zipped(tmp_path, "i.gz", IMAGES), zipped(tmp_path, "l.gz", LABELS)
    read = read_examples(images, labels, 10)
    assert read.x.dtype == torch.float32
    assert read.y.tolist() == [7, 0]
    expected = [[[[0, 1, 2], [3, 4, 5]]], [[[51, 102, 153], [204, 255, 0]]]]
    assert torch.equal(read.x, torch.tensor(expected, dtype=torch.float32) / 255)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "header"),
        (IMAGES[:9], "header"),
        (LABELS, "header"),
        (b"\x00\x00\x0d\x03" + IMAGES[4:], "header"),
        (IMAGES[:-1], "expected 12 bytes .*got 11"),
        (IMAGES + b"!", "expected 12 bytes .*got 13"),
        (IMAGES[:4] + struct.pack(">3I", *[2**32 - 1] * 3) + IMAGES[16:], "expected 79,228"),
    ],
)
def test_wrong_content_is_refused_with_the_name_of_the_file(tmp_path, content, told):
    """Empty, cut header, labels for images, floats, too short, too long, absurd sizes."""
    path = zipped(tmp_path, "images.gz", content)
    with pytest.raises(DataError, match=told) as caught:
        read_idx(path, 3)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("damage", ["missing", "not gzip", "truncated", "flipped"])
def test_damaged_gzip_is_refused_with_the_name_of_the_file(tmp_path, damage):
    """Whatever the wrapper suffers ends in one readable error."""
    path = tmp_path / "images.gz"
    whole = gzip.compress(IMAGES)
    if damage == "flipped":
        path.write_bytes(whole[:-6] + bytes([whole[-6] ^ 255]) + whole[-5:])
    elif damage != "missing":
        path.write_bytes(IMAGES if damage == "not gzip" else whole[:-12])
    with pytest.raises(DataError, match="Cannot read") as caught:
        read_idx(path, 3)
    assert str(path) in str(caught.value)


def test_images_and_labels_must_be_equally_many(tmp_path):
    """Files of different sets do not pass as a pair."""
    labels = zipped(tmp_path, "l.gz", LABELS[:7] + b"\x01" + LABELS[8:9])
    with pytest.raises(DataError, match="equally many"):
        read_examples(zipped(tmp_path, "i.gz", IMAGES), labels, 10)


def test_labels_beyond_the_classes_are_refused(tmp_path):
    """A label 7 is not one of five classes."""
    images, labels = zipped(tmp_path, "i.gz", IMAGES), zipped(tmp_path, "l.gz", LABELS)
    with pytest.raises(DataError, match="0 to 4"):
        read_examples(images, labels, 5)


# published class counts of MNIST's two parts; Fashion-MNIST is balanced by construction
MNIST_TRAIN = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
MNIST_TEST = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.mark.full_data
@pytest.mark.parametrize(
    ("kind", "train", "test"),
    [(Mnist, MNIST_TRAIN, MNIST_TEST), (FashionMnist, [6000] * 10, [1000] * 10)],
)
def test_published_sets_have_the_published_counts(full_places, kind, train, test):
    """60,000 and 10,000 images of 28x28, each class as often as published."""
    loaded = kind().load(full_places)
    assert loaded.train.x.shape == (60000, 1, 28, 28)
    assert loaded.test.x.shape == (10000, 1, 28, 28)
    assert loaded.train.y.bincount().tolist() == train
    assert loaded.test.y.bincount().tolist() == test
    assert (loaded.train.x.min().item(), loaded.train.x.max().item()) == (0, 1)


@pytest.mark.full_data
def test_mnist_starts_with_its_well_known_digits(full_places):
    """The first training labels, and the published mean and deviation of the pixels."""
    loaded = Mnist().load(full_places)
    assert loaded.train.y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    pixels = loaded.train.x.numpy().astype(numpy.float64)
    assert pixels.mean() == pytest.approx(0.1307, abs=5e-5)
    assert pixels.std() == pytest.approx(0.3081, abs=5e-5)


@pytest.mark.full_data
def test_mnist_with_a_border_has_the_constants_that_others_write_into_their_code(full_places):
    """Mean 0.1000 and deviation 0.2752 of the 32x32 images (Hsu et al. 2018)."""
    loaded = Mnist(border=2, standardise=True).load(full_places)
    assert loaded.train.x.shape == (60000, 1, 32, 32)
    black, white = loaded.train.x.min().item(), loaded.train.x.max().item()
    assert black == pytest.approx(-0.1000 / 0.2752, rel=1e-3)
    assert white == pytest.approx((1 - 0.1000) / 0.2752, rel=1e-3)
