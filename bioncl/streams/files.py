"""Where data files are: folders searched in turn, then the network.

Order: the folder given by the user, the folder that BIONCL_DATA names, the system's data sets
(Debian's /usr/share/datasets), the cache (BIONCL_CACHE, or the user's cache folder), and last a
download into the cache. A checksum is verified on every one of these paths. A damaged file in a
folder that the user named is an error; elsewhere it is passed over, with a note.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from bioncl.errors import DataError, describe
from bioncl.progress import Progress, Silent
from bioncl.streams.download import download
from bioncl.streams.remote import RemoteFile, content_md5, wrong_checksum

__all__ = ["DataPlaces", "RemoteFile", "cache_folder"]

SYSTEM = Path("/usr/share/datasets")


def cache_folder() -> Path:
    """The folder that downloads go to: BIONCL_CACHE, or "bioncl" in the user's cache."""
    given = os.environ.get("BIONCL_CACHE")
    if given:
        return Path(given).expanduser()
    import pooch

    return Path(pooch.os_cache("bioncl"))


@dataclass(frozen=True)
class _Candidate:
    """A path where a file may be, whether the user named its folder, and if it lies flat in it."""

    path: Path
    given: bool = False
    flat: bool = False


@dataclass(frozen=True)
class DataPlaces:
    """Where to look for data files, and whether to fetch those that are missing.

    Attributes:
        data_dir: Folder named by the user; holds `mnist/…`, or the files of one set directly.
        download: Whether the network may be used.
        progress: Where downloads report to.
        system: Folder of data sets that the operating system installed.
        sealed: Whether test data must not be read: sets then come with an empty test part.
    """

    data_dir: Path | None = None
    download: bool = True
    progress: Progress = field(default_factory=Silent, compare=False)
    system: Path = SYSTEM
    sealed: bool = False

    def locate(self, file: RemoteFile) -> Path:
        """Return the path of `file`, verified; download it if need be.

        Raises:
            DataError: It is damaged in a folder that the user named, or missing and not to be had.
            StorageError: The cache cannot be written.
        """
        path, remarks = self._search(file)
        if path is not None:
            return path
        if self.download and file.mirrors:
            return download(file, cache_folder() / file.folder / file.name, self.progress)
        raise DataError(self._missing(file, remarks))

    def find(self, file: RemoteFile) -> Path | None:
        """Return the verified path of `file` if it is on this machine, else None.

        Raises:
            DataError: It is damaged in a folder that the user named.
        """
        return self._search(file)[0]

    def _candidates(self, file: RemoteFile) -> list[_Candidate]:
        given = [Path(os.environ["BIONCL_DATA"])] if os.environ.get("BIONCL_DATA") else []
        if self.data_dir is not None:
            given.insert(0, Path(self.data_dir))
            if not given[0].expanduser().is_dir():
                raise DataError(describe(f"There is no data folder {self.data_dir}"))
        found = []
        for folder in (path.expanduser() for path in given):
            found.append(_Candidate(folder / file.folder / file.name, given=True))
            found.append(_Candidate(folder / file.name, given=True, flat=True))
        found.append(_Candidate(self.system / file.folder / file.name))
        found.append(_Candidate(cache_folder() / file.folder / file.name))
        return found

    def _search(self, file: RemoteFile) -> tuple[Path | None, list[str]]:
        """The first candidate that holds `file`, and what was seen at those before it."""
        remarks = []
        for candidate in self._candidates(file):
            path = candidate.path
            if not path.is_file():
                remarks.append(f"{path}: not there")
                continue
            found = wrong_checksum(path, file)
            if found is None:
                return path, remarks
            # MNIST and Fashion-MNIST share their file names: a flat folder may hold the other one
            if candidate.given and not (candidate.flat and content_md5(path) in file.namesakes):
                raise DataError(_damaged(path, file, found))
            remarks.append(f"{path}: damaged, or not {file.dataset} ({found})")
            self.progress.note(f"passed over {remarks[-1]}")
        return None, remarks

    def _missing(self, file: RemoteFile, remarks: list[str]) -> str:
        what = f"Data file {file} is missing"
        if not file.mirrors:
            hint = file.advice or "It cannot be downloaded: put it into the folder of BIONCL_DATA."
        else:
            what += " and downloading is off"
            hint = (
                f"Run `bioncl data fetch {file.dataset}`, or name a folder that holds it with "
                "--data-dir or BIONCL_DATA."
            )
        return describe(f"{what}. Looked at {'; '.join(remarks)}", hint=hint)


def _damaged(path: Path, file: RemoteFile, found: str) -> str:
    hint = "Replace the file, or remove it so that the next place is tried."
    return describe(
        f"Data file {path} is damaged or another file than {file}",
        expected=file.checksum,
        got=f"{found} ({path.stat().st_size:,} bytes of {file.size:,})",
        hint=hint,
    )
