"""Opens an unfinished trace for the moment of one write.

HDF5 does not recover from a write that fails: data set after data set is dropped without a word,
and the program crashes when it ends. So room on the disk is taken before anything is written.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from bioncl.atomic import storage_errors

ROOM = 1 << 20
"""Bytes that cover the groups, attributes and indices of any one write."""


@contextmanager
def writing(part: Path, room: int = ROOM, mode: str = "r+") -> Iterator[h5py.File]:
    """Open an unfinished file, to write at most `room` bytes.

    Locking is off, so that somebody who looks at it cannot stop the run. The oldest format has no
    open-for-writing mark, which would outlive a kill and keep others from opening the file.

    Raises:
        StorageError: There is no room for it, or it cannot be written for another reason.
    """
    with storage_errors(part):
        try:
            _take_room(part, room)
            with h5py.File(part, mode, libver="earliest", locking=False) as file:
                yield file
                file.flush()
        except RuntimeError as error:  # h5py's way to say that a flush failed
            raise OSError(str(error)) from error


def _take_room(part: Path, room: int) -> None:
    """Make the file longer by `room` bytes of disk; HDF5 cuts off what it does not use."""
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, os.fstat(descriptor).st_size, room)
        elif shutil.disk_usage(part.parent).free < room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(descriptor)
