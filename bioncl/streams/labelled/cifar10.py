"""CIFAR-10 (Krizhevsky 2009) from its official binary archive.

A record is one byte of label and 3,072 bytes of pixels: red, green, blue, each 32 rows of 32. The
members are read straight from the tar file: nothing is unpacked to disk and nothing is unpickled.
"""

from __future__ import annotations

import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy
import torch
from numpy.typing import NDArray

from bioncl.errors import DataError, describe
from bioncl.streams.files import DataPlaces
from bioncl.streams.labelled.published import CIFAR10
from bioncl.streams.stream import Examples, LabelledSet

CLASSES = 10
RECORD = 1 + 3 * 32 * 32
TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST = ("test_batch.bin",)


@dataclass(frozen=True)
class Cifar10:
    """Photographs of ten kinds of thing: x [50000 and 10000, 3, 32, 32]."""

    def paths(self, places: DataPlaces) -> tuple[Path, ...]:
        """The archive, verified."""
        return (places.locate(CIFAR10),)

    def load(self, places: DataPlaces) -> LabelledSet:
        """Read the set.

        Raises:
            DataError: The archive is missing or damaged.
        """
        return read_archive(self.paths(places)[0], sealed=places.sealed)


def read_archive(path: Path, *, sealed: bool = False) -> LabelledSet:
    """Read the gzip-compressed tar file `path`; its folder and the records per batch are free.

    Sealed, the test batch is passed over.

    Raises:
        DataError: The archive is damaged, lacks a batch, or a batch is not whole records.
    """
    members = _members(path, TRAIN if sealed else TRAIN + TEST)
    train = _examples(path, members, TRAIN)
    test = train.first(0) if sealed else _examples(path, members, TEST)
    return LabelledSet("cifar10", train, test, CLASSES)


def _members(path: Path, wanted: tuple[str, ...]) -> dict[str, bytes]:
    """File name to content, in one pass, for a compressed archive cannot seek cheaply."""
    found = {}
    try:
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                name = PurePosixPath(member.name).name
                stream = archive.extractfile(member) if name in wanted else None
                if stream is not None:
                    found[name] = stream.read()
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        hint = "Remove the file and fetch it again."
        raise DataError(describe(f"Cannot read {path} ({error})", hint=hint)) from error
    return found


def _examples(path: Path, members: dict[str, bytes], names: tuple[str, ...]) -> Examples:
    records = numpy.concatenate([_records(path, name, members.get(name)) for name in names])
    x = records[:, 1:].astype(numpy.float32)
    x /= 255
    y = torch.from_numpy(records[:, 0].astype(numpy.int64))
    return Examples(torch.from_numpy(x).reshape(-1, 3, 32, 32), y)


def _records(path: Path, name: str, data: bytes | None) -> NDArray[numpy.uint8]:
    if data is None:
        raise DataError(describe(f"Archive {path} lacks {name}"))
    if not data or len(data) % RECORD:
        what, expected = f"{name} in {path}", f"a multiple of {RECORD} bytes"
        raise DataError(describe(what, expected=expected, got=len(data)))
    records = numpy.frombuffer(data, dtype=numpy.uint8).reshape(-1, RECORD)
    if int(records[:, 0].max()) >= CLASSES:
        what = f"Labels of {name} in {path}"
        raise DataError(describe(what, expected="0 to 9", got=int(records[:, 0].max())))
    return records
