"""MNIST (LeCun, Cortes, Burges) and Fashion-MNIST (Xiao et al. 2017), from their own IDX files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bioncl.streams.files import DataPlaces, RemoteFile
from bioncl.streams.labelled.idx import read_examples
from bioncl.streams.labelled.published import FASHION_MNIST, MNIST
from bioncl.streams.stream import LabelledSet

CLASSES = 10


@dataclass(frozen=True)
class Mnist:
    """Handwritten digits: x [60000 and 10000, 1, 28, 28]."""

    def paths(self, places: DataPlaces) -> tuple[Path, ...]:
        """The four files, verified."""
        return _locate(MNIST, places)

    def load(self, places: DataPlaces) -> LabelledSet:
        """Read the set.

        Raises:
            DataError: A file is missing or damaged.
        """
        return _read("mnist", self.paths(places))


@dataclass(frozen=True)
class FashionMnist:
    """Articles of clothing in the shape of MNIST: x [60000 and 10000, 1, 28, 28]."""

    def paths(self, places: DataPlaces) -> tuple[Path, ...]:
        """The four files, verified."""
        return _locate(FASHION_MNIST, places)

    def load(self, places: DataPlaces) -> LabelledSet:
        """Read the set.

        Raises:
            DataError: A file is missing or damaged.
        """
        return _read("fashion-mnist", self.paths(places))


def _locate(files: tuple[RemoteFile, ...], places: DataPlaces) -> tuple[Path, ...]:
    return tuple(places.locate(file) for file in files)


def _read(name: str, paths: tuple[Path, ...]) -> LabelledSet:
    train_images, train_labels, test_images, test_labels = paths
    train = read_examples(train_images, train_labels, CLASSES)
    return LabelledSet(name, train, read_examples(test_images, test_labels, CLASSES), CLASSES)
