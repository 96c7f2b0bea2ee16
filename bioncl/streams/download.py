"""Fetching one published file: mirrors in turn, whole or not at all.

The bytes go to a temporary name beside the target, are checked there and renamed, so that a killed
or partial transfer never bears the final name. A lock beside the target lets a second process wait
for the first instead of fetching the same file again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bioncl.atomic import replacing
from bioncl.errors import DataError, StorageError, describe
from bioncl.progress import Bar, Progress
from bioncl.streams.remote import RemoteFile, compute_wrong_checksum, wrong_checksum

ROUNDS = 2
CHUNK = 1 << 16


class _MirrorError(Exception):
    """One mirror failed; `again` says whether another try may succeed."""

    def __init__(self, reason: str, *, again: bool) -> None:
        super().__init__(reason)
        self.again = again


class _PoochBar:
    """What pooch calls a progress bar, drawn on ours: never more than `total` in all."""

    def __init__(self, bar: Bar, total: int) -> None:
        self.bar = bar
        self.total = total  # pooch overwrites this with what the server announces
        self._left = total

    def update(self, amount: int) -> None:
        step = min(amount, self._left)
        self._left -= step
        self.bar.advance(step)

    def reset(self) -> None:
        """Ignored: pooch resets only to say the whole total once more."""

    def close(self) -> None:
        """Ignored: the bar is closed by its own context."""


def download(file: RemoteFile, target: Path, progress: Progress) -> Path:
    """Fetch `file` to `target` and return `target`.

    Raises:
        DataError: There is no mirror, or every mirror failed; the message says how each did.
        StorageError: `target` cannot be written.
    """
    try:
        with _alone(target, progress):
            if not target.is_file() or wrong_checksum(target, file) is not None:
                _try_mirrors(file, target, progress)
    except (OSError, StorageError) as error:
        reason = getattr(error, "strerror", None) or error
        hint = "Free some space, or set BIONCL_CACHE to another folder."
        raise StorageError(describe(f"Cannot write {target} ({reason})", hint=hint)) from error
    return target


@contextmanager
def _alone(target: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock of `target`; say so when another process has to be waited for."""
    from filelock import FileLock, Timeout

    target.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{target}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress.note(f"waiting for another process that is downloading {target.name}")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _try_mirrors(file: RemoteFile, target: Path, progress: Progress) -> None:
    """Fetch from the first mirror that serves the right bytes."""
    pending = [mirror.rstrip("/") + "/" + file.name for mirror in file.mirrors]
    failures: dict[str, str] = {}
    for _ in range(ROUNDS):
        for url in list(pending):
            try:
                _fetch(url, file, target, progress)
                return
            except _MirrorError as error:
                failures[url] = str(error)
                progress.note(f"{url}: {error}")
                if not error.again:
                    pending.remove(url)
    told = "; ".join(f"{url}: {reason}" for url, reason in failures.items())
    hint = "Fetch it by other means into a folder and name that with --data-dir or BIONCL_DATA."
    what = f"No mirror served {file} with checksum {file.checksum} ({told})"
    raise DataError(describe(what, hint=hint))


def _fetch(url: str, file: RemoteFile, target: Path, progress: Progress) -> None:
    with (
        replacing(target) as part,
        progress.start(f"download {file}", file.size) as bar,
    ):
        _transfer(url, part, _PoochBar(bar, file.size))
        found = compute_wrong_checksum(part, file)
        if found is not None:
            size = part.stat().st_size
            reason = f"wrong checksum {found} ({size:,} bytes, expected {file.size:,})"
            raise _MirrorError(reason, again=False)


def _transfer(url: str, part: Path, bar: _PoochBar) -> None:
    # requests' exceptions are OSErrors: told apart here from a full disk, which is one too
    import requests
    from pooch import HTTPDownloader

    try:
        HTTPDownloader(progressbar=bar, chunk_size=CHUNK)(url, str(part), None)
    except requests.HTTPError as error:
        raise _MirrorError(str(error), again="Server Error" in str(error)) from error
    except requests.RequestException as error:
        raise _MirrorError(f"{type(error).__name__}: {error}", again=True) from error
