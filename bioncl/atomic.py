"""Files that are either whole or absent.

Everything bioncl writes goes to a temporary name beside its target and is renamed when complete,
so that a kill, a full disk or an exception leaves the previous file as it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bioncl.errors import StorageError, describe

PART = ".part"


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an OSError about writing `path` into a StorageError that names it."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        hint = "Free some space or choose another place with --out; nothing there was changed."
        raise StorageError(describe(f"Cannot write {path} ({reason})", hint=hint)) from error


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path; on success it is synced and renamed to `path`, else removed.

    Raises:
        StorageError: The file cannot be written; whatever stood at `path` is untouched.
    """
    path = Path(path)
    part = path.with_name(path.name + PART)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield part
            commit(part, path)
        except BaseException:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise


def commit(part: Path, path: Path) -> None:
    """Flush `part` to the disk and rename it to `path`, then flush the folder."""
    for target, flags in ((part, os.O_RDWR), (path.parent, os.O_RDONLY)):
        descriptor = os.open(target, flags)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if target is part:
            part.replace(path)


def write_text(path: Path | str, text: str) -> None:
    """Write `text` to `path` atomically, as UTF-8."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` to `path` atomically, as indented JSON."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")
