"""The published files that bioncl knows: checksums, sizes, mirrors.

MNIST and Fashion-MNIST use the same four names, so each entry knows its namesake's content.
The order of the four is always train images, train labels, test images, test labels.
"""

from __future__ import annotations

from typing import NamedTuple

from bioncl.streams.remote import RemoteFile


class _Idx(NamedTuple):
    name: str
    size: int
    sha256: str
    content_md5: str


_MNIST = (
    _Idx(
        "train-images-idx3-ubyte.gz",
        9_912_422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "6bbc9ace898e44ae57da46a324031adb",
    ),
    _Idx(
        "train-labels-idx1-ubyte.gz",
        28_881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "a25bea736e30d166cdddb491f175f624",
    ),
    _Idx(
        "t10k-images-idx3-ubyte.gz",
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "2646ac647ad5339dbf082846283269ea",
    ),
    _Idx(
        "t10k-labels-idx1-ubyte.gz",
        4_542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        "27ae3e4e09519cfbb04c329615203637",
    ),
)

_FASHION = (
    _Idx(
        "train-images-idx3-ubyte.gz",
        26_421_880,
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    ),
    _Idx(
        "train-labels-idx1-ubyte.gz",
        29_515,
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "9018921c3c673c538a1fc5bad174d6f9",
    ),
    _Idx(
        "t10k-images-idx3-ubyte.gz",
        4_422_102,
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "8181f5470baa50b63fa0f6fddb340f0a",
    ),
    _Idx(
        "t10k-labels-idx1-ubyte.gz",
        5_148,
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        "15d484375f8d13e6eb1aabb0c3f46965",
    ),
)


def _files(
    dataset: str, own: tuple[_Idx, ...], other: tuple[_Idx, ...], mirrors: tuple[str, ...]
) -> tuple[RemoteFile, ...]:
    return tuple(
        RemoteFile(
            dataset=dataset,
            folder=dataset,
            name=idx.name,
            size=idx.size,
            checksum=f"sha256:{idx.sha256}",
            content_md5=idx.content_md5,
            mirrors=mirrors,
            namesakes=(namesake.content_md5,),
        )
        for idx, namesake in zip(own, other, strict=True)
    )


MNIST = _files(
    "mnist",
    _MNIST,
    _FASHION,
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
)

# plain http, as its authors serve it: the checksum is what protects
FASHION_MNIST = _files(
    "fashion-mnist",
    _FASHION,
    _MNIST,
    ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
)

CIFAR10 = RemoteFile(
    dataset="cifar10",
    folder="cifar-10",
    name="cifar-10-binary.tar.gz",
    size=170_052_171,
    checksum="md5:c32a1d4ab5d03f1284b67883e8d87530",
    mirrors=("https://www.cs.toronto.edu/~kriz/",),
)

CIFAR10_FEATURES = RemoteFile(
    dataset="cifar10-features",
    folder="cifar-10",
    name="cifar10_mobilenetv1_0.5_160_feats.npz",
    size=23_582_867,
    checksum="sha256:1519d92d7f3f9370bcaf96830b3836ac053a3be298c1a5e638e22cdfa4dea132",
    advice=(
        "Nobody serves this file, so it cannot be downloaded: put it into the folder cifar-10 "
        "below BIONCL_DATA or --data-dir, or use features of your own with the data set 'features'."
    ),
)
