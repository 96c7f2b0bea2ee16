"""Arrays prepared elsewhere: features of a frozen network, or data of one's own.

Files are NumPy .npz (never unpickled) or HDF5 (.h5, .hdf5) and hold four arrays, by default
X_train [n, ...], y_train [n], X_test [m, ...], y_test [m]; capitals do not matter. Labels are the
integers 0..C-1, and each of them occurs in the training data.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy
import torch
from numpy.typing import NDArray

from bioncl.errors import DataError, describe, did_you_mean
from bioncl.seeding import torch_generator
from bioncl.streams.files import DataPlaces
from bioncl.streams.labelled.published import CIFAR10_FEATURES
from bioncl.streams.stream import Examples, LabelledSet

Keys = tuple[str, str, str, str]
KEYS: Keys = ("X_train", "y_train", "X_test", "y_test")
ORDER_SEED = 0


@dataclass(frozen=True)
class Features:
    """Arrays from a file.

    Attributes:
        path: The file; relative to the working directory.
        keys: Names in it of training inputs, training labels, test inputs and test labels.
        normalise: "max" divides all inputs by the largest training input.
    """

    path: Path
    keys: Keys = KEYS
    normalise: Literal["none", "max"] = "none"

    def paths(self, places: DataPlaces) -> tuple[Path, ...]:
        """The file itself; it has no published checksum to verify."""
        path = Path(self.path).expanduser()
        if not path.is_file():
            raise DataError(describe(f"There is no file {path}"))
        return (path,)

    def load(self, places: DataPlaces) -> LabelledSet:
        """Read the set; it is named after the file.

        Raises:
            DataError: The file is missing, damaged, or its arrays do not fit together.
        """
        path, normalise = self.paths(places)[0], self.normalise == "max"
        return read_features(path, self.keys, normalise=normalise, sealed=places.sealed)


@dataclass(frozen=True)
class Cifar10Features:
    """MobileNet v1 (0.5, 160) features of CIFAR-10: x [50000 and 10000, 512], largest value 1.

    They stand in for the VGG features of Tadros et al. 2022, so figures are not comparable. The
    images were re-encoded as JPEG. The file is sorted by class; training examples are put into a
    fixed random order, otherwise "the first n examples" would all be of one class.
    """

    def paths(self, places: DataPlaces) -> tuple[Path, ...]:
        """The file, verified."""
        return (places.locate(CIFAR10_FEATURES),)

    def load(self, places: DataPlaces) -> LabelledSet:
        """Read the set.

        Raises:
            DataError: The file is missing (it cannot be downloaded) or damaged.
        """
        keys = ("f_train", "y_train", "f_test", "y_test")
        path = self.paths(places)[0]
        whole = read_features(path, keys, normalise=True, sealed=places.sealed)
        generator = torch_generator(ORDER_SEED, "order")
        order = torch.randperm(len(whole.train), generator=generator)
        return replace(whole, name="cifar10-features", train=whole.train.select(order))


def read_features(path: Path, keys: Keys, *, normalise: bool, sealed: bool = False) -> LabelledSet:
    """Read four arrays from `path`; see the module for the format.

    Sealed, the test arrays are passed over.

    Raises:
        DataError: The file is damaged, a key is missing, shapes do not fit together, an input is
            not finite, or labels are not 0..C-1.
    """
    x_train, y_train, *others = _arrays(path, keys[:2] if sealed else keys)
    train = _examples(path, x_train, y_train)
    test = _examples(path, *others) if others else train.first(0)
    if train.x.shape[1:] != test.x.shape[1:]:
        what = f"Shape of one test input in {path}"
        raise DataError(describe(what, expected=x_train.shape[1:], got=others[0].shape[1:]))
    classes = _classes(path, train.y, test.y)
    if normalise:
        largest = float(train.x.max())
        if largest <= 0:
            what = f"Largest training input in {path}"
            raise DataError(describe(what, expected="more than 0 to divide by", got=largest))
        train.x.div_(largest)
        test.x.div_(largest)
    return LabelledSet(path.stem, train, test, classes)


def _arrays(path: Path, keys: tuple[str, ...]) -> list[NDArray[Any]]:
    readers: dict[str, Callable[[Path, tuple[str, ...]], list[NDArray[Any]]]] = {
        ".npz": _read_npz,
        ".h5": _read_hdf5,
        ".hdf5": _read_hdf5,
    }
    if path.suffix.lower() not in readers:
        what = f"Features file {path}"
        raise DataError(describe(what, expected="a name that ends in .npz, .h5 or .hdf5"))
    try:
        return readers[path.suffix.lower()](path, keys)
    except (OSError, EOFError, ValueError, TypeError, zlib.error, zipfile.BadZipFile) as error:
        raise DataError(describe(f"Cannot read {path} ({error})")) from error


def _read_npz(path: Path, keys: tuple[str, ...]) -> list[NDArray[Any]]:
    # opened here because numpy.load leaves a damaged file open
    with path.open("rb") as stream:
        file = numpy.load(stream, allow_pickle=False)
        if not isinstance(file, numpy.lib.npyio.NpzFile):
            raise ValueError("it holds one array, not an archive of arrays")
        return [file[_key(path, key, file.files)] for key in keys]


def _read_hdf5(path: Path, keys: tuple[str, ...]) -> list[NDArray[Any]]:
    import h5py

    with h5py.File(path, "r") as file:
        return [numpy.asarray(file[_key(path, key, list(file))]) for key in keys]


def _key(path: Path, key: str, present: list[str]) -> str:
    """The name in the file that `key` means: itself, or the one that differs in capitals only."""
    if key in present:
        return key
    alike = [name for name in present if name.lower() == key.lower()]
    if len(alike) == 1:
        return alike[0]
    raise DataError(describe(f"{path} has no array '{key}'", hint=did_you_mean(key, present)))


def _examples(path: Path, inputs: NDArray[Any], labels: NDArray[Any]) -> Examples:
    if inputs.ndim < 2 or labels.ndim != 1 or len(inputs) != len(labels) or not len(labels):
        expected = "inputs [n, ...] and labels [n], n at least 1"
        got = f"{list(inputs.shape)} and {list(labels.shape)}"
        raise DataError(describe(f"Arrays in {path}", expected=expected, got=got))
    if inputs.dtype.kind not in "fiub" or labels.dtype.kind not in "fiu":
        got = f"{inputs.dtype} and {labels.dtype}"
        raise DataError(describe(f"Arrays in {path}", expected="numbers", got=got))
    with numpy.errstate(over="ignore"):  # too large for float32: refused just below
        x = inputs.astype(numpy.float32)
    if not numpy.isfinite(x).all():
        bad = int((~numpy.isfinite(x)).sum())
        raise DataError(describe(f"Inputs in {path}", expected="finite", got=f"{bad} that are not"))
    y = labels.astype(numpy.int64)
    if not numpy.array_equal(y, labels):
        raise DataError(describe(f"Labels in {path}", expected="integers", got=labels.dtype))
    return Examples(torch.from_numpy(x), torch.from_numpy(y))


def _classes(path: Path, train: torch.Tensor, test: torch.Tensor) -> int:
    """Number of classes; training labels must be exactly 0..C-1, test labels among them."""
    present = train.unique().tolist()
    if present != list(range(len(present))):
        got = f"{len(present)} different labels from {present[0]} to {present[-1]}"
        what = f"Training labels in {path}"
        raise DataError(describe(what, expected="every integer from 0 to C-1", got=got))
    strange = sorted(set(test.tolist()) - set(present))
    if strange:
        what = f"Test labels in {path}"
        raise DataError(describe(what, expected=f"0 to {present[-1]}", got=strange[:5]))
    return len(present)
