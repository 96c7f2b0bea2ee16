"""Atomic writing: whatever happens, the old file stands or the new one is whole."""

import errno
import json
import os
import signal
import subprocess
import sys

import pytest

from bioncl.atomic import replacing, write_json, write_text
from bioncl.errors import StorageError


@pytest.fixture
def target(tmp_path):
    """A file that holds "old", in a folder of its own."""
    path = tmp_path / "result.json"
    path.write_text("old")
    return path


def only(path) -> bool:
    """Whether nothing but `path` is in its folder."""
    return list(path.parent.iterdir()) == [path]


def test_success_replaces_the_file_and_leaves_nothing_else(target):
    write_text(target, "näw")
    assert target.read_bytes() == "näw".encode()
    assert only(target)


def test_missing_folders_are_made(tmp_path):
    path = tmp_path / "a" / "b" / "c.txt"
    write_text(path, "x")
    assert path.read_text() == "x"


def test_the_old_file_stands_until_the_end(target):
    with replacing(target) as part:
        part.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_leaves_the_old_file(target, error):
    with pytest.raises(error), replacing(target) as part:
        part.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert only(target)


def test_a_kill_leaves_the_old_file(target):
    code = (
        "import os, signal, sys; from bioncl.atomic import replacing\n"
        "with replacing(sys.argv[1]) as part:\n"
        "    part.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(target)])
    assert done.returncode == -signal.SIGKILL
    assert target.read_text() == "old"
    write_text(target, "new")
    assert target.read_text() == "new"
    assert only(target)


def test_a_full_disk_is_a_storage_error(target):
    expected = pytest.raises(StorageError, match=r"result\.json \(No space left")
    with expected as caught, replacing(target) as part:
        part.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.exit_code == 1
    assert target.read_text() == "old"
    assert only(target)


def test_a_real_limit_of_the_file_system_is_a_storage_error(target):
    """The kernel itself refuses to let the file grow."""
    code = (
        "import resource, sys; from bioncl.atomic import write_text\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "write_text(sys.argv[1], 'x' * 100_000)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(target)], capture_output=True, text=True)
    assert "StorageError: Cannot write" in done.stderr
    assert "File too large" in done.stderr
    assert target.read_text() == "old"
    assert only(target)


def test_a_folder_that_cannot_be_made_is_a_storage_error(target):
    """A file stands where a folder would have to be (holds for every user, root included)."""
    with pytest.raises(StorageError, match="Cannot write"):
        write_text(target / "below", "x")
    assert target.read_text() == "old"


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_forbidden_folder_is_a_storage_error(target):
    target.parent.chmod(0o500)
    try:
        with pytest.raises(StorageError, match="Permission denied"):
            write_text(target, "x")
    finally:
        target.parent.chmod(0o700)
    assert target.read_text() == "old"


def test_json_comes_back(target):
    value = {"a": [1, 2.5, None], "ä": True}
    write_json(target, value)
    assert json.loads(target.read_text()) == value


def test_json_that_cannot_be_read_elsewhere_is_refused(target):
    with pytest.raises(ValueError, match="JSON"):
        write_json(target, {"a": float("inf")})
    assert target.read_text() == "old"
