"""A published file: its name, its checksum and where it can be had.

Nothing that bioncl reads is trusted by its name: a file counts as the published one only when its
checksum says so, wherever it was found. Verdicts are kept for the life of the process, by the
file's size and time of change, so that asking twice costs nothing.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from bioncl.errors import DataError, describe

CHUNK = 1 << 20


@dataclass(frozen=True)
class RemoteFile:
    """One published file.

    Attributes:
        dataset: Name of the data set, as in `bioncl data fetch NAME`.
        folder: Folder that holds the set's files below a data folder.
        name: File name.
        size: Bytes of the file as published.
        checksum: "sha256:<hex>" or "md5:<hex>" of the file as published.
        content_md5: MD5 of what the .gz holds, where other packagings of the same content exist
            (Debian strips name and time from the .gz header).
        mirrors: Addresses of folders that serve the file, tried in turn; empty if none does.
        namesakes: `content_md5` of files of other sets that bear the same name.
        advice: What to do where no mirror exists.
    """

    dataset: str
    folder: str
    name: str
    size: int
    checksum: str
    content_md5: str | None = None
    mirrors: tuple[str, ...] = ()
    namesakes: tuple[str, ...] = ()
    advice: str = ""

    def __str__(self) -> str:
        """Folder and name."""
        return f"{self.folder}/{self.name}"


def wrong_checksum(path: Path, file: RemoteFile) -> str | None:
    """Return None if `path` holds `file`, else the checksum that it has.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        stat = path.stat()
        return _remembered(path.resolve(), (stat.st_ino, stat.st_size, stat.st_mtime_ns), file)
    except OSError as error:
        raise DataError(describe(f"Cannot read {path} ({error.strerror or error})")) from error


@lru_cache(maxsize=256)
def _remembered(path: Path, stamp: tuple[int, ...], file: RemoteFile) -> str | None:
    return compute_wrong_checksum(path, file)


def compute_wrong_checksum(path: Path, file: RemoteFile) -> str | None:
    """As `wrong_checksum`, but read anew: for a file that was written this very moment.

    Raises:
        OSError: The file cannot be read.
    """
    import pooch

    algorithm, _, expected = file.checksum.partition(":")
    found = pooch.file_hash(str(path), alg=algorithm)
    if found == expected or (file.content_md5 and content_md5(path) == file.content_md5):
        return None
    return f"{algorithm}:{found}"


def content_md5(path: Path) -> str | None:
    """MD5 of what the gzip file `path` holds; None if it is no whole gzip file."""
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with gzip.open(path, "rb") as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return None
    return digest.hexdigest()
