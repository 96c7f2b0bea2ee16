"""The reader of CIFAR-10's binary archive on a small archive written here."""

from __future__ import annotations

import io
import tarfile

import numpy
import pytest
import torch

from bioncl.errors import DataError
from bioncl.streams.labelled.cifar10 import read_archive

BATCHES = [*(f"data_batch_{number}.bin" for number in (1, 2, 3, 4, 5)), "test_batch.bin"]


def record(label: int, seed: int) -> bytes:
    pixels = numpy.random.default_rng(seed).integers(0, 256, 3072, dtype=numpy.uint8)
    return bytes([label]) + pixels.tobytes()


def whole_batches() -> dict[str, bytes]:
    """Two records a batch: labels 0, 1 in the first, then 2, 3 and so on modulo 10."""
    return {
        name: record(2 * k % 10, 2 * k) + record((2 * k + 1) % 10, 2 * k + 1)
        for k, name in enumerate(BATCHES)
    }


def archived(path, batches):
    with tarfile.open(path, "w:gz") as archive:
        # reversed, and with another member between: order in the archive must not matter
        for name, content in [*reversed(batches.items()), ("readme.html", b"hello")]:
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_records_become_images_in_the_order_of_the_batches(tmp_path):
    """Labels in order of batch number; pixel (c, row, col) is byte 1 + 1024c + 32row + col."""
    batches = whole_batches()
    read = read_archive(archived(tmp_path / "cifar.tar.gz", batches))
    assert read.train.x.shape == (10, 3, 32, 32)
    assert read.train.y.tolist() == list(range(10))
    assert read.test.y.tolist() == [0, 1]
    raw = batches["data_batch_3.bin"][3073:]
    for c, row, column in [(0, 0, 0), (1, 2, 3), (2, 31, 30)]:
        expected = raw[1 + 1024 * c + 32 * row + column] / 255
        assert read.train.x[5, c, row, column].item() == pytest.approx(expected, abs=1e-7)
    assert read.train.x.dtype == torch.float32


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("data_batch_4.bin", None, "lacks data_batch_4.bin"),
        ("test_batch.bin", b"", "multiple of 3073"),
        ("data_batch_1.bin", record(0, 0)[:-1], "multiple of 3073"),
        ("data_batch_5.bin", record(10, 0), "expected 0 to 9, got 10"),
    ],
)
def test_incomplete_batches_are_refused(tmp_path, name, content, told):
    """Missing, empty, cut and mislabelled batches are named."""
    batches = whole_batches() | {name: content}
    kept = {key: value for key, value in batches.items() if value is not None}
    with pytest.raises(DataError, match=told):
        read_archive(archived(tmp_path / "cifar.tar.gz", kept))


@pytest.mark.parametrize("keep", [0, 100, 20_000])
def test_truncated_archive_is_refused(tmp_path, keep):
    """A cut archive is one readable error that names the file."""
    path = archived(tmp_path / "cifar.tar.gz", whole_batches())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"cifar\.tar\.gz"):
        read_archive(path)
