"""MNIST (LeCun, Cortes, Burges) and Fashion-MNIST (Xiao et al. 2017), from their own IDX files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge

from bioncl.streams.files import DataPlaces
from bioncl.streams.labelled.idx import read_examples
from bioncl.streams.labelled.pixels import padded, standardised
from bioncl.streams.labelled.published import FASHION_MNIST, MNIST
from bioncl.streams.stream import LabelledSet

CLASSES = 10


@dataclass(frozen=True)
class Images:
    """Ten classes of 28x28 grey images: x [60000 and 10000, 1, 28, 28], from 0 to 1.

    Attributes:
        border: Black pixels added on each side; 2 makes the 32x32 images of some papers.
        standardise: Whether pixels are shifted and scaled to mean 0 and variance 1 over the
            training images (with their border).
    """

    border: Annotated[int, Ge(0)] = 0
    standardise: bool = False

    def _read(self, name: str, paths: tuple[Path, ...]) -> LabelledSet:
        train = read_examples(paths[0], paths[1], CLASSES)
        test = read_examples(paths[2], paths[3], CLASSES) if paths[2:] else train.first(0)
        images = padded(LabelledSet(name, train, test, CLASSES), self.border)
        return standardised(images) if self.standardise else images


@dataclass(frozen=True)
class Mnist(Images):
    """Handwritten digits."""

    def paths(self, places: DataPlaces) -> tuple[Path, ...]:
        """The four files, verified; the first two where the test data is sealed."""
        return tuple(places.locate(file) for file in MNIST[: 2 if places.sealed else 4])

    def load(self, places: DataPlaces) -> LabelledSet:
        """Read the set.

        Raises:
            DataError: A file is missing or damaged.
        """
        return self._read("mnist", self.paths(places))


@dataclass(frozen=True)
class FashionMnist(Images):
    """Articles of clothing in the shape of MNIST."""

    def paths(self, places: DataPlaces) -> tuple[Path, ...]:
        """The four files, verified; the first two where the test data is sealed."""
        return tuple(places.locate(file) for file in FASHION_MNIST[: 2 if places.sealed else 4])

    def load(self, places: DataPlaces) -> LabelledSet:
        """Read the set.

        Raises:
            DataError: A file is missing or damaged.
        """
        return self._read("fashion-mnist", self.paths(places))
