"""The IDX format of MNIST: a magic number, the sizes, then bytes in row-major order.

Layout (LeCun): two zero bytes, one byte for the type (8 is unsigned byte), one for the number of
dimensions, each dimension as a big-endian 32-bit integer, then the data.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy
import torch
from numpy.typing import NDArray

from bioncl.errors import DataError, describe
from bioncl.streams.stream import Examples

UNSIGNED_BYTE = 8


def read_idx(path: Path, dimensions: int) -> NDArray[numpy.uint8]:
    """Read the gzip-compressed IDX file `path` of unsigned bytes.

    Args:
        path: The file.
        dimensions: How many dimensions are expected: 3 for images, 1 for labels.

    Returns:
        A read-only array of the sizes that the file states.

    Raises:
        DataError: The file is missing, truncated, damaged or of another kind.
    """
    data = _unzipped(path)
    start = 4 + 4 * dimensions
    magic = bytes((0, 0, UNSIGNED_BYTE, dimensions))
    if data[:4] != magic or len(data) < start:
        raise DataError(describe(f"IDX header of {path}", expected=magic.hex(), got=data[:4].hex()))
    sizes = struct.unpack(f">{dimensions}I", data[4:start])
    if len(data) - start != math.prod(sizes):
        what, expected = f"IDX data of {path}", f"{math.prod(sizes):,} bytes for sizes {sizes}"
        raise DataError(describe(what, expected=expected, got=f"{len(data) - start:,}"))
    return numpy.frombuffer(data, dtype=numpy.uint8, offset=start).reshape(sizes)


def _unzipped(path: Path) -> bytes:
    try:
        with gzip.open(path, "rb") as stream:
            return stream.read()
    except (OSError, EOFError, zlib.error) as error:
        hint = "Remove the file and fetch it again."
        raise DataError(describe(f"Cannot read {path} ({error})", hint=hint)) from error


def read_examples(images: Path, labels: Path, classes: int) -> Examples:
    """Read a pair of IDX files: x float32 [n, 1, height, width] in 0..1, y in 0..classes-1.

    Raises:
        DataError: A file is damaged, or the two do not belong together.
    """
    pixels, y = read_idx(images, 3), read_idx(labels, 1)
    if len(pixels) != len(y):
        what = f"Images of {images} and labels of {labels}"
        got = f"{len(pixels):,} and {len(y):,}"
        raise DataError(describe(what, expected="equally many", got=got))
    if len(y) and int(y.max()) >= classes:
        what, expected = f"Labels of {labels}", f"0 to {classes - 1}"
        raise DataError(describe(what, expected=expected, got=int(y.max())))
    x = pixels[:, None].astype(numpy.float32)
    x /= 255
    return Examples(torch.from_numpy(x), torch.from_numpy(y.astype(numpy.int64)))
